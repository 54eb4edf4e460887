"""A tenant and an app that live together on one clock: everything that is deployed, in one process, against the simulator over HTTP.

What happens outside (people who write, a Graph that fails, an administrator who takes a permission away) is done to a `Life`;
`tick` lets five minutes pass and runs the app's functions as the host would. Storage is the memory twins, which keep the
contracts of the real tables and queues; a restart of the app forgets everything else.
"""

import asyncio
import base64
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

import shared.handlers
from local.demo.reckoning import event_key, normalised
from local.graph.delivery.tally import Tally
from local.graph.simulator import Simulator
from local.graph.tenant.entity import Change
from local.graph.tenant.people import People, Plan
from shared.adapters.credential import Credential
from shared.adapters.graph_api import GraphApi
from shared.adapters.memory import MemoryFeedStore, MemoryLedgerStore, MemoryPayloads, MemoryQueue, Outage
from shared.adapters.memory_catch_up import MemoryGapStore, MemoryHeardStore, MemoryScopeStore
from shared.adapters.memory_findings import MemoryFindingStore
from shared.adapters.memory_subscriptions import MemoryDeclared, MemoryEncryptionKeys, MemorySubscriptionStore
from shared.adapters.own_endpoint import OwnWebhook
from shared.adapters.signing_keys import AuthorityKeys
from shared.catch_up import CatchUp, Progress
from shared.change import Services
from shared.declaration import Declaration, DeclaredSubscription, read_declaration
from shared.dispatch import find_handlers
from shared.errors import EarshotError, StorageError
from shared.graph.encrypted_content import EncryptionKey, read_encryption_key
from shared.graph.subscription import LiveSubscription
from shared.graph.validation_token import TokenJudge
from shared.handling import Handling
from shared.intake import Policy
from shared.keeping import Keeping
from shared.known_subscriptions import KnownSubscriptions
from shared.ledger import Ledger
from shared.live_messages import LiveMessages
from shared.opener import Opener
from shared.oversize import Oversize
from shared.pacing import PacedGraph
from shared.pipeline import Pipeline
from shared.reception import Reception
from shared.results import Summary
from shared.retrying import Schedule
from shared.settings import Settings
from shared.silence import HeardRecorder, Silence
from shared.storage_health import StorageHealth
from shared.subscription_work import CatchUpWork
from shared.subscriptions import Subscriptions
from shared.sweep import Sweep
from shared.token_check import TokenCheck
from tests import builders

APP = "a99e0000-0000-4000-8000-00000000a99e"
TICK = timedelta(minutes=5)
_TURNS = 25
"""Turns of the event loop in which nothing is under way, after which everybody is taken to wait for the clock."""
_AT_ONCE = 32
_GIVES_UP = 10
"""How often the host delivers a message before it poisons it (host.json, maxDequeueCount)."""


