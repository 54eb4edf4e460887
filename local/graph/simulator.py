"""The whole simulator in one object: the same endpoints over http and https on loopback, from start to stop.

    async with Simulator(seed=1) as graph:
        ...  # graph.http_url, graph.https_url, graph.ca_path

Not here: the command line, see `cli`.
"""

import asyncio
import logging
import random
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from local.graph.certificates import client_context, make_certificates, server_context
from local.graph.clock import Clock, utc_now
from local.graph.content.routes import ContentRoutes
from local.graph.control.routes import Control
from local.graph.delivery.courier import Delivery
from local.graph.delivery.forgery import Forger
from local.graph.delivery.notices import Writer
from local.graph.delivery.publisher import Issuers, Publisher
from local.graph.faults import GraphFault, write_envelope
from local.graph.identity.callers import Callers
from local.graph.identity.entra import Entra
from local.graph.identity.tokens import Authority, SigningKey
from local.graph.judge import Judge
from local.graph.subscribing.handshake import Handshake
from local.graph.subscribing.routes import SubscriptionRoutes
from local.graph.subscribing.store import Subscriptions
from local.graph.tenant.chatter import Chatter
from local.graph.tenant.world import World

TENANT_ID = "7e4a0000-0000-4000-8000-000000007e4a"
LARGEST_REQUEST = 64 * 1024 * 1024
CONNECTIONS = 64

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Simulator:
    """A running Graph with its Entra; ports of 0 become free ones, a folder that is not given is a temporary one."""

    port: int = 0
    tls_port: int = 0
    state_dir: Path | None = None
    seed: int = 1
    tenant_id: str = TENANT_ID
    time_scale: float = 1.0
    issuers: Issuers = "mixed"
    client_secret: str | None = field(default=None, repr=False)
    http_url: str = field(init=False, default="")
    https_url: str = field(init=False, default="")
    ca_path: Path = field(init=False, default=Path())
    world: World = field(init=False)
    subscriptions: Subscriptions = field(init=False)
    publisher: Publisher = field(init=False)
    chatter: Chatter = field(init=False)
    delivery: Delivery = field(init=False)
    judge: Judge = field(init=False)
    authority: Authority = field(init=False)
    _open: AsyncExitStack = field(init=False, default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        """Start serving; everything started so far is stopped again if something fails."""
        async with AsyncExitStack() as starting:
            await self._start(starting)
            self._open = starting.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving and abandon what is under way."""
        await self._open.aclose()

    async def _start(self, starting: AsyncExitStack) -> None:
        clock = Clock(time_scale=self.time_scale)
        folder = self.state_dir or Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="graph-simulator-")))
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_path, server_path = make_certificates(folder, now=clock.now())
        connector = aiohttp.TCPConnector(ssl=client_context(self.ca_path), limit=CONNECTIONS)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        await starting.enter_async_context(session)
        key = await asyncio.to_thread(SigningKey.make)
        self.authority = Authority(https_base="", tenant_id=self.tenant_id, keys=[key])
        self._connect(session, clock)
        starting.push_async_callback(self.delivery.close)
        starting.push_async_callback(self.chatter.close)
        app = self._app(session, clock)
        runner = web.AppRunner(app, access_log=None)
        starting.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        await web.TCPSite(runner, "127.0.0.1", self.tls_port, ssl_context=server_context(server_path)).start()
        http_port, https_port = (address[1] for address in runner.addresses)
        self.http_url, self.https_url = f"http://127.0.0.1:{http_port}", f"https://localhost:{https_port}"
        self.authority.https_base = self.https_url

    def _connect(self, session: aiohttp.ClientSession, clock: Clock) -> None:
        self.judge = Judge()
        self.world = World(tenant_id=self.tenant_id, seed=self.seed)
        self.subscriptions = Subscriptions()
        self.delivery = Delivery(session, self.judge, clock, self._dice("delivery"))
        self.publisher = Publisher(
            subscriptions=self.subscriptions,
            authority=self.authority,
            delivery=self.delivery,
            writer=Writer(tenant_id=self.tenant_id, dice=self._dice("notices")),
            clock=clock,
            dice=self._dice("tokens"),
            issuers=self.issuers,
        )
        forger = Forger(writer=self.publisher.writer, authority=self.authority, dice=self._dice("forgery"))
        self.chatter = Chatter(self.world, self.publisher, self.subscriptions, forger)

    def _app(self, session: aiohttp.ClientSession, clock: Clock) -> web.Application:
        callers = Callers(authority=self.authority, bases=lambda: frozenset({self.http_url, self.https_url}))
        app = web.Application(middlewares=[answer_faults], client_max_size=LARGEST_REQUEST)
        control = Control(
            world=self.world,
            subscriptions=self.subscriptions,
            authority=self.authority,
            publisher=self.publisher,
            delivery=self.delivery,
            chatter=self.chatter,
            judge=self.judge,
            clock=clock,
        )
        own = SubscriptionRoutes(
            subscriptions=self.subscriptions,
            callers=callers,
            handshake=Handshake(session, self.judge, clock),
            judge=self.judge,
            clock=clock,
        )
        app.add_routes(control.routes())
        app.add_routes(own.routes())
        app.add_routes(ContentRoutes(self.world, callers).routes())
        app.add_routes(Entra(self.authority, client_secret=self.client_secret).routes())
        return app

    def _dice(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}/{purpose}")  # noqa: S311 - repeatable, no secrets


@web.middleware
async def answer_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn faults into Graph's envelope and put the ids that Graph puts on every answer of its own."""
    request_id = str(uuid.uuid4())
    client_request_id = request.headers.get("client-request-id", request_id)
    try:
        response = await handler(request)
    except GraphFault as fault:
        log.info("refused", extra={"path": request.path, "status": fault.status, "code": fault.code})
        date = utc_now().strftime("%Y-%m-%dT%H:%M:%S")
        envelope = write_envelope(fault, date=date, request_id=request_id, client_request_id=client_request_id)
        response = web.json_response(envelope, status=fault.status)
    if request.path.startswith("/v1.0"):
        response.headers["request-id"] = request_id
        response.headers["client-request-id"] = client_request_id
    return response
