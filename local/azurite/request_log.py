"""Counts what Azurite was asked, from its own log: the witness that has no reason to flatter the app.

A table transaction is one request, however many rows it writes. Azurite writes its log as it goes; who counts waits until
what he did himself has been answered.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_REQUEST = re.compile(rb" (\S+) info: \w+ContextMiddleware: RequestMethod=(\w+) RequestURL=(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRequest:
    """One request: ``path`` has neither account nor query."""

    request_id: str
    method: str
    path: str
    query: str


@dataclass(slots=True)
class RequestLog:
    """Azurite's log from the moment when this was made."""

    path: Path
    _start: int = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.path.stat().st_size

    def read(self) -> Sequence[StorageRequest]:
        """Read every request since."""
        with self.path.open("rb") as log:
            log.seek(self._start)
            return [_read(found) for found in _REQUEST.finditer(log.read())]


def _read(found: re.Match[bytes]) -> StorageRequest:
    parts = urlsplit(found[3].decode("ascii", "replace"))
    return StorageRequest(
        request_id=found[1].decode("ascii", "replace"),
        method=found[2].decode("ascii"),
        path="/" + parts.path.partition("/")[2].partition("/")[2],
        query=parts.query,
    )
