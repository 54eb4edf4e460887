"""What clients ask: to negotiate, and to connect by WebSockets, server-sent events or long polling, as the official client does.

Browsers come from another origin, with credentials: the service names the origins that may. Not here: the REST API (`rest`).
https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/TransportProtocols.md (2026-03)
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import WSMsgType, web

from local.signalr.access import Access
from local.signalr.frames import PING
from local.signalr.hubs import LARGEST_MESSAGE, Connection, Hub
from local.signalr.refusals import Refused

_TRANSPORTS: Final = [
    {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]},
    {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
    {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]},
]


@dataclass(slots=True, kw_only=True)
class Pace:
    """How long the service waits, in seconds; the first two are its defaults in serverless mode.

    https://learn.microsoft.com/javascript/api/@azure/arm-signalr/serverlesssettings (2026-01)
    """

    keep_alive: float = 15.0
    """Of silence, before it says that it is there."""
    timeout: float = 30.0
    """Of silence, before a client is taken for gone."""
    poll: float = 90.0
    """How long a poll without news is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRoutes:
    """The client's endpoint. ``most`` is how many connections there may be at once, for all hubs together."""

    access: Access
    hub_named: Callable[[str], Hub]
    base: Callable[[], str]
    connected: Callable[[], int]
    pace: Pace
    most: int

    def routes(self) -> Sequence[web.RouteDef]:
        """List them; the official client puts `negotiate` behind the path that it was given, slash or not."""
        return [
            web.post("/client/negotiate", self.negotiate),
            web.get("/client/", self.connect),
            web.post("/client/", self.send),
            web.delete("/client/", self.end),
        ]

    async def negotiate(self, request: web.Request) -> web.Response:
        """Answer with a connection that may be taken up, and how."""
        name, user = self._identify(request)
        if self.connected() >= self.most:
            raise Refused(429, "TooManyConnections", "There are as many connections as the service may have.")
        connection = self.hub_named(name).negotiate(user)
        version = min(_number(request.query.get("negotiateVersion", "0")), 1)
        if version == 0:  # the one id is for everything
            connection.connection_id = connection.token
        body: dict[str, Any] = {"negotiateVersion": version, "connectionId": connection.connection_id}
        body |= {"connectionToken": connection.token} if version else {}
        return web.json_response(body | {"availableTransports": _TRANSPORTS})

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Take a connection up by whichever transport the client has chosen."""
        connection = self._find(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._by_websocket(request, connection)
        if "text/event-stream" in request.headers.get("Accept", ""):
            return await self._by_events(request, connection)
        return await self._by_polling(request, connection)

    async def send(self, request: web.Request) -> web.Response:
        """Take what a client says that has no socket."""
        connection = self._find(request)
        body = await request.read()  # no more than the application lets in: 1 MB
        connection.receive(body.decode(errors="replace"), connection.hub.now())
        return web.Response()

    async def end(self, request: web.Request) -> web.Response:
        """Let a client go that polls."""
        self._find(request).leave()
        return web.Response(status=202)

    # -- transports ---------------------------------------------------------------------------------------------------

    async def _by_websocket(self, request: web.Request, connection: Connection) -> web.StreamResponse:
        self._attach(request, connection)
        socket = web.WebSocketResponse(compress=False, max_msg_size=LARGEST_MESSAGE)
        await socket.prepare(request)
        writing = asyncio.create_task(self._write_to_socket(connection, socket))
        try:
            async for message in socket:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    text = message.data if isinstance(message.data, str) else message.data.decode(errors="replace")
                    connection.receive(text, connection.hub.now())
        finally:
            connection.leave()
            with contextlib.suppress(OSError):
                await writing
        return socket

    async def _write_to_socket(self, connection: Connection, socket: web.WebSocketResponse) -> None:
        await self._write(connection, socket.send_str)
        await socket.close()

    async def _by_events(self, request: web.Request, connection: Connection) -> web.StreamResponse:
        self._attach(request, connection)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        await response.write(b":\r\n\r\n")  # browsers wait for the first byte before they call it open

        async def write(text: str) -> None:
            await response.write(f"data: {text}\r\n\r\n".encode())

        try:
            await self._write(connection, write)
        finally:
            connection.leave()
        return response

    async def _by_polling(self, request: web.Request, connection: Connection) -> web.Response:
        """Answer one poll: the first at once, so that the client knows that it is connected."""
        if not connection.attached:
            self._attach(request, connection)
            return web.Response()
        connection.heard = connection.hub.now()
        batch = await connection.next(self.pace.poll)
        connection.heard = connection.hub.now()
        return web.Response(status=204) if batch is None else web.Response(text=batch)

    async def _write(self, connection: Connection, send: Callable[[str], Awaitable[None]]) -> None:
        """Write what there is to a client until it is gone, and pings while there is nothing."""
        with contextlib.suppress(ConnectionError):
            while (batch := await connection.next(self.pace.keep_alive)) is not None:
                if connection.hub.now() - connection.heard > self.pace.timeout:
                    connection.close("Client timed out.", reconnect=True)
                await send(batch or PING)

    # -- who --------------------------------------------------------------------------------------------------------

    def _attach(self, request: web.Request, connection: Connection) -> None:
        if connection.attached:
            raise Refused(409, "Conflict", "The connection is in use.")
        connection.attached = True
        connection.cut = lambda: request.transport.abort() if request.transport else None

    def _find(self, request: web.Request) -> Connection:
        name, user = self._identify(request)
        token = request.query.get("id")
        if not token:
            raise Refused(400, "BadRequest", "The id of the connection is missing.")
        connection = self.hub_named(name).pending.get(token)
        if connection is None or connection.user != user:
            raise Refused(404, "NotFound", "No Connection with that ID.")
        return connection

    def _identify(self, request: web.Request) -> tuple[str, str]:
        name = request.query.get("hub", "")
        return name, self.access.client(request, f"{self.base()}/client/?hub={name}")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0  # noqa: PLR2004
