"""What the executor does about Graph's refusals that need more than waiting."""

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
from shared.graph.subscription import LiveSubscription
from shared.reconcile import Circumstances, plan
from shared.results import Summary

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
BASE_URL = "https://a.example/api"
TEAMS = DeclaredSubscription(name="teams", resource="teams/getAllMessages", change_types=("created",))
MORE = replace(TEAMS, change_types=("created", "deleted"))
GONE_USER = "Operation: Update; Exception: [Status Code: NotFound; Reason: The requested user 'u@t' is invalid.]"
QUOTA = "App 'a' has reached its limit of '1' 'TEAMS/GETALLMESSAGES' subscription on tenant 't'"


@dataclass
class World:
    """A Graph, a table and a clock, with the executor between them."""

    graph: MemoryGraph = field(default_factory=MemoryGraph)
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    now: datetime = START

    async def tick(self, *declared: DeclaredSubscription) -> Summary:
        executor = Executor(
            graph=self.graph,
            store=self.store,
            work=MemoryQueue(now=lambda: self.now),
            addresses=Addresses(base_url=BASE_URL),
            tenant_id="t",
            client_state_key=b"k" * 32,
            now=lambda: self.now,
        )
        here = Circumstances(addresses=Addresses(base_url=BASE_URL), tenant_id="t", key_fingerprint="k1")
        actions = plan(declared, await self.store.list(), self.now, circumstances=here)
        return await executor.execute(actions, key=None)

    @property
    def row(self) -> LiveSubscription:
        [row] = self.store.rows.values()
        return row

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.graph.requests]

    def refuse(self, method: str, status: int, message: str = "", *, code: str = "ExtensionError") -> None:
        refusal = GraphApiError(f"{method} /subscriptions", status=status, code=code, message=message)
        self.graph.troubles.setdefault(method, []).append(refusal)

    async def lose_an_answer(self, declared: DeclaredSubscription = TEAMS) -> str:
        """Have a subscription made whose id nobody has learnt, and let the wait for it pass."""
        before = set(self.graph.subscriptions)
        self.graph.lost_answers["POST"] = 1
        await self.tick(declared)
        self.now += timedelta(hours=1)
        [lost] = set(self.graph.subscriptions) - before
        return lost


@pytest.fixture
def world() -> World:
    return World()


class Halting(MemoryGraph):
    """Does what a deletion asks for, and then answers that it was canceled."""

    async def request(self, method: str, path: str, **more: Any) -> Mapping[str, Any]:
        answer = await super().request(method, path, **more)
        if method == "DELETE":
            raise GraphApiError(f"DELETE {path}", status=503, message="Operation: Delete; [A task was canceled.]")
        return answer


async def test_a_deletion_that_failed_but_was_done_is_done(world: World) -> None:
    await world.tick(TEAMS)
    world.graph = Halting(world.graph.subscriptions)

    [result] = (await world.tick()).results

    assert result.outcome == "deleted"
    assert world.methods() == ["DELETE", "GET"]
    assert world.store.rows == {}


async def test_a_deletion_that_failed_and_was_not_done_is_tried_again_later(world: World) -> None:
    await world.tick(TEAMS)
    world.refuse("DELETE", 503, "Operation: Delete; Exception: [A task was canceled.]")

    [result] = (await world.tick()).results

    assert result.outcome == "failed"
    assert world.methods() == ["POST", "DELETE", "GET"]
    assert (await world.tick()).results == ()
    world.now += timedelta(minutes=1)
    await world.tick()
    assert (world.store.rows, world.graph.subscriptions) == ({}, {})


@pytest.mark.parametrize("status", [0, 500])
async def test_a_deletion_of_which_nobody_can_say_whether_it_was_done_is_tried_again(world: World, status: int) -> None:
    await world.tick(TEAMS)
    world.refuse("DELETE", status)
    world.refuse("GET", 500, "There was an error processing a storage extension.")

    [result] = (await world.tick()).results

    assert result.outcome == "failed"
    assert list(world.store.rows) == ["teams"]


async def test_a_subscription_of_a_deleted_user_is_as_good_as_deleted(world: World) -> None:
    await world.tick(TEAMS)
    world.refuse("DELETE", 404, GONE_USER.replace("Update", "Delete"))

    await world.tick()

    assert world.store.rows == {}


