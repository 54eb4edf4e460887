"""What no event can hold: the properties that Graph leaves out of an item and puts into a blob, and putting them back.

The page says which properties they are, not in which form the blob holds them. So every sensible one is read: the whole item,
the properties alone, or a collection of one. Only those three are ever taken, and only where the item lacks them: what says whose
an item is came with the item. Getting the blob is `shared.oversize`'s.
https://learn.microsoft.com/graph/change-notifications-delivery-event-hubs (2026-10)
"""

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from shared.errors import GraphProtocolError
from shared.graph.notification import with_canonical_names

CONTAINER: Final = "microsoft-graph-change-notifications"
"""The blob container that Graph writes to; we make it, Graph does not. Named in an older copy of the page (2024)."""

_LEFT_OUT: Final = ("resource", "resourceData", "encryptedContent")
_REFERENCE: Final = "additionalpayloadstorageid"
_NAME = re.compile(r"[^/\\\x00-\x20\x7f-\x9f]{1,256}")


def is_blob_name(storage_id: str) -> bool:
    """Tell whether an ``additionalPayloadStorageId`` is the name of one blob: no path, nothing that a URL or a log trips over."""
    return bool(_NAME.fullmatch(storage_id)) and bool(storage_id.strip(".")) and storage_id.isprintable()


def complete(item: Mapping[str, Any], blob: bytes) -> dict[str, Any]:
    """Put the properties that a blob holds back into the item that names it. Raises GraphProtocolError."""
    try:
        document = json.loads(blob, parse_constant=_number, parse_float=_number)
    except (ValueError, RecursionError) as problem:
        raise GraphProtocolError("its blob is not JSON, or breaks off") from problem
    held = with_canonical_names(_single(document))
    own = with_canonical_names(item)
    found = {name: held[name] for name in _LEFT_OUT if own.get(name) is None and held.get(name) is not None}
    if not found:
        raise GraphProtocolError("its blob holds nothing of what the item lacks")
    if not isinstance(found.get("resource", ""), str):
        raise GraphProtocolError("the resource in its blob is no text")
    empty = {name.lower() for name in found} | {_REFERENCE}
    return {name: value for name, value in item.items() if name.lower() not in empty} | found


def _single(document: object) -> Mapping[str, Any]:
    """Find the object that holds the properties: the document itself, or the one item of a collection."""
    items = document.get("value") if isinstance(document, dict) else None
    if isinstance(items, list) and len(items) == 1:
        [document] = items
    if not isinstance(document, dict):
        raise GraphProtocolError("its blob is no notification, nor a collection of one")
    return document


def _number(text: str) -> float:
    """Read a number that can be written again, as for any other notification that is kept."""
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number that no JSON can hold")
    return number
