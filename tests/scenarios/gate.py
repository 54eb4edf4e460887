"""A gate between the app and the authority: while it is closed, connections hang, as they do when a network goes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit


class Gate:
    """A TCP forwarder on a loopback port. The simulator that it leads to may start after it."""

    def __init__(self, simulator_log: Path) -> None:
        self._simulator_log = simulator_log
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_open = asyncio.Event()
        self.url = ""

    def _target(self) -> int:
        ready = next(line for line in self._simulator_log.read_text().splitlines() if line.startswith('{"ready"'))
        return urlsplit(json.loads(ready)["https"]).port or 0

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection both ways, once the gate is open."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.is_open.wait()
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._target())
            await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def drop(self) -> None:
        """End every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def open_gate(simulator_log: Path) -> AsyncIterator[Gate]:
    """Put up a gate, open for now."""
    gate = Gate(simulator_log)
    gate.is_open.set()
    server = await asyncio.start_server(gate.forward, "127.0.0.1", 0)
    gate.url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield gate
    finally:
        server.close()
        await gate.drop()
        await server.wait_closed()
