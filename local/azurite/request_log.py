"""Counts what Azurite was asked, from its own log: the witness that has no reason to flatter the app.

A table transaction is one request, however many rows it writes. Azurite writes its log behind the answers; a request of
our own marks the place up to which everything is there.
"""

import contextlib
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from local.azurite.emulator import Azurite
from local.emulation import EmulatorError

_REQUEST = re.compile(rb" (\S+) info: \w+ContextMiddleware: RequestMethod=(\w+) RequestURL=(\S+)")
_MARK = b"/mark-"
_WRITTEN_WITHIN_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRequest:
    """One request: ``path`` has neither account nor query."""

    request_id: str
    method: str
    path: str
    query: str


@dataclass(slots=True)
class RequestLog:
    """What an emulator with an ``access_log`` was asked since this was made."""

    emulator: Azurite
    _path: Path = field(init=False)
    _start: int = field(init=False)

    def __post_init__(self) -> None:
        if self.emulator.access_log is None:
            raise EmulatorError("this Azurite was started without an access_log")
        self._path = self.emulator.access_log
        self._start = 0
        self._start = self._mark()

    def read(self) -> Sequence[StorageRequest]:
        """Read every request answered since."""
        return [_read(found) for found in _REQUEST.finditer(self.text()) if _MARK not in found[3]]

    def text(self) -> bytes:
        """Read the log itself since."""
        end = self._mark()
        with self._path.open("rb") as log:
            log.seek(self._start)
            return log.read(end - self._start)

    def _mark(self) -> int:
        """Ask for something that nobody else asks for; where that stands in the log."""
        mark = f"{_MARK.decode()}{uuid.uuid4().hex}"
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.emulator.table_port}{mark}", timeout=5).close()
        deadline = time.monotonic() + _WRITTEN_WITHIN_SECONDS
        while time.monotonic() < deadline:
            with self._path.open("rb") as log:
                log.seek(self._start)
                written = log.read()
            found = written.find(mark.encode())
            if found >= 0:
                return self._start + written.rfind(b"\n", 0, found) + 1
            time.sleep(0.01)
        raise EmulatorError("Azurite does not write its log")


def _read(found: re.Match[bytes]) -> StorageRequest:
    parts = urlsplit(found[3].decode("ascii", "replace"))
    return StorageRequest(
        request_id=found[1].decode("ascii", "replace"),
        method=found[2].decode("ascii"),
        path="/" + parts.path.lstrip("/").partition("/")[2],
        query=parts.query,
    )
