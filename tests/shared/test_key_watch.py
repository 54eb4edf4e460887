"""The certificate of rich notifications does not run out unnoticed."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.memory_subscriptions import MemoryEncryptionKeys
from shared.key_watch import KeyWatch, key_problem
from shared.status import Status
from tests import builders
from tests.builders import NOW


class Watched:
    """A watch over keys whose certificate expires after a while, and its clock."""

    def __init__(self, left: timedelta | None) -> None:
        self.now = NOW
        key = builders.encryption_key()
        self.keys = MemoryEncryptionKeys()
        if left is not None:
            self.keys.keys = [replace(key, not_after=(NOW + left).timestamp())]
        self.watch = KeyWatch(self.keys, lambda: self.now)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=30, seconds=1), ""),
        (timedelta(days=30), "expires in 30 days"),
        (timedelta(hours=5), "expires in 0 days"),
        (None, "no certificate that is valid"),
    ],
)
def test_a_month_before_it_expires_something_is_wrong(left: timedelta | None, words: str) -> None:
    keys = Watched(left).keys.keys

    problem = key_problem(keys[0] if keys else None, NOW)

    assert (words in problem, bool(problem)) == (True, bool(words))


async def test_it_warns_once_a_day_and_falls_silent_when_there_is_a_new_one(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(timedelta(days=20))
    with caplog.at_level(logging.WARNING):
        for _ in range(289):
            assert await watched.watch.current() is watched.keys.keys[-1]
            watched.now += timedelta(minutes=5)
    assert [message.partition(" ")[0] for message in caplog.messages] == ["encryption"] * 2
    assert "certificateId=encryption" in caplog.text

    caplog.clear()
    watched.keys.keys.append(builders.encryption_key())
    with caplog.at_level(logging.WARNING):
        await watched.watch.current()
    assert caplog.messages == []


async def test_what_is_asked_for_comes_from_the_keys_themselves() -> None:
    watched = Watched(timedelta(days=90))

    assert await watched.watch.find("encryption") is watched.keys.keys[0]
    assert await watched.watch.find("unknown") is None


async def test_the_status_tells_when_the_certificate_expires() -> None:
    async def encryption(left: timedelta | None) -> dict[str, str | None]:
        keys = Watched(left).watch
        _, body = await Status(parts={}, store=None, now=lambda: NOW, keys=keys).full()
        found: dict[str, str | None] = json.loads(body)["encryption"]
        return found

    assert await encryption(timedelta(days=90)) == {
        "certificateId": "encryption",
        "expires": datetime(2027, 2, 18, 12, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "problem": "",
    }
    nothing = await encryption(None)
    assert (nothing["certificateId"], nothing["expires"]) == (None, None)
    assert nothing["problem"]
