"""What an output value means: which queue messages it stands for, and whether they fit.

Writing them is not here.
"""

import json
from typing import Any

from local.host.datums import Datum
from local.host.json_printing import looks_like_json, reprint

LARGEST_MESSAGE = 65_536
"""Bytes of a message as stored. https://learn.microsoft.com/azure/storage/queues/storage-queues-introduction (2026-11)"""


class OutputError(Exception):
    """An output can't be written, so the invocation fails."""


def queue_messages(datum: Datum) -> list[bytes]:
    """Return the bodies of the messages that an output value stands for.

    A list is one message per element, text untouched. A *single* text that looks like JSON is parsed and printed
    anew (an array becomes a message per element), and fails the invocation if it is not JSON after all.
    """
    if datum.type is None or datum.value is None:
        return []
    if datum.type == "bytes":
        return [datum.value]
    if datum.type not in {"string", "json"}:
        return [str(datum.value).encode()]
    text: str = datum.value
    if datum.type == "string" and not looks_like_json(text):
        return [text.encode()]
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OutputError(f"a queue output that looks like JSON is not: {error}") from error
    return [_element(item).encode() for item in (parsed if isinstance(parsed, list) else [parsed])]


def _element(item: Any) -> str:
    if isinstance(item, str):
        return item
    if item is None:
        return ""
    return str(item) if isinstance(item, bool) else reprint(item)


def check_size(text: str) -> None:
    """Raise OutputError for a message that the queue service would refuse."""
    size = len(text.encode())
    if size > LARGEST_MESSAGE:
        raise OutputError(f"the message of {size:,} bytes exceeds the maximum of {LARGEST_MESSAGE:,}")
