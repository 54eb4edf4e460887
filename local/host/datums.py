"""Typed data between host and worker: the host's own `Datum`, and how one travels in a frame.

Converting to and from Python objects of the app is not here: the worker asks azure.functions' converters.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Datum(NamedTuple):
    """A value with the type that the Functions protocol gives it.

    `type` is `bytes`, `string`, `json` (the value is JSON text), `int`, `double`, `http` (the value is a dict of
    plain values, its `body` bytes) or None.
    """

    type: str | None
    value: Any


def write_datum(datum: Datum, blobs: list[bytes]) -> dict[str, Any]:
    """Return the header entry of a datum, appending what is bulky to the blobs."""
    if datum.type is None or datum.type in {"int", "double"}:
        return {"type": datum.type, "value": datum.value}
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
    bulk = blobs[entry["blob"]]
    if kind == "http":
        return Datum(kind, {**entry["value"], "body": bulk})
    return Datum(kind, bulk if kind == "bytes" else bulk.decode())
