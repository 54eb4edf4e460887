"""Event Hubs as a process: started on a port of its own, ready when it says so, gone when its owner is.

Everything is kept in memory. What clients may ask of it is in the JavaScript beside this module; what every emulator has in common
is in `local.emulation`.
"""

import asyncio
import json
import select
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from local.emulation import READY_WITHIN_SECONDS, Emulator, EmulatorError

KEY_NAME = "RootManageSharedAccessKey"
# no secret: the namespace is on loopback and holds what the workshop made up
KEY = "bG9jYWwtZXZlbnQtaHVicy1rZXktb2YtdGhlLXdvcmtzaG9wIQ=="
HUBS: Mapping[str, int] = {"notifications": 4}
KEPT_BYTES = 256 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class EventHubs(Emulator):
    """One namespace; asynchronous code may use it as a context manager too.

    ``hubs`` are names with their number of partitions; each has ``consumer_groups`` besides `$Default`. A ``port`` of 0 becomes
    a free one at the first start and stays the same at later ones. A partition drops its oldest events when it holds more than
    ``kept_bytes``.
    """

    title: ClassVar[str] = "Event Hubs"
    package: ClassVar[str] = "rhea"
    script: ClassVar[Path] = Path(__file__).with_name("server.js")
    speaks: ClassVar[bool] = True

    hubs: Mapping[str, int] = field(default_factory=lambda: HUBS)
    consumer_groups: Sequence[str] = ()
    port: int = 0
    kept_bytes: int = KEPT_BYTES

    @property
    def connection_string(self) -> str:
        """What clients connect with; `;EntityPath=<hub>` names the hub for those that want it there."""
        return (
            f"Endpoint=sb://localhost:{self.port};SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY};"
            "UseDevelopmentEmulator=true"
        )

    def arguments(self) -> Sequence[str]:
        """Return the one argument of server.js."""
        asked = {
            "port": self.port,
            "hubs": dict(self.hubs),
            "consumerGroups": list(self.consumer_groups),
            "keptBytes": self.kept_bytes,
            "keyName": KEY_NAME,
            "key": KEY,
        }
        return [json.dumps(asked)]

    def wait(self) -> None:
        """Wait for the line with the port."""
        said = self.running.stdout
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while said and not select.select([said], [], [], 0.1)[0]:
            self.check()
            if time.monotonic() > deadline:
                self.stop()
                raise EmulatorError(f"Event Hubs was not ready within {READY_WITHIN_SECONDS} s")
        line = said.readline() if said else b""
        if not line:
            self.running.wait(READY_WITHIN_SECONDS)
            self.check()
        self.port = int(line)

    def cut(self) -> None:
        """Cut every connection there is, without loss; clients may connect again at once."""
        if commands := self.running.stdin:
            commands.write(b"cut\n")
            commands.flush()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)
