"""ports.FeedStore on table ``feed``.

A feed is a partition with three kinds of rows: ``head`` (the last position given out), ``item-...`` (current state) and
``log-<position>`` (one change, in order of arrival). A change writes all three in one transaction guarded by the head's
ETag, so that positions have no holes and a reader who has seen one never misses a lower one. Changes of one feed that
arrive together share a transaction. Log rows hold no content: what somebody deleted is gone from the log as well.

An item that was *created* is taken for new without looking: its row is written by a *create*, and where that is refused
the items are read and the batch is planned again.
"""

import asyncio
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.adapters.feed_rows import STATE, Row, entry_row, log_row, read_entry, read_log_row, wire_size
from shared.adapters.storage import Storage
from shared.adapters.table_transaction import TransactionConflict, Write
from shared.errors import StorageError
from shared.feeds import overtakes
from shared.ports import Clock, FeedEntry, FeedLogRow, FeedSummary

_TABLE = "feed"
_INDEX = "feeds"
_HEAD = "head"
_TOGETHER = 45
"""Changes in a transaction: with an item row and a log row each, and the head, below the limit of 100 rows."""
_TOGETHER_BYTES = 3 * 1024 * 1024
"""What their rows may take on the wire; a transaction may have 4 MiB with everything around them."""
_TRIES = 10
_READS_AT_ONCE = 16
_MOST_LINES = 1000
_UNWRITABLE = {400, 413}


@dataclass(slots=True, kw_only=True)
class _Waiting:
    key: str
    entry: FeedEntry
    row: Row
    size: int
    taken_up: asyncio.Future[FeedLogRow | None]


@dataclass(slots=True, kw_only=True)
class _Line:
    """The changes that wait for one feed, and the head as we last wrote it."""

    summary: FeedSummary
    waiting: list[_Waiting] = field(default_factory=list)
    runner: asyncio.Task[None] | None = None
    listed: bool = False
    head: tuple[int, str] | None = None

    @property
    def idle(self) -> bool:
        return self.runner is None or self.runner.done()

    def take_together(self) -> list[_Waiting]:
        """Take those in front that fit into one transaction, at least one."""
        count, size = 0, 0
        for each in self.waiting[:_TOGETHER]:
            size += each.size
            if count and size > _TOGETHER_BYTES:
                break
            count += 1
        together, self.waiting = self.waiting[:count], self.waiting[count:]
        return together


