"""Which clientStates are still good, and how rarely that takes a look at the table."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.adapters.memory_subscriptions import MemoryDeclared, MemorySubscriptionStore
from shared.declaration import ForEach
from shared.graph.client_state import ClientState
from shared.graph.subscription import LiveSubscription
from shared.known_subscriptions import KnownSubscriptions, NothingDeclared
from tests.builders import NAME, NOW, declaration, declared, live


class Counting(MemorySubscriptionStore):
    """A table that counts how often it is looked at."""

    looks = 0

    async def read(self, name: str) -> LiveSubscription | None:
        self.looks += 1
        await asyncio.sleep(0)  # as a real table does: others get their turn meanwhile
        return await super().read(name)


class Known:
    def __init__(self, *rows: LiveSubscription) -> None:
        self.now: datetime = NOW
        self.store = Counting(rows={row.name: row for row in rows})
        self.known = KnownSubscriptions(MemoryDeclared(declaration()), self.store, lambda: self.now)

    async def good(self, generation: int, name: str = NAME) -> bool:
        return await self.known.find(ClientState(name=name, generation=generation)) is not None


@pytest.mark.parametrize(("generation", "good"), [(2, True), (3, True), (1, False), (4, False)])
async def test_the_current_and_the_previous_generation_are_good(generation: int, *, good: bool) -> None:
    assert await Known(live(generation=3)).good(generation) is good


async def test_a_name_without_a_row_or_a_declaration_is_not_good() -> None:
    assert not await Known().good(0)
    assert not await Known(live(name="other")).good(3, "other")


async def test_an_instance_of_a_declared_name_is_good() -> None:
    assert await Known(live(name=f"{NAME}~a1", generation=3)).good(3, f"{NAME}~a1")


async def test_an_instance_brings_items_of_its_own_user_only() -> None:
    """The row says who it is: who is in a group is not known here."""
    mail = declared(name="mail", resource="users/{user}/messages", for_each=ForEach(group="g"))
    store = Counting(rows={"mail~1": live(name="mail~1", resource="users/u1/messages")})
    known = KnownSubscriptions(MemoryDeclared(declaration(mail)), store, lambda: NOW)
    state = ClientState(name="mail~1", generation=3)

    found = await known.find(state)

    assert found
    assert (found.name, found.resource) == ("mail~1", "users/u1/messages")
    assert known.recall(state) is found
    assert await known.find(ClientState(name="mail~2", generation=1)) is None


async def test_another_declaration_is_in_force_at_once_and_takes_no_look_at_the_table() -> None:
    store, declared_now = Counting(rows={NAME: live()}), MemoryDeclared(declaration())
    known = KnownSubscriptions(declared_now, store, lambda: NOW)
    state = ClientState(name=NAME, generation=3)
    await known.find(state)
    declared_now.current = declaration(declared(handlers=()))

    assert known.recall(state) is None
    found = await known.find(state)
    assert found
    assert found.handlers == ()
    assert known.recall(state) is found
    assert store.looks == 1

    declared_now.current = declaration(declared(name="other"))
    assert (known.recall(state), await known.find(state)) == (None, None)


async def test_while_nothing_was_ever_declared_nothing_can_be_told() -> None:
    known = KnownSubscriptions(MemoryDeclared(None), Counting(), lambda: NOW)

    assert known.recall(ClientState(name=NAME, generation=3)) is None
    with pytest.raises(NothingDeclared):
        await known.find(ClientState(name=NAME, generation=3))


async def test_the_table_is_looked_at_twice_a_minute() -> None:
    app = Known(live(generation=3))
    for second in range(60):
        app.now = NOW + timedelta(seconds=second)
        assert await app.good(3)

    assert app.store.looks == 2


async def test_a_generation_long_gone_is_looked_up_once_a_second() -> None:
    app = Known(live(generation=9))
    for tenth in range(50):
        app.now = NOW + timedelta(milliseconds=100 * tenth)
        assert not await app.good(3)

    assert app.store.looks == 5


async def test_a_subscription_made_anew_a_moment_after_we_looked_is_heard() -> None:
    """Its items are acknowledged: to drop one because of what we saw a moment ago would be a loss."""
    app = Known(live(generation=3))
    assert await app.good(3)
    await app.store.save(replace(await app.store.read(NAME) or live(), generation=4))

    assert await app.good(4)


async def test_what_takes_a_look_is_not_recalled() -> None:
    app = Known(live(generation=3))
    state = ClientState(name=NAME, generation=3)

    assert app.known.recall(state) is None
    await app.known.find(state)
    assert app.known.recall(state) is not None
    assert app.known.recall(ClientState(name=NAME, generation=4)) is None
    app.now += timedelta(seconds=31)
    assert app.known.recall(state) is None


async def test_items_of_one_envelope_look_once() -> None:
    known = Known(live(generation=3))
    assert all(await asyncio.gather(*(known.good(3) for _ in range(60))))
    assert known.store.looks == 1
