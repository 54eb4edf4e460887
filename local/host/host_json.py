"""host.json as typed values, with its overrides from the environment applied.

Only what this host acts on is read: HTTP's route prefix, queues, Event Hubs, the function timeout and log levels.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from local.host.time_spans import read_time_span

OVERRIDE_PREFIX = "azurefunctionsjobhost__"
NO_TIMEOUT = "-1"
# https://learn.microsoft.com/azure/azure-functions/functions-host-json (2026-11): names as .NET's LogLevel has them
LOG_LEVELS = {
    "trace": 0,
    "debug": 10,
    "information": 20,
    "warning": 30,
    "error": 40,
    "critical": 50,
    "none": 100,
}


class HostJsonError(Exception):
    """host.json, or an override of it, can't be read; the text says which value and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """`extensions.queues`, with the defaults of one vCPU."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    max_polling_interval: timedelta = timedelta(minutes=1)
    base64: bool = True


# https://github.com/Azure/azure-sdk-for-net, WebJobs.Extensions.EventHubs EventHubOptions.cs and Azure.Messaging.EventHubs
# EventProcessorOptions.cs (2026-11): names and defaults. Microsoft's page of host.json still has 10 events a batch.
@dataclass(frozen=True, slots=True, kw_only=True)
class EventHubOptions:
    """`extensions.eventHubs`. `start` is where a partition without a checkpoint begins, as the client writes it."""

    max_event_batch_size: int = 100
    min_event_batch_size: int = 1
    max_wait_time: timedelta = timedelta(minutes=1)
    batch_checkpoint_frequency: int = 1
    prefetch_count: int = 300
    start: str | datetime = "-1"
    load_balancing_update_interval: timedelta = timedelta(seconds=30)
    partition_ownership_expiration_interval: timedelta = timedelta(minutes=2)


LONGEST_WAIT = timedelta(minutes=10)
STARTS = {"": "-1", "fromstart": "-1", "fromend": "@latest"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What host.json says, as far as this host obeys it."""

    route_prefix: str = "api"
    queues: QueueOptions = QueueOptions()
    event_hubs: EventHubOptions = EventHubOptions()
    function_timeout: timedelta | None = timedelta(minutes=30)
    log_levels: Mapping[str, int] = field(default_factory=dict)

    def log_level(self, category: str) -> int:
        """Return the least level that is shown of a category: its longest configured prefix decides."""
        prefixes = [name for name in self.log_levels if (category.lower() + ".").startswith(name + ".")]
        default = self.log_levels.get("default", LOG_LEVELS["information"])
        return self.log_levels[max(prefixes, key=len)] if prefixes else default


def read_host_json(text: str, environ: Mapping[str, str]) -> HostOptions:
    """Read the text of host.json and lay `AzureFunctionsJobHost__a__b=value` over it, case ignored."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise HostJsonError(f"host.json is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise HostJsonError('host.json has to be an object with "version": "2.0"')
    tree = _lower_keys(document)
    for name, value in environ.items():
        if name.lower().startswith(OVERRIDE_PREFIX):
            _override(tree, name.lower().removeprefix(OVERRIDE_PREFIX).split("__"), value)
    try:
        return _options(tree)
    except (ValueError, TypeError, OverflowError) as error:
        raise HostJsonError(f"host.json: {error}") from error


def _lower_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): _lower_keys(inner) for name, inner in value.items()}
    return value


def _override(tree: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1]:
        inner = tree.get(name)
        if not isinstance(inner, dict):
            inner = tree[name] = {}
        tree = inner
    tree[path[-1]] = value


def _options(tree: Mapping[str, Any]) -> HostOptions:
    extensions = tree.get("extensions") or {}
    timeout = str(tree.get("functiontimeout", "00:30:00"))
    levels = (tree.get("logging") or {}).get("loglevel") or {}
    return HostOptions(
        route_prefix=str((extensions.get("http") or {}).get("routeprefix", "api")).strip("/"),
        queues=_queue_options(extensions.get("queues") or {}),
        event_hubs=_event_hub_options(_section(extensions, "eventHubs")),
        function_timeout=None if timeout == NO_TIMEOUT else read_time_span(timeout),
        log_levels={name: LOG_LEVELS[str(level).lower()] for name, level in levels.items()},
    )


def _queue_options(section: Mapping[str, Any]) -> QueueOptions:
    batch_size = int(section.get("batchsize", 16))
    encoding = str(section.get("messageencoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        raise ValueError(f"messageEncoding is base64 or none, not {encoding!r}")
    if not 1 <= batch_size <= 32:  # noqa: PLR2004 - a receive takes at most 32 messages
        raise ValueError(f"batchSize is 1 to 32, not {batch_size}")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=int(section.get("newbatchthreshold", batch_size // 2)),
        max_dequeue_count=int(section.get("maxdequeuecount", 5)),
        visibility_timeout=read_time_span(str(section.get("visibilitytimeout", "00:00:00"))),
        max_polling_interval=read_time_span(str(section.get("maxpollinginterval", "00:01:00"))),
        base64=encoding == "base64",
    )


def _event_hub_options(section: Mapping[str, Any]) -> EventHubOptions:
    default = EventHubOptions()
    numbers = {
        "maxEventBatchSize": default.max_event_batch_size,
        "minEventBatchSize": default.min_event_batch_size,
        "batchCheckpointFrequency": default.batch_checkpoint_frequency,
        "prefetchCount": default.prefetch_count,
    }
    read = {name: int(section.get(name.lower(), number)) for name, number in numbers.items()}
    for name, number in read.items():
        least = 0 if name == "prefetchCount" else 1
        if number < least:
            raise ValueError(f"{name} is at least {least}, not {number}")
    if read["minEventBatchSize"] > read["maxEventBatchSize"]:
        raise ValueError("minEventBatchSize is larger than maxEventBatchSize")
    wait = _span(section, "maxWaitTime", default.max_wait_time)
    if wait > LONGEST_WAIT:
        raise ValueError(f"maxWaitTime is at most {LONGEST_WAIT}, not {wait}")
    return EventHubOptions(
        max_event_batch_size=read["maxEventBatchSize"],
        min_event_batch_size=read["minEventBatchSize"],
        max_wait_time=wait,
        batch_checkpoint_frequency=read["batchCheckpointFrequency"],
        prefetch_count=read["prefetchCount"],
        start=_start(_section(section, "initialOffsetOptions")),
        load_balancing_update_interval=_span(
            section, "loadBalancingUpdateInterval", default.load_balancing_update_interval
        ),
        partition_ownership_expiration_interval=_span(
            section, "partitionOwnershipExpirationInterval", default.partition_ownership_expiration_interval
        ),
    )


def _section(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = parent.get(name.lower()) or {}
    if not isinstance(found, dict):
        raise TypeError(f"{name} is an object, not {found!r}")
    return found


def _span(section: Mapping[str, Any], name: str, default: timedelta) -> timedelta:
    text = section.get(name.lower())
    span = default if text is None else read_time_span(str(text))
    if span < timedelta(0):
        raise ValueError(f"{name} is not negative, as {text!r} is")
    return span


def _start(section: Mapping[str, Any]) -> str | datetime:
    kind = str(section.get("type", "")).lower()
    if kind != "fromenqueuedtime":
        if kind not in STARTS:
            raise ValueError(f"initialOffsetOptions.type is fromStart, fromEnd or fromEnqueuedTime, not {kind!r}")
        return STARTS[kind]
    text = str(section.get("enqueuedtimeutc", ""))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"initialOffsetOptions.enqueuedTimeUtc is a time such as 2026-11-20T10:00:00Z, not {text!r}"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
