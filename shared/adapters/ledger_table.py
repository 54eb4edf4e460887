"""ports.LedgerStore on Table Storage: one table a period, ``ledger<YYYYMMDD>``.

Rows of one call share a partition and travel in one transaction. A conflicting row fails a whole transaction: it is
dropped and the rest sent again; after two conflicts the rest goes one by one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.adapters.storage import Storage
from shared.ports import LedgerRow

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

PREFIX = "ledger"
_LARGEST_TRANSACTION = 100
_CONFLICTS_BEFORE_SINGLES = 2
_AT_ONCE = 8
_CONFLICTS = {"create": {409}, "update": {404, 412}, "upsert": set[int]()}

_Operation = tuple[Any, ...]


class LedgerTable:
    """The ledger's rows in Table Storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Create rows; the etags of those that were not there yet."""
        return await self._write(period, rows, lambda row: ("create", _entity(partition, row)))

    async def replace(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Replace rows whose etags still hold; the new etags of those."""
        from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use

        def operation(row: LedgerRow) -> _Operation:
            guard = {"mode": "replace", "etag": row.etag, "match_condition": MatchConditions.IfNotModified}
            return ("update", _entity(partition, row), guard)

        return await self._write(period, rows, operation)

    async def put(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> None:
        """Write rows whether or not they exist."""
        await self._write(period, rows, lambda row: ("upsert", _entity(partition, row), {"mode": "replace"}))

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

    async def _write(
        self, period: str, rows: Sequence[LedgerRow], operation: Callable[[LedgerRow], _Operation]
    ) -> dict[str, str]:
        table = await self._storage.table(PREFIX + period)
        written: dict[str, str] = {}
        for start in range(0, len(rows), _LARGEST_TRANSACTION):
            together = list(rows[start : start + _LARGEST_TRANSACTION])
            with self._storage.errors():
                written |= await _submit(table, together, operation)
        return written


async def _submit(
    table: "TableClient", rows: list[LedgerRow], operation: Callable[[LedgerRow], _Operation]
) -> dict[str, str]:
    from azure.data.tables import TableTransactionError  # noqa: PLC0415

    for _ in range(_CONFLICTS_BEFORE_SINGLES):
        if not rows:
            return {}
        if len(rows) == 1:
            break
        try:
            answers = await table.submit_transaction([operation(row) for row in rows])
            return {row.key: str(answer["etag"]) for row, answer in zip(rows, answers, strict=True)}
        except TableTransactionError as problem:
            if problem.status_code not in _CONFLICTS[operation(rows[0])[0]]:
                raise
            del rows[problem.index]
    return await _one_by_one(table, rows, operation)


async def _one_by_one(
    table: "TableClient", rows: Sequence[LedgerRow], operation: Callable[[LedgerRow], _Operation]
) -> dict[str, str]:
    from azure.core.exceptions import HttpResponseError  # noqa: PLC0415

    gate = asyncio.Semaphore(_AT_ONCE)
    methods: dict[str, Callable[..., Awaitable[Any]]] = {
        "create": table.create_entity,
        "update": table.update_entity,
        "upsert": table.upsert_entity,
    }

    async def single(row: LedgerRow) -> tuple[str, str] | None:
        verb, entity, *options = operation(row)
        async with gate:
            try:
                answer = await methods[verb](entity, **(options[0] if options else {}))
            except HttpResponseError as problem:
                if problem.status_code not in _CONFLICTS[verb]:
                    raise
                return None
        return row.key, str(answer["etag"])

    return dict(filter(None, await asyncio.gather(*(single(row) for row in rows))))


def _entity(partition: str, row: LedgerRow) -> dict[str, Any]:
    entity: dict[str, Any] = {"PartitionKey": partition, "RowKey": row.key, "Done": ",".join(sorted(row.done))}
    if row.holder:
        entity |= {"Holder": row.holder, "Expires": row.expires}
    return entity


def _row(entity: Mapping[str, Any]) -> LedgerRow:
    expires = entity.get("Expires")
    metadata = getattr(entity, "metadata", {})
    return LedgerRow(
        key=entity["RowKey"],
        done=frozenset(filter(None, str(entity.get("Done", "")).split(","))),
        holder=str(entity.get("Holder", "")),
        expires=expires.astimezone(UTC) if isinstance(expires, datetime) else None,
        etag=str(metadata.get("etag", "")),
    )
