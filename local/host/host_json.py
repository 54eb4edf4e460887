"""host.json as typed values, with its overrides from the environment applied.

Only what this host acts on is read: HTTP's route prefix, queues, the function timeout and log levels.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What host.json says, as far as this host obeys it."""

    route_prefix: str = "api"
    queues: QueueOptions = QueueOptions()
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
    except (ValueError, TypeError) as error:
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
