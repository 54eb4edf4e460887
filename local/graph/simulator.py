"""The whole simulator in one object: the same endpoints over http and https on loopback, from start to stop.

    async with Simulator(seed=1) as graph:
        ...  # graph.http_url, graph.https_url, graph.ca_path

Not here: the command line, see `cli`; what is kept between two runs, see `state`.
"""

import asyncio
import itertools
import logging
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from local.graph.certificates import client_context, make_certificates, server_context
from local.graph.clock import Clock, utc_now
from local.graph.content.routes import ContentRoutes
from local.graph.control.routes import Control
from local.graph.delivery.courier import Courier
from local.graph.delivery.forgery import Forger
from local.graph.delivery.hub import HubSender
from local.graph.delivery.publisher import Publisher
from local.graph.delivery.tally import Tally
from local.graph.dice import Dice
from local.graph.gateway.batch import BatchRoutes
from local.graph.gateway.envelope import answer_faults
from local.graph.gateway.permissions import refuse_revoked
from local.graph.gateway.throttling import Throttle
from local.graph.gateway.versions import and_no_other_method, in_both_versions
from local.graph.identity.callers import Callers
from local.graph.identity.entra import Entra
from local.graph.identity.tokens import Authority, SigningKey
from local.graph.judge import Judge
from local.graph.knobs import Knobs
from local.graph.lifecycle.announcer import Announcer
from local.graph.lifecycle.authorization import Authorizations
from local.graph.lifecycle.keeper import Keeper
from local.graph.state import State, kept_state, print_state, read_state
from local.graph.subscribing.handshake import Handshake
from local.graph.subscribing.routes import SubscriptionRoutes
from local.graph.subscribing.store import Subscriptions
from local.graph.subscribing.wording import in_other_words
from local.graph.tenant.chatter import Chatter
from local.graph.tenant.entity import Change
from local.graph.tenant.places import Person
from local.graph.tenant.population import Size, populate
from local.graph.tenant.world import World

TENANT_ID = "7e4a0000-0000-4000-8000-000000007e4a"
COMPANIES = ("Contoso", "Fabrikam", "Tailspin", "Wingtip")
LARGEST_REQUEST = 64 * 1024 * 1024


