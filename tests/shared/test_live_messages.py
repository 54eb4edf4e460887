"""Telling live clients is best effort: it fails nothing, holds nobody up, and says in the log that it does not work, once."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory_live import MemoryLive
from shared.errors import LiveUnavailable
from shared.live import group_now, own_feed
from shared.live_messages import PAUSE, LiveMessages
from tests.builders import NOW

CHANGE = {"position": 1, "id": "m", "content": {"body": "nobody's business"}}
ALICE = "a11ce000-0000-4000-8000-000000000001"


class Stand:
    """A service, a client in a feed's group, and a clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.live = MemoryLive(now=self.tell)
        self.messages = LiveMessages(self.live, self.tell)

    def tell(self) -> datetime:
        return self.now

    async def client(self) -> Any:
        await self.live.join(ALICE, group_now("f", self.now), ttl=timedelta(minutes=5))
        return self.live.connect(await self.live.connection(ALICE))


class Counting:
    """A service that refuses, or never answers, and counts who asks."""

    def __init__(self, *, after: timedelta | None = None, silent: bool = False, status: int = 503) -> None:
        self.asked, self.after, self.silent, self.status = 0, after, silent, status

    async def send_to_group(self, group: str, target: str, arguments: Sequence[Any]) -> None:
        del group, target, arguments
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        raise LiveUnavailable("send to a group", status=self.status, after=self.after)


async def test_a_change_reaches_the_clients_of_its_feed_in_the_group_of_the_present() -> None:
    stand = Stand()
    client = await stand.client()

    await stand.messages.to_feed("f", 7, CHANGE)
    stand.now += timedelta(minutes=5)
    await stand.messages.to_feed("f", 8, CHANGE)  # the client has not renewed

    assert client.received == [("feed", [{"feed": "f", "position": 7, "change": CHANGE}])]


async def test_mail_reaches_its_owner_for_as_long_as_they_renew() -> None:
    """An account that was shut hears nothing more although its connection is open still."""
    stand = Stand()
    client = await stand.client()
    await stand.live.join(ALICE, group_now(own_feed(ALICE), stand.now), ttl=timedelta(minutes=5))

    await stand.messages.to_owner(ALICE, {"change": "deleted", "id": "m"})
    await stand.messages.to_owner("somebody else", {"change": "created", "id": "n"})
    stand.now += timedelta(minutes=5)
    await stand.messages.to_owner(ALICE, {"change": "created", "id": "o"})

    assert client.received == [("mail", [{"change": "deleted", "id": "m"}])]


async def test_without_a_service_nothing_happens() -> None:
    messages = LiveMessages(None, lambda: NOW)

    await messages.to_feed("f", 1, CHANGE)
    await messages.to_owner(ALICE, {})


async def test_an_outage_is_one_line_costs_nobody_anything_and_ends_with_another_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stand = Stand()
    client = await stand.client()
    stand.live.away = True

    for position in range(1, 101):
        await stand.messages.to_feed("f", position, CHANGE)
    stand.live.away = False
    await stand.messages.to_feed("f", 101, CHANGE)  # the pause is not over
    stand.now += PAUSE
    await stand.messages.to_feed("f", 102, CHANGE)
    await stand.messages.to_feed("f", 103, CHANGE)

    assert [arguments[0]["position"] for _, arguments in client.received] == [102, 103]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "there was no answer" in caplog.text
    assert "101 messages were let go" in caplog.text
    assert "nobody's business" not in caplog.text


@pytest.mark.parametrize(("after", "paused"), [(None, 5), (timedelta(seconds=1), 5), (timedelta(seconds=60), 60)])
async def test_it_is_asked_again_when_the_pause_is_over_or_the_service_wants_to_be_asked(
    after: timedelta | None, paused: int
) -> None:
    service, now = Counting(after=after), [NOW]
    messages = LiveMessages(service, lambda: now[0])  # type: ignore[arg-type]

    for second in range(paused + 1):
        now[0] = NOW + timedelta(seconds=second)
        await messages.to_feed("f", second, CHANGE)
        await messages.to_feed("f", second, CHANGE)

    assert service.asked == 2


async def test_a_service_that_never_answers_holds_a_handler_up_for_the_budget_and_only_one_at_a_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service, now = Counting(silent=True), [NOW]
    messages = LiveMessages(service, lambda: now[0], budget=timedelta(milliseconds=20))  # type: ignore[arg-type]

    await messages.to_feed("f", 1, CHANGE)
    now[0] += PAUSE
    await asyncio.gather(*(messages.to_feed("f", position, CHANGE) for position in range(50)))

    assert service.asked == 2
    assert caplog.text.count("no answer within 0.02 s") == 1


@pytest.mark.parametrize("status", [400, 413])
async def test_a_message_that_is_refused_for_itself_stops_no_other(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    service = Counting(status=status)
    messages = LiveMessages(service, lambda: NOW)  # type: ignore[arg-type]

    for position in range(3):
        await messages.to_feed("f", position, CHANGE)

    assert service.asked == 3
    assert caplog.text.count("one live message was not taken") == 3
    assert "nobody's business" not in caplog.text


async def test_a_handler_that_is_cancelled_is_cancelled() -> None:
    messages = LiveMessages(Counting(silent=True), lambda: NOW)  # type: ignore[arg-type]
    sending = asyncio.create_task(messages.to_feed("f", 1, CHANGE))
    await asyncio.sleep(0)

    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending
