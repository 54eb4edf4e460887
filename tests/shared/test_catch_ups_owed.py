"""Whenever something may have gone unheard a catch-up is owed, and ordered however often a process dies in between."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import MemoryGraph, MemorySubscriptionStore
from shared.declaration import DeclaredSubscription
from shared.executor import Executor
from shared.graph.addresses import Addresses
from shared.graph.subscription import LiveSubscription
from shared.reconcile import Circumstances, due_at, plan
from shared.results import Summary
from shared.subscription_work import CatchUpWork, read_work
from tests.builders import NOW

TEAMS = DeclaredSubscription(name="teams", resource="teams/getAllMessages", change_types=("created",))
MAILBOX = replace(TEAMS, name="mail~0123456789abcdef", resource="users/u/messages")
HERE = Circumstances(addresses=Addresses(base_url="https://a.example/api"), tenant_id="t", key_fingerprint="k")


@dataclass
class World:
    """A Graph, a table, a queue and a clock, with the executor between them."""

    graph: MemoryGraph = field(default_factory=MemoryGraph)
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.work = MemoryQueue(now=lambda: self.now)

    async def tick(self, *declared: DeclaredSubscription, **pointers: Any) -> Summary:
        executor = Executor(
            graph=self.graph,
            store=self.store,
            work=self.work,
            addresses=Addresses(base_url="https://a.example/api"),
            tenant_id="t",
            client_state_key=b"k" * 32,
            now=lambda: self.now,
        )
        rows = await self.store.list()
        return await executor.execute(plan(declared, rows, self.now, circumstances=HERE, **pointers), key=None)

    async def begin(self, *declared: DeclaredSubscription) -> None:
        """Make subscriptions, and forget what follows from that."""
        await self.tick(*declared)
        self.work.messages.clear()

    @property
    def row(self) -> LiveSubscription:
        [row] = self.store.rows.values()
        return row

    @property
    def orders(self) -> list[CatchUpWork]:
        works = [read_work(text.encode()) for text in self.work.texts]
        return [work for work in works if isinstance(work, CatchUpWork)]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_new_subscription_begins_with_a_baseline(world: World) -> None:
    await world.tick(TEAMS)

    assert world.orders == [CatchUpWork(name="teams", reason="baseline")]
    assert (world.row.owed, world.row.swept) == ("", NOW)


async def test_the_baselines_of_an_entry_for_many_are_spread_over_hours(world: World) -> None:
    mailboxes = [
        replace(MAILBOX, name=f"mail~{number:016x}", resource=f"users/{number}/messages") for number in range(40)
    ]
    await world.tick(*mailboxes)

    delays = sorted(message.visible - NOW for message in world.work.messages.values())
    assert len(delays) == 40
    assert timedelta(0) <= delays[0] < timedelta(hours=1)
    assert timedelta(hours=3) < delays[-1] <= timedelta(hours=4)


async def test_after_an_expiry_what_changed_since_then_is_looked_for(world: World) -> None:
    await world.begin(TEAMS)
    expired = world.row.expires
    assert expired is not None
    world.now = expired + timedelta(hours=5)
    world.graph.expire(world.now)

    await world.tick(TEAMS)

    assert world.orders == [CatchUpWork(name="teams", reason="gap", since=expired)]


@pytest.mark.parametrize("how", ["Graph said so", "Graph does not know it any more"])
async def test_where_nobody_knows_when_it_died_it_is_since_it_last_lived(world: World, how: str) -> None:
    await world.begin(TEAMS)
    lived = world.now
    world.graph.subscriptions.clear()
    if how == "Graph said so":
        world.now += timedelta(hours=7)
        await world.tick(TEAMS, removed=frozenset({"teams"}))
    else:
        world.now = due_at(replace(world.row, swept=NOW + timedelta(days=30)))
        await world.tick(TEAMS)

    assert world.orders[-1] == CatchUpWork(name="teams", reason="gap", since=lived)


async def test_an_order_that_could_not_be_put_is_put_by_the_next_tick(world: World) -> None:
    await world.begin(TEAMS)
    expired = world.row.expires
    assert expired is not None
    world.now = expired
    world.graph.expire(world.now)
    world.work.outage.away = True
    summary = await world.tick(TEAMS)
    assert summary.problems.keys() == {"teams"}
    assert world.row.owed == "gap"
    assert due_at(world.row) <= world.now

    world.work.outage.away = False
    summary = await world.tick(TEAMS)

    assert [each.outcome for each in summary.results] == ["ordered"]
    assert world.orders == [CatchUpWork(name="teams", reason="gap", since=expired)]
    assert (await world.tick(TEAMS)).results == ()


async def test_of_two_gaps_the_earlier_counts(world: World) -> None:
    await world.begin(TEAMS)
    first = world.row.expires
    assert first is not None
    world.work.outage.away = True
    for _ in range(2):
        expires = world.row.expires
        assert expires is not None
        world.now = expires
        world.graph.expire(world.now)
        await world.tick(TEAMS)
    world.work.outage.away = False

    await world.tick(TEAMS)

    assert world.orders == [CatchUpWork(name="teams", reason="gap", since=first)]


async def test_once_a_day_what_nothing_told_of_is_looked_for(world: World) -> None:
    await world.begin(TEAMS)
    ordered: list[datetime] = []
    for _ in range(3 * 24 * 12):
        world.now += timedelta(minutes=5)
        if any(each.outcome == "ordered" for each in (await world.tick(TEAMS)).results):
            ordered.append(world.now)

    assert {order.reason for order in world.orders} == {"sweep"}
    pauses = [after - before for before, after in zip([NOW, *ordered], ordered, strict=False)]
    assert len(pauses) >= 3
    assert all(timedelta(hours=18) <= pause <= timedelta(hours=24, minutes=5) for pause in pauses)
