"""Memory twins of the storage ports, of the signing keys and of a target: what tests and benchmarks need no server for.

Each keeps the contract of its real adapter; one suite in tests/contracts runs on both. The twins of the subscription
table, the encryption keys and Graph are in `memory_subscriptions`.
"""

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.envelope import DEAD_PAYLOADS, LIVE_PAYLOADS
from shared.errors import StorageError
from shared.feeds import overtakes
from shared.graph.signed_token import TrustedKeys
from shared.ports import Clock, FeedEntry, FeedLogRow, FeedSummary, LedgerRow, TakenMessage

_TAKEN_FOR = timedelta(minutes=5)


@dataclass(slots=True, kw_only=True)
class Outage:
    """Whether storage answers; one may be shared by several twins."""

    away: bool = False

    def check(self) -> None:
        """Raise StorageError while storage is away."""
        if self.away:
            raise StorageError("storage did not answer")


@dataclass(slots=True, kw_only=True)
class MemoryPayloads:
    """ports.Payloads in a dictionary."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)

    async def put(self, name: str, data: bytes) -> None:
        """Keep a payload."""
        self.outage.check()
        self.blobs[name] = data

    async def get(self, name: str) -> bytes | None:
        """Fetch a payload; None when it is gone, or when the name is none of ours."""
        self.outage.check()
        return self.blobs.get(name) if name.startswith((LIVE_PAYLOADS, DEAD_PAYLOADS)) else None

    async def bury(self, name: str) -> str:
        """Copy a live payload to ``dead/``."""
        data = await self.get(name)
        if data is None or not name.startswith(LIVE_PAYLOADS):
            return name
        buried = DEAD_PAYLOADS + name.removeprefix(LIVE_PAYLOADS)
        self.blobs[buried] = data
        return buried


@dataclass(slots=True, kw_only=True)
class _Message:
    message_id: str
    text: str
    inserted: datetime
    visible: datetime
    pop_receipt: str = ""
    dequeue_count: int = 0


@dataclass(slots=True, kw_only=True)
class MemoryQueue:
    """ports.Queue in a dictionary, in the order of putting."""

    now: Clock
    messages: dict[str, _Message] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)

    @property
    def texts(self) -> list[str]:
        """What is on the queue, visible or not."""
        return [message.text for message in self.messages.values()]

    async def put(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put a message, hidden for ``delay``."""
        self.outage.check()
        now = self.now()
        message = _Message(message_id=str(uuid.uuid4()), text=text, inserted=now, visible=now + delay)
        self.messages[message.message_id] = message

    async def take(self, limit: int) -> Sequence[TakenMessage]:
        """Take messages for five minutes."""
        self.outage.check()
        now = self.now()
        visible = (message for message in self.messages.values() if message.visible <= now)
        return [_take(message, now) for message in itertools.islice(visible, limit)]

    async def remove(self, message: TakenMessage) -> None:
        """Delete a taken message; one that is gone is no error, one that somebody else took since is."""
        self.outage.check()
        there = self.messages.get(message.message_id)
        if there is not None and there.pop_receipt != message.pop_receipt:
            raise StorageError("storage answered 400: the pop receipt is not the last one given out")
        self.messages.pop(message.message_id, None)


def _take(message: _Message, now: datetime) -> TakenMessage:
    message.visible = now + _TAKEN_FOR
    message.dequeue_count += 1
    message.pop_receipt = uuid.uuid4().hex
    return TakenMessage(
        text=message.text,
        message_id=message.message_id,
        pop_receipt=message.pop_receipt,
        dequeue_count=message.dequeue_count,
        inserted=message.inserted,
    )


