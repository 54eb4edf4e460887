"""What a change writes into an item by itself: times and versions, spelt as each workload spells them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local.graph.catalogue.row import Row
from local.graph.clock import milliseconds, whole_seconds

Stamp = Callable[[str, datetime], dict[str, Any]]


def stamp(row: Row, content: Mapping[str, Any], *, version: str, at: datetime, first: bool) -> dict[str, Any]:
    """Return the content with its times and versions; `first` sets what only creation sets."""
    changed = _CHANGED.get(row.key)
    stamped = {**content, **(changed(version, at) if changed else {})}
    if first and row.key in _CREATED:
        stamped["createdDateTime"] = _CREATED[row.key](at)
    return stamped


def _message(version: str, at: datetime) -> dict[str, Any]:
    return {"etag": version, "lastModifiedDateTime": milliseconds(at)}


def _outlook(version: str, at: datetime) -> dict[str, Any]:
    return {"@odata.etag": version, "changeKey": version[3:-1], "lastModifiedDateTime": whole_seconds(at)}


def _chat(_version: str, at: datetime) -> dict[str, Any]:
    return {"lastUpdatedDateTime": milliseconds(at)}


def _file(_version: str, at: datetime) -> dict[str, Any]:
    moment = int(at.timestamp() * 1000)
    return {"eTag": f'"{moment:x},1"', "cTag": f'"c:{moment:x},1"', "lastModifiedDateTime": whole_seconds(at)}


_CHANGED: dict[str, Stamp] = {
    "channel-message": _message,
    "chat-message": _message,
    "message": _outlook,
    "event": _outlook,
    "contact": _outlook,
    "chat": _chat,
    "drive-item": _file,
}

_CREATED: dict[str, Callable[[datetime], str]] = {
    "channel-message": milliseconds,
    "chat-message": milliseconds,
    "message": whole_seconds,
    "event": whole_seconds,
    "contact": whole_seconds,
    "chat": milliseconds,
    "channel": milliseconds,
    "team": milliseconds,
    "user": whole_seconds,
    "group": whole_seconds,
    "drive-item": whole_seconds,
    "drive": whole_seconds,
}
