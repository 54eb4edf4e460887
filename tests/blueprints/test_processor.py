"""The queue trigger behind the webhook."""

import asyncio

import azure.functions as func
import pytest
from azure.functions.queue import QueueMessage

from blueprints import processor
from shared.envelope import Envelope, Item, write_envelope
from shared.errors import StorageError
from tests.blueprints.registered import bindings, registered
from tests.builders import NOW, notification
from tests.stand import Handler, Stand

ENVELOPE = write_envelope(
    Envelope(via="webhook", received=NOW, items=tuple(Item(item_id=n, notification=notification(n)) for n in "ab"))
).encode()


def message(body: bytes, *, dequeue_count: int | None = 1) -> func.QueueMessage:
    """A message as the worker hands it over: with its metadata, which the public class cannot be given."""
    return QueueMessage(id="m", body=body, dequeue_count=dequeue_count, pop_receipt="r")


async def process(stand: Stand, msg: func.QueueMessage) -> None:
    await registered(processor.build(stand.pipeline))["processor"].get_user_function()(msg)


def test_it_listens_to_the_queue_and_takes_bytes(stand: Stand) -> None:
    [binding] = bindings(registered(processor.build(stand.pipeline))["processor"])

    assert binding == {
        "direction": "IN",
        "type": "queueTrigger",
        "name": "message",
        "queueName": "notifications",
        "connection": "AzureWebJobsStorage",
        "dataType": "BINARY",
    }


@pytest.mark.parametrize("dequeue_count", [None, 1])
async def test_a_message_is_processed(stand: Stand, handler: Handler, dequeue_count: int | None) -> None:
    await process(stand, message(ENVELOPE, dequeue_count=dequeue_count))

    assert len(handler.changes) == 2


async def test_a_message_that_was_delivered_before_is_split(stand: Stand, handler: Handler) -> None:
    await process(stand, message(ENVELOPE, dequeue_count=2))

    assert (len(handler.changes), len(stand.queue.messages)) == (0, 2)


async def test_a_message_that_cannot_be_finished_fails_and_comes_again(stand: Stand) -> None:
    stand.outage.away = True
    with pytest.raises(StorageError):
        await process(stand, message(ENVELOPE))


async def test_a_cancelled_message_fails_instead_of_never_answering(stand: Stand, handler: Handler) -> None:
    handler.troubles = [asyncio.CancelledError()]
    with pytest.raises(RuntimeError, match="cancelled"):
        await process(stand, message(ENVELOPE))
