"""Event Hubs as a process: started on a port of its own, ready when it says so, gone when its owner is.

Everything is kept in memory. A restart on the same port is an outage with loss; `pause`, `resume` and `cut` are ones without.
What clients may ask of it is in the JavaScript beside this module.
"""

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

KEY_NAME = "RootManageSharedAccessKey"
# no secret: the namespace is on loopback and holds what the workshop made up
KEY = "bG9jYWwtZXZlbnQtaHVicy1rZXktb2YtdGhlLXdvcmtzaG9wIQ=="
HUBS: Mapping[str, int] = {"notifications": 4}
KEPT_BYTES = 256 * 1024 * 1024

_SCRIPT = Path(__file__).with_name("server.js")
_PACKAGE = Path(__file__).parent.parent / "node_modules" / "rhea" / "package.json"
_READY_WITHIN_SECONDS = 30


class EventHubsError(Exception):
    """Event Hubs cannot be started; the text says what to do about it."""


@dataclass(slots=True, kw_only=True)
class EventHubs:
    """One namespace. Use it as a context manager, synchronous or not, or `start` and `stop` it.

    ``hubs`` are names with their number of partitions; each has ``consumer_groups`` besides `$Default`. A ``port`` of 0 becomes
    a free one at the first start and stays the same at later ones. A partition drops its oldest events when it holds more than
    ``kept_bytes``.
    """

    hubs: Mapping[str, int] = field(default_factory=lambda: HUBS)
    consumer_groups: Sequence[str] = ()
    port: int = 0
    kept_bytes: int = KEPT_BYTES
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _errors: IO[bytes] | None = field(default=None, repr=False)

    @property
    def connection_string(self) -> str:
        """What clients connect with; `;EntityPath=<hub>` names the hub for those that want it there."""
        return (
            f"Endpoint=sb://localhost:{self.port};SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY};"
            "UseDevelopmentEmulator=true"
        )

    @property
    def pid(self) -> int:
        """The process, for whoever wants to hurt it."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EventHubsError("Event Hubs is not running")
        return self._process

    def check(self) -> None:
        """Raise EventHubsError with its last words if it has ended by itself."""
        if self._process is None or self._process.poll() is None:
            return
        code, said = self._process.returncode, ""
        if self._errors:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip()
        self.stop()
        raise EventHubsError(f"Event Hubs ended with exit code {code}: {said[-500:] or 'it said nothing'}")

    def start(self) -> Self:
        """Start and wait until it takes connections. Raises EventHubsError with what to do."""
        node = shutil.which("node")
        if node is None:
            raise EventHubsError("Node.js is not on the PATH: install version 20 or later, then run 'make setup'")
        if not _PACKAGE.exists():
            raise EventHubsError(
                "the AMQP library rhea is not installed: run 'make setup' (it runs 'npm ci' in local/)"
            )
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process runs; a pipe could fill up
        self._process = subprocess.Popen(
            [node, str(_SCRIPT), json.dumps(self._asked())],
            stdin=subprocess.PIPE,  # held open for as long as its owner lives: server.js ends with it
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the owner, who then stops it in order
        )
        self._wait()
        return self

    def _asked(self) -> Mapping[str, object]:
        return {
            "port": self.port,
            "hubs": dict(self.hubs),
            "consumerGroups": list(self.consumer_groups),
            "keptBytes": self.kept_bytes,
            "keyName": KEY_NAME,
            "key": KEY,
        }

    def _wait(self) -> None:
        """Wait for the line with the port."""
        said = self._running.stdout
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while said and not select.select([said], [], [], 0.1)[0]:
            self.check()
            if time.monotonic() > deadline:
                self.stop()
                raise EventHubsError(f"Event Hubs was not ready within {_READY_WITHIN_SECONDS} s")
        line = said.readline() if said else b""
        if not line:
            self._running.wait(_READY_WITHIN_SECONDS)
            self.check()
        self.port = int(line)

    def pause(self) -> None:
        """Stop it from answering, without loss: connections hang, as they do when a network goes."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        os.kill(self.pid, signal.SIGCONT)

    def cut(self) -> None:
        """Cut every connection there is, without loss; clients may connect again at once."""
        if commands := self._running.stdin:
            commands.write(b"cut\n")
            commands.flush()

    def stop(self) -> None:
        """End it; twice is no error."""
        process, self._process = self._process, None
        errors, self._errors = self._errors, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()
        if errors is not None:
            errors.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)
