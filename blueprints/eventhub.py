"""The Event Hub trigger of pull mode: hands over batches of events, each of one partition."""

import asyncio
import json
import typing
from collections.abc import Mapping
from datetime import UTC

import azure.functions as func

from shared.pull import Pull
from shared.pull_intake import UNKNOWN_PARTITION, HubEvent

_CONTEXTS = ("PartitionContext", "TriggerPartitionContext")
"""Under which names hosts have told of a batch's partition."""


def build(pull: Pull) -> func.Blueprint:
    """Register the function ``event_hub``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("event_hub")
    @blueprint.event_hub_message_trigger(
        arg_name="events",
        event_hub_name="%EVENT_HUB_NAME%",
        connection="EventHubConnection",
        consumer_group="%EVENT_HUB_CONSUMER_GROUP%",
        cardinality=func.Cardinality.MANY,
        data_type=func.DataType.BINARY,
    )
    # the host checkpoints what fails, unless it may try for ever: then the partition stands still instead
    @blueprint.retry(
        strategy="exponential_backoff",
        max_retry_count="-1",
        minimum_interval="00:00:05",
        maximum_interval="00:05:00",
    )
    async def event_hub(events: typing.List[func.EventHubEvent]) -> None:
        """Bring one batch to its end; if that cannot be written down, fail, and the host brings it again."""
        try:
            await pull.take(read_batch(events))
        except asyncio.CancelledError:  # the worker would never answer
            raise RuntimeError("cancelled") from None

    return blueprint


def read_batch(events: typing.Sequence[func.EventHubEvent]) -> list[HubEvent]:
    """Read what the host says of a batch; what it does not say is left unknown."""
    partition = _read_partition(events[0]) if events else UNKNOWN_PARTITION
    return [_read_event(event, partition) for event in events]


def _read_event(event: func.EventHubEvent, partition: str) -> HubEvent:
    number, enqueued = event.sequence_number, event.enqueued_time
    return HubEvent(
        body=event.get_body(),
        partition=partition,
        offset=str(event.offset) if event.offset is not None else "",
        sequence_number=number if type(number) is int else None,
        enqueued=enqueued.replace(tzinfo=enqueued.tzinfo or UTC) if enqueued else None,
    )


def _read_partition(event: func.EventHubEvent) -> str:
    """Read which partition a batch is of, from the metadata that its events share."""
    try:
        metadata: typing.Any = event.metadata
    except (TypeError, ValueError, AttributeError, NotImplementedError):
        return UNKNOWN_PARTITION
    for name in _CONTEXTS:
        context = metadata.get(name) if isinstance(metadata, Mapping) else None
        if isinstance(context, str):
            context = _read_json(context)
        found = context.get("PartitionId") if isinstance(context, Mapping) else None
        if isinstance(found, str | int) and str(found):
            return str(found)
    return UNKNOWN_PARTITION


def _read_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
