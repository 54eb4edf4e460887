"""How long one change takes to everybody who is connected, and what sending it costs the app.

The service that stands in for Azure's is a process of its own; the clients are here, over real sockets. So the first figure is one of
the workshop: how it is in Azure is for Azure to say. What is the app's own is the cost of a send.
"""

import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from local.bench.figures import Figure
from local.bench.opening import present
from local.demo.processes import start
from local.worker313.environment import ROOT
from shared.adapters.credential import own_identity
from shared.adapters.signalr import SignalR
from shared.adapters.signalr_access import read_access
from shared.live import feed_message, group_now, groups_to_join
from shared.settings import Settings

_CLIENTS, _QUICK_CLIENTS = 1_000, 50
_ROUNDS, _QUICK_ROUNDS = 20, 3
_SENDS, _QUICK_SENDS = 2_000, 100
_TOGETHER = 50
_READY_WITHIN = 60.0
_WITHIN = 60.0
_END: Final = "\x1e"
_FEED: Final = "fbenchmarkbenchmarkbenchm"
_CHANGE: Final = {
    "position": 1,
    "changeType": "created",
    "id": "1764000000000",
    "resource": "teams/t/channels/c/messages/1764000000000",
    "content": {
        "from": {"user": {"displayName": "Adele Vance"}},
        "body": {"contentType": "html", "content": "x" * 1_400},
    },
}
"""Some two kilobytes, as a message in a channel with its frame."""


@dataclass(slots=True)
class _Everybody:
    """Who is connected; ``reached`` is called when each of them has been sent something."""

    count: int
    heard: int = 0
    all_heard: asyncio.Event = field(default_factory=asyncio.Event)
    listening: list[asyncio.Task[None]] = field(default_factory=list)

    def note(self) -> None:
        """Count one more."""
        self.heard += 1
        if self.heard == self.count:
            self.all_heard.set()

    def again(self) -> None:
        """Begin to count anew."""
        self.heard = 0
        self.all_heard.clear()


def measure_live(folder: Path, *, quick: bool = False) -> list[Figure]:
    """Take the figures. Raises StageError, RuntimeError if not everybody hears."""
    return asyncio.run(_measure(folder, quick=quick))


async def _measure(folder: Path, *, quick: bool) -> list[Figure]:
    clients = _QUICK_CLIENTS if quick else _CLIENTS
    async with _service(folder, clients) as live, aiohttp.ClientSession(connector=_no_limit()) as session:
        connecting = time.perf_counter()
        everybody = await _connect(live, session, clients)
        connecting = time.perf_counter() - connecting
        try:
            spread = [await _tell(live, everybody) for _ in range(_QUICK_ROUNDS if quick else _ROUNDS)]
        finally:
            for task in everybody.listening:
                task.cancel()
            await asyncio.gather(*everybody.listening, return_exceptions=True)
        waits, cpu = await _send(live, _QUICK_SENDS if quick else _SENDS)
    return [
        Figure(
            name=f"one change to {clients:,} connected clients, all of them, slowest of {len(spread)}",
            value=max(spread),
            unit="s",
            target=1,
            note=f"median {statistics.median(spread):.3f} s; {clients:,} clients let in and connected in {connecting:.1f} s",
        ),
        Figure(
            name="live message: request to SignalR, p50",
            value=statistics.median(waits) * 1_000,
            unit="ms",
            target=5,
            note=f"p99 {sorted(waits)[int(len(waits) * 0.99)] * 1_000:.2f} ms, one after the other, stand-in on the same machine",
        ),
        Figure(
            name="live message: CPU of the app for a send",
            value=cpu * 1_000,
            unit="ms",
            target=0.5,
            note=f"{len(json.dumps(_CHANGE))} bytes, signature of the access key included; a token of Entra's is kept",
        ),
    ]


@asynccontextmanager
async def _service(folder: Path, clients: int) -> AsyncIterator[SignalR]:
    async with AsyncExitStack() as stack:
        command = [sys.executable, "-m", "local", "signalr", "--port", "0", "--connections", str(clients + 10)]
        running = await start("SignalR", command, folder=ROOT, environ={}, log=folder / "signalr.log")
        stack.push_async_callback(running.stop)
        ready = json.loads(await running.wait_for_line('{"ready"', within=_READY_WITHIN))
        settings = Settings.from_environ({"AzureSignalRConnectionString": ready["connectionString"]})
        endpoint, signer = read_access(settings, own_identity)
        live = SignalR(endpoint, signer, now=present)
        stack.push_async_callback(live.close)
        yield live


async def _connect(live: SignalR, session: aiohttp.ClientSession, count: int) -> _Everybody:
    """Let each in as `POST /api/negotiate` does, and connect as a page does."""
    everybody, gate = _Everybody(count), asyncio.Semaphore(_TOGETHER)

    async def one(number: int) -> None:
        async with gate:
            user = f"user-{number}"
            # joined now for the epoch to come too, however late it is: nobody renews here
            for group, _ in [
                *groups_to_join(_FEED, present()),
                *groups_to_join(_FEED, present() + timedelta(minutes=5)),
            ]:
                await live.join(user, group, ttl=timedelta(minutes=10))
            connection = await live.connection(user)
            socket = await _open(session, connection.url, connection.access_token)
        everybody.listening.append(asyncio.create_task(_listen(socket, everybody.note)))

    await asyncio.gather(*(one(number) for number in range(count)))
    return everybody


async def _open(session: aiohttp.ClientSession, url: str, token: str) -> aiohttp.ClientWebSocketResponse:
    headers = {"Authorization": f"Bearer {token}"}
    address = url.replace("/client/?", "/client/negotiate?") + "&negotiateVersion=1"
    async with session.post(address, headers=headers) as answer:
        answer.raise_for_status()
        taken = (await answer.json())["connectionToken"]
    socket = await session.ws_connect(f"{url}&id={taken}", headers=headers)
    await socket.send_str(f'{{"protocol":"json","version":1}}{_END}')
    await socket.receive_str()
    return socket


async def _listen(socket: aiohttp.ClientWebSocketResponse, note: Callable[[], None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        async for message in socket:
            for part in filter(None, message.data.split(_END)):
                read: dict[str, Any] = json.loads(part)
                if read["type"] == 1:
                    note()
                elif "error" in read:
                    raise RuntimeError(read["error"])


async def _tell(live: SignalR, everybody: _Everybody) -> float:
    everybody.again()
    began = time.perf_counter()
    await live.send_to_group(group_now(_FEED, present()), "feed", [feed_message(_FEED, 1, _CHANGE)])
    try:
        await asyncio.wait_for(everybody.all_heard.wait(), _WITHIN)
    except TimeoutError as problem:
        raise RuntimeError(f"{everybody.heard} of {everybody.count} clients heard") from problem
    return time.perf_counter() - began


async def _send(live: SignalR, count: int) -> tuple[list[float], float]:
    """Send to nobody, so that the only work here is the sending; how long each took, and the CPU of one."""
    waits = []
    cpu = time.process_time()
    for number in range(count):
        began = time.perf_counter()
        await live.send_to_group(f"{_FEED}-elsewhere~{number}", "feed", [feed_message(_FEED, number, _CHANGE)])
        waits.append(time.perf_counter() - began)
    return waits, (time.process_time() - cpu) / count


def _no_limit() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=0)
