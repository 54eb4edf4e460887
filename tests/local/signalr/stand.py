"""Microsoft's own SignalR client in a Node.js of its own, and what a test tells it and hears from it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shared.ports import LiveConnection

HERE = Path(__file__).parent
MODULES = HERE.parents[2] / "local" / "package.json"
WEBSOCKETS, EVENTS, POLLING = 1, 2, 4
PATIENCE = 60

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js on the PATH")


@dataclass
class OfficialClient:
    """One client; ``events`` is everything that happened to it, in order."""

    process: asyncio.subprocess.Process
    events: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def received(self) -> list[tuple[str, list[Any]]]:
        return [(each["target"], each["arguments"]) for each in self.events if each["event"] == "message"]

    async def listen(self) -> None:
        assert self.process.stdout
        while line := await self.process.stdout.readline():
            self.events.append(json.loads(line))
            self._news.set()
        self.ended = True
        self._news.set()

    async def until(self, found: Callable[["OfficialClient"], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not found(self):
                failed = [each for each in self.events if each["event"] == "failed"]
                assert not failed
                assert not self.ended, "the client's process has ended"
                self._news.clear()
                await self._news.wait()

    async def hears(self, count: int) -> list[tuple[str, list[Any]]]:
        await self.until(lambda client: len(client.received) >= count)
        return self.received

    async def sees(self, event: str) -> dict[str, Any]:
        await self.until(lambda client: any(each["event"] == event for each in client.events))
        return next(each for each in reversed(self.events) if each["event"] == event)

    def do(self, command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{command}\n".encode())


@asynccontextmanager
async def official_client(
    connection: LiveConnection, *, transport: int = WEBSOCKETS, keep_alive: int = 15_000
) -> AsyncIterator[OfficialClient]:
    """Start a client that connects; what becomes of that is its first event."""
    asked = {
        "modules": str(MODULES),
        "url": connection.url,
        "token": connection.access_token,
        "transport": transport,
        "keepAlive": keep_alive,
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "official_client.mjs"),
        json.dumps(asked),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    client = OfficialClient(process)
    listening = asyncio.create_task(client.listen())
    try:
        yield client
    finally:
        if process.stdin:
            process.stdin.close()
        await process.wait()
        await listening
