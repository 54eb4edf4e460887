"""Rows of table ``feed`` and the values they hold. A property holds 32 Ki characters, so that content comes in pieces."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.graph.timestamp import read_timestamp, write_timestamp
from shared.ports import FeedEntry, FeedLogRow

_PIECE = 30_000
_MOST_PIECES = 12
"""360,000 characters, 720 KB of the 1 MiB that a row may have. Of a longer text the largest properties are left out."""

STATE = ("Id", "Resource", "ChangeType", "Version", "Deleted", "Changed")
"""What tells one state of an item from another, without its content."""

_ROW_FRAME = 1024  # headers and URL of one operation in a transaction


Row = dict[str, str | bool]


def entry_row(feed: str, key: str, entry: FeedEntry) -> Row:
    """Write an item's current state."""
    row: Row = {
        "PartitionKey": feed,
        "RowKey": key,
        "Id": entry.item,
        "Resource": entry.resource,
        "ChangeType": entry.change_type,
        "Version": entry.version,
        "Deleted": entry.deleted,
    }
    if entry.changed is not None:
        row["Changed"] = write_timestamp(entry.changed)
    for index, piece in enumerate(_pieces(entry.content)):
        row[f"Content{index}"] = piece
    return row


def read_entry(row: Mapping[str, Any]) -> FeedEntry:
    """Read an item's current state."""
    text = "".join(str(row[name]) for name in (f"Content{index}" for index in range(_MOST_PIECES)) if name in row)
    return FeedEntry(
        item=row["Id"],
        resource=row["Resource"],
        change_type=row["ChangeType"],
        version=row["Version"],
        changed=read_timestamp(row["Changed"]) if "Changed" in row else None,
        deleted=row["Deleted"],
        content=json.loads(text) if text else None,
    )


def log_row(feed: str, key: str, item_key: str, entry: FeedEntry, arrived: datetime) -> Row:
    """Write one change of the log: which item, what kind of change, and when it was taken up."""
    return {
        "PartitionKey": feed,
        "RowKey": key,
        "Item": item_key,
        "ChangeType": entry.change_type,
        "Arrived": write_timestamp(arrived.astimezone(UTC)),
    }


def read_log_row(row: Mapping[str, Any], item: Mapping[str, Any]) -> FeedLogRow:
    """Read one change of the log, with the current state of its item."""
    return FeedLogRow(
        position=int(str(row["RowKey"]).removeprefix("log-")),
        change_type=row["ChangeType"],
        arrived=read_timestamp(row["Arrived"]),
        entry=read_entry(item),
    )


def _pieces(content: Mapping[str, Any] | None) -> list[str]:
    if content is None:
        return []
    text = _written(content)
    if len(text) > _PIECE * _MOST_PIECES:
        text = _written(_without_largest(content))
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


def _without_largest(content: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the largest properties until the rest fits; ``omitted`` names them."""
    sizes = {name: len(_written({name: value})) for name, value in content.items()}
    kept = dict(content)
    room = _PIECE * _MOST_PIECES
    for name in sorted(sizes, key=lambda name: sizes[name], reverse=True):
        if sum(sizes[each] for each in kept) < room:
            break
        del kept[name]
        room -= min(len(name), 100) * 6 + 4  # named below instead, at worst in escapes
    return kept | {"omitted": [name[:100] for name in content if name not in kept]}


def _written(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=True)


def wire_size(row: Mapping[str, Any]) -> int:
    """Estimate, from above, the bytes of a row and of its log row in a transaction: quotes are escaped there."""
    texts = [value for value in row.values() if isinstance(value, str)]
    return sum(len(text) + text.count('"') + text.count("\\") for text in texts) + 2 * _ROW_FRAME