@dataclass(kw_only=True)
class Simulator:
    """A running Graph with its Entra; ports of 0 become free ones, a folder that is not given is a temporary one.

    The first of the tenants is the one that is meant where none is named.
    """

    port: int = 0
    tls_port: int = 0
    state_dir: Path | None = None
    state_file: Path | None = None
    """Where tenants and subscriptions are kept between runs; nowhere by default."""

    seed: int = 1
    tenants: Sequence[str] = (TENANT_ID,)
    size: Size = field(default_factory=Size)
    time_scale: float = 1.0
    patience: float = 1.0
    client_secret: str | None = field(default=None, repr=False)
    knobs: Knobs = field(default_factory=Knobs)
    event_hubs: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Connection strings by the host of a namespace (`contoso.servicebus.windows.net`)."""

    vault: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Connection strings of hubs and storage accounts by the name of the secret that holds them."""

    http_url: str = field(init=False, default="")
    https_url: str = field(init=False, default="")
    ca_path: Path = field(init=False, default=Path())
    clock: Clock = field(init=False)
    dice: Dice = field(init=False)
    worlds: dict[str, World] = field(init=False)
    content: ContentRoutes = field(init=False)
    subscriptions: Subscriptions = field(init=False)
    publisher: Publisher = field(init=False)
    chatter: Chatter = field(init=False)
    forger: Forger = field(init=False)
    hub: HubSender | None = field(init=False)
    courier: Courier = field(init=False)
    judge: Judge = field(init=False)
    authorizations: Authorizations = field(init=False)
    keeper: Keeper = field(init=False)
    handshake: Handshake = field(init=False)
    authority: Authority = field(init=False)
    entra: Entra = field(init=False)
    by_callers: Tally = field(init=False, default_factory=Tally)
    _open: AsyncExitStack = field(init=False, default_factory=AsyncExitStack)

    @property
    def tenant_id(self) -> str:
        """The first tenant."""
        return next(iter(self.worlds))

    @property
    def world(self) -> World:
        """The first tenant's world."""
        return next(iter(self.worlds.values()))

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
        folder = self.state_dir or Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="graph-simulator-")))
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_path, server_path = make_certificates(folder, now=utc_now())
        # the courier bounds what is under way: waiting for a connection here would count as the receiver's time
        connector = aiohttp.TCPConnector(ssl=client_context(self.ca_path), limit=0)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        await starting.enter_async_context(session)
        state = read_state(self.state_file) if self.state_file else None
        keys = state.keys if state else [await asyncio.to_thread(SigningKey.make)]
        self._connect(session, keys, state)
        if self.state_file:
            await starting.enter_async_context(kept_state(self.state_file, self._state))
        if self.hub:
            starting.push_async_callback(self.hub.close)
        starting.push_async_callback(self.courier.close)
        starting.push_async_callback(self.publisher.close)
        starting.push_async_callback(self.chatter.close)
        keeping = asyncio.create_task(self.keeper.run())
        starting.callback(keeping.cancel)
        app = self._app(session)
        runner = web.AppRunner(app, access_log=None, logger=_quiet_log())
        starting.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        await web.TCPSite(runner, "127.0.0.1", self.tls_port, ssl_context=server_context(server_path)).start()
        http_port, https_port = (address[1] for address in runner.addresses)
        self.http_url, self.https_url = f"http://127.0.0.1:{http_port}", f"https://localhost:{https_port}"
        self.authority.https_base = self.https_url

    def _connect(self, session: aiohttp.ClientSession, keys: list[SigningKey], state: State | None) -> None:
        self.clock = Clock(time_scale=self.time_scale, patience=self.patience)
        if state:
            self.clock.go_on(state.now, state.elapsed)
        self.dice = Dice(self.seed)
        self.judge = Judge()
        self.handshake = Handshake(session, self.judge, self.clock, self.knobs, self.dice)
        self.authorizations = Authorizations(self.knobs)
        self.worlds = state.tenants(self.clock, self.dice) if state else self._worlds()
        domains = {each.tenant_id: each.domain for each in self.worlds.values()}
        self.authority = Authority(https_base="", tenants=domains, keys=keys)
        self.subscriptions = Subscriptions(clock=self.clock, knobs=self.knobs)
        self.subscriptions.restore(state.subscriptions if state else ())
        self.hub = self._hub(domains.values()) if self.event_hubs or self.vault else None
        self.courier = Courier(session, self.judge, self.clock, dice=self.dice, knobs=self.knobs, hub=self.hub)
        self.publisher = Publisher(
            subscriptions=self.subscriptions,
            authority=self.authority,
            courier=self.courier,
            clock=self.clock,
            dice=self.dice,
            knobs=self.knobs,
        )
        self.keeper = Keeper(
            clock=self.clock,
            knobs=self.knobs,
            judge=self.judge,
            subscriptions=self.subscriptions,
            authorizations=self.authorizations,
            announce=Announcer(
                courier=self.courier, tokens=self.publisher.tokens, knobs=self.knobs, dice=self.dice
            ).announce,
        )
        self.forger = Forger(writer=self.publisher.writer, tokens=self.publisher.tokens, dice=self.dice)
        self.courier.authorized = lambda subscription: self.authorizations.open(subscription, self.clock.now())
        self.courier.missed = self.keeper.note_missed
        self.subscriptions.on_kept.append(self.keeper.watch)
        worlds = list(self.worlds.values())
        self.chatter = Chatter(worlds, self.publisher, self.subscriptions, self.forger, self.dice)

    def _hub(self, domains: Collection[str]) -> HubSender:
        def blob_store_of(subscription_id: str) -> str | None:
            subscription = self.subscriptions.find(subscription_id, now=self.clock.now())
            return subscription.asked.blob_store_url if subscription else None

        names = [*domains, *(f"{domain.partition('.')[0]}.onmicrosoft.com" for domain in domains)]
        return HubSender(self.event_hubs, domains=names, secrets=self.vault, blob_store_of=blob_store_of)

    def _worlds(self) -> dict[str, World]:
        numbers = itertools.count(1)
        companies = [*COMPANIES, *(f"Company{number}" for number in range(len(COMPANIES) + 1, len(self.tenants) + 1))]
        return {
            tenant_id: populate(
                tenant_id,
                company,
                f"{company.lower()}.com",
                size=self.size,
                clock=self.clock,
                dice=self.dice,
                numbers=numbers,
            )
            for tenant_id, company in zip(self.tenants, companies, strict=False)
        }

    def _app(self, session: aiohttp.ClientSession) -> web.Application:
        callers = Callers(authority=self.authority, bases=lambda: frozenset({self.http_url, self.https_url}))
        throttle = Throttle(clock=self.clock, knobs=self.knobs, judge=self.judge, dice=self.dice)
        middlewares = [
            answer_faults,
            in_other_words(self.knobs),
            throttle.middleware(),
            refuse_revoked(self.authorizations.check),
        ]
        app = web.Application(middlewares=middlewares, client_max_size=LARGEST_REQUEST)
        own = SubscriptionRoutes(
            subscriptions=self.subscriptions,
            callers=callers,
            handshake=self.handshake,
            judge=self.judge,
            clock=self.clock,
            knobs=self.knobs,
            canonical=lambda tenant_id, match: self.worlds[tenant_id].names.canonical_ids(match),
            dice=self.dice,
            probe=self.hub.probe if self.hub else None,
            check_store=self.hub.check_store if self.hub else None,
            owner_deleted=self._is_deleted,
        )
        control = Control(self)
        app.on_shutdown.append(control.close)
        app.add_routes(control.routes())
        app.add_routes(in_both_versions(and_no_other_method(BatchRoutes(callers, session).routes())))
        app.add_routes(in_both_versions(and_no_other_method(own.routes())))
        self.content = ContentRoutes(
            self.worlds, callers, self._announce, clock=self.clock, knobs=self.knobs, dice=self.dice
        )
        app.add_routes(in_both_versions(self.content.routes()))
        self.entra = Entra(self.authority, people=self._people, client_secret=self.client_secret)
        app.add_routes(self.entra.routes())
        return app

    def _state(self) -> dict[str, Any]:
        return print_state(self.clock, self.worlds, self.subscriptions.saved(), self.authority.keys)

    def _announce(self, changes: Sequence[Change]) -> None:
        """Let everybody hear of what was done through Graph's own operations."""
        for change in changes:
            self.publisher.announce(change, self.by_callers)

    def _is_deleted(self, tenant_id: str, user_id: str) -> bool:
        user = self.worlds[tenant_id].find(f"users/{user_id}")
        return user is not None and user.deleted

    def _people(self, tenant_id: str) -> Sequence[Person]:
        return self.worlds[tenant_id].people


def _quiet_log() -> logging.Logger:
    """Return where the web server logs: it repeats what it could not read, and that may have been a secret."""
    log = logging.getLogger(f"{__name__}.server")
    log.addFilter(_drop_words)
    return log


def _drop_words(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    record.msg, record.args = "the web server could not read a request", ()
    record.error = kind.__name__ if kind else ""
    record.exc_info = record.exc_text = None
    return True
