"""Silence, from the notifications that the processor notes to the catch-up that the tick orders."""

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.graph.subscription import LiveSubscription
from shared.silence import ENOUGH
from shared.subscription_work import CatchUpWork, read_work
from tests import builders
from tests.builders import NAME
from tests.keeper import TEAMS, World
from tests.stand import Handler, Stand


async def test_the_processor_notes_whose_notifications_are_heard_and_not_what_a_delta_told(
    stand: Callable[..., Stand],
) -> None:
    here = stand(Handler("h"))
    await here.receive(builders.notification())
    await here.run()

    assert here.heard_store.rows[NAME].last == builders.NOW

    here.now += timedelta(hours=1)
    await here.receive(builders.notification())
    [message] = here.queue.messages.values()
    message.text = message.text.replace('"via":"webhook"', '"via":"delta"')
    await here.run()
    assert here.heard_store.rows[NAME].last == builders.NOW


def orders(world: World) -> list[CatchUpWork]:
    works = [read_work(text.encode()) for text in world.queue.texts]
    return [work for work in works if isinstance(work, CatchUpWork) and work.reason == "silence"]


async def until_an_order(world: World, within: timedelta) -> datetime:
    began = world.now
    while not orders(world):
        assert world.now - began < within, "nobody looked"
        await world.tick()
    return world.now


def row(world: World) -> LiveSubscription:
    return world.store.rows["teams"]


async def test_who_is_quiet_for_longer_than_declared_is_looked_at_by_delta() -> None:
    world = World(entries=[TEAMS | {"quietAfterMinutes": 120}])
    await world.tick()
    made = world.now

    looked = await until_an_order(world, timedelta(hours=6))

    assert timedelta(hours=2) <= looked - made <= timedelta(hours=3, minutes=10)
    assert orders(world)[0].name == "teams"


async def test_who_was_never_heard_and_has_no_declared_rhythm_is_left_to_the_daily_look() -> None:
    world = World()
    await world.tick()
    for _ in range(12 * 12):
        await world.tick()

    assert orders(world) == []


async def test_a_rhythm_that_was_learnt_is_held_against_the_quiet() -> None:
    world = World()
    await world.tick()
    for _ in range(ENOUGH * 2):
        world.now += timedelta(minutes=20)
        world.recorder.note("teams", world.now)
        await world.recorder.flush()
    last = world.now

    looked = await until_an_order(world, timedelta(hours=12))

    assert looked - last >= timedelta(hours=1)
    [order] = orders(world)
    assert order.since is not None
    assert last <= order.since <= looked
    assert row(world).subscription_id


async def test_what_is_declared_no_more_is_forgotten() -> None:
    world = World(entries=[TEAMS | {"quietAfterMinutes": 120}])
    await world.tick()
    assert "teams" in world.heard_store.rows
    world.declare()
    await world.tick()

    assert world.heard_store.rows == {}
