"""ports.FeedStore on table ``feed``.

A feed is a partition with three kinds of rows: ``head`` (the last position given out), ``item-...`` (current state) and
``log-<position>`` (one change, in order of arrival). A change writes all three in one transaction guarded by the head's
ETag, so that positions have no holes and a reader who has seen one never misses a lower one. Changes of one feed that
arrive together share a transaction. Log rows hold no content: what somebody deleted is gone from the log as well.
"""

import asyncio
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.adapters.feed_rows import entry_row, log_row, read_entry, read_log_row
from shared.adapters.storage import Storage
from shared.errors import StorageError
from shared.feeds import overtakes
from shared.ports import Clock, FeedEntry, FeedLogRow, FeedSummary

_TABLE = "feed"
_INDEX = "feeds"
_HEAD = "head"
_TOGETHER = 30
_TRIES = 10
_READS_AT_ONCE = 16


@dataclass(slots=True, kw_only=True)
class _Waiting:
    entry: FeedEntry
    taken_up: asyncio.Future[bool]


@dataclass(slots=True, kw_only=True)
class _Line:
    """The changes that wait for one feed, and the head as we last wrote it."""

    summary: FeedSummary
    waiting: list[_Waiting] = field(default_factory=list)
    runner: asyncio.Task[None] | None = None
    listed: bool = False
    head: tuple[int, str] | None = None


class FeedTable:
    """Feeds in Table Storage."""

    def __init__(self, storage: Storage, now: Clock) -> None:
        self._storage = storage
        self._now = now
        self._lines: dict[str, _Line] = {}

    async def apply(self, feed: FeedSummary, entry: FeedEntry) -> bool:
        """Take up a change, together with those of the same feed that arrive meanwhile."""
        line = self._lines.setdefault(feed.feed, _Line(summary=feed))
        waiting = _Waiting(entry=entry, taken_up=asyncio.get_running_loop().create_future())
        line.waiting.append(waiting)
        if line.runner is None or line.runner.done():
            line.runner = asyncio.create_task(self._serve(line))
        return await waiting.taken_up

    async def _serve(self, line: _Line) -> None:
        while line.waiting:
            together, line.waiting = line.waiting[:_TOGETHER], line.waiting[_TOGETHER:]
            try:
                results = await self._write(line, [each.entry for each in together])
            except Exception as problem:  # noqa: BLE001 - nobody awaits this task: whoever waits has to hear of it
                for each in together:
                    if not each.taken_up.done():
                        each.taken_up.set_exception(problem)
                continue
            for each, result in zip(together, results, strict=True):
                if not each.taken_up.done():
                    each.taken_up.set_result(result)

    async def _write(self, line: _Line, entries: Sequence[FeedEntry]) -> list[bool]:
        await self._list(line)
        for attempt in range(_TRIES):
            known = await self._read_items(line.summary.feed, entries)
            position, etag = line.head or await self._read_head(line.summary.feed)
            results, operations, last = _plan(line.summary.feed, entries, known, position, self._now())
            if not operations:
                return results
            if await self._submit(line, operations, last, etag):
                return results
            line.head = None
            await asyncio.sleep(random.random() * 0.02 * 2**attempt)  # noqa: S311 - so that two writers part
        raise StorageError(f"feed {line.summary.feed} is written by too many at once")

    async def _submit(self, line: _Line, operations: list[Any], last: int, etag: str) -> bool:
        """Write one transaction; False if somebody else wrote first."""
        from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use
        from azure.data.tables import TableTransactionError  # noqa: PLC0415

        head = {"PartitionKey": line.summary.feed, "RowKey": _HEAD, "Last": str(last)}
        guard = {"mode": "replace", "etag": etag, "match_condition": MatchConditions.IfNotModified}
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                answers = await table.submit_transaction(
                    [("update", head, guard) if etag else ("create", head), *operations]
                )
            except TableTransactionError as problem:
                if problem.status_code in {404, 409, 412}:
                    return False
                raise
        line.head = (last, str(answers[0]["etag"]))
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

    async def _read_items(self, feed: str, entries: Sequence[FeedEntry]) -> dict[str, FeedEntry]:
        keys = list(dict.fromkeys(item_key(entry.resource) for entry in entries))
        rows = await self._read_many(feed, keys)
        return {key: read_entry(row) for key, row in rows.items()}

    async def _read_many(self, feed: str, keys: Sequence[str]) -> dict[str, Any]:
        gate = asyncio.Semaphore(_READS_AT_ONCE)

        async def one(key: str) -> Any:
            async with gate:
                return await self._read(feed, key)

        rows = await asyncio.gather(*(one(key) for key in keys))
        return {key: row for key, row in zip(keys, rows, strict=True) if row is not None}

    async def _read(self, partition: str, key: str) -> Any:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                return await table.get_entity(partition, key)
            except ResourceNotFoundError:
                return None

    async def feeds(self) -> Sequence[FeedSummary]:
        """List the feeds."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            rows = [row async for row in table.query_entities(f"PartitionKey eq '{_INDEX}'")]
        return [FeedSummary(feed=row["RowKey"], resource=row["Resource"], kind=row["Kind"]) for row in rows]

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


def _plan(
    feed: str, entries: Sequence[FeedEntry], known: Mapping[str, FeedEntry], position: int, now: datetime
) -> tuple[list[bool], list[Any], int]:
    """Decide what a batch of changes writes: for each whether it counts, the operations, and the last position."""
    states = dict(known)
    results: list[bool] = []
    logged: list[Any] = []
    for entry in entries:
        key = item_key(entry.resource)
        counts = key not in states or overtakes(entry, states[key])
        results.append(counts)
        if counts:
            states[key] = entry
            position += 1
            logged.append(("create", log_row(feed, log_key(position), key, entry, now.astimezone(UTC))))
    changed = [
        ("upsert", entry_row(feed, key, state), {"mode": "replace"})
        for key, state in states.items()
        if known.get(key) is not state
    ]
    return results, [*changed, *logged], position


def item_key(resource: str) -> str:
    """Make an item's row key: ids of Graph's may hold characters that a key may not."""
    return "item-" + hashlib.sha256(resource.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def log_key(position: int) -> str:
    """Make a log row's key; keys sort as positions do."""
    return f"log-{position:020d}"
