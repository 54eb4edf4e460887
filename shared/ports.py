"""What we need from outside, as Protocols. Each has an adapter, a memory twin, and one contract test for both.

Every method that talks to storage raises StorageError when the request could not be carried out; the caller then keeps
its hands off the acknowledgement. Nothing here is about Graph's protocol, which is values in `shared.graph`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from shared.declaration import Declaration
from shared.dlp.values import Match
from shared.findings import FindingCounts, FindingPage, FindingQuery, MessageState, Scan
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.resource import Resource
from shared.graph.signed_token import TrustedKeys
from shared.graph.subscription import LiveSubscription
from shared.hub_diagnosis import Look, Reader

Clock = Callable[[], datetime]
"""The present, as an aware UTC datetime."""


class Declared(Protocol):
    """What is declared now. ``current`` is None until there was a good declaration; ``problems`` say why it is not newer."""

    @property
    def current(self) -> Declaration | None:
        """The last good declaration."""
        ...

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with the newest one; empty if that is ``current``."""
        ...

    async def refresh(self, *, at_once: bool = False) -> None:
        """Look whether there is a newer one, now or if that was not done for half a minute.

        Raises StorageError if there is no good one and what was kept cannot be read.
        """
        ...

    async def keep(self) -> None:
        """Keep the current one where a process that starts with a broken one finds it. Never raises StorageError."""
        ...


class KeptDeclaration(Protocol):
    """The text of the last good subscriptions file."""

    async def read(self) -> bytes | None:
        """Read it; None if nothing was ever kept."""
        ...

    async def write(self, text: bytes) -> None:
        """Keep another."""
        ...


class Payloads(Protocol):
    """Claim checks: notifications that are too large for a queue message (blob container ``payloads``)."""

    async def put(self, name: str, data: bytes) -> None:
        """Keep a payload under a name of our own; keeping it again changes nothing."""
        ...

    async def get(self, name: str) -> bytes | None:
        """Fetch a payload; None when it is gone."""
        ...

    async def bury(self, name: str) -> str:
        """Copy a live payload to where the lifecycle rule does not reach; its new name, or the old one if it is gone.

        Done twice, it is the same.
        """
        ...


class OversizePayloads(Protocol):
    """What no event of a hub can hold, where Graph puts it (blob container ``microsoft-graph-change-notifications``)."""

    async def get(self, name: str, *, at_most: int) -> bytes | None:
        """Fetch the first ``at_most`` bytes of a blob; None if it is not there, or its container is not."""
        ...


