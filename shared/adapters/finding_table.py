"""ports.FindingStore on table ``findings``.

Each message has one row with all its findings, guarded by its ETag: that is what is true. The list of all findings has copies, in a
partition a day, written after it. A copy says from which revision of its message it was made, and is only ever replaced by one
of a later revision, so that a writer who was held up undoes nothing. Where a process dies between the two, whoever handles the
change again writes the copies that are missing.

What it costs: a message that nothing is known of is created without looking, one request; its copies are another, for up to a hundred.
A message that is known costs a read and a replacement more, and two requests for each time at which something was found in it.
A page reads the days that it shows and no others, two requests a day; filters are storage's own and look at each row of those days.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.adapters.finding_rows import (
    COUNTED,
    Row,
    day_partition,
    finding_rows,
    message_partition,
    message_row,
    read_listed,
    read_message,
    write_filter,
)
from shared.adapters.storage import Storage
from shared.adapters.table_transaction import LARGEST_TRANSACTION, TransactionConflict, Write
from shared.errors import StorageError
from shared.findings import (
    FindingCounts,
    FindingPage,
    FindingQuery,
    MessageState,
    Scan,
    day_of,
    end_of_day,
    merge,
    place_at,
    settle,
)

_TABLE = "findings"
_TRIES = 10
_LARGEST_PAGE = 1000
_MOST_DAYS = 31
"""Days that one page looks through before it says where to go on: a filter that nothing meets must not read years."""
_BEFORE_ALL, _BEHIND_ALL = day_partition("0"), day_partition("99999999")


class FindingTable:
    """Findings in Table Storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def apply(self, scan: Scan) -> MessageState:
        """Take up a scan: the message's row first, then the copies of its findings."""
        known: MessageState | None = None
        for attempt in range(_TRIES):
            state = merge(known, scan)
            saved = state if state is known else await self._save(state)
            if saved is not None:
                await self._list(saved, anew=known is None)
                return saved
            await _part(attempt)
            known = await self._read(scan.message.key)
        raise StorageError("a message is written by too many at once")

    async def settle(self, state: MessageState, *, told: Collection[str], verdict: str | None) -> None:
        """Note what was done about a message."""
        known: MessageState | None = state
        for attempt in range(_TRIES):
            if known is None:
                return  # somebody deleted the row
            settled = settle(known, told=told, verdict=verdict)
            if settled is known or await self._save(settled) is not None:
                return
            await _part(attempt)
            known = await self._read(state.message.key)
        raise StorageError("a message is written by too many at once")

    async def _save(self, state: MessageState) -> MessageState | None:
        """Create or replace a message's row; with its new etag, None if somebody else was faster."""
        row = message_row(state)
        write = Write(verb="replace", row=row, etag=state.etag) if state.etag else Write(verb="create", row=row)
        try:
            (etag,) = await self._storage.transact(_TABLE, [write])
        except TransactionConflict:
            return None
        return replace(state, etag=etag)

    async def _read(self, key: str) -> MessageState | None:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                row = await table.get_entity(*message_partition(key))
            except ResourceNotFoundError:
                return None
        return read_message(row, str(row.metadata["etag"]))

    # -- the list: writing ----------------------------------------------------------------------------------------------

    async def _list(self, state: MessageState, *, anew: bool) -> None:
        """Write the copies of a message's findings, those that were found at one time together."""
        groups: defaultdict[tuple[str, datetime], list[Row]] = defaultdict(list)
        for finding, row in zip(state.findings, finding_rows(state), strict=True):
            groups[str(row["PartitionKey"]), finding.found].append(row)
        for rows in groups.values():
            for together in _batches(rows):
                if not (anew and await self._write([Write(verb="create", row=row) for row in together])):
                    await self._renew(together)

    async def _renew(self, rows: Sequence[Row]) -> None:
        """Write those copies that are missing, or of an earlier revision."""
        for attempt in range(_TRIES):
            there = await self._copies(rows)
            writes = [
                Write(verb="replace", row=row, etag=etag) if etag else Write(verb="create", row=row)
                for row in rows
                for revision, etag in [there.get(str(row["RowKey"]), (0, ""))]
                if revision < int(str(row["Revision"]))
            ]
            if not writes or await self._write(writes):
                return
            await _part(attempt)
        raise StorageError("the findings of a message are written by too many at once")

    async def _copies(self, rows: Sequence[Row]) -> Mapping[str, tuple[int, str]]:
        keys = sorted(str(row["RowKey"]) for row in rows)
        wanted = f"PartitionKey eq '{rows[0]['PartitionKey']}' and RowKey ge '{keys[0]}' and RowKey le '{keys[-1]}'"
        found = self._query(wanted, {}, select=("RowKey", "Revision"))
        return {row["RowKey"]: (int(row["Revision"]), str(row.metadata["etag"])) async for row in found}

    async def _write(self, writes: Sequence[Write]) -> bool:
        try:
            await self._storage.transact(_TABLE, writes)
        except TransactionConflict:
            return False
        return True

    # -- the list: reading ----------------------------------------------------------------------------------------------

    async def page(self, query: FindingQuery, *, after: str, top: int) -> FindingPage:
        """Read one page, day by day."""
        first, last = self._days(query)
        partition = day_partition(day_of(after)) if after else await self._next_day(first, last, at_once=True)
        condition, parameters = write_filter(query)
        rows: list[Any] = []
        for _ in range(_MOST_DAYS):
            if partition is None:
                return FindingPage(findings=[read_listed(row) for row in rows])
            wanted = [f"PartitionKey eq '{partition}'", condition, f"RowKey gt '{after}'" if after else ""]
            found = self._query(" and ".join(filter(None, wanted)), parameters, at_once=top + 1 - len(rows))
            rows += [row async for row in found]
            if len(rows) > top:
                return FindingPage(findings=[read_listed(row) for row in rows[:top]], after=rows[top - 1]["RowKey"])
            day, partition = partition, await self._next_day(partition, last)
        behind = end_of_day(day.removeprefix(day_partition(""))) if partition else ""
        return FindingPage(findings=[read_listed(row) for row in rows], after=behind)

    def _days(self, query: FindingQuery) -> tuple[str, str]:
        """Give the partitions between which a query's days are, both included."""
        first = day_partition(day_of(place_at(query.until))) if query.until else _BEFORE_ALL
        last = day_partition(day_of(place_at(query.since))) if query.since else _BEHIND_ALL
        return first, last

    async def _next_day(self, partition: str, last: str, *, at_once: bool = False) -> str | None:
        """Find the next partition in which there is anything."""
        from_here = "ge" if at_once else "gt"
        wanted = f"PartitionKey {from_here} '{partition}' and PartitionKey le '{last}'"
        async for row in self._query(wanted, {}, select=("PartitionKey",), at_once=1):
            return str(row["PartitionKey"])
        return None

    async def count(self, query: FindingQuery, *, most: int) -> FindingCounts:
        """Count findings, and stop after so many."""
        first, last = self._days(query)
        condition, parameters = write_filter(query)
        wanted = [f"PartitionKey ge '{first}'", f"PartitionKey le '{last}'", condition]
        counts: Counter[tuple[str, str, str]] = Counter()
        async for row in self._query(" and ".join(filter(None, wanted)), parameters, select=COUNTED, at_once=most + 1):
            if counts.total() == most:
                return FindingCounts(counts=counts, complete=False)
            counts[row["Rule"], row["Severity"], row["Status"]] += 1
        return FindingCounts(counts=counts)

    async def _query(
        self, wanted: str, parameters: Mapping[str, str], *, select: Sequence[str] = (), at_once: int = _LARGEST_PAGE
    ) -> AsyncIterator[Any]:
        """Read rows in the order of their keys, at most ``at_once`` of them."""
        table = await self._storage.table(_TABLE)
        options: dict[str, Any] = {"select": list(select)} if select else {}
        with self._storage.errors():
            rows = table.query_entities(
                wanted, parameters=dict(parameters), results_per_page=min(at_once, _LARGEST_PAGE), **options
            )
            left = at_once
            async for row in rows:
                yield row
                left -= 1
                if not left:
                    return


def _batches(rows: Sequence[Row]) -> list[list[Row]]:
    ordered = sorted(rows, key=lambda row: str(row["RowKey"]))
    return [ordered[start : start + LARGEST_TRANSACTION] for start in range(0, len(ordered), LARGEST_TRANSACTION)]


async def _part(attempt: int) -> None:
    """Wait a moment, so that two writers part; the first time somebody was faster there is nothing to wait for."""
    if attempt:
        await asyncio.sleep(random.random() * 0.02 * 2**attempt)  # noqa: S311
