"""Whether the service for live clients answered last is known, and passed through."""

import json
from datetime import datetime, timedelta

import pytest

from shared.adapters.memory_live import MemoryLive
from shared.errors import LiveUnavailable
from shared.live_watch import LiveWatch
from shared.status import Status
from tests.builders import NOW


class Watched:
    def __init__(self) -> None:
        self.now = NOW
        self.live = MemoryLive(now=self.tell)
        self.watch = LiveWatch(self.live, self.tell)

    def tell(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_before_anything_was_asked_nothing_is_known() -> None:
    assert Watched().watch.report() == {"answered": None, "failed": None, "problem": ""}


@pytest.mark.parametrize("ask", ["connection", "join", "send_to_group"])
async def test_every_answer_and_every_failure_counts_and_the_later_one_is_the_present(ask: str) -> None:
    watched = Watched()

    async def go() -> None:
        match ask:
            case "connection":
                assert (await watched.watch.connection("u")).access_token
            case "join":
                await watched.watch.join("u", "g", ttl=timedelta(seconds=1))
            case _:
                await watched.watch.send_to_group("g", "feed", [])

    await go()
    assert watched.watch.report()["problem"] == ""
    watched.live.away = True
    with pytest.raises(LiveUnavailable):
        await go()
    failed = watched.watch.report()
    assert failed["answered"] < failed["failed"]
    assert failed["problem"] == "SignalR, reach the service: there was no answer"
    watched.live.away = False
    await go()
    well = watched.watch.report()
    assert (well["problem"], well["failed"]) == ("", failed["failed"])
    assert well["answered"] > well["failed"]


async def test_the_status_shows_it() -> None:
    watched = Watched()
    await watched.watch.send_to_group("g", "feed", [])

    _, body = await Status(parts={}, store=None, now=lambda: NOW, live=watched.watch).full()

    assert json.loads(body)["live"]["answered"].startswith("2026-11-20T12:00:0")
