"""Typed data between host and worker: the host's own `Datum`, and how one travels in a frame.

Converting to and from Python objects of the app is not here: the worker asks azure.functions' converters.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

BY_VALUE = {None, "int", "double", "collection_sint64"}
"""Types whose values travel in the header."""
COLLECTIONS = {"collection_bytes", "collection_string"}
"""Types whose values are lists of which each element travels as a blob."""


class Datum(NamedTuple):
    """A value with the type that the Functions protocol gives it.

    `type` is `bytes`, `string`, `json` (the value is JSON text), `int`, `double`, `http` (the value is a dict of
    plain values, its `body` bytes), `collection_bytes`, `collection_string` or `collection_sint64` (the value is a
    list), or None.
    """

    type: str | None
    value: Any


def write_datum(datum: Datum, blobs: list[bytes]) -> dict[str, Any]:
    """Return the header entry of a datum, appending what is bulky to the blobs."""
    if datum.type in BY_VALUE:
        return {"type": datum.type, "value": datum.value}
    if datum.type in COLLECTIONS:
        blobs.extend(item if isinstance(item, bytes) else item.encode() for item in datum.value)
        return {"type": datum.type, "blob": len(blobs) - len(datum.value), "count": len(datum.value)}
    entry: dict[str, Any]
    if datum.type == "http":
        entry = {"type": "http", "value": {name: item for name, item in datum.value.items() if name != "body"}}
        bulk = datum.value["body"]
    else:
        entry = {"type": datum.type}
        bulk = datum.value if datum.type == "bytes" else datum.value.encode()
    entry["blob"] = len(blobs)
    blobs.append(bulk)
    return entry


def read_datum(entry: dict[str, Any], blobs: Sequence[bytes]) -> Datum:
    """Read what `write_datum` wrote."""
    kind = entry["type"]
    if "blob" not in entry:
        return Datum(kind, entry["value"])
    if kind in COLLECTIONS:
        items = blobs[entry["blob"] : entry["blob"] + entry["count"]]
        return Datum(kind, list(items) if kind == "collection_bytes" else [item.decode() for item in items])
    bulk = blobs[entry["blob"]]
    if kind == "http":
        return Datum(kind, {**entry["value"], "body": bulk})
    return Datum(kind, bulk if kind == "bytes" else bulk.decode())
