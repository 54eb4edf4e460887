"""One table of requests goes through the local host and through Microsoft's runtime, and must give equal answers."""

import json
from typing import Any

import aiohttp
import pytest

from shared.adapters.storage import Storage
from shared.adapters.storage_queue import StorageQueue
from tests.worker.standing import Worker, body, lifecycle, notification

pytestmark = [pytest.mark.worker313, pytest.mark.azurite]

SNOWMAN = {"resourceData": {"id": "☃ \ud83d", "when": "2026-11-20T10:00:00+02:00", "n": 1.10}}
LARGE = {"resourceData": {"id": "m-1", "x": "y" * 50_000}}

TABLE: dict[str, tuple[str, dict[str, str], bytes]] = {
    "handshake": ("notifications", {"validationToken": "a token"}, b""),
    "handshake on the lifecycle route": ("lifecycle", {"validationToken": "Validation: a+b%20c/ü&d"}, b""),
    "handshake with a body": ("notifications", {"validationToken": "t"}, body(notification())),
    "handshake too long": ("notifications", {"validationToken": "x" * 5000}, b""),
    "handshake with control characters": ("notifications", {"validationToken": "a\r\nb"}, b""),
    "handshake of nothing": ("notifications", {"validationToken": ""}, b""),
    "no body": ("notifications", {}, b""),
    "no JSON": ("notifications", {}, b"{"),
    "no collection": ("notifications", {}, b"[]"),
    "nothing in it": ("notifications", {}, body()),
    "null and a good one": ("notifications", {}, body(None, notification())),
    "a forged one": ("notifications", {}, body(notification(clientState="1.channels.1." + "A" * 43))),
    "another tenant": ("notifications", {}, body(notification(tenantId="44444444-4444-4444-8444-444444444444"))),
    "what printing anew would spoil": ("notifications", {}, body(notification(**SNOWMAN))),
    "several envelopes": ("notifications", {}, body(*[notification(**LARGE)] * 3)),
    "lifecycle": ("lifecycle", {}, body(lifecycle("missed"), lifecycle("subscriptionRemoved"))),
    "lifecycle on the other route": ("notifications", {}, body(lifecycle("missed"), notification())),
}


@pytest.fixture(autouse=True)
async def _closed(storage: Storage) -> Any:
    yield
    await storage.close()


@pytest.mark.parametrize(("route", "query", "content"), TABLE.values(), ids=TABLE.keys())
async def test_a_request_is_answered_alike(
    worker: Worker, host: str, storage: Storage, route: str, query: dict[str, str], content: bytes
) -> None:
    for queue in (
        "notifications",
        "subscription-work",
    ):  # what tests before this one have left there is not its business
        await _take_all(storage, queue)
    # an empty value never reaches a function: hosts drop it
    ours = worker.post(route, content, **{name: value for name, value in query.items() if value})
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{host}/api/{route}", params=query, data=content) as answer,
    ):
        assert (answer.status, await answer.read()) == (ours.status, ours.body)
        for header in ("Content-Type", "X-Content-Type-Options"):
            assert answer.headers.get(header) == ours.headers.get(header.lower())
    for parameter, queue in (("kept", "notifications"), ("work", "subscription-work")):
        expected = json.loads(ours.outputs[parameter]["value"]) if parameter in ours.outputs else []
        assert _comparable(await _take_all(storage, queue)) == _comparable(expected)


@pytest.mark.parametrize("path", ["health", "status", "manage/feeds", "manage/feeds/none"])
async def test_a_reader_is_answered_alike(worker: Worker, host: str, path: str) -> None:
    function, _, feed = path.replace("manage/", "manage_").partition("/")
    ours = worker.get("manage_feed_page" if feed else function, feed=feed)
    async with aiohttp.ClientSession() as session, session.get(f"{host}/api/{path}") as answer:
        theirs = await answer.json()
        assert (answer.status, answer.headers["Content-Type"]) == (ours.status, ours.headers["content-type"])
    assert theirs | {"now": ""} == ours.json | {"now": ""}


async def _take_all(storage: Storage, name: str) -> list[str]:
    queue = StorageQueue(storage, name)
    taken = await queue.take(32)
    for message in taken:
        await queue.remove(message)
    return [message.text for message in taken]


def _comparable(texts: list[str]) -> list[Any]:
    """Read messages without what is new for every delivery: its time, and the ids that it mints."""
    found = []
    for text in texts:
        assert text.isascii()
        assert "\n" not in text
        message = json.loads(text) | {"received": ""}
        found.append(message | {"items": [item | {"itemId": ""} for item in message.get("items", [])]})
    return sorted(found, key=json.dumps)