def new_secret(number: int) -> str:
    return base64.b64encode(f"the client state key with number {number:04d}".encode()).decode()


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One event at the sink."""

    at: datetime
    event_id: str
    event: Mapping[str, Any]

    @property
    def looked_up(self) -> bool:
        """Whether a delta told of it, and not Graph by itself."""
        return "delta" in self.event["data"]["notification"]


@dataclass
class Sink:
    """Where `forward` sends to. While it is away it takes nothing."""

    arrivals: list[Arrival] = field(default_factory=list)
    away: bool = False


class _Target:
    def __init__(self, sink: Sink, now: Any) -> None:
        self._sink = sink
        self._now = now

    async def send(self, event: bytes, *, event_id: str) -> None:
        if self._sink.away:
            raise RuntimeError("the sink is away")
        self._sink.arrivals.append(Arrival(at=self._now(), event_id=event_id, event=json.loads(event)))


class _Watched:
    """The way to Graph, on which something may happen before a request."""

    def __init__(self, life: "Life") -> None:
        self._life = life

    async def request(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        self._life.before_request(method, path)
        return await self._life.api.request(method, path, **options)


@dataclass
class Durable:
    """What outlives every process of the app."""

    now: Any
    outage: Outage = field(default_factory=Outage)

    def __post_init__(self) -> None:
        self.notifications = MemoryQueue(now=self.now, outage=self.outage)
        self.work = MemoryQueue(now=self.now, outage=self.outage)
        self.dead_letters = MemoryQueue(now=self.now, outage=self.outage)
        self.dead_work: list[str] = []
        self.payloads = MemoryPayloads(outage=self.outage)
        self.ledger = MemoryLedgerStore(outage=self.outage)
        self.feed = MemoryFeedStore(now=self.now, outage=self.outage)
        self.subscriptions = MemorySubscriptionStore()
        self.keys = MemoryEncryptionKeys([])
        self.scopes = MemoryScopeStore()
        self.gaps = MemoryGapStore()
        self.heard = MemoryHeardStore()


class _Noted(CatchUp):
    """Catches up, and has it written into the journal."""

    def __init__(self, life: "Life", **options: Any) -> None:
        super().__init__(**options)
        self._life = life

    async def run(self, declared: DeclaredSubscription, row: LiveSubscription, order: CatchUpWork) -> Progress:
        progress = await super().run(declared, row, order)
        said = progress.problem or f"{progress.how}, {progress.dispatched} of {progress.found}"
        self._life.outcomes[f"{order.reason}: {'done' if progress.done else 'more'}"] += 1
        if order.reason not in {"baseline", "sweep"} or progress.problem:
            self._life.note(f"catch-up of {order.name}, {order.reason}: {said}{'' if progress.done else ', and more'}")
        return progress


class App:
    """One process of the app, wired as composition wires it."""

    def __init__(self, life: "Life", settings: Settings) -> None:
        now, kept = life.now, life.kept
        policy = Policy(
            client_state_keys=settings.client_state_keys,
            allowed_tenant_ids=settings.allowed_tenant_ids,
            max_body_bytes=settings.max_body_bytes,
        )
        judge = TokenJudge(audiences=settings.graph_audiences, publisher_app_id=settings.graph_publisher_app_id)
        signing = AuthorityKeys(
            life.simulator.https_url,
            verify=str(life.simulator.ca_path),
            now=lambda: now().timestamp(),
            monotonic=life.simulator.clock.seconds,
        )
        tokens = TokenCheck(judge, signing, now)
        declared = MemoryDeclared(life.declaration)
        oversize = Oversize(store=None, now=now, largest=settings.max_body_bytes)
        keeping = Keeping(
            queue=kept.notifications,
            dead_letters=kept.dead_letters,
            payloads=kept.payloads,
            oversize=oversize,
            schedule=Schedule(),
            now=now,
            chance=life.dice.random,
        )
        ledger = Ledger(kept.ledger, window=timedelta(days=8), claim_lifetime=timedelta(seconds=75))
        opener = Opener(
            policy=policy,
            known=KnownSubscriptions(declared, kept.subscriptions, now),
            tokens=tokens,
            encryption_keys=kept.keys,
            payloads=kept.payloads,
            oversize=oversize,
            graph=life.graph,
            registrations=find_handlers(shared.handlers),
            threads=life.threads,
        )
        handling = Handling(
            ledger=ledger,
            services=Services(
                now=now,
                feed=kept.feed,
                findings=MemoryFindingStore(),
                rules=lambda path: {}[path],
                graph=life.graph,
                target=lambda _: _Target(life.sink, now),
                live=LiveMessages(None, now),
            ),
            handler_timeout=timedelta(seconds=60),
            now=now,
            new_id=life.new_id,
        )
        self.reception = Reception(
            policy=policy,
            tokens=tokens,
            payloads=kept.payloads,
            storage_health=StorageHealth(),
            now=now,
            new_id=life.new_id,
        )
        heard = HeardRecorder(kept.heard, now)
        self.pipeline = Pipeline(opener=opener, handling=handling, keeping=keeping, heard=heard, now=now)
        self.sweep = Sweep(ledger=ledger, dead_letters=kept.dead_letters, keeping=keeping, now=now)
        self.catch_up = _Noted(
            life,
            graph=life.graph,
            scopes=kept.scopes,
            gaps=kept.gaps,
            queue=kept.notifications,
            client_state_key=settings.client_state_key,
            tenant_id=settings.graph_tenant_id,
            now=now,
            new_id=life.new_id,
        )
        self.own_endpoint = OwnWebhook(settings.public_base_url, now=now)
        self.subscriptions = Subscriptions(
            declared=declared,
            settings=settings,
            graph=PacedGraph(life.graph, now=now, pause=life.pause),
            store=kept.subscriptions,
            work=kept.work,
            catch_up=self.catch_up,
            silence=Silence(kept.heard, now),
            own_endpoint=self.own_endpoint,
            keys=kept.keys,
            now=now,
            pause=life.pause,
        )

    def close(self) -> None:
        self.own_endpoint.close()


@dataclass
class Life:
    """The tenant, the app, and what has happened so far."""

    simulator: Simulator
    threads: ThreadPoolExecutor
    entries: Sequence[Mapping[str, Any]] = ()
    plan: Plan = field(default_factory=Plan)
    seed: int = 1
    base_url: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Besides those that every life has."""

    app: App = field(init=False)
    sink: Sink = field(default_factory=Sink)
    journal: list[tuple[datetime, str]] = field(default_factory=list)
    changes: list[tuple[datetime, Change]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """What became of the plans' actions, counted."""

    tally: Tally = field(default_factory=Tally)
    webhook_away: bool = False
    before_request: Callable[[str, str], None] = lambda _method, _path: None
    """Called before each request of the app to Graph."""

    stands_still: bool = False
    """Whether nothing of the app runs at all."""

    client_state_key: int = 1
    previous_client_state_key: int = 0
    ticks: int = 0
    under_way: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - repeatable, no secrets
        self.kept = Durable(now=self.now)
        self.people = People(worlds=[self.simulator.world], plan=self.plan, dice=random.Random(self.seed))  # noqa: S311
        token = self.simulator.authority.access_token(
            audience="https://graph.microsoft.com", app_id=APP, tenant_id=self.simulator.tenant_id, roles=[]
        )
        self.api = GraphApi(
            endpoint=self.simulator.http_url, credential=Credential(lambda: lambda _: (token, 9e9)), scope="any"
        )
        self.graph = _Watched(self)
        self._ids = itertools.count(1)
        self.rotate_encryption_key()

    @property
    def declaration(self) -> Declaration:
        return read_declaration(json.dumps({"subscriptions": list(self.entries)}).encode(), known_handlers=None)

    def now(self) -> datetime:
        return self.simulator.clock.now()

    def new_id(self) -> str:
        return f"id{next(self._ids)}"

    async def pause(self, seconds: float) -> None:
        """Sleep, which on this clock is to let time pass."""
        self.simulator.clock.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    def note(self, text: str) -> None:
        self.journal.append((self.now(), text))

    # -- what happens to the app --------------------------------------------------------------------------------------

    def restart(self, why: str = "restart") -> None:
        """End the app's process and start another."""
        if hasattr(self, "app"):
            self.app.close()
        environ = {
            "GRAPH_TENANT_ID": self.simulator.tenant_id,
            "GRAPH_CLIENT_ID": APP,
            "PUBLIC_BASE_URL": self.base_url,
            "CLIENT_STATE_KEY": new_secret(self.client_state_key),
        }
        if self.previous_client_state_key:
            environ["CLIENT_STATE_KEY_PREVIOUS"] = new_secret(self.previous_client_state_key)
        self.app = App(self, Settings.from_environ(environ | dict(self.settings)))
        self.note(f"app: {why}")

    def rotate_encryption_key(self) -> None:
        """Put a new certificate beside the others; it is the current one from now on."""
        number = len(self.kept.keys.keys) + 1
        self.kept.keys.keys.append(_make_key(f"key-{number}", self.now()))
        self.note(f"encryption key {number}")

    def rotate_client_state_key(self) -> None:
        self.previous_client_state_key, self.client_state_key = self.client_state_key, self.client_state_key + 1
        self.restart("another CLIENT_STATE_KEY")

    def drop_previous_client_state_key(self) -> None:
        self.previous_client_state_key = 0
        self.restart("the previous CLIENT_STATE_KEY is gone")

    async def answer(self, request: web.Request) -> web.Response:
        """Answer Graph as the webhook's blueprint does: what is accepted is on its queue before the 2xx."""
        if self.webhook_away or self.stands_still:
            return web.Response(status=503)
        if "validationToken" in request.query:
            reply = self.app.reception.shake_hands(request.query["validationToken"])
            return web.Response(status=reply.status, text=reply.body, content_type="text/plain")
        reply = await self.app.reception.receive(await request.read())
        try:
            for text in reply.envelopes:
                await self.kept.notifications.put(text)
            for text in reply.work:
                await self.kept.work.put(text)
        except StorageError:
            return web.Response(status=503)
        return web.Response(status=reply.status)

    # -- time ---------------------------------------------------------------------------------------------------------

    async def live(self, span: timedelta, *, activity: float = 0.0) -> None:
        """Let a while pass."""
        until = self.now() + span
        while self.now() < until:
            await self.tick(activity=activity)

    async def tick(self, *, activity: float = 0.0) -> None:
        """Let people do something, with this probability and in bursts, the app do its work, and five minutes pass."""
        self.ticks += 1
        if self.dice.random() < activity:
            for _ in range(self.dice.randint(1, 4)):
                self.act()
            await self.calm()
        await self.run_functions()
        self.simulator.clock.advance(TICK)
        await self.calm()

    def act(self) -> None:
        """Let somebody do something, and everybody who subscribed be told."""
        for change in self.people.act():
            self.changes.append((self.now(), change))
            self.simulator.publisher.announce(change, self.tally)

    async def run_functions(self) -> None:
        """Run what the host would run now: the renewal timer, once a day the sweep, and what is on the queues."""
        if self.stands_still:
            return
        await self._run(self.app.subscriptions.renew)
        if self.ticks % 288 == 0:
            await self._run(self.app.sweep.sweep)
        for _ in range(8):
            done = await self._drain(self.kept.work, self._work)
            done += await self._drain(self.kept.notifications, self._process)
            if not done:
                break
            await self.calm()

    async def _run(self, function: Any) -> None:
        try:
            self._count(await function())
        except EarshotError as problem:
            self.note(f"a function failed: {problem}")

    def _count(self, summary: Summary | None) -> None:
        self.outcomes.update(each.outcome for each in (summary.results if summary else ()))

    async def _work(self, body: bytes, _count: int) -> None:
        self._count(await self.app.subscriptions.work(body))

    async def _process(self, body: bytes, count: int) -> None:
        await self.app.pipeline.process(body, dequeue_count=count)

    async def _drain(self, queue: MemoryQueue, function: Any) -> int:
        """Give a function every message that is due; one that fails comes again, ten times."""
        done = 0
        try:
            while taken := await queue.take(_AT_ONCE):
                for message in taken:
                    done += 1
                    try:
                        await function(message.text.encode(), message.dequeue_count)
                    except EarshotError as problem:
                        self.note(f"a message comes again: {problem}")
                        if message.dequeue_count < _GIVES_UP:
                            continue
                        self.kept.dead_work.append(message.text)
                    await queue.remove(message)
        except StorageError:
            return done
        return done

    async def calm(self) -> None:
        """Wait until nobody is at work: whoever has something to do yet waits for the clock."""
        quiet = 0
        while quiet < _TURNS:
            await asyncio.sleep(0)
            quiet = 0 if self.under_way else quiet + 1

    # -- looking ------------------------------------------------------------------------------------------------------

    def arrivals(self) -> Mapping[tuple[str, str], list[Arrival]]:
        """Find every arrival at the sink, by resource and version."""
        found: dict[tuple[str, str], list[Arrival]] = {}
        for each in self.sink.arrivals:
            resource, version = event_key(each.event)
            found.setdefault((normalised(resource), version), []).append(each)
        return found

    def around(self, at: datetime) -> str:
        """What the journal says of the hours around a moment."""
        told = [f"{when:%d %H:%M} {text}" for when, text in self.journal if abs(when - at) < timedelta(hours=3)]
        return "; ".join(told[-6:]) or "nothing out of the ordinary"


def _make_key(certificate_id: str, now: datetime) -> EncryptionKey:
    key = builders.rsa_key(f"a month: {certificate_id}")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, certificate_id)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    pem = builders.pem_of(key) + certificate.public_bytes(serialization.Encoding.PEM)
    return read_encryption_key(pem, certificate_id=certificate_id)