@dataclass(slots=True, kw_only=True)
class MemoryLedgerStore:
    """ports.LedgerStore in dictionaries by period."""

    periods: dict[str, dict[tuple[str, str], LedgerRow]] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)
    _etags: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def create(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Create rows; the etags of those that were not there yet."""
        table = self._table(period)
        return {row.key: self._write(table, partition, row) for row in rows if (partition, row.key) not in table}

    async def read(self, period: str, partition: str, key: str) -> LedgerRow | None:
        """Read one row."""
        return self._table(period).get((partition, key))

    async def replace(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Replace rows whose etags still hold; the new etags of those."""
        table = self._table(period)
        there = {row.key: table.get((partition, row.key)) for row in rows}
        held = [row for row in rows if (known := there[row.key]) is not None and known.etag == row.etag]
        return {row.key: self._write(table, partition, row) for row in held}

    async def put(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> None:
        """Write rows whether or not they exist."""
        table = self._table(period)
        for row in rows:
            self._write(table, partition, row)

    async def drop_before(self, period: str) -> Sequence[str]:
        """Drop the periods that lie before this one."""
        self.outage.check()
        old = sorted(name for name in self.periods if name < period)
        for name in old:
            del self.periods[name]
        return old

    def _table(self, period: str) -> dict[tuple[str, str], LedgerRow]:
        self.outage.check()
        return self.periods.setdefault(period, {})

    def _write(self, table: dict[tuple[str, str], LedgerRow], partition: str, row: LedgerRow) -> str:
        etag = f'"{next(self._etags)}"'
        table[partition, row.key] = LedgerRow(
            key=row.key, done=row.done, holder=row.holder, expires=row.expires, etag=etag
        )
        return etag


@dataclass(slots=True, kw_only=True)
class _Feed:
    summary: FeedSummary
    items: dict[str, FeedEntry] = field(default_factory=dict)
    log: list[tuple[str, str, datetime]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class MemoryFeedStore:
    """ports.FeedStore in dictionaries by feed."""

    now: Clock
    by_id: dict[str, _Feed] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)

    async def apply(self, feed: FeedSummary, entry: FeedEntry) -> FeedLogRow | None:
        """Take up a change."""
        self.outage.check()
        there = self.by_id.setdefault(feed.feed, _Feed(summary=feed))
        known = there.items.get(entry.resource)
        if known is not None and not overtakes(entry, known):
            return None
        there.items[entry.resource] = entry
        arrived = self.now()
        there.log.append((entry.resource, entry.change_type, arrived))
        return FeedLogRow(position=len(there.log), change_type=entry.change_type, arrived=arrived, entry=entry)

    async def feeds(self) -> Sequence[FeedSummary]:
        """List the feeds in the order of their ids."""
        self.outage.check()
        return [self.by_id[name].summary for name in sorted(self.by_id)]

    async def find(self, feed: str) -> FeedSummary | None:
        """Find one feed."""
        self.outage.check()
        there = self.by_id.get(feed)
        return there.summary if there else None

    async def newest(self, feed: str) -> int:
        """Count the changes of a feed: their positions have no holes."""
        self.outage.check()
        there = self.by_id.get(feed)
        return len(there.log) if there else 0

    async def page(self, feed: str, *, after: int | None, before: int | None, top: int) -> Sequence[FeedLogRow]:
        """Read change-log rows, each with its item's current state."""
        self.outage.check()
        there = self.by_id.get(feed)
        if there is None:
            return []
        rows = [
            FeedLogRow(position=position, change_type=change_type, arrived=arrived, entry=there.items[resource])
            for position, (resource, change_type, arrived) in enumerate(there.log, start=1)
        ]
        if after is not None:
            return rows[after : after + top]
        return rows[: len(rows) if before is None else max(before - 1, 0)][::-1][:top]


@dataclass(slots=True, kw_only=True)
class MemoryTarget:
    """ports.Target that keeps what it is sent. ``troubles`` are raised by the next deliveries, in order."""

    events: list[tuple[str, bytes]] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)

    async def send(self, event: bytes, *, event_id: str) -> None:
        """Take one event, after whatever trouble was ordered."""
        if self.troubles:
            raise self.troubles.pop(0)
        self.events.append((event_id, event))


@dataclass(slots=True, kw_only=True)
class MemorySigningKeys:
    """ports.SigningKeys that are at hand, or cannot be had while they are None."""

    keys: TrustedKeys | None = None
    fetches: int = 0

    async def fetch(self, *, budget: timedelta) -> TrustedKeys | None:  # noqa: ARG002 - nothing here takes any time
        """Give the keys."""
        self.fetches += 1
        return self.keys
