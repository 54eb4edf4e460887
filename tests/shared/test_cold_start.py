"""Nothing is asked of Graph, and nothing is deleted, while our own webhook does not answer; it is tried again, with an end."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_endpoint import MemoryOwnEndpoint
from shared.adapters.memory_subscriptions import MemoryGraph, MemorySubscriptionStore
from shared.cold_start import ColdStart
from shared.declaration import DeclaredSubscription
from shared.errors import GraphApiError
from shared.executor import Executor
from shared.graph.addresses import Addresses
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.subscription import LiveSubscription
from shared.reconcile import Circumstances, plan
from shared.results import Summary

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
MAIL = DeclaredSubscription(name="mail", resource="users/u/messages", change_types=("created",))
MORE_MAIL = replace(MAIL, change_types=("created", "deleted"))
RICH = DeclaredSubscription(
    name="mail", resource="teams/getAllMessages", change_types=("created",), include_resource_data=True
)
SILENT = "our own webhook does not answer"


@dataclass
class World:
    """A Graph, a table, a clock and a webhook, with the executor between them."""

    graph: MemoryGraph = field(default_factory=MemoryGraph)
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    own: MemoryOwnEndpoint = field(default_factory=MemoryOwnEndpoint)
    now: datetime = START
    fingerprint: str = "k1"
    key: EncryptionKey | None = None

    async def tick(self, *declared: DeclaredSubscription, **pointers: Any) -> Summary:
        executor = Executor(
            graph=self.graph,
            store=self.store,
            work=MemoryQueue(now=lambda: self.now),
            addresses=Addresses(base_url="https://a.example/api"),
            tenant_id="t",
            client_state_key=b"k" * 32,
            now=lambda: self.now,
            own_endpoint=self.own,
        )
        here = Circumstances(
            addresses=Addresses(base_url="https://a.example/api"),
            tenant_id="t",
            key_fingerprint=self.fingerprint,
            previous_fingerprint="k1",
        )
        actions = plan(declared, await self.store.list(), self.now, circumstances=here, **pointers)
        return await executor.execute(actions, key=self.key)

    @property
    def row(self) -> LiveSubscription:
        [row] = self.store.rows.values()
        return row

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.graph.requests]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_webhook_that_answers_is_asked_before_each_creation_and_never_for_a_renewal(world: World) -> None:
    await world.tick(MAIL)
    assert (world.own.asked, world.methods()) == (1, ["POST"])

    world.now += timedelta(days=5)
    await world.tick(MAIL)

    assert (world.own.asked, world.methods()) == (1, ["POST", "PATCH"])


async def test_while_it_does_not_answer_graph_is_not_asked(world: World) -> None:
    world.own.problem = SILENT

    summary = await world.tick(MAIL)

    assert world.graph.requests == []
    assert summary.problems == {"mail": SILENT}
    assert summary.again == START + timedelta(seconds=5)
    assert (world.row.problem, world.row.refused) == (SILENT, True)
    world.own.problem, world.now = "", START + timedelta(seconds=5)
    await world.tick(MAIL)
    assert world.row.subscription_id
    assert (world.row.problem, world.row.attempts) == ("", 0)


async def test_after_four_tries_graph_is_asked_all_the_same_and_decides(world: World) -> None:
    """What is in our way, such as a firewall that lets in Graph's addresses alone, need not be in Graph's."""
    world.own.problem = SILENT
    pauses: list[timedelta] = []
    for _ in range(4):
        summary = await world.tick(MAIL)
        assert summary.again
        pauses.append(summary.again - world.now)
        world.now = summary.again
    assert [pause.total_seconds() for pause in pauses] == [5, 15, 30, 60]
    assert world.row.problem == SILENT
    assert world.graph.requests == []

    refused = GraphApiError("POST /subscriptions", status=400, code="ValidationError", message="validation timed out")
    world.graph.troubles["POST"] = [refused]
    assert (await world.tick(MAIL)).again == world.now + timedelta(hours=1)
    world.now += timedelta(hours=1)

    assert [each.outcome for each in (await world.tick(MAIL)).results] == ["created"]


async def test_its_silence_and_graphs_refusal_share_the_five_tries(world: World) -> None:
    world.own.problem = SILENT
    for _ in range(3):
        world.now = (await world.tick(MAIL)).again or world.now
    world.own.problem = ""
    refusal = GraphApiError("POST /subscriptions", status=400, code="ValidationError", message="validation timed out")
    world.graph.troubles["POST"] = [refusal, refusal]

    fourth = await world.tick(MAIL)
    assert fourth.again == world.now + timedelta(seconds=60)
    world.now = fourth.again
    fifth = await world.tick(MAIL)

    assert fifth.again == world.now + timedelta(hours=1)


async def test_an_earlier_try_whose_answer_was_lost_is_not_forgotten(world: World) -> None:
    """Else a second subscription would be asked for, or the first taken for a stranger's."""
    world.graph.lost_answers["POST"] = 1
    await world.tick(MAIL)
    world.own.problem, world.now = SILENT, world.now + timedelta(minutes=2)
    await world.tick(MAIL)
    world.own.problem, world.now = "", world.now + timedelta(minutes=2)

    summary = await world.tick(MAIL)

    assert [each.outcome for each in summary.results] == ["adopted"]
    assert list(world.graph.subscriptions) == [world.row.subscription_id]