def _put_on_clock(simulator: Simulator, patch: pytest.MonkeyPatch) -> None:
    """Have the simulator print its own clock's time into items and tokens: whoever reads them lives on that clock, too."""
    shown = SimpleNamespace(
        time=lambda: simulator.clock.now().timestamp(),
        time_ns=lambda: int(simulator.clock.now().timestamp() * 1e9),
        monotonic=simulator.clock.seconds,
    )
    patch.setattr("local.graph.tenant.mint.time", shown)
    patch.setattr("local.graph.identity.tokens.time", shown)
    patch.setattr("local.graph.clock.time", SimpleNamespace(time=shown.time, monotonic=time.monotonic))


def _count_attempts(life: Life) -> None:
    caller = life.simulator.courier._caller
    attempt = caller.attempt

    async def counted(*arguments: Any) -> Any:
        life.under_way += 1
        try:
            return await attempt(*arguments)
        finally:
            life.under_way -= 1

    caller.attempt = counted  # type: ignore[assignment, method-assign]


@asynccontextmanager
async def a_life(
    declare: Any,
    *,
    seed: int = 1,
    plan: Plan | None = None,
    settings: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Life]:
    """Start a tenant and an app that has declared what `declare` gives for the tenant."""
    async with Simulator(seed=seed, patience=20.0, **options) as simulator:
        patch = pytest.MonkeyPatch()
        threads = ThreadPoolExecutor(max_workers=1)
        runner = None
        life = None
        try:
            entries = declare(simulator)
            life = Life(simulator=simulator, threads=threads, entries=entries, plan=plan or Plan(), seed=seed)
            life.settings = settings or {}
            _put_on_clock(simulator, patch)
            _count_attempts(life)
            app = web.Application(client_max_size=64 * 1024 * 1024)
            app.router.add_post("/api/{route}", life.answer)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            life.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
            life.restart("start")
            yield life
        finally:
            patch.undo()
            if runner:
                await runner.cleanup()
            if life:
                life.app.close()
                life.api.close()
            threads.shutdown()
