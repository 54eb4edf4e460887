"""`/_sim/…` and the page at `/`: the simulator's own controls, for tests, demos and curious people. No authentication; loopback only.

Not here: anything that Graph has; what each control does, see `acting`, `mischief`, `showing`, `live` and `playing`.
"""

import functools
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from local.graph.control.acting import Acting
from local.graph.control.live import Live
from local.graph.control.mischief import Mischief
from local.graph.control.pages import Page
from local.graph.control.playing import Playing
from local.graph.control.showing import Showing

if TYPE_CHECKING:
    from local.graph.simulator import Simulator

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Every control endpoint of one simulator."""

    def __init__(self, graph: "Simulator") -> None:
        acting = Acting(graph)
        showing = Showing(graph, acting.tally)
        self._live = Live(graph, showing)
        self._playing = Playing(graph)
        self._parts = (acting, showing, Mischief(graph, acting.tally), self._playing, self._live, Page())

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint; add `close` to the app's `on_shutdown`, or watchers keep it from stopping."""
        return [
            web.RouteDef(route.method, route.path, _guarded(route.handler), route.kwargs)
            for part in self._parts
            for route in part.routes()
        ]

    async def close(self, _app: web.Application | None = None) -> None:
        """Let everybody go who watches."""
        await self._live.close()


def _guarded(handler: Handler) -> Handler:
    """Keep out what other web pages make a browser send here: the controls trust whoever is on this machine."""

    @functools.wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if _name(f"//{request.host}") not in LOOPBACK or (origin and origin.partition("://")[2] != request.host):
            raise web.HTTPForbidden(
                text="the controls are for this machine only: use http://127.0.0.1 and no other page"
            )
        return await handler(request)

    return guarded


def _name(url: str) -> str | None:
    try:
        return urllib.parse.urlsplit(url).hostname
    except ValueError:
        return None
