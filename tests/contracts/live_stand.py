"""The service for live clients, real over a socket or in memory, and clients of it that note what they are sent."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import aiohttp

from local.signalr.clients import Pace
from local.signalr.service import SignalRService
from shared.adapters.memory_live import MemoryClient, MemoryLive
from shared.adapters.signalr import SignalR
from shared.adapters.signalr_access import AccessKey, Signer
from shared.ports import Live, LiveConnection
from tests.contracts.twins import present, until

END = "\x1e"
Received = list[tuple[str, list[Any]]]


class Listener(Protocol):
    """One connected client."""

    @property
    def received(self) -> Received: ...

    async def leave(self) -> None: ...


class LiveStand(Protocol):
    """A service under test, whose clock a test may turn."""

    live: Live

    async def connect(self, connection: LiveConnection) -> Listener: ...

    def pass_time(self, by: timedelta) -> None: ...


@dataclass
class SocketListener:
    """A client of the hub protocol in thirty lines: that is all that it takes to listen."""

    session: aiohttp.ClientSession
    received: Received = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    farewell: dict[str, Any] = field(default_factory=dict)
    socket: aiohttp.ClientWebSocketResponse | None = None
    _listening: asyncio.Task[None] | None = None

    async def start(self, connection: LiveConnection) -> "SocketListener":
        headers = {"Authorization": f"Bearer {connection.access_token}"}
        address = connection.url.replace("/client/?", "/client/negotiate?") + "&negotiateVersion=1"
        async with self.session.post(address, headers=headers) as answer:
            answer.raise_for_status()
            token = (await answer.json())["connectionToken"]
        self.socket = await self.session.ws_connect(f"{connection.url}&id={token}", headers=headers)
        await self.socket.send_str('{"protocol":"json","version":1}' + END)
        first = await self.socket.receive_str()
        assert first.startswith("{}" + END)
        self._take(first.removeprefix("{}" + END))
        self._listening = asyncio.create_task(self._listen())
        return self

    async def _listen(self) -> None:
        assert self.socket
        async for message in self.socket:
            self._take(message.data)
        self.closed.set()

    def _take(self, text: str) -> None:
        for part in filter(None, text.split(END)):
            message = json.loads(part)
            if message["type"] == 1:
                self.received.append((message["target"], message["arguments"]))
            elif message["type"] == 7:
                self.farewell = message

    async def leave(self) -> None:
        if self._listening:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        if self.socket:
            await self.socket.close()


@dataclass
class RealStand:
    """The stand-in service, asked by the adapter."""

    service: SignalRService
    session: aiohttp.ClientSession
    live: SignalR
    passed: timedelta = timedelta(0)
    listeners: list[SocketListener] = field(default_factory=list)

    async def connect(self, connection: LiveConnection) -> SocketListener:
        listener = await SocketListener(self.session).start(connection)
        self.listeners.append(listener)
        return listener

    def pass_time(self, by: timedelta) -> None:
        before, seconds = self.service.now, by.total_seconds()
        self.service.now = lambda: before() + seconds


@asynccontextmanager
async def real_stand(
    signer: Callable[[SignalRService], Signer] | None = None, **options: Any
) -> AsyncIterator[RealStand]:
    async with AsyncExitStack() as stack:
        patient = Pace(timeout=1e9)  # a test turns the clock by minutes, in which its clients say nothing
        service = await stack.enter_async_context(SignalRService(**{"pace": patient} | options))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        key = service.connection_string.partition("AccessKey=")[2].partition(";")[0]
        live = SignalR(service.url, signer(service) if signer else AccessKey(key), now=present)
        stack.push_async_callback(live.close)
        stand = RealStand(service, session, live)
        yield stand
        for listener in stand.listeners:
            await listener.leave()


@dataclass
class _MemoryListener:
    live: MemoryLive
    client: MemoryClient

    @property
    def received(self) -> Received:
        return self.client.received

    async def leave(self) -> None:
        self.live.disconnect(self.client)


class MemoryStand:
    """The memory twin."""

    def __init__(self) -> None:
        self.passed = timedelta(0)
        self.live = MemoryLive(now=lambda: present() + self.passed)

    async def connect(self, connection: LiveConnection) -> Listener:
        return _MemoryListener(self.live, self.live.connect(connection))

    def pass_time(self, by: timedelta) -> None:
        self.passed += by


async def tell(live: Live, user: str, *arguments: Any) -> None:
    """Send to the connections that one user has now: to a group of theirs alone."""
    group = f"own-{user}~1"
    await live.join(user, group, ttl=timedelta(minutes=1))
    await live.send_to_group(group, "mail", arguments)


async def heard(listener: Listener, count: int) -> Received:
    """Wait until a client was sent so much."""

    async def enough() -> bool:
        await asyncio.sleep(0.005)
        return len(listener.received) >= count

    await until(enough, within=30)
    return listener.received
