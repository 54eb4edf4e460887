"""ports.Live, on the memory twin and by REST on the service that stands in for Azure's, heard by clients over sockets."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory_live import MemoryLive
from shared.errors import LiveUnavailable
from shared.live import LONGEST_ACCESS, group_now, groups_to_join
from tests.contracts.live_stand import LiveStand, MemoryStand, RealStand, heard, real_stand, tell
from tests.contracts.twins import present

ALICE, BOB = "a11ce000-0000-4000-8000-000000000001", "b0b00000-0000-4000-8000-000000000002"
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", "service"])
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[LiveStand]:
    if request.param == "memory":
        yield MemoryStand()
        return
    async with real_stand() as real:
        yield real


async def test_a_group_s_message_reaches_who_is_in_it_and_nobody_else(stand: LiveStand) -> None:
    alice, bob = [await stand.connect(await stand.live.connection(user)) for user in (ALICE, BOB)]
    await stand.live.join(ALICE, "g~1", ttl=MINUTE)

    await stand.live.send_to_group("g~1", "feed", [{"position": 1}])
    await stand.live.send_to_group("g~2", "feed", [{"position": 2}])
    await tell(stand.live, BOB, "last")
    await tell(stand.live, ALICE, "last")

    assert await heard(alice, 2) == [("feed", [{"position": 1}]), ("mail", ["last"])]
    assert await heard(bob, 1) == [("mail", ["last"])]


async def test_who_joined_before_connecting_is_in_the_group_if_it_comes_in_time(stand: LiveStand) -> None:
    await stand.live.join(ALICE, "soon~1", ttl=MINUTE)
    await stand.live.join(ALICE, "later~1", ttl=10 * MINUTE)
    stand.pass_time(2 * MINUTE)
    alice = await stand.connect(await stand.live.connection(ALICE))

    await stand.live.send_to_group("soon~1", "feed", ["too late"])
    await stand.live.send_to_group("later~1", "feed", ["in time"])

    assert await heard(alice, 1) == [("feed", ["in time"])]


async def test_a_connection_stays_in_its_group_when_the_time_is_over(stand: LiveStand) -> None:
    """Which is why group names carry an epoch: the service takes nobody out."""
    alice = await stand.connect(await stand.live.connection(ALICE))
    await stand.live.join(ALICE, "g~1", ttl=MINUTE)
    stand.pass_time(5 * MINUTE)

    await stand.live.send_to_group("g~1", "feed", ["still"])

    assert await heard(alice, 1) == [("feed", ["still"])]


async def test_every_connection_of_a_user_hears_and_one_that_left_costs_nothing(stand: LiveStand) -> None:
    tabs = [await stand.connect(await stand.live.connection(ALICE)) for _ in range(3)]
    await stand.live.join(ALICE, "g~1", ttl=MINUTE)
    await tabs[0].leave()

    await tell(stand.live, ALICE, 1)
    await stand.live.send_to_group("g~1", "feed", [2])

    assert [await heard(tab, 2) for tab in tabs[1:]] == [[("mail", [1]), ("feed", [2])]] * 2
    assert tabs[0].received == []


async def test_joining_twice_makes_one_message_of_one(stand: LiveStand) -> None:
    alice = await stand.connect(await stand.live.connection(ALICE))
    for _ in range(2):
        await stand.live.join(ALICE, "g~1", ttl=MINUTE)

    await stand.live.send_to_group("g~1", "feed", [1])
    await tell(stand.live, ALICE, 2)

    assert await heard(alice, 2) == [("feed", [1]), ("mail", [2])]


async def test_nobody_there_is_no_error(stand: LiveStand) -> None:
    await stand.live.send_to_group("nobody~1", "feed", [])
    await tell(stand.live, BOB)
    await stand.live.join(BOB, "nobody~1", ttl=timedelta(milliseconds=1))


@pytest.mark.parametrize(
    "argument",
    ["half \ud83d a character", "☃ and \x1e and \u2028", {"deep": [[None, True, 1.5]]}, "x" * 300_000],
    ids=["surrogate", "separator", "nested", "large"],
)
async def test_whatever_json_can_carry_arrives_as_it_was(stand: LiveStand, argument: Any) -> None:
    alice = await stand.connect(await stand.live.connection(ALICE))

    await tell(stand.live, ALICE, argument)

    assert await heard(alice, 1) == [("mail", [argument])]


@pytest.mark.parametrize("user", ["somebody@contoso.com", "a/b?c#d%20é ~", "…"])
async def test_a_user_s_name_may_have_any_characters(stand: LiveStand, user: str) -> None:
    listener = await stand.connect(await stand.live.connection(user))
    await stand.live.join(user, "g~1", ttl=MINUTE)

    await tell(stand.live, user, 1)
    await stand.live.send_to_group("g~1", "feed", [2])

    assert await heard(listener, 2) == [("mail", [1]), ("feed", [2])]


async def test_a_megabyte_is_too_much_and_says_so(stand: LiveStand) -> None:
    with pytest.raises(LiveUnavailable, match="413"):
        await tell(stand.live, ALICE, "x" * 1024 * 1024)


async def test_a_connection_says_until_when_a_client_may_use_it(stand: LiveStand) -> None:
    before = present()
    connection = await stand.live.connection(ALICE)

    assert timedelta(minutes=59) < connection.expires - before < timedelta(minutes=61)
    assert connection.url.endswith("/client/?hub=earshot")
    assert connection.access_token not in repr(connection)


class _Turning:
    """A clock that a test turns, with a service beside it."""

    def __init__(self, stand: LiveStand, start: datetime) -> None:
        self.stand, self.now = stand, start

    def turn(self, by: timedelta) -> None:
        self.now += by
        self.stand.pass_time(by)

    async def negotiate(self, user: str) -> None:
        for group, ttl in groups_to_join("f", self.now):
            await self.stand.live.join(user, group, ttl=ttl)

    async def publish(self, position: int) -> None:
        await self.stand.live.send_to_group(group_now("f", self.now), "feed", [position])


EPOCH_BEGINS = datetime.fromisoformat("2026-11-20T12:00:00+00:00")


@pytest.mark.parametrize("seconds", [0, 1, 150, 239, 240, 241, 299])
async def test_who_is_no_longer_let_in_hears_nothing_once_the_longest_access_is_over(
    stand: LiveStand, seconds: int
) -> None:
    clock = _Turning(stand, EPOCH_BEGINS + timedelta(seconds=seconds))
    removed, member = [await stand.connect(await stand.live.connection(user)) for user in (ALICE, BOB)]
    for user in (ALICE, BOB):
        await clock.negotiate(user)
    granted, said = clock.now, {}
    for position in range(1, 16):
        said[position] = clock.now - granted
        await clock.publish(position)
        clock.turn(timedelta(seconds=30))
        await clock.negotiate(BOB)  # asks again and again; the other one is refused from now on

    last = [arguments[0] for _, arguments in await heard(member, 15)]
    assert last == list(range(1, 16))
    heard_by_removed = [arguments[0] for _, arguments in removed.received]
    assert heard_by_removed == list(range(1, len(heard_by_removed) + 1))
    assert said[heard_by_removed[-1]] <= LONGEST_ACCESS
    again = await stand.connect(await stand.live.connection(ALICE))  # a new connection is in nothing that is over
    await clock.publish(16)
    await heard(member, 16)
    assert again.received == []


async def test_an_absent_service_is_one_kind_of_error() -> None:
    memory = MemoryLive(now=present, away=True)
    with pytest.raises(LiveUnavailable):
        await memory.connection(ALICE)
    async with real_stand() as real:
        url = real.service.url
    assert url
    with pytest.raises(
        LiveUnavailable, match=r"SignalR, send to a group: there was no answer \(ClientConnectorError\)"
    ):
        await real.live.send_to_group("g~1", "feed", [])
    await real.live.close()


async def test_the_service_has_a_user_in_two_hundred_groups_at_once() -> None:
    """A hundred feeds, each in two epochs: with a time to live nothing falls out, as it would beyond a hundred without one."""
    async with real_stand() as real:
        names = [f"f{number}~1" for number in range(200)]
        for name in names:
            await real.live.join(ALICE, name, ttl=MINUTE)
        alice = await real.connect(await real.live.connection(ALICE))
        for name in names:
            await real.live.send_to_group(name, "feed", [name])
        assert [arguments[0] for _, arguments in await heard(alice, 200)] == names


def _unused(stand: RealStand) -> None:  # the protocol is satisfied by both
    _: LiveStand = stand
