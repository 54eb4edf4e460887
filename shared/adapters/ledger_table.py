"""ports.LedgerStore on Table Storage: one table a period, ``ledger<YYYYMMDD>``.

Rows of one call share a partition and travel in one transaction. A conflicting row fails a whole transaction: it is
dropped and the rest sent again; after two conflicts the rest goes one by one.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.storage import Storage
from shared.adapters.table_transaction import LARGEST_TRANSACTION, TransactionConflict, Write
from shared.graph.timestamp import read_timestamp, write_timestamp
from shared.ports import LedgerRow

PREFIX = "ledger"
_CONFLICTS_BEFORE_SINGLES = 2
_AT_ONCE = 8

Writer = Callable[[LedgerRow], Write]


class LedgerTable:
    """The ledger's rows in Table Storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Create rows; the etags of those that were not there yet."""
        return await self._write(period, rows, lambda row: Write(verb="create", row=_entity(partition, row)))

    async def replace(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Replace rows whose etags still hold; the new etags of those."""
        return await self._write(
            period, rows, lambda row: Write(verb="replace", row=_entity(partition, row), etag=row.etag)
        )

    async def put(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> None:
        """Write rows whether or not they exist."""
        await self._write(period, rows, lambda row: Write(verb="put", row=_entity(partition, row)))

    async def read(self, period: str, partition: str, key: str) -> LedgerRow | None:
        """Read one row."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        table = await self._storage.table(PREFIX + period)
        with self._storage.errors():
            try:
                return _row(await table.get_entity(partition, key))
            except ResourceNotFoundError:
                return None

    async def drop_before(self, period: str) -> Sequence[str]:
        """Drop the tables of periods that lie before this one."""
        names = await self._storage.table_names(PREFIX)
        old = [name for name in names if name.removeprefix(PREFIX) < period]
        for name in old:
            await self._storage.drop_table(name)
        return [name.removeprefix(PREFIX) for name in old]

    async def _write(self, period: str, rows: Sequence[LedgerRow], writer: Writer) -> dict[str, str]:
        written: dict[str, str] = {}
        for start in range(0, len(rows), LARGEST_TRANSACTION):
            together = list(rows[start : start + LARGEST_TRANSACTION])
            written |= await self._submit(PREFIX + period, together, writer)
        return written

    async def _submit(self, table: str, rows: list[LedgerRow], writer: Writer) -> dict[str, str]:
        for _ in range(_CONFLICTS_BEFORE_SINGLES):
            if not rows:
                return {}
            try:
                etags = await self._storage.transact(table, [writer(row) for row in rows])
                return {row.key: etag for row, etag in zip(rows, etags, strict=True)}
            except TransactionConflict as conflict:
                del rows[conflict.index]
        return await self._one_by_one(table, rows, writer)

    async def _one_by_one(self, table: str, rows: Sequence[LedgerRow], writer: Writer) -> dict[str, str]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def single(row: LedgerRow) -> tuple[str, str] | None:
            async with gate:
                try:
                    [etag] = await self._storage.transact(table, [writer(row)])
                except TransactionConflict:
                    return None
            return row.key, etag

        return dict(filter(None, await asyncio.gather(*(single(row) for row in rows))))


def _entity(partition: str, row: LedgerRow) -> dict[str, str | bool]:
    entity: dict[str, str | bool] = {"PartitionKey": partition, "RowKey": row.key, "Done": ",".join(sorted(row.done))}
    if row.holder and row.expires is not None:
        entity |= {"Holder": row.holder, "Expires": write_timestamp(row.expires)}
    return entity


def _row(entity: Mapping[str, Any]) -> LedgerRow:
    expires: datetime | None = read_timestamp(entity["Expires"]) if "Expires" in entity else None
    metadata = getattr(entity, "metadata", {})
    return LedgerRow(
        key=entity["RowKey"],
        done=frozenset(filter(None, str(entity.get("Done", "")).split(","))),
        holder=str(entity.get("Holder", "")),
        expires=expires,
        etag=str(metadata.get("etag", "")),
    )
