"""ports.Target: HTTP endpoints held against a loopback server that checks signatures by itself, and Storage Queues.

The signature is verified as the Standard Webhooks specification says, by code that shares nothing with ours.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from local.azurite.emulator import free_ports
from shared.adapters.memory import MemoryQueue, MemoryTarget, Outage
from shared.adapters.storage import Storage
from shared.adapters.storage_queue import StorageQueue
from shared.adapters.targets import Targets
from shared.errors import GiveUp, RetryLater
from tests.contracts.twins import present

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
OLD, NEW = (f"whsec_{base64.b64encode(bytes([fill]) * 32).decode()}" for fill in (1, 2))
ENVIRON = {"FORWARD_SIGNING_KEY": NEW, "ROTATED": NEW, "ROTATED_PREVIOUS": OLD, "BROKEN": "whsec_?"}
EVENT = b'{"specversion":"1.0","id":"e1"}'


@dataclass
class Sink:
    """A consumer: answers as it is told to, and remembers what came."""

    url: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    came: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.came.append((request.path, request.headers.copy(), await request.read()))
        return web.Response(status=self.status, headers=self.headers)


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Verify one delivery as a consumer does that holds one secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(each, f"v1,{expected}") for each in headers["webhook-signature"].split(" "))


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", sink.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    sink.url = f"http://{host}:{port}/changes"
    yield sink
    await runner.cleanup()


@pytest.fixture
async def targets() -> AsyncIterator[Targets]:
    targets = Targets(
        environ=ENVIRON, queue=lambda _name, _connection: MemoryQueue(now=present), ca_bundle=None, now=lambda: NOW
    )
    yield targets
    await targets.close()


async def test_an_event_arrives_whole_and_signed(sink: Sink, targets: Targets) -> None:
    await targets({"to": sink.url}).send(EVENT, event_id="e1")
    ((path, headers, body),) = sink.came
    assert (path, body) == ("/changes", EVENT)
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("e1", str(int(NOW.timestamp())))
    assert is_signed(headers, body, NEW)
    assert not is_signed(headers, body, OLD)
    assert not is_signed(headers, body + b" ", NEW)


async def test_during_a_rotation_holders_of_either_key_can_verify(sink: Sink, targets: Targets) -> None:
    await targets({"to": sink.url, "signingKey": "ROTATED"}).send(EVENT, event_id="e1")
    ((_, headers, body),) = sink.came
    assert is_signed(headers, body, NEW)
    assert is_signed(headers, body, OLD)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_means_taken(sink: Sink, targets: Targets, status: int) -> None:
    sink.status = status
    await targets({"to": sink.url}).send(EVENT, event_id="e1")
    assert len(sink.came) == 1


async def test_410_means_never_again(sink: Sink, targets: Targets) -> None:
    sink.status = 410
    with pytest.raises(GiveUp, match="410"):
        await targets({"to": sink.url}).send(EVENT, event_id="e1")


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("Fri, 20 Nov 2026 12:01:30 GMT", timedelta(seconds=90)),
        ("Fri, 20 Nov 2026 12:01:30 -0000", timedelta(seconds=90)),
        ("Fri, 20 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("99999999999", timedelta(days=7)),
        ("soon", None),
        ("-5", None),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),
    ],
)
async def test_429_says_when_to_come_back(
    sink: Sink, targets: Targets, retry_after: str, wait: timedelta | None
) -> None:
    sink.status, sink.headers = 429, {"Retry-After": retry_after}
    with pytest.raises(RetryLater, match="429") as word:
        await targets({"to": sink.url}).send(EVENT, event_id="e1")
    assert word.value.after == wait


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
async def test_every_other_refusal_may_pass(sink: Sink, targets: Targets, status: int) -> None:
    sink.status = status
    with pytest.raises(RetryLater, match=str(status)) as word:
        await targets({"to": sink.url}).send(EVENT, event_id="e1")
    assert word.value.after is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(sink: Sink, targets: Targets, status: int) -> None:
    sink.status, sink.headers = status, {"Location": "/elsewhere"}
    with pytest.raises(RetryLater):
        await targets({"to": sink.url}).send(EVENT, event_id="e1")
    assert [path for path, _, _ in sink.came] == ["/changes"]


async def test_a_target_that_is_not_there_is_tried_again(targets: Targets) -> None:
    (nobody,) = free_ports(1)
    with pytest.raises(RetryLater, match="did not answer"):
        await targets({"to": f"http://127.0.0.1:{nobody}/"}).send(EVENT, event_id="e1")


async def test_a_target_that_hangs_up_is_tried_again(targets: Targets) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(RetryLater, match="did not answer"):
            await targets({"to": f"http://127.0.0.1:{port}/"}).send(EVENT, event_id="e1")
    finally:
        server.close()
        await server.wait_closed()


async def test_cookies_are_not_carried_along(sink: Sink, targets: Targets) -> None:
    sink.headers = {"Set-Cookie": "who=you; Path=/"}
    for _ in range(2):
        await targets({"to": sink.url.replace("127.0.0.1", "localhost")}).send(EVENT, event_id="e1")
    assert all("Cookie" not in headers for _, headers, _ in sink.came)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"to": ""},
        {"to": "http://example.com/"},
        {"to": "ftp://127.0.0.1/"},
        {"to": "https://example.com/", "signingKey": "ABSENT"},
        {"to": "https://example.com/", "signingKey": "BROKEN"},
        {"to": "https://example.com/", "unknown": 1},
        {"to": "queue:Not A Queue"},
        {"to": "queue:abc", "encoding": "hex"},
        {"to": "queue:abc", "connection": "ABSENT"},
    ],
)
async def test_options_that_are_not_in_order_are_given_up(targets: Targets, options: dict[str, Any]) -> None:
    with pytest.raises(GiveUp):
        targets(options)


async def test_the_same_options_give_the_same_target(targets: Targets) -> None:
    assert targets({"to": "queue:abc"}) is targets({"to": "queue:abc"})
    assert targets({"to": "queue:abc"}) is not targets({"to": "queue:abc", "encoding": "none"})


@pytest.mark.azurite
async def test_a_queue_gets_base64_unless_plain_text_is_asked_for(storage: Storage, unique: str) -> None:
    targets = Targets(
        environ={}, queue=lambda name, _connection: StorageQueue(storage, name), ca_bundle=None, now=present
    )
    await targets({"to": f"queue:{unique}"}).send(EVENT, event_id="e1")
    await targets({"to": f"queue:{unique}", "encoding": "none"}).send(EVENT, event_id="e1")
    texts = [message.text for message in await StorageQueue(storage, unique).take(32)]
    assert sorted(texts) == sorted([base64.b64encode(EVENT).decode(), EVENT.decode()])


async def test_an_event_that_no_message_holds_is_given_up() -> None:
    queue = MemoryQueue(now=present)
    targets = Targets(environ={}, queue=lambda _name, _connection: queue, ca_bundle=None, now=present)
    event = json.dumps({"x": "y" * 50_000}).encode()
    with pytest.raises(GiveUp, match="64 KiB"):
        await targets({"to": "queue:abc"}).send(event, event_id="e1")
    await targets({"to": "queue:abc", "encoding": "none"}).send(event, event_id="e1")
    assert queue.texts == [event.decode()]


async def test_a_queue_that_is_away_is_tried_again() -> None:
    queue = MemoryQueue(now=present, outage=Outage(away=True))
    targets = Targets(environ={}, queue=lambda _name, _connection: queue, ca_bundle=None, now=present)
    with pytest.raises(RetryLater, match="abc"):
        await targets({"to": "queue:abc"}).send(EVENT, event_id="e1")


async def test_the_memory_twin_says_the_same_two_words() -> None:
    target = MemoryTarget(troubles=[RetryLater("busy"), GiveUp("gone")])
    with pytest.raises(RetryLater):
        await target.send(EVENT, event_id="e1")
    with pytest.raises(GiveUp):
        await target.send(EVENT, event_id="e1")
    await target.send(EVENT, event_id="e1")
    assert target.events == [("e1", EVENT)]