class FeedTable:
    """Feeds in Table Storage."""

    def __init__(self, storage: Storage, now: Clock) -> None:
        self._storage = storage
        self._now = now
        self._lines: dict[str, _Line] = {}

    async def apply(self, feed: FeedSummary, entry: FeedEntry) -> FeedLogRow | None:
        """Take up a change, together with those of the same feed that arrive meanwhile."""
        line = self._line(feed)
        key = item_key(entry.resource)
        row = entry_row(feed.feed, key, entry)
        future: asyncio.Future[FeedLogRow | None] = asyncio.get_running_loop().create_future()
        line.waiting.append(_Waiting(key=key, entry=entry, row=row, size=wire_size(row), taken_up=future))
        if line.idle:
            line.runner = asyncio.create_task(self._serve(line))
        return await future

    def _line(self, feed: FeedSummary) -> _Line:
        line = self._lines.get(feed.feed)
        if line is None:
            if len(self._lines) >= _MOST_LINES:
                self._lines = {name: each for name, each in self._lines.items() if not each.idle}
            line = self._lines[feed.feed] = _Line(summary=feed)
        return line

    async def _serve(self, line: _Line) -> None:
        while line.waiting:
            await self._settle(line, line.take_together())

    async def _settle(self, line: _Line, together: Sequence[_Waiting]) -> None:
        """Write a batch and tell each waiting change; where one makes storage refuse, it is refused alone."""
        try:
            results = await self._write(line, together)
        except Exception as problem:  # noqa: BLE001 - nobody awaits this task: whoever waits has to hear of it
            if len(together) > 1 and _is_refusal(problem):
                for each in together:
                    await self._settle(line, [each])
                return
            for each in together:
                if not each.taken_up.done():
                    each.taken_up.set_exception(problem)
            return
        for each, result in zip(together, results, strict=True):
            if not each.taken_up.done():
                each.taken_up.set_result(result)

    async def _write(self, line: _Line, together: Sequence[_Waiting]) -> list[FeedLogRow | None]:
        await self._list(line)
        for attempt in range(_TRIES):
            # the head first: whatever is written after it was read, be it to an item, fails this transaction
            position, etag = line.head or await self._read_head(line.summary.feed)
            known = await self._read_items(line.summary.feed, together, guess=attempt == 0)
            plan = _plan(line.summary.feed, together, known, position, self._now())
            if not plan.writes or await self._submit(line, plan, etag):
                return plan.results
            line.head = None
            await asyncio.sleep(random.random() * 0.02 * 2**attempt)  # noqa: S311 - so that two writers part
        raise StorageError(f"feed {line.summary.feed} is written by too many at once")

    async def _submit(self, line: _Line, plan: "_Plan", etag: str) -> bool:
        """Write one transaction; False if somebody else wrote first, or an item was there that we took for new."""
        head: Row = {"PartitionKey": line.summary.feed, "RowKey": _HEAD, "Last": str(plan.last)}
        guarded = Write(verb="replace", row=head, etag=etag) if etag else Write(verb="create", row=head)
        try:
            etags = await self._storage.transact(_TABLE, [guarded, *plan.writes])
        except TransactionConflict:
            return False
        except StorageError:
            line.listed = False  # the table may be gone, and the index with it
            raise
        line.head = (plan.last, etags[0])
        return True

    async def _list(self, line: _Line) -> None:
        """Put a feed into the index before its first item, so that no item is ever in a feed that nobody lists."""
        if line.listed:
            return
        row = {
            "PartitionKey": _INDEX,
            "RowKey": line.summary.feed,
            "Resource": line.summary.resource,
            "Kind": line.summary.kind,
        }
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            await table.upsert_entity(row)
        line.listed = True

    async def _read_head(self, feed: str) -> tuple[int, str]:
        row = await self._read(feed, _HEAD)
        return (int(row["Last"]), str(row.metadata["etag"])) if row is not None else (0, "")

    async def _read_items(self, feed: str, together: Sequence[_Waiting], *, guess: bool) -> dict[str, FeedEntry]:
        """Read the states that a batch replaces, without their content."""
        first = {each.key: each.entry for each in reversed(together)}
        keys = [key for key, entry in first.items() if not (guess and entry.change_type == "created")]
        rows = await self._read_many(feed, keys, select=STATE)
        return {key: read_entry(row) for key, row in rows.items()}

    async def _read_many(self, feed: str, keys: Sequence[str], *, select: Sequence[str] = ()) -> dict[str, Any]:
        gate = asyncio.Semaphore(_READS_AT_ONCE)

        async def one(key: str) -> Any:
            async with gate:
                return await self._read(feed, key, select=select)

        rows = await asyncio.gather(*(one(key) for key in keys))
        return {key: row for key, row in zip(keys, rows, strict=True) if row is not None}

    async def _read(self, partition: str, key: str, *, select: Sequence[str] = ()) -> Any:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                return await table.get_entity(partition, key, **({"select": list(select)} if select else {}))
            except ResourceNotFoundError:
                return None

    async def feeds(self) -> Sequence[FeedSummary]:
        """List the feeds."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            rows = [row async for row in table.query_entities(f"PartitionKey eq '{_INDEX}'")]
        return [_summary(row) for row in rows]

    async def find(self, feed: str) -> FeedSummary | None:
        """Find one feed."""
        row = await self._read(_INDEX, feed)
        return None if row is None else _summary(row)

    async def newest(self, feed: str) -> int:
        """Read the head."""
        return (await self._read_head(feed))[0]

    async def page(self, feed: str, *, after: int | None, before: int | None, top: int) -> Sequence[FeedLogRow]:
        """Read change-log rows, each with its item's current state."""
        if after is not None:
            first, last = after + 1, after + top
        else:
            last = (await self._read_head(feed))[0] if before is None else before - 1
            first = max(last - top + 1, 1)
        rows = await self._read_log(feed, first, last)
        items = await self._read_many(feed, list(dict.fromkeys(row["Item"] for row in rows)))
        page = [read_log_row(row, items[row["Item"]]) for row in rows if row["Item"] in items]
        return page if after is not None else page[::-1]

    async def _read_log(self, feed: str, first: int, last: int) -> list[Mapping[str, Any]]:
        if last < first:
            return []
        wanted = f"PartitionKey eq @feed and RowKey ge '{log_key(first)}' and RowKey le '{log_key(last)}'"
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            return [row async for row in table.query_entities(wanted, parameters={"feed": feed})]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a batch of changes writes: for each its log row if it counts, the rows, and the last position."""

    results: list[FeedLogRow | None]
    writes: list[Write]
    last: int


def _plan(
    feed: str, together: Sequence[_Waiting], known: Mapping[str, FeedEntry], position: int, now: datetime
) -> _Plan:
    states = dict(known)
    rows: dict[str, Row] = {}
    results: list[FeedLogRow | None] = []
    logged: list[Write] = []
    arrived = now.astimezone(UTC)
    for each in together:
        if each.key in states and not overtakes(each.entry, states[each.key]):
            results.append(None)
            continue
        states[each.key] = each.entry
        rows[each.key] = each.row
        position += 1
        row = log_row(feed, log_key(position), each.key, each.entry, arrived)
        logged.append(Write(verb="create", row=row))
        results.append(
            FeedLogRow(position=position, change_type=each.entry.change_type, arrived=arrived, entry=each.entry)
        )
    changed = [Write(verb="put" if key in known else "create", row=row) for key, row in rows.items()]
    return _Plan(results=results, writes=[*changed, *logged], last=position)


def _summary(row: Mapping[str, Any]) -> FeedSummary:
    return FeedSummary(feed=row["RowKey"], resource=row["Resource"], kind=row["Kind"])


def _is_refusal(problem: Exception) -> bool:
    """Tell a batch that cannot be written as it is from a storage that did not answer, or has no time."""
    if not isinstance(problem, StorageError):
        return True
    return getattr(problem.__cause__, "status_code", None) in _UNWRITABLE


def item_key(resource: str) -> str:
    """Make an item's row key: ids of Graph's may hold characters that a key may not."""
    return "item-" + hashlib.sha256(resource.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def log_key(position: int) -> str:
    """Make a log row's key; keys sort as positions do."""
    return f"log-{position:020d}"
