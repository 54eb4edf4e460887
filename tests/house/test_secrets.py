"""No secret gets into a log line, whatever happens: canaries are sent through everything that can go wrong."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.envelope import Envelope, Item, write_envelope
from shared.errors import GraphApiError, StorageError
from tests import builders
from tests.builders import AUTHORITY, NOW, Authority, lifecycle_notification, notification, rich_notification
from tests.stand import Handler, Stand

CANARY = "canary-in-a-coal-mine"
TOKEN = AUTHORITY.token()
UNKNOWN = Authority(kids=("kid-2",)).token(kid="kid-2")
CONTENT = builders.message_content("7", subject=CANARY, body={"content": CANARY})
RICH = rich_notification("7", CONTENT)
SPOILED = RICH | {"encryptedContent": RICH["encryptedContent"] | {"dataSignature": "AAAA"}}
UNKNOWN_KEY = RICH | {"encryptedContent": RICH["encryptedContent"] | {"encryptionCertificateId": "nobodys"}}
SECRETS = (
    CANARY,
    builders.client_state(),
    builders.client_state().rpartition(".")[2],
    TOKEN,
    TOKEN.rpartition(".")[2],
    UNKNOWN.rpartition(".")[2],
    RICH["encryptedContent"]["data"],
    RICH["encryptedContent"]["dataKey"],
    RICH["encryptedContent"]["dataSignature"],
    builders.CLIENT_STATE_KEY.decode(),
    builders.client_state(delivery="eventhub").rpartition(".")[2],
)
TROUBLES: list[Any] = [
    None,
    ValueError(CANARY),
    KeyError(CANARY),
    ExceptionGroup(CANARY, [RuntimeError(CANARY)]),
    TimeoutError(CANARY),
]
BODIES: list[bytes] = [
    CANARY.encode(),
    json.dumps({"value": CANARY}).encode(),
    json.dumps({"value": [CANARY, {"clientState": CANARY}], "validationTokens": [CANARY]}).encode(),
    builders.body(
        notification("1", odd=CANARY), notification("2", clientState=CANARY), notification("3", tenantId=CANARY)
    ),
    builders.body(notification("4", resource=f"users/{CANARY}"), notification("5", resource=f"https://{CANARY}/")),
    builders.body(notification("6", odd=CANARY + "x" * 70_000)),
    builders.body(RICH, SPOILED, UNKNOWN_KEY, tokens=[TOKEN]),
    builders.body(RICH, tokens=[UNKNOWN]),
    builders.body(RICH, tokens=[TOKEN + CANARY]),
    builders.body(lifecycle_notification(), lifecycle_notification(clientState=CANARY)),
]

HUB_STATE = builders.client_state(delivery="eventhub")
OVERSIZE, OVERSIZE_MISSING = (
    builders.body(builders.over_hub(notification("8", resource=None, odd=CANARY, additionalPayloadStorageId=name)))
    for name in ("blob-7", "blob-8")
)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG)
    yield caplog
    told = caplog.text + "".join(f"{record.__dict__!r}" for record in caplog.records)
    assert [secret for secret in SECRETS if secret in told] == []


@pytest.mark.parametrize("trouble", TROUBLES, ids=repr)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_no_delivery_and_no_failing_handler_gets_a_secret_into_the_log(
    log: pytest.LogCaptureFixture, body: bytes, trouble: Any
) -> None:
    with ThreadPoolExecutor(max_workers=1) as threads:
        handler = Handler("feed", [trouble] * 30 if trouble else [])
        app = Stand(registrations=[handler.registration()], threads=threads)
        reply = await app.reception.receive(body)
        for text in reply.envelopes:
            await app.queue.put(text)
        await app.run(rounds=5000)

    assert log.records


async def test_no_refusal_of_graphs_and_no_failing_fetch_gets_a_secret_into_the_log(
    log: pytest.LogCaptureFixture,
) -> None:
    with ThreadPoolExecutor(max_workers=1) as threads:
        app = Stand(registrations=[Handler("feed").registration(content=True)], threads=threads)
        app.graph.troubles = [ValueError(CANARY), GraphApiError("GET", status=500), GraphApiError("GET", status=404)]
        await app.receive(notification("7", odd=CANARY))
        await app.run()

    assert log.records


def over_hub(body: bytes) -> bytes:
    """The same body as a hub has it, where it is a collection at all."""
    return body.replace(builders.client_state().encode(), HUB_STATE.encode())


@pytest.mark.parametrize("trouble", TROUBLES, ids=repr)
@pytest.mark.parametrize("body", [*BODIES, OVERSIZE, OVERSIZE_MISSING], ids=range(len(BODIES) + 2))
async def test_no_event_of_a_hub_gets_a_secret_into_the_log(
    log: pytest.LogCaptureFixture, body: bytes, trouble: Any
) -> None:
    with ThreadPoolExecutor(max_workers=1) as threads:
        handler = Handler("feed", [trouble] * 30 if trouble else [])
        app = Stand(registrations=[handler.registration()], threads=threads)
        app.oversize_store.blobs["blob-7"] = CANARY.encode()
        events = [builders.hub_event(raw=over_hub(body), number=number) for number in range(2)]
        await app.pull.take(events)
        await app.pull.take(events)
        await app.run(rounds=5000)
        app.outage.away = True
        with pytest.raises(StorageError) as problem:
            await app.pull.take(events)

    assert not [secret for secret in SECRETS if secret in repr(problem.value)]
    assert log.records


@pytest.mark.parametrize("message", [CANARY.encode(), b"\xff" + CANARY.encode(), f'{{"a":"{CANARY}"'.encode()])
async def test_no_unreadable_message_gets_into_the_log(log: pytest.LogCaptureFixture, message: bytes) -> None:
    app = Stand()
    await app.pipeline.process(message, dequeue_count=1)
    app.threads.shutdown()

    assert log.records


async def test_no_outage_gets_a_secret_into_the_log_or_the_exception(log: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(max_workers=1) as threads:
        app = Stand(registrations=[Handler("feed").registration()], threads=threads)
        item = Item(item_id="i", notification=notification("7", odd=CANARY))
        message = write_envelope(Envelope(via="webhook", received=NOW, items=(item,)))
        app.outage.away = True
        with pytest.raises(StorageError) as problem:
            await app.pipeline.process(message.encode(), dequeue_count=1)
        await app.reception.receive(BODIES[5])

    assert not [secret for secret in SECRETS if secret in repr(problem.value)]
    assert log.records


def test_no_value_on_the_way_prints_a_secret() -> None:
    item = Item(item_id="i", notification=RICH, validation_tokens=(TOKEN,))
    values = [item, Envelope(via="webhook", received=NOW, items=(item,)), builders.policy(), AUTHORITY.keys()]

    assert not [secret for secret in SECRETS for value in values if secret in repr(value)]
