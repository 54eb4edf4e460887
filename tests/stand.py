"""A whole receiver on memory adapters: what Graph sends goes in, and every queue, table and handler can be looked at."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.memory import (
    MemoryFeedStore,
    MemoryLedgerStore,
    MemoryPayloads,
    MemoryQueue,
    MemorySigningKeys,
    MemoryTarget,
    Outage,
)
from shared.adapters.memory_catch_up import MemoryGapStore, MemoryHeardStore, MemoryScopeStore
from shared.adapters.memory_findings import MemoryFindingStore
from shared.adapters.memory_live import MemoryLive
from shared.adapters.memory_pull import MemoryHubMarks, MemoryOversizePayloads
from shared.adapters.memory_subscriptions import MemoryDeclared, MemoryEncryptionKeys, MemorySubscriptionStore
from shared.catch_up import CatchUp
from shared.change import Change, Services
from shared.declaration import Declaration
from shared.envelope import Envelope, Item, read_envelope
from shared.errors import EnvelopeError, StorageError
from shared.handling import Handling
from shared.intake import Policy
from shared.keeping import Keeping
from shared.known_subscriptions import KnownSubscriptions
from shared.ledger import Ledger
from shared.live_messages import LiveMessages
from shared.opener import Opener
from shared.oversize import Oversize
from shared.pipeline import Pipeline
from shared.ports import Clock, Declared, Graph, Queue, Rules
from shared.pull import Pull
from shared.reception import Reception, Reply
from shared.retrying import Schedule
from shared.routing import ANY, Registration
from shared.silence import HeardRecorder, Silence
from shared.storage_health import StorageHealth
from shared.sweep import Sweep
from shared.token_check import TokenCheck
from tests import builders

HANDLER_TIMEOUT = timedelta(seconds=60)
CLAIM_LIFETIME = timedelta(seconds=75)


@dataclass
class Handler:
    """A handler that keeps what it was given, and does what it is told to: raise, or wait for ever."""

    name: str
    troubles: list[BaseException | Callable[[Change], Any]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    services: list[Services] = field(default_factory=list)

    async def __call__(self, change: Change, services: Services) -> None:
        self.services.append(services)
        if self.troubles:
            trouble = self.troubles.pop(0)
            if isinstance(trouble, BaseException):
                raise trouble
            await trouble(change)
        self.changes.append(change)

    def registration(self, template: str = ANY, **changes: Any) -> Registration:
        valid: dict[str, Any] = {"changes": frozenset(), "content": False, "listed": False}
        return Registration(name=self.name, function=self, template=template, **(valid | changes))


@dataclass
class ServedGraph:
    """A Graph that serves resources by path, after whatever trouble was ordered."""

    resources: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    troubles: list[Exception] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)
    preferences: list[str] = field(default_factory=list)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        tenant_id: str = "",
        actor: str = "",
    ) -> Mapping[str, Any]:
        assert (method, body) == ("GET", None)
        self.actors.append(actor)
        self.paths.append(path)
        self.tenants.append(tenant_id)
        self.preferences.append((headers or {}).get("Prefer", ""))
        if self.troubles:
            raise self.troubles.pop(0)
        return self.resources[path]


@dataclass
class Stand:
    """The receiver. `now` is its clock, and moves only when `run` waits for a message or a test moves it."""

    registrations: Sequence[Registration] = ()
    declaration: Declaration = field(default_factory=builders.declaration)
    declared: Declared | None = None
    policy: Policy = field(default_factory=builders.policy)
    now: datetime = builders.NOW
    chance: float = 0.5
    outage: Outage = field(default_factory=Outage)
    authority: builders.Authority | None = builders.AUTHORITY
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=1))
    ids: int = 0

    def __post_init__(self) -> None:
        self.queue = MemoryQueue(now=self.clock, outage=self.outage)
        self.dead_letters = MemoryQueue(now=self.clock, outage=self.outage)
        self.payloads = MemoryPayloads(outage=self.outage)
        self.work = MemoryQueue(now=self.clock, outage=self.outage)
        self.marks = MemoryHubMarks(outage=self.outage)
        self.oversize_store = MemoryOversizePayloads()
        self.oversize = Oversize(store=self.oversize_store, now=self.clock, largest=self.policy.max_body_bytes)
        self.ledger_store = MemoryLedgerStore(outage=self.outage)
        self.feed = MemoryFeedStore(now=self.clock, outage=self.outage)
        self.findings = MemoryFindingStore(outage=self.outage)
        self.rules: dict[str, Rules] = {}
        self.subscriptions = MemorySubscriptionStore(rows={builders.NAME: builders.live()})
        self.encryption_keys = MemoryEncryptionKeys([builders.encryption_key()])
        self.signing_keys = MemorySigningKeys()
        self.tokens = TokenCheck(builders.token_judge(self.authority), self.signing_keys, self.clock)
        self.storage_health = StorageHealth()
        self.heard_store = MemoryHeardStore()
        self.heard = HeardRecorder(self.heard_store, self.clock)
        self.graph = ServedGraph()
        self.target = MemoryTarget()
        self.live = MemoryLive(now=self.clock)
        self.targets_asked: list[Mapping[str, Any]] = []

    def clock(self) -> datetime:
        return self.now

    def new_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"

    @property
    def reception(self) -> Reception:
        return Reception(
            policy=self.policy,
            tokens=self.tokens,
            payloads=self.payloads,
            storage_health=self.storage_health,
            now=self.clock,
            new_id=self.new_id,
        )

    @property
    def keeping(self) -> Keeping:
        return Keeping(
            queue=self.queue,
            dead_letters=self.dead_letters,
            payloads=self.payloads,
            oversize=self.oversize,
            schedule=Schedule(),
            now=self.clock,
            chance=lambda: self.chance,
        )

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.ledger_store, window=timedelta(days=8), claim_lifetime=CLAIM_LIFETIME)

    @property
    def handling(self) -> Handling:
        return Handling(
            ledger=self.ledger,
            services=Services(
                now=self.clock,
                feed=self.feed,
                findings=self.findings,
                rules=self.rules.__getitem__,
                graph=self.graph,
                target=self._target,
                live=LiveMessages(self.live, self.clock),
            ),
            handler_timeout=HANDLER_TIMEOUT,
            now=self.clock,
            new_id=self.new_id,
        )

    @property
    def opener(self) -> Opener:
        return Opener(
            policy=self.policy,
            known=KnownSubscriptions(self.declared or MemoryDeclared(self.declaration), self.subscriptions, self.clock),
            tokens=self.tokens,
            encryption_keys=self.encryption_keys,
            payloads=self.payloads,
            oversize=self.oversize,
            graph=self.graph,
            registrations=self.registrations,
            threads=self.threads,
        )

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(
            opener=self.opener, handling=self.handling, keeping=self.keeping, heard=self.heard, now=self.clock
        )

    @property
    def pull(self) -> Pull:
        """What a process that has just started reads the hub with: it remembers nothing."""
        return Pull(
            hub="hub",
            consumer_group="$Default",
            policy=replace(self.policy, delivery="eventhub"),
            pipeline=self.pipeline,
            work=self.work,
            marks=self.marks,
            threads=self.threads,
            now=self.clock,
        )

    @property
    def sweep(self) -> Sweep:
        return Sweep(ledger=self.ledger, dead_letters=self.dead_letters, keeping=self.keeping, now=self.clock)

    def _target(self, options: Mapping[str, Any]) -> MemoryTarget:
        self.targets_asked.append(options)
        return self.target

    async def receive(self, *items: object, tokens: Sequence[str] | None = None) -> Reply:
        """Let Graph deliver; what is accepted lies on the queue when this returns, as after the host's bindings."""
        reply = await self.reception.receive(builders.body(*items, tokens=tokens))
        for text in reply.envelopes:
            await self.queue.put(text)
        return reply

    async def run(self, *, rounds: int = 1000, until: datetime | None = None) -> int:
        """Process messages as the host does until none is left (or none due by ``until``); how many there were."""
        for number in range(rounds):
            if not self.queue.messages:
                return number
            due = min(message.visible for message in self.queue.messages.values())
            if until is not None and due > until:
                return number
            self.now = max(self.now, due)
            if not await self.process_one():
                self.now += timedelta(seconds=30)
        raise AssertionError(f"messages are left after {rounds} rounds")

    async def process_one(self) -> bool:
        """Process the next message that is due; False if storage failed and the message stays."""
        try:
            [message] = await self.queue.take(1)
            await self.pipeline.process(message.text.encode(), dequeue_count=message.dequeue_count)
            await self.queue.remove(message)
        except StorageError:
            return False
        return True

    def waiting(self) -> list[tuple[timedelta, Item]]:
        """What is on the queue: how long until it is due, and each item."""
        return [
            (message.visible - self.now, item)
            for message in self.queue.messages.values()
            for item in _envelope(message.text).items
        ]


def _envelope(text: str) -> Envelope:
    try:
        return read_envelope(text.encode())
    except EnvelopeError as problem:
        raise AssertionError(text) from problem


def memory_catch_up(graph: Graph, queue: Queue, now: Clock) -> CatchUp:
    """A catch-up that remembers in memory how far it has come, and puts what it finds onto a queue."""
    return CatchUp(
        graph=graph,
        scopes=MemoryScopeStore(),
        gaps=MemoryGapStore(),
        queue=queue,
        client_state_key=builders.CLIENT_STATE_KEY,
        tenant_id=builders.TENANT,
        now=now,
        new_id=lambda: "delta",
    )


def memory_silence(now: Clock) -> Silence:
    """A watch over silence that has heard nothing yet."""
    return Silence(MemoryHeardStore(), now)
