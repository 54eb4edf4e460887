"""The whole service in one object, on loopback.

    async with SignalRService() as service:
        ...  # service.url, service.connection_string, service.moods

Everything is in memory and gone afterwards. Entra's tokens come from elsewhere: `python -m local graph` gives them, and
``authority`` says where its keys are.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from local.signalr.access import Access
from local.signalr.clients import ClientRoutes, Pace
from local.signalr.hubs import Hub
from local.signalr.refusals import Refused
from local.signalr.rest import LARGEST_BODY, Moods, RestRoutes

# no secret: the service is on loopback and carries what the workshop made up
KEY: Final = "bG9jYWwtc2lnbmFsci1rZXktb2YtdGhlLXdvcmtzaG9wLi4u"
MOST: Final = 1_000
"""Connections: those of one unit of the standard tier. https://learn.microsoft.com/azure/azure-signalr/signalr-overview (2026-02)"""

_SWEEP_SECONDS: Final = 5.0
_LONGEST_LINE: Final = 12 * 1024
_LARGEST_HEADER: Final = 16 * 1024
"""https://learn.microsoft.com/azure/azure-signalr/signalr-howto-troubleshoot-guide (2025-04)"""
_ALLOWED: Final = {
    "Access-Control-Allow-Headers": "authorization,content-type,x-requested-with,x-signalr-user-agent",
    "Access-Control-Allow-Methods": "GET,POST,DELETE,OPTIONS",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Max-Age": "600",
}


@dataclass(kw_only=True)
class SignalRService:
    """A running service; port 0 becomes a free one.

    ``origins`` are those whose pages may connect, `*` all. ``authority`` is the Graph simulator's address, ``ca`` whom to trust there.
    """

    port: int = 0
    authority: str = ""
    ca: Path | None = None
    origins: Collection[str] = ("*",)
    most: int = MOST
    local_auth: bool = True
    pace: Pace = field(default_factory=Pace)
    now: Callable[[], float] = time.monotonic

    url: str = field(init=False, default="")
    moods: Moods = field(init=False, default_factory=Moods)
    hubs: dict[str, Hub] = field(init=False, default_factory=dict)
    rest: RestRoutes = field(init=False)
    _open: AsyncExitStack = field(init=False, default_factory=AsyncExitStack)

    @property
    def connection_string(self) -> str:
        """What an app connects with that has the access key."""
        return f"Endpoint={self.url};AccessKey={KEY};Version=1.0;"

    def hub(self, name: str) -> Hub:
        """Give a hub; whatever the case of its name, and made when it is first asked for."""
        return self.hubs.setdefault(name.lower(), Hub(now=lambda: self.now()))  # noqa: PLW0108 - the clock may be replaced

    def drop_everybody(self) -> None:
        """Cut every client's connection without a word, as a network does."""
        for hub in self.hubs.values():
            for connection in list(hub.pending.values()):
                connection.drop()

    async def __aenter__(self) -> Self:
        """Start serving; what was started is stopped again if something fails."""
        async with AsyncExitStack() as starting:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
            await starting.enter_async_context(session)
            runner = web.AppRunner(
                self._app(session),
                access_log=None,
                shutdown_timeout=1.0,
                handler_cancellation=True,  # else events to somebody who has gone are noticed with the next ping
                max_line_size=_LONGEST_LINE,
                max_field_size=_LARGEST_HEADER,
            )
            starting.push_async_callback(runner.cleanup)
            starting.callback(self.drop_everybody)  # connections that nobody ends would be waited for
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port, backlog=1_024).start()
            self.port = runner.addresses[0][1]
            self.url = f"http://127.0.0.1:{self.port}"
            sweeping = asyncio.create_task(self._sweep())
            starting.callback(sweeping.cancel)
            self._open = starting.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving; every connection ends."""
        await self._open.aclose()

    def _app(self, session: aiohttp.ClientSession) -> web.Application:
        access = Access(key=KEY, session=session, authority=self.authority, local_auth=self.local_auth)
        clients = ClientRoutes(
            access=access,
            hub_named=self.hub,
            base=lambda: self.url,
            connected=lambda: sum(len(hub.pending) for hub in self.hubs.values()),
            pace=self.pace,
            most=self.most,
        )
        self.rest = RestRoutes(access=access, hub_named=self.hub, base=lambda: self.url, moods=self.moods)
        app = web.Application(middlewares=[self._answer], client_max_size=LARGEST_BODY)
        app.add_routes([*clients.routes(), *self.rest.routes()])
        app.on_response_prepare.append(self._let_pages_read)
        return app

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what a browser asks before it asks, and put refusals into words."""
        try:
            return web.Response(status=204) if request.method == "OPTIONS" else await handler(request)
        except Refused as refused:
            return refused.answer()

    async def _let_pages_read(self, request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get("Origin")
        if origin is not None and ("*" in self.origins or origin in self.origins):
            response.headers.update(_ALLOWED | {"Access-Control-Allow-Origin": origin, "Vary": "Origin"})

    async def _sweep(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(_SWEEP_SECONDS)
                for hub in self.hubs.values():
                    hub.sweep(max(self.pace.timeout, self.pace.keep_alive) * 2)
