"""The Event Hub trigger, fed by the SDK's own converter as the worker does it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from azure.functions.eventhub import EventHubTriggerConverter
from azure.functions.meta import Datum

from blueprints import eventhub
from shared.errors import StorageError
from shared.pull_intake import UNKNOWN_PARTITION, HubEvent
from tests.blueprints.registered import bindings, registered
from tests.builders import body, hub_event, notification, over_hub
from tests.stand import Handler, Stand

ENQUEUED = "2026-11-20T11:50:00.1234567Z"
CONTEXT = {
    "FullyQualifiedNamespace": "contoso.servicebus.windows.net",
    "EventHubName": "notifications",
    "ConsumerGroup": "$Default",
    "PartitionId": "2",
    "IsCheckpointingAfterInvocation": True,
}


def decode(
    bodies: Sequence[bytes],
    *,
    system: Sequence[Mapping[str, Any]] | None = None,
    context: Datum | None = Datum(json.dumps(CONTEXT), "json"),  # noqa: B008 - a value
    name: str = "PartitionContext",
) -> list[func.EventHubEvent]:
    """Decode a batch as the host sends it: bodies in one collection, everything else as metadata."""
    properties = system or [
        {"EnqueuedTimeUtc": ENQUEUED, "SequenceNumber": number, "Offset": number * 1000, "PartitionKey": None}
        for number in range(len(bodies))
    ]
    metadata = {"SystemPropertiesArray": Datum(json.dumps(properties), "json")}
    if context is not None:
        metadata[name] = context
    data = Datum(SimpleNamespace(bytes=list(bodies)), "collection_bytes")
    decoded: list[func.EventHubEvent] = EventHubTriggerConverter.decode(data, trigger_metadata=metadata)
    return decoded


async def take(stand: Stand, events: list[func.EventHubEvent]) -> None:
    await registered(eventhub.build(stand.pull))["event_hub"].get_user_function()(events)


def test_it_listens_to_the_hub_for_batches_of_bytes(stand: Stand) -> None:
    [binding] = bindings(registered(eventhub.build(stand.pull))["event_hub"])

    assert binding == {
        "direction": "IN",
        "type": "eventHubTrigger",
        "name": "events",
        "eventHubName": "%EVENT_HUB_NAME%",
        "connection": "EventHubConnection",
        "consumerGroup": "%EVENT_HUB_CONSUMER_GROUP%",
        "cardinality": "MANY",
        "dataType": "BINARY",
    }


def test_the_host_tries_again_for_ever(stand: Stand) -> None:
    function = registered(eventhub.build(stand.pull))["event_hub"]

    assert function.get_settings_dict("retry_policy") == {
        "setting_name": "retry_policy",
        "strategy": "exponential_backoff",
        "max_retry_count": "-1",
        "minimum_interval": "00:00:05",
        "maximum_interval": "00:05:00",
    }


async def test_a_batch_is_brought_to_its_end(stand: Stand, handler: Handler) -> None:
    ours = [body(over_hub(notification(name))) for name in ("7", "8")]
    await take(stand, decode([ours[0], b"", b"\xff", ours[1]]))

    assert len(handler.changes) == 2
    assert [json.loads(text)["event"]["sequenceNumber"] for text in stand.dead_letters.texts] == [1, 2]


async def test_a_batch_that_cannot_be_kept_fails_and_comes_again(stand: Stand) -> None:
    stand.outage.away = True
    with pytest.raises(StorageError):
        await take(stand, decode([hub_event(notification()).body]))


async def test_a_cancelled_batch_fails_instead_of_never_answering(stand: Stand, handler: Handler) -> None:
    handler.troubles = [asyncio.CancelledError()]
    with pytest.raises(RuntimeError, match="cancelled"):
        await take(stand, decode([hub_event(notification()).body]))


def test_an_event_knows_where_it_stood() -> None:
    [first, second] = eventhub.read_batch(decode([b"a", b"b"]))

    moment = datetime(2026, 11, 20, 11, 50, 0, 123456, tzinfo=UTC)
    assert first == HubEvent(body=b"a", partition="2", offset="0", sequence_number=0, enqueued=moment)
    assert (second.offset, second.sequence_number) == ("1000", 1)


@pytest.mark.parametrize("name", ["PartitionContext", "TriggerPartitionContext"])
@pytest.mark.parametrize("kind", ["json", "string"])
def test_the_partition_is_told_in_several_ways(name: str, kind: str) -> None:
    events = decode([b"a"], context=Datum(json.dumps(CONTEXT), kind), name=name)

    assert eventhub.read_batch(events)[0].partition == "2"


@pytest.mark.parametrize(
    "context",
    [
        None,
        Datum("{}", "json"),
        Datum("[]", "json"),
        Datum("not json", "string"),
        Datum('{"PartitionId": null}', "json"),
        Datum(b"x", "nothing that is known"),
    ],
)
def test_a_partition_that_is_not_told_is_unknown(context: Datum | None) -> None:
    assert eventhub.read_batch(decode([b"a"], context=context))[0].partition == UNKNOWN_PARTITION


@pytest.mark.parametrize("system", [{}, {"SequenceNumber": None, "Offset": None, "EnqueuedTimeUtc": None}])
async def test_what_is_not_told_of_an_event_is_unknown_and_it_is_still_handled(
    stand: Stand, handler: Handler, system: Mapping[str, Any]
) -> None:
    events = decode([hub_event(notification()).body], system=[system])
    [event] = eventhub.read_batch(events)

    assert (event.offset, event.sequence_number, event.enqueued) == ("", None, None)
    await take(stand, events)
    await stand.run()
    assert len(handler.changes) == 1


async def test_a_batch_of_nothing_is_nothing(stand: Stand) -> None:
    await take(stand, [])

    assert stand.marks.rows == {}
