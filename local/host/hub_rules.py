"""What the host decides about events of a hub: where they come from, which are a batch, and what the function gets.

Receiving, running and writing checkpoints are the listener's. The real thing is the WebJobs extension for Event Hubs:
https://github.com/Azure/azure-sdk-for-net/tree/main/sdk/eventhub/Microsoft.Azure.WebJobs.Extensions.EventHubs (2026-11)
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.host.binding_data import merged
from local.host.datums import Datum
from local.host.functions import Binding

DEFAULT_CONSUMER_GROUP = "$Default"
ENQUEUED = "x-opt-enqueued-time"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAddress:
    """One hub as one consumer group sees it. The connection string ends nowhere but in the client."""

    connection_string: str = field(repr=False)
    namespace: str
    hub: str
    consumer_group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it was received, in plain values: texts, numbers, times and bytes."""

    body: bytes
    sequence_number: int
    offset: str
    enqueued: datetime
    partition_key: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    system_properties: Mapping[str, Any] = field(default_factory=dict)


def read_address(trigger: Binding, settings: Mapping[str, str]) -> HubAddress:
    """Read where a trigger listens; ValueError for a connection that can't be used, without its key in it.

    The hub that a connection string names (`EntityPath`) wins over the trigger's, as in the real host.
    """
    name = str(trigger.settings.get("connection") or "")
    text = settings.get(name, "")
    if not text:
        raise ValueError(_no_connection(name, settings))
    parts = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in text.split(";"))}
    endpoint = parts.get("endpoint", "").partition("://")[2].rstrip("/")
    hub = parts.get("entitypath") or str(trigger.settings.get("eventHubName") or "")
    if not endpoint or not parts.get("sharedaccesskeyname") or not parts.get("sharedaccesskey"):
        raise ValueError(
            f"the setting '{name}' is no connection string of an Event Hubs namespace "
            "(Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…)"
        )
    if not hub:
        raise ValueError(f"neither the trigger nor the setting '{name}' (EntityPath) names an event hub")
    group = str(trigger.settings.get("consumerGroup") or DEFAULT_CONSUMER_GROUP)
    return HubAddress(connection_string=text, namespace=endpoint, hub=hub, consumer_group=group)


def _no_connection(name: str, settings: Mapping[str, str]) -> str:
    if "sharedaccesskey" in name.lower():
        return "the trigger's connection is a connection string; it has to be the name of the setting that holds one"
    if any(setting.lower() == f"{name}__fullyQualifiedNamespace".lower() for setting in settings):
        return f"the local host knows no identities: set '{name}' to a connection string of the Event Hubs namespace"
    return (
        f"EventHub account connection string with name '{name}' does not exist in the settings. "
        "Make sure that it is a defined App Setting."
    )


def is_many(trigger: Binding) -> bool:
    """Whether the function takes batches; one event at a time is what a trigger without cardinality gets."""
    return str(trigger.settings.get("cardinality") or "one").lower() == "many"


@dataclass(slots=True, kw_only=True)
class Partition:
    """What a host remembers of a partition while it owns it: what it holds back, and when a checkpoint is due."""

    most: int
    least: int
    wait: float
    frequency: int
    after: int | None = None
    held: list[Event] = field(default_factory=list)
    _since: float = 0.0
    _is_first: bool = True
    _batches: int = 0

    def take(self, events: Sequence[Event], now: float) -> list[list[Event]]:
        """Add events, in order; return the batches that are to run now.

        Fewer than `least` are held back for `wait` seconds, but not before the first run: the last one may have been
        elsewhere and long ago. Events that were here before are dropped: the client's buffer outlives a broken
        connection, behind which it asks for the same events once more.
        """
        fresh = [event for event in events if self._is_news(event)]
        if fresh and not self.held:
            self._since = now
        self.held += fresh
        batches = []
        while self.held and (len(self.held) >= self.least or self._is_first or now - self._since >= self.wait):
            batches.append(self.held[: self.most])
            del self.held[: self.most]
            self._is_first = False
        return batches

    def counts(self) -> bool:
        """Count a batch that is about to run; tell whether a checkpoint is due after it."""
        self._batches += 1
        if self._batches < self.frequency:
            return False
        self._batches = 0
        return True

    def _is_news(self, event: Event) -> bool:
        if not event.offset.isdecimal():  # geo-replicated hubs have offsets that are no numbers and cannot be compared
            return True
        offset = int(event.offset)
        if self.after is not None and offset <= self.after:
            return False
        self.after = offset
        return True