class Queue(Protocol):
    """One storage queue, for what an output binding cannot do: delays, and messages without an expiry."""

    async def put(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put one message that never expires, visible after ``delay`` (at most 7 days)."""
        ...

    async def take(self, limit: int) -> "Sequence[TakenMessage]":
        """Take up to ``limit`` messages (32 at most); they come back by themselves after 5 minutes."""
        ...

    async def remove(self, message: "TakenMessage") -> None:
        """Delete a message that was taken."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenMessage:
    """A message taken from a queue, with what it takes to delete it."""

    text: str = field(repr=False)
    message_id: str
    pop_receipt: str = field(repr=False)
    dequeue_count: int
    inserted: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What the ledger knows of one change in one period.

    ``done`` names the handlers that finished. ``holder`` and ``expires`` are a claim; an empty holder is none. ``etag``
    guards a replacement and is empty before the row was written.
    """

    key: str
    done: frozenset[str] = frozenset()
    holder: str = ""
    expires: datetime | None = None
    etag: str = ""


class LedgerStore(Protocol):
    """Rows of the ledger by period and partition; the rules of claiming are in `shared.ledger`."""

    async def create(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Create rows, in one transaction where nothing conflicts; the etags of those created, by key."""
        ...

    async def read(self, period: str, partition: str, key: str) -> LedgerRow | None:
        """Read one row."""
        ...

    async def replace(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Replace rows where their etags still hold; the new etags of those replaced, by key."""
        ...

    async def put(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> None:
        """Write rows whether or not they exist."""
        ...

    async def drop_before(self, period: str) -> Sequence[str]:
        """Drop whole periods that lie before this one; their names."""
        ...


class SigningKeys(Protocol):
    """The authority's signing keys."""

    async def fetch(self, *, budget: timedelta) -> TrustedKeys | None:
        """Fetch them now, unless the last attempt is less than a minute old; None if they could not be had in time.

        Single flight: callers that come meanwhile wait for the same answer, each within its own budget.
        """
        ...


class EncryptionKeys(Protocol):
    """Our encryption certificates and their private keys, by certificate id."""

    async def find(self, certificate_id: str) -> EncryptionKey | None:
        """Find a key; looks at the source again (at most once a few seconds) for an id that is not known.

        Raises KeysUnavailable if the source would have to be asked, and cannot be.
        """
        ...

    async def current(self) -> EncryptionKey | None:
        """The key that new subscriptions use: the latest ``notBefore`` that has not expired. Looks at the source.

        A source that cannot be asked is no reason to stop renewing: the answer is then the one before, None without one.
        """
        ...


class Graph(Protocol):
    """Requests to Microsoft Graph, as the app in one tenant or as somebody who lets it act for them. Paths are relative to ``/v1.0``."""

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
        """Make one request; the JSON object answered, empty for 204. Without ``tenant_id`` it is made in GRAPH_TENANT_ID.

        ``actor`` is ``user:<object id>``, or empty for the app. Raises GraphApiError for every refusal, with status 0 when Graph could
        not be reached, and UserSignedOut where that person lets us act for them no longer.
        """
        ...


MailboxState = Literal["connected", "leaving", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """What is kept of somebody who has connected their mailbox; ``name`` is that of its subscription.

    ``sealed`` holds their tokens, for nobody to read but with TOKEN_CACHE_KEY. One that is ``leaving`` is wanted no more, and goes
    with its subscription. One that has ``ended`` without being asked has no tokens any more, and stays to say so: ``problem``.
    """

    name: str
    user_id: str
    tenant_id: str
    state: MailboxState
    since: datetime
    sealed: bytes = field(default=b"", repr=False)
    problem: str = ""
    etag: str = ""


class MailboxStore(Protocol):
    """Table ``subscriptions``, partition ``mailbox``: one row a person; every write is guarded by the row's ETag."""

    async def read(self, name: str) -> Mailbox | None:
        """Read one row."""
        ...

    async def save(self, mailbox: Mailbox) -> Mailbox | None:
        """Create (empty etag) or replace a row; with its new etag, None if somebody else was faster."""
        ...

    async def remove(self, mailbox: Mailbox) -> bool:
        """Delete a row if its etag still holds; False if somebody has changed it. One that is gone is as good."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token with which we act for somebody, and what it takes to get the next one: ``cache``, msal's own text."""

    user_id: str
    token: str = field(repr=False)
    expires: datetime
    cache: str = field(repr=False)


class UserSignIn(Protocol):
    """The authority, asked for tokens for Graph with which we act for people."""

    async def exchange(self, assertion: str, *, tenant_id: str) -> Grant:
        """Exchange the token that somebody showed us. Raises UserSignedOut for a no to them, SignInError for any other failure."""
        ...

    async def refresh(self, cache: str, *, tenant_id: str, anew: bool = False) -> Grant:
        """Give a token out of what was kept, or with it from the authority, always so if ``anew``. Raises as above."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAction:
    """What somebody asked for once, under a key of their choice: how far it has come, and what became of it.

    ``draft`` is what has been made of it already; ``status`` is 0 until it is done. Until ``held_until`` somebody is at it.
    """

    owner: str
    key: str
    asked: str
    began: datetime
    held_until: datetime
    draft: str = field(default="", repr=False)
    status: int = 0
    etag: str = ""


class MailActionStore(Protocol):
    """Table ``subscriptions``, a partition a person: what they asked for lately. Every write is guarded by the row's ETag."""

    async def read(self, owner: str, key: str) -> MailAction | None:
        """Read one row."""
        ...

    async def save(self, action: MailAction) -> MailAction | None:
        """Create (empty etag) or replace a row; with its new etag, None if somebody else was faster."""
        ...

    async def forget(self, owner: str, *, before: datetime | None = None) -> None:
        """Delete what one person has asked for, all of it or what they asked for before a time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The last time that everything declared was held against everything live.

    ``digest`` says what was declared then, ``done`` whether all that it led to was done or ordered, ``size`` how many
    subscriptions were declared or live. ``unknown`` names the subscriptions at Graph that are ours neither by id nor by table.
    """

    digest: str
    at: datetime
    done: bool = False
    size: int = 0
    unknown: tuple[str, ...] = ()


class OwnEndpoint(Protocol):
    """Our own webhook, as Graph sees it."""

    async def check(self, routes: Sequence[str] = ("notifications", "lifecycle"), /) -> str:
        """Say what is wrong with its handshake and what to do; empty if these routes pass it. Never raises.

        A good answer may be five minutes old, a bad one a few seconds.
        """
        ...


class SubscriptionStore(Protocol):
    """Table ``subscriptions``; every write is guarded by the row's ETag.

    An index by time stands beside the rows, so that a tick reads what is due and no more. It is written before the row and
    cleared after it: whatever breaks off in between leaves an entry too many, never one too few.
    """

    async def list(self) -> Sequence[LiveSubscription]:
        """Read every row, but for those that cannot be read: they are named in the log."""
        ...

    async def due(self, now: datetime, *, limit: int) -> Sequence[LiveSubscription]:
        """Read the rows whose time has come, the longest due first, and at most ``limit``."""
        ...

    async def index(self, rows: Sequence[LiveSubscription]) -> int:
        """See to it that each of these rows is in the index; how many were not."""
        ...

    async def last_comparison(self) -> Comparison | None:
        """Read when everything was last compared."""
        ...

    async def save_comparison(self, comparison: Comparison) -> None:
        """Write down that everything was compared, or is about to be."""
        ...

    async def read(self, name: str) -> LiveSubscription | None:
        """Read one row."""
        ...

    async def save(self, row: LiveSubscription) -> LiveSubscription | None:
        """Create (empty etag) or replace a row; the row with its new etag, None if somebody else was faster."""
        ...

    async def remove(self, row: LiveSubscription) -> bool:
        """Delete a row if its etag still holds; False if somebody has changed it. One that is gone is as good."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """The state of one item of a feed after one change.

    ``version`` orders the states of one item where both have one; ``content`` is what Graph's resource said, None for a
    deleted item or one whose content we never had.
    """

    item: str
    resource: str
    change_type: str
    version: str
    changed: datetime | None
    deleted: bool
    content: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSummary:
    """One feed as `GET /api/feeds` lists it."""

    feed: str
    resource: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLogRow:
    """One change in the order in which a feed took it up, with the *current* state of its item.

    ``position`` grows by one within its feed.
    """

    position: int
    change_type: str
    arrived: datetime
    entry: FeedEntry


class FeedStore(Protocol):
    """Table ``feed``: item rows (current state) and change-log rows in order of arrival."""

    async def apply(self, feed: FeedSummary, entry: FeedEntry) -> FeedLogRow | None:
        """Take up a change; None if it changes nothing: the same or a newer version is there already.

        The item row and its log row are written in one transaction, so that a crash leaves both or neither. What is returned
        is the log row as a page shows it, unless a later change of the same item arrived together with this one.
        """
        ...

    async def feeds(self) -> Sequence[FeedSummary]:
        """List the feeds that have ever had an item, in the order of their ids."""
        ...

    async def find(self, feed: str) -> FeedSummary | None:
        """Find one feed by its id."""
        ...

    async def newest(self, feed: str) -> int:
        """Read the position of the newest change; 0 where there is none. Whatever a page shows depends on it alone."""
        ...

    async def page(self, feed: str, *, after: int | None, before: int | None, top: int) -> Sequence[FeedLogRow]:
        """Read up to ``top`` change-log rows: those after a position, oldest first, or those before one, newest first."""
        ...


class Rules(Protocol):
    """One file of rules, read and compiled."""

    def scan(self, content: Mapping[str, Any], *, resource: Resource | None = None) -> Sequence[Match]:
        """Find what the rules are about in a Teams message or a mail as Graph serves it, which lies at ``resource``.

        Raises ClassifierError where a detector of the user's own fails, and nothing for any content.
        """
        ...


class FindingStore(Protocol):
    """Table ``findings``: what is known of each message in which something was found, and the list of all findings."""

    async def apply(self, scan: Scan) -> MessageState:
        """Take up one scan of one version of a message; what is known of the message now.

        As `shared.findings.merge` has it: in any order, however often. When this returns, the list has every finding of the message;
        after a crash it has them when the same scan was applied again.
        """
        ...

    async def settle(self, state: MessageState, *, told: Collection[str], verdict: str | None) -> None:
        """Note which alerts are out, and unless None what Teams was told."""
        ...

    async def page(self, query: FindingQuery, *, after: str, top: int) -> FindingPage:
        """Read up to ``top`` findings behind a place (`FindingPage.after`; empty is the beginning), the newest first.

        A page may be short, or empty, before the end: it says where to go on. What is found meanwhile stands before the place,
        so that pages neither repeat nor leave out what was there at the beginning.
        """
        ...

    async def count(self, query: FindingQuery, *, most: int) -> FindingCounts:
        """Count findings by rule, severity and status, and stop after ``most``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConnection:
    """What a client connects to the service for live clients with, until ``expires``; a connection that is open stays open."""

    url: str
    access_token: str = field(repr=False)
    expires: datetime


class Live(Protocol):
    """The service that holds our clients' connections. User ids and groups are ours; ``target`` is what a client listens for.

    Every method raises LiveUnavailable when the service refuses or does not answer. What was taken is on its way, and no more:
    nobody tells whether a client has it.
    """

    async def connection(self, user_id: str) -> LiveConnection:
        """Hand out a connection for this user."""
        ...

    async def join(self, user_id: str, group: str, *, ttl: timedelta) -> None:
        """Put the connections that this user has into a group, and those that it makes within ``ttl``.

        A connection that is in a group stays in it until it ends.
        """
        ...

    async def send_to_group(self, group: str, target: str, arguments: Sequence[Any]) -> None:
        """Send to every connection in a group; one that nobody is in is no error."""
        ...


class Target(Protocol):
    """Somewhere that `forward` sends events to."""

    async def send(self, event: bytes, *, event_id: str) -> None:
        """Deliver one CloudEvent; returns when the target has taken it.

        Raises RetryLater for what may pass, GiveUp for what will not.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How far one listing of a subscription has been read: a mail folder, a channel, a directory.

    ``path`` names it; ``root`` is the subscription's resource when it was found, ``step`` which of its steps it is, with ``ids``.
    ``link`` leads on: to the next page while a round is ``midway``, else to the next round. ``told`` is when the last round
    that was completed began: everything before that has been told. ``began`` is when the present one did; ``mark`` names it.
    ``anew``: it lists everything there is, of which what changed after ``since`` is told, and nothing without one. ``opened`` is
    when the link's first request was made. Until ``held_until`` somebody is at it.
    """

    name: str
    path: str
    root: str
    step: int = 0
    ids: Mapping[str, str] = field(default_factory=dict)
    link: str = field(default="", repr=False)
    midway: bool = False
    anew: bool = False
    mark: str = ""
    began: datetime | None = None
    told: datetime | None = None
    since: datetime | None = None
    opened: datetime | None = None
    held_until: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUpRun:
    """One catch-up of a subscription under way, however many messages it takes.

    Scopes told of before it ``began`` are still to be read. ``opened`` is when it was first asked for; ``again_at`` is when
    it looks a second time because the first look found nothing. ``how`` is as a gap report says it.
    """

    name: str
    reason: str
    opened: datetime
    began: datetime
    since: datetime | None = None
    again_at: datetime | None = None
    repeated: bool = False
    found: int = 0
    dispatched: int = 0
    unheard: int = 0
    troubles: int = 0
    how: str = ""
    etag: str = ""


class ScopeStore(Protocol):
    """Table ``subscriptions``, partitions ``scope~<name>``; every write is guarded by the row's ETag."""

    async def list(self, name: str) -> Sequence[Scope]:
        """Read the scopes of a subscription. One that cannot be read as it stands is read as far as it can be."""
        ...

    async def save(self, scope: Scope) -> Scope | None:
        """Create (empty etag) or replace a scope; with its new etag, None if somebody else was faster."""
        ...

    async def remove(self, scope: Scope) -> None:
        """Delete a scope; one that is gone is as good."""
        ...

    async def read_run(self, name: str) -> CatchUpRun | None:
        """Read the catch-up that is under way; None if there is none, or it cannot be read."""
        ...

    async def save_run(self, run: CatchUpRun) -> CatchUpRun | None:
        """Create (empty etag) or replace it; with its new etag, None if somebody else was faster."""
        ...

    async def end_run(self, run: CatchUpRun) -> bool:
        """Delete it if its etag still holds; False if somebody has asked for more meanwhile."""
        ...

    async def forget(self, name: str) -> None:
        """Delete everything that is known of a subscription's scopes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GapReport:
    """What may have gone unheard of one subscription, from when to when, and how it was recovered.

    ``since`` is None where nobody knows. ``how`` is ``delta``, ``full resync``, ``window`` or ``not possible: …``; ``closed`` is
    when it was over, None while it is open. ``problem`` is what keeps it open.
    """

    name: str
    reason: str
    opened: datetime
    since: datetime | None = None
    until: datetime | None = None
    scopes: int = 0
    found: int = 0
    dispatched: int = 0
    how: str = ""
    closed: datetime | None = None
    problem: str = ""


class GapStore(Protocol):
    """Table ``subscriptions``, partition ``gap``: the latest reports, and no more than a few hundred of them."""

    async def save(self, report: GapReport) -> None:
        """Write a report, or write it anew: name and opening tell one from another."""
        ...

    async def latest(self, limit: int) -> Sequence[GapReport]:
        """Read the latest reports, the newest first; those that cannot be read are left out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is known of one subscription's rhythm.

    ``last`` is when a notification was last heard, ``longest`` the longest quiet time lately (it fades), out of ``samples``
    times that something was heard. ``polled_since`` is since when it is known that changes go unheard, None while all is well;
    ``missed`` is when that was last seen. ``look_at`` is when somebody wants to look at it again; ``indexed`` is the store's.
    """

    name: str
    last: datetime | None = None
    longest: timedelta = timedelta(0)
    samples: int = 0
    polled_since: datetime | None = None
    missed: datetime | None = None
    look_at: datetime | None = None
    indexed: datetime | None = None


class HeardStore(Protocol):
    """Table ``subscriptions``, partition ``heard`` and an index of it. No guards: a lost write costs a look too many."""

    async def read(self, names: Sequence[str]) -> Sequence[Heard]:
        """Read these rows, as far as they exist and can be read."""
        ...

    async def write(self, rows: Sequence[Heard]) -> None:
        """Write rows whether or not they exist, and see to it that each is found when it wants to be looked at."""
        ...

    async def due(self, now: datetime, *, limit: int) -> Sequence[Heard]:
        """Read the rows that want to be looked at, the longest due first, and at most ``limit``."""
        ...

    async def polled(self, *, limit: int) -> Sequence[Heard]:
        """Read the rows of which changes go unheard, at most ``limit``."""
        ...

    async def remove(self, names: Sequence[str]) -> None:
        """Delete rows; those that are gone are as good."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HubMark:
    """Where the batch begins and ends that was last begun in one partition of a hub, by sequence numbers, and when that was."""

    hub: str
    consumer_group: str
    partition: str
    first: int
    last: int
    at: datetime
    etag: str = ""


class HubMarks(Protocol):
    """Table ``subscriptions``, partition ``hub``: one row a partition of a hub; every write is guarded by the row's ETag."""

    async def read(self, hub: str, consumer_group: str, partition: str) -> HubMark | None:
        """Read one row; None if there is none. One that cannot be read covers nothing: its ``last`` is before its ``first``."""
        ...

    async def save(self, mark: HubMark) -> HubMark | None:
        """Create (empty etag) or replace a row; with its new etag, None if somebody else was faster."""
        ...

    async def list(self) -> Sequence[HubMark]:
        """Read every row that can be read, in the order of hubs, groups and partitions."""
        ...


class HubLooks(Protocol):
    """What can be seen of everything that pull mode depends on. Nothing here raises, and nothing is changed by it."""

    async def hub(self) -> Look:
        """Look at the hub that this app reads; ``detail`` is the number of its partitions."""
        ...

    async def consumer_group(self) -> Look:
        """Look whether the hub has the consumer group, and lets us read with it."""
        ...

    async def reader(self) -> Reader:
        """Say who reads the hub, where that is an identity; empty where it is not known."""
        ...

    async def tenant_of(self, domain: str) -> Look:
        """Ask the authority whose domain one is; ``detail`` is the tenant's id."""
        ...

    async def container(self) -> Look:
        """Look at the container into which Graph puts what no event can hold."""
        ...
