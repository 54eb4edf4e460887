"""Plans are carried out: Graph is asked once, the table says what came of it, and crashes in between heal."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import MemoryGraph, MemorySubscriptionStore
from shared.declaration import DeclaredSubscription
from shared.errors import GraphApiError
from shared.executor import Executor
from shared.graph.addresses import Addresses
from shared.graph.client_state import read_client_state
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.subscription import LiveSubscription
from shared.reconcile import Circumstances, plan
from shared.results import Summary

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
BASE_URL = "https://a.example/api"
MAC_KEY = b"k" * 32
TEAMS = DeclaredSubscription(name="teams", resource="teams/getAllMessages", change_types=("created",))
RICH = replace(TEAMS, include_resource_data=True)


def _key(certificate_id: str) -> EncryptionKey:
    return EncryptionKey(
        certificate_id=certificate_id,
        thumbprint="AB",
        certificate="TUlJ",
        not_before=0,
        not_after=1,
        unwrap=lambda wrapped: wrapped,
    )


@dataclass
class World:
    """A Graph, a table and a clock, with the executor between them."""

    graph: MemoryGraph = field(default_factory=MemoryGraph)
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    now: datetime = START
    key: EncryptionKey | None = None

    def __post_init__(self) -> None:
        self.work = MemoryQueue(now=lambda: self.now)

    async def tick(self, *declared: DeclaredSubscription, **pointers: Any) -> Summary:
        executor = Executor(
            graph=self.graph,
            store=self.store,
            work=self.work,
            addresses=Addresses(base_url=BASE_URL),
            tenant_id="t",
            client_state_key=MAC_KEY,
            now=lambda: self.now,
        )
        here = Circumstances(
            addresses=Addresses(base_url=BASE_URL),
            tenant_id="t",
            key_fingerprint="k1",
            certificate_id=self.key.certificate_id if self.key else "",
        )
        actions = plan(declared, await self.store.list(), self.now, circumstances=here, **pointers)
        return await executor.execute(actions, key=self.key)

    @property
    def row(self) -> LiveSubscription:
        [row] = self.store.rows.values()
        return row

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [dict(body) for each, _, body in self.graph.requests if each == method]


@pytest.fixture
def world() -> World:
    return World()


def _refuse(status: int, message: str = "", retry_after: timedelta | None = None) -> GraphApiError:
    return GraphApiError("refused", status=status, message=message, retry_after=retry_after)


async def test_a_subscription_is_created_with_a_client_state_of_its_generation(world: World) -> None:
    summary = await world.tick(TEAMS)

    [asked] = world.asked("POST")
    state = read_client_state(asked["clientState"], [MAC_KEY], tenant_id="t", delivery="webhook")
    assert state is not None
    assert (state.name, state.generation) == ("teams", world.row.generation)
    assert world.row.subscription_id in world.graph.subscriptions
    assert world.row.expires == START + timedelta(minutes=4318)
    assert (world.row.attempts, world.row.not_before, world.row.problem) == (0, None, "")
    assert [result.outcome for result in summary.results] == ["created"]
    assert (await world.tick(TEAMS)).results == ()


async def test_the_intent_is_in_the_table_before_graph_is_asked(world: World) -> None:
    seen: list[LiveSubscription] = []
    world.graph.before = lambda *_: seen.append(world.row)

    await world.tick(TEAMS)

    assert [(row.subscription_id, row.generation, row.attempts) for row in seen] == [("", 1, 1)]
    assert seen[0].not_before == START + timedelta(minutes=2)


async def test_two_who_plan_the_same_create_one(world: World) -> None:
    results = await asyncio.gather(*(world.tick(TEAMS) for _ in range(5)))

    assert len(world.graph.subscriptions) == 1
    outcomes = [result.outcome for summary in results for result in summary.results]
    assert sorted(set(outcomes)) == ["created", "overtaken"]
    assert outcomes.count("created") == 1


async def test_a_storm_of_reauthorizations_is_one_patch(world: World) -> None:
    await world.tick(TEAMS)
    world.now += timedelta(minutes=1)

    await asyncio.gather(*(world.tick(TEAMS, forced=frozenset({"teams"})) for _ in range(9)))
    await world.tick(TEAMS, forced=frozenset({"teams"}))

    assert len(world.asked("PATCH")) == 1
    assert world.row.renewed == world.now


async def test_a_rich_subscription_without_a_key_is_not_asked_for(world: World) -> None:
    summary = await world.tick(RICH)

    assert world.graph.requests == []
    assert "ENCRYPTION_KEYS" in summary.problems["teams"]
    world.key, world.now = _key("key-1"), world.now + timedelta(minutes=5)
    await world.tick(RICH)
    assert world.row.certificate_id == "key-1"
    assert world.asked("POST")[0]["encryptionCertificateId"] == "key-1"


async def test_a_basic_one_that_becomes_rich_without_a_key_is_left_alive(world: World) -> None:
    await world.tick(TEAMS)

    await world.tick(RICH)

    assert list(world.graph.subscriptions) == [world.row.subscription_id]
    assert "encryption key" in world.row.problem


async def test_a_new_certificate_reaches_the_subscription(world: World) -> None:
    world.key = _key("key-1")
    await world.tick(RICH)
    world.key = _key("key-2")

    await world.tick(RICH)

    assert world.asked("PATCH")[0]["encryptionCertificateId"] == "key-2"
    assert world.row.certificate_id == "key-2"
    assert (await world.tick(RICH)).results == ()


async def test_a_renewal_without_a_key_still_lengthens_a_rich_one(world: World) -> None:
    world.key = _key("key-1")
    await world.tick(RICH)
    world.key, world.now = None, world.now + timedelta(days=2)

    await world.tick(RICH)

    assert world.asked("PATCH")[0].keys() == {"expirationDateTime"}
    assert world.row.certificate_id == "key-1"


async def test_one_false_404_recreates_nothing(world: World) -> None:
    await world.tick(TEAMS)
    before = world.row.subscription_id
    world.now += timedelta(days=2)
    world.graph.troubles["PATCH"] = [_refuse(404)]

    await world.tick(TEAMS)
    world.now += timedelta(seconds=30)
    await world.tick(TEAMS)

    assert (world.row.subscription_id, world.row.renewed) == (before, world.now)
    assert len(world.asked("POST")) == 1


async def test_one_that_is_gone_is_made_anew_under_the_next_generation(world: World) -> None:
    await world.tick(TEAMS)
    world.graph.subscriptions.clear()
    world.now += timedelta(days=2)

    summary = await world.tick(TEAMS)

    assert [result.outcome for result in summary.results] == ["recreated"]
    assert (world.row.generation, world.row.subscription_id) == (2, next(iter(world.graph.subscriptions)))


async def test_a_changed_declaration_replaces_the_subscription(world: World) -> None:
    await world.tick(TEAMS)
    changed = replace(TEAMS, change_types=("created", "deleted"))

    await world.tick(changed)

    assert [method for method, _, _ in world.graph.requests] == ["POST", "DELETE", "POST"]
    assert len(world.graph.subscriptions) == 1
    assert (world.row.change_type, world.row.generation) == ("created,deleted", 2)


async def test_a_renamed_subscription_frees_its_place_first(world: World) -> None:
    await world.tick(TEAMS)

    summary = await world.tick(replace(TEAMS, name="renamed"))

    assert [(each.name, each.outcome) for each in summary.results] == [("teams", "deleted"), ("renamed", "created")]


@pytest.mark.parametrize("undeclared", [True, False])
async def test_a_deletion_that_fails_is_tried_again(world: World, *, undeclared: bool) -> None:
    await world.tick(TEAMS)
    world.graph.troubles["DELETE"] = [_refuse(500)]
    wanted = [] if undeclared else [replace(TEAMS, change_types=("deleted",))]

    await world.tick(*wanted)
    assert len(world.graph.subscriptions) == 1
    world.now += timedelta(minutes=1)
    await world.tick(*wanted)

    assert len(world.store.rows) == len(world.graph.subscriptions) == len(wanted)


async def test_a_deletion_of_what_is_gone_succeeds(world: World) -> None:
    await world.tick(TEAMS)
    world.graph.subscriptions.clear()

    await world.tick()

    assert world.store.rows == {}


async def test_failures_are_written_to_the_row_and_waited_for(world: World) -> None:
    world.graph.troubles["POST"] = [_refuse(429, retry_after=timedelta(seconds=40))]

    summary = await world.tick(TEAMS)

    assert summary.again == START + timedelta(seconds=40)
    assert "429" in world.row.problem
    assert world.row.refused
    world.now += timedelta(seconds=39)
    assert (await world.tick(TEAMS)).results == ()
    world.now += timedelta(seconds=1)
    await world.tick(TEAMS)
    assert (world.row.generation, world.row.problem) == (1, "")


async def test_an_answer_that_got_lost_is_found_again(world: World) -> None:
    """The subscription exists, Graph refuses a second one and names the first: it is the one that we asked for."""
    world.graph.lost_answers["POST"] = 1
    await world.tick(TEAMS)
    assert world.row.subscription_id == ""
    world.now += timedelta(minutes=1)
    world.graph.troubles["POST"] = [_refuse(400, "validation timed out")]
    await world.tick(TEAMS)
    world.now += timedelta(minutes=1)

    summary = await world.tick(TEAMS)

    assert [result.outcome for result in summary.results] == ["adopted"]
    assert list(world.graph.subscriptions) == [world.row.subscription_id]
    state = world.graph.subscriptions[world.row.subscription_id]["clientState"]
    known = read_client_state(state, [MAC_KEY], tenant_id="t", delivery="webhook")
    assert known is not None
    assert known.generation == world.row.generation


class DeadlyGraph(MemoryGraph):
    """Does what it is asked for, and whoever asked does not live to see the answer."""

    async def request(self, method: str, path: str, **more: Any) -> Mapping[str, Any]:
        await super().request(method, path, **more)
        raise RuntimeError("the worker was killed")


async def test_a_crash_between_post_and_table_is_healed(world: World) -> None:
    world.graph = DeadlyGraph()
    await world.tick(TEAMS)
    world.graph = MemoryGraph(world.graph.subscriptions)
    assert (await world.tick(TEAMS)).results == ()
    world.now += timedelta(minutes=2)

    await world.tick(TEAMS)

    assert list(world.graph.subscriptions) == [world.row.subscription_id]


@pytest.mark.parametrize("change", [{"notificationUrl": "https://b.example/api/notifications"}, {"resource": "chats"}])
async def test_what_graph_names_is_adopted_only_if_it_is_ours(world: World, change: dict[str, str]) -> None:
    world.graph.lost_answers["POST"] = 1
    await world.tick(TEAMS)
    [theirs] = world.graph.subscriptions.values()
    conflict = _refuse(409, f"Subscription Id {theirs['id']} already exists for the requested combination")
    world.graph.troubles["POST"] = [conflict]
    theirs |= change
    world.now += timedelta(minutes=1)

    summary = await world.tick(TEAMS)

    assert world.row.subscription_id == ""
    assert "another subscription" in summary.problems["teams"]


async def test_a_conflict_on_the_first_try_is_reported_and_not_adopted(world: World) -> None:
    await world.tick(TEAMS)
    world.store.rows.clear()

    summary = await world.tick(TEAMS)

    assert "409" in summary.problems["teams"]
    assert len(world.graph.subscriptions) == 1


async def test_one_that_fails_costs_the_others_nothing(world: World) -> None:
    others = [replace(TEAMS, name=f"n{number}", resource=f"users/u{number}/messages") for number in range(20)]
    world.graph.troubles["POST"] = [_refuse(403, "reached its limit")]

    summary = await world.tick(*others)

    assert len(world.graph.subscriptions) == 19
    assert len(summary.problems) == 1


async def test_without_storage_graph_is_not_asked(world: World) -> None:
    world.store.read_only = True
    summary = await world.tick(TEAMS)
    world.store.read_only = False

    assert world.graph.requests == []
    assert "storage" in summary.problems["teams"]
    await world.tick(TEAMS)
    assert world.row.subscription_id


async def test_each_action_is_one_line_without_a_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await world.tick(TEAMS)

    [line] = caplog.messages
    assert "name=teams action=create outcome=created" in line
    assert world.row.subscription_id in line
    assert world.asked("POST")[0]["clientState"] not in line


MAIL = DeclaredSubscription(
    name="mail", resource="users/u/messages", change_types=("created",), immutable_ids=True, lifetime=timedelta(hours=2)
)
MORE_MAIL = replace(MAIL, change_types=("created", "deleted"))


async def test_what_is_declared_is_asked_for(world: World) -> None:
    await world.tick(replace(MAIL, notification_query_options="$filter = x"))

    [asked] = world.asked("POST")
    assert world.graph.preferences == ['IdType="ImmutableId"']
    assert asked["notificationQueryOptions"] == "$filter = x"
    assert (world.row.immutable_ids, world.row.expires) == (True, START + timedelta(hours=2))
    assert (await world.tick(replace(MAIL, notification_query_options="$filter = x"))).results == ()


async def test_what_has_no_immutable_ids_is_not_asked_for_them(world: World) -> None:
    await world.tick(TEAMS)

    assert world.graph.preferences == [""]


async def test_another_lifetime_is_patched(world: World) -> None:
    await world.tick(MAIL)
    await world.tick(replace(MAIL, lifetime=None))

    assert len(world.asked("PATCH")) == 1
    assert world.row.expires == START + timedelta(minutes=10_078)
    assert (await world.tick(replace(MAIL, lifetime=None))).results == ()


async def test_a_flag_that_no_patch_can_change_recreates_and_the_old_one_goes_first(world: World) -> None:
    await world.tick(MAIL)
    await world.tick(replace(MAIL, immutable_ids=False))

    assert [method for method, _, _ in world.graph.requests] == ["POST", "DELETE", "POST"]
    assert world.graph.preferences[1] == ""
    assert len(world.graph.subscriptions) == 1


async def test_where_two_may_coexist_the_new_one_is_made_first(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.tick(MAIL)
    former = world.row.subscription_id
    world.graph.before = lambda method, _: seen.append((method, world.row.former_id))
    seen: list[tuple[str, str]] = []

    [result] = (await world.tick(MORE_MAIL)).results

    assert seen == [("POST", former), ("DELETE", former)]
    assert (result.outcome, world.row.generation, world.row.former_id) == ("recreated", 2, "")
    assert list(world.graph.subscriptions) == [world.row.subscription_id] != [former]
    assert "gap" not in caplog.text
    assert (await world.tick(MORE_MAIL)).results == ()


async def test_while_the_new_one_is_refused_the_old_one_goes_on(world: World) -> None:
    await world.tick(MAIL)
    former = world.row.subscription_id
    world.graph.troubles["POST"] = [_refuse(403, "quota")]
    await world.tick(MORE_MAIL)

    assert list(world.graph.subscriptions) == [former]
    assert (world.row.former_id, world.row.subscription_id) == (former, "")
    world.now += timedelta(hours=1)
    await world.tick(MORE_MAIL)

    assert list(world.graph.subscriptions) == [world.row.subscription_id]
    assert (world.row.former_id, world.row.generation) == ("", 2)


async def test_an_old_one_that_cannot_be_deleted_yet_is_deleted_later(world: World) -> None:
    await world.tick(MAIL)
    former = world.row.subscription_id
    world.graph.troubles["DELETE"] = [_refuse(503)]
    await world.tick(MORE_MAIL)
    assert len(world.graph.subscriptions) == 2
    assert world.row.former_id == former

    [result] = (await world.tick(MORE_MAIL)).results

    assert result.outcome == "retired"
    assert former not in world.graph.subscriptions
    assert (await world.tick(MORE_MAIL)).results == ()


async def test_a_change_that_is_taken_back_makes_way_for_itself(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Graph refuses to have again what the former subscription still is."""
    await world.tick(MAIL)
    former = world.row.subscription_id
    world.graph.troubles["POST"] = [_refuse(500)]
    await world.tick(MORE_MAIL)
    world.now += timedelta(minutes=30)
    await world.tick(MAIL)

    assert list(world.graph.subscriptions) == [world.row.subscription_id] != [former]
    assert world.row.former_id == ""
    assert "had to go first" in caplog.text
    assert (await world.tick(MAIL)).results == ()