def by_hand(text: str, now: datetime) -> Event:
    """Make the event of which somebody typed the body."""
    return Event(body=text.encode(), sequence_number=0, offset="0", enqueued=now)


def trigger_input(events: Sequence[Event], *, many: bool, binary: bool) -> Datum:
    """Return what the trigger parameter gets.

    As texts, what is not UTF-8 is damaged, and an empty one is missing from its batch: then azure.functions finds
    fewer bodies than metadata and fails the execution. Both are the real host's doing; bytes are spared.
    """
    if binary:
        bodies = [event.body for event in events]
        return Datum("collection_bytes", bodies) if many else Datum("bytes", bodies[0])
    texts = [event.body.decode(errors="replace") for event in events]
    return Datum("collection_string", [text for text in texts if text]) if many else Datum("string", texts[0])


def trigger_metadata(
    events: Sequence[Event],
    given: Datum,
    *,
    address: HubAddress,
    partition_id: str,
    many: bool,
    checkpoints: bool,
) -> dict[str, Datum]:
    """Return the trigger metadata, typed as the host's RPC types it: what is null is left out, as are empty texts of lists.

    Times have no zone, for .NET drops it (`EnqueuedTime.DateTime`): azure.functions makes naive datetimes of them.
    """
    context = {
        "FullyQualifiedNamespace": address.namespace,
        "EventHubName": address.hub,
        "ConsumerGroup": address.consumer_group,
        "PartitionId": partition_id,
        "IsCheckpointingAfterInvocation": checkpoints,
    }
    metadata = {"PartitionContext": _json(context)}
    if many:
        return {
            **metadata,
            "PartitionKeyArray": Datum("collection_string", [key for e in events if (key := e.partition_key)]),
            "OffsetArray": Datum("collection_string", [e.offset for e in events if e.offset]),
            "SequenceNumberArray": Datum("collection_sint64", [e.sequence_number for e in events]),
            "EnqueuedTimeUtcArray": _json([_moment(e.enqueued) for e in events]),
            "PropertiesArray": _json([dict(e.properties) for e in events]),
            "SystemPropertiesArray": _json([_system_properties(e) for e in events]),
        }
    (event,) = events
    if event.partition_key is not None:
        metadata["PartitionKey"] = Datum("string", event.partition_key)
    metadata |= {
        "Offset": Datum("string", event.offset),
        "SequenceNumber": _json(event.sequence_number),
        "EnqueuedTimeUtc": _json(_moment(event.enqueued)),
        "Properties": _json(dict(event.properties)),
        "SystemProperties": _json(_system_properties(event)),
    }
    return merged(metadata, given.value) if given.type == "string" else metadata


def place(events: Sequence[Event], partition_id: str) -> str:
    """Tell where a batch lies in its hub, as the reason for which a function runs."""
    first, last = events[0], events[-1]
    return (
        f"Partition {partition_id}, sequence numbers {first.sequence_number}-{last.sequence_number}, "
        f"offsets {first.offset}-{last.offset}, {len(events)} events"
    )


def _system_properties(event: Event) -> dict[str, Any]:
    return {
        **event.system_properties,
        "SequenceNumber": event.sequence_number,
        "Offset": event.offset,
        "PartitionKey": event.partition_key,
        "EnqueuedTimeUtc": _moment(event.enqueued),
    }


def _json(value: Any) -> Datum:
    return Datum("json", json.dumps(value, default=_plain))


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def _plain(value: object) -> str:
    """Write what JSON has no word for as Newtonsoft does: bytes in base64, times in ISO, anything else as its text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else str(value)


def plain_values(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """Name and write a client's properties as .NET's client would: the Python one gives every text as bytes.

    Bytes that are UTF-8 are taken for text, since nothing tells which they were.
    """
    return {str(_text(name)): _text(value) for name, value in raw.items()}


def _text(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def system_values(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """Write a client's system properties in plain values, the time of arrival as a time."""
    values = plain_values(raw)
    stamp = values.get(ENQUEUED)
    if isinstance(stamp, int):
        values[ENQUEUED] = _moment(datetime.fromtimestamp(stamp / 1000, UTC)) + "Z"
    return values