async def test_a_mailbox_that_is_gone_is_reported_and_not_subscribed_to_again(world: World) -> None:
    await world.tick(TEAMS)
    world.now += timedelta(days=2)
    world.refuse("PATCH", 404, GONE_USER)

    summary = await world.tick(TEAMS)

    assert "take it out of the declaration" in summary.problems["teams"]
    assert world.methods() == ["POST", "PATCH"]
    assert summary.again == world.now + timedelta(hours=1)


async def test_a_quota_that_our_own_lost_subscription_uses_up_is_answered_by_finding_it(world: World) -> None:
    """Where only one may exist, Graph says that there is one, not which."""
    lost = await world.lose_an_answer()
    world.refuse("POST", 403, QUOTA)

    [result] = (await world.tick(TEAMS)).results

    assert (result.outcome, world.row.subscription_id) == ("adopted", lost)
    assert (await world.tick(TEAMS)).results == ()


async def test_a_quota_that_others_use_up_is_said_and_asked_for_twice_in_25_minutes(world: World) -> None:
    for _ in range(9):
        world.refuse("POST", 403, QUOTA)

    summary = await world.tick(TEAMS)
    for _ in range(5):
        world.now += timedelta(minutes=5)
        await world.tick(TEAMS)

    assert "the quota of 1 for TEAMS/GETALLMESSAGES is used up" in summary.problems["teams"]
    assert world.methods().count("POST") == 2


@pytest.mark.parametrize("other", [MORE, replace(TEAMS, resource="chats/getAllMessages")])
async def test_what_was_tried_goes_before_something_else_is_made_in_its_place(
    world: World, other: DeclaredSubscription
) -> None:
    lost = await world.lose_an_answer()

    [result] = (await world.tick(other)).results

    assert result.outcome == "created"
    assert list(world.graph.subscriptions) == [world.row.subscription_id] != [lost]


async def test_what_was_tried_and_is_declared_no_more_goes(world: World) -> None:
    await world.lose_an_answer()

    await world.tick()

    assert (world.store.rows, world.graph.subscriptions) == ({}, {})


async def test_while_the_list_cannot_be_had_nothing_is_made_or_forgotten(world: World) -> None:
    lost = await world.lose_an_answer()
    world.refuse("GET", 429)
    world.refuse("GET", 429)

    await world.tick(MORE)
    assert (world.row.change_type, list(world.graph.subscriptions)) == ("created", [lost])
    world.now += timedelta(hours=1)
    await world.tick()
    assert list(world.graph.subscriptions) == [lost]
    world.now += timedelta(hours=1)
    await world.tick()

    assert (world.store.rows, world.graph.subscriptions) == ({}, {})


@pytest.mark.parametrize(
    "changes", [{"notificationUrl": "https://b.example/api/notifications"}, {"changeType": "updated"}]
)
async def test_what_is_not_ours_stays(world: World, changes: dict[str, str]) -> None:
    lost = await world.lose_an_answer()
    world.graph.subscriptions[lost] |= changes

    await world.tick()

    assert list(world.graph.subscriptions) == [lost]


async def test_what_may_be_anothers_stays(world: World) -> None:
    """Two rows have tried the same, and which of them has made it cannot be told."""
    lost = await world.lose_an_answer()
    world.store.rows["twin"] = replace(world.row, name="twin", not_before=None)

    await world.tick(replace(TEAMS, name="twin"))

    assert lost in world.graph.subscriptions


async def test_what_another_row_has_is_not_taken_from_it(world: World) -> None:
    lost = await world.lose_an_answer()
    world.store.rows["twin"] = replace(
        world.row, name="twin", subscription_id=lost, expires=world.now + timedelta(days=1)
    )

    await world.tick(replace(TEAMS, name="twin"))

    assert list(world.graph.subscriptions) == [lost]


async def test_the_list_is_read_page_by_page(world: World) -> None:
    lost = await world.lose_an_answer()
    listed = world.graph.subscriptions[lost]
    world.graph.pages["/subscriptions"] = {
        "value": [listed | {"id": "other", "changeType": "updated"}],
        "@odata.nextLink": "https://graph.microsoft.com/v1.0/subscriptions?$skiptoken=2",
    }
    world.graph.pages["/subscriptions?$skiptoken=2"] = {"value": [listed]}

    await world.tick()

    assert world.graph.subscriptions == {}