async def test_a_removed_entry_takes_its_former_subscription_along(world: World) -> None:
    await world.tick(MAIL)
    world.graph.troubles["DELETE"] = [_refuse(503)]
    await world.tick(MORE_MAIL)
    await world.tick()

    assert (world.graph.subscriptions, world.store.rows) == ({}, {})


async def test_an_old_one_that_expires_before_the_new_one_is_made_leaves_a_gap(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.tick(MAIL)
    world.graph.troubles["POST"] = [_refuse(500)]
    await world.tick(MORE_MAIL)
    world.now += timedelta(hours=3)

    await world.tick(MORE_MAIL)

    assert world.row.subscription_id in world.graph.subscriptions
    assert "subscription gap" in caplog.text


async def test_a_new_one_whose_answer_was_lost_is_found_and_the_old_one_goes(world: World) -> None:
    await world.tick(MAIL)
    former = world.row.subscription_id
    world.graph.lost_answers["POST"] = 1
    await world.tick(MORE_MAIL)
    assert len(world.graph.subscriptions) == 2
    world.now += timedelta(minutes=10)

    [result] = (await world.tick(MORE_MAIL)).results

    assert result.outcome == "adopted"
    assert list(world.graph.subscriptions) == [world.row.subscription_id] != [former]
    assert (await world.tick(MORE_MAIL)).results == ()