@pytest.mark.parametrize(
    "changed",
    [
        replace(MAIL, resource="users/u/events"),  # the new one may be made first
        replace(MAIL, immutable_ids=True),  # the old one has to go first
    ],
)
async def test_a_recreation_deletes_nothing_for_it(world: World, changed: DeclaredSubscription) -> None:
    await world.tick(MAIL)
    [old] = world.graph.subscriptions
    world.own.problem = SILENT

    summary = await world.tick(changed)

    assert summary.problems == {"mail": SILENT}
    assert world.methods() == ["POST"]
    assert list(world.graph.subscriptions) == [old]
    world.own.problem, world.now = "", world.now + timedelta(seconds=5)
    await world.tick(changed)
    assert list(world.graph.subscriptions) == [world.row.subscription_id] != [old]


async def test_one_whose_key_is_older_is_renewed_meanwhile_and_does_not_die_of_waiting(world: World) -> None:
    await world.tick(MAIL)
    [old] = world.graph.subscriptions
    world.fingerprint, world.own.problem, world.now = "k2", SILENT, world.now + timedelta(days=5)

    summary = await world.tick(MAIL)

    assert [each.outcome for each in summary.results] == ["renewed"]
    assert (world.row.subscription_id, world.row.renewed) == (old, world.now)
    assert world.row.digest.endswith(":k1")
    world.own.problem, world.now = "", world.now + timedelta(days=5)
    await world.tick(MAIL)
    assert world.row.digest.endswith(":k2")


async def test_a_rich_one_whose_key_is_older_is_renewed_while_there_is_no_certificate(world: World) -> None:
    world.key = EncryptionKey(
        certificate_id="key-1", thumbprint="AB", certificate="TUlJ", not_before=0, not_after=1, unwrap=lambda _: b""
    )
    await world.tick(RICH)
    world.key, world.fingerprint, world.now = None, "k2", world.now + timedelta(days=2)

    summary = await world.tick(RICH)

    assert [each.outcome for each in summary.results] == ["renewed"]


async def test_one_that_graph_has_removed_is_not_renewed(world: World) -> None:
    await world.tick(MAIL)
    world.own.problem = SILENT

    await world.tick(MAIL, removed=frozenset({"mail"}))

    assert world.methods() == ["POST"]
    assert world.row.problem == SILENT


async def test_without_an_endpoint_nothing_is_asked() -> None:
    assert await ColdStart(None).refusal(attempts=1) is None
