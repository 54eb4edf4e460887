"""ports.HeardStore on table ``subscriptions``: partition ``heard`` has a row a subscription, ``quiet`` an index of them.

An entry of the index says when its row wants to be looked at. It is written before the row and cleared after it: what breaks off in
between leaves an entry too many. Most writes only say that something was heard, leave the index alone, and go together in one
transaction. A row that cannot be read counts as never heard.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from shared.adapters.storage import Storage
from shared.adapters.table_transaction import LARGEST_TRANSACTION, Write
from shared.errors import GraphProtocolError
from shared.graph.timestamp import read_timestamp, write_timestamp
from shared.ports import Heard
from shared.telemetry import log_line

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

_LOGGER = logging.getLogger(__name__)
_TABLE: Final = "subscriptions"
_PARTITION: Final = "heard"
_INDEX: Final = "quiet"
_POLLED: Final = "polled"
"""Entries of the index that name what is polled begin with it; times begin with a digit."""
_TIMES: Final = ("last", "polled_since", "missed", "look_at", "indexed")
_TOGETHER: Final = 16


class HeardTable:
    """The partitions ``heard`` and ``quiet``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def read(self, names: Sequence[str]) -> Sequence[Heard]:
        """Read these rows, as far as they exist."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        table = await self._storage.table(_TABLE)
        turns = asyncio.Semaphore(_TOGETHER)

        async def find(name: str) -> Heard | None:
            async with turns:
                try:
                    return _read(await table.get_entity(_PARTITION, name))
                except ResourceNotFoundError:
                    return None

        with self._storage.errors():
            found = await asyncio.gather(*map(find, names))
        return [row for row in found if row is not None]

    async def write(self, rows: Sequence[Heard]) -> None:
        """Write rows; those whose place in the index stays go together."""
        staying = [row for row in rows if row.look_at == row.indexed]
        for start in range(0, len(staying), LARGEST_TRANSACTION):
            together = staying[start : start + LARGEST_TRANSACTION]
            await self._storage.transact(_TABLE, [Write(verb="put", row=_entity(row)) for row in together])
        turns = asyncio.Semaphore(_TOGETHER)

        async def move(row: Heard) -> None:
            async with turns:
                await self._move(row)

        await asyncio.gather(*(move(row) for row in rows if row.look_at != row.indexed))

    async def _move(self, row: Heard) -> None:
        """Write a row that wants to be looked at another time than before."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            if row.look_at is not None:
                await table.upsert_entity({"PartitionKey": _INDEX, "RowKey": _entry(row.look_at, row.name)})
            polled = {"PartitionKey": _INDEX, "RowKey": f"{_POLLED}~{row.name}"}
            if row.polled_since is not None:
                await table.upsert_entity(polled)
            await table.upsert_entity(_entity(replace(row, indexed=row.look_at)), mode="replace")
            if row.indexed is not None:
                await table.delete_entity(_INDEX, _entry(row.indexed, row.name))
            if row.polled_since is None:
                await table.delete_entity(_INDEX, polled["RowKey"])

    async def due(self, now: datetime, *, limit: int) -> Sequence[Heard]:
        """Read the rows that want to be looked at, the longest due first."""
        entries = await self._entries("RowKey lt @until", {"until": _entry(now, "~")}, limit)
        rows = {row.name: row for row in await self.read([entry.partition("~")[2] for entry in entries])}
        due: dict[str, Heard] = {}
        table = await self._storage.table(_TABLE)
        for entry in entries:
            row = rows.get(entry.partition("~")[2])
            if row is not None and row.look_at is not None and _entry(row.look_at, row.name) == entry:
                due[row.name] = row
            elif row is not None and row.look_at is None:
                due[row.name] = replace(row, look_at=now, indexed=_read_entry(entry))  # its time could not be read
            else:
                with self._storage.errors():
                    await table.delete_entity(_INDEX, entry)  # a leftover
        return list(due.values())

    async def polled(self, *, limit: int) -> Sequence[Heard]:
        """Read the rows of which changes go unheard."""
        entries = await self._entries("RowKey ge @until", {"until": f"{_POLLED}~"}, limit)
        return [row for row in await self.read([entry.partition("~")[2] for entry in entries]) if row.polled_since]

    async def remove(self, names: Sequence[str]) -> None:
        """Delete rows with their entries."""
        table = await self._storage.table(_TABLE)
        for row in await self.read(names):
            with self._storage.errors():
                if row.indexed is not None:
                    await table.delete_entity(_INDEX, _entry(row.indexed, row.name))
                await table.delete_entity(_INDEX, f"{_POLLED}~{row.name}")
                await table.delete_entity(_PARTITION, row.name)

    async def _entries(self, where: str, values: dict[str, str], limit: int) -> list[str]:
        table: TableClient = await self._storage.table(_TABLE)
        found: list[str] = []
        with self._storage.errors():
            async for entry in table.query_entities(
                f"PartitionKey eq @partition and {where}", parameters={"partition": _INDEX, **values}
            ):
                found.append(str(entry["RowKey"]))
                if len(found) == limit:
                    break
        return found


def _entry(moment: datetime, name: str) -> str:
    return f"{moment.astimezone(UTC).strftime('%Y%m%dT%H%M%S.%fZ')}~{name}"


def _read_entry(entry: str) -> datetime | None:
    try:
        return datetime.strptime(entry.partition("~")[0], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _entity(row: Heard) -> dict[str, str | bool]:
    """Write a row as text: transactions carry nothing else."""
    entity: dict[str, str | bool] = {
        "PartitionKey": _PARTITION,
        "RowKey": row.name,
        "longest": str(round(row.longest.total_seconds())),
        "samples": str(row.samples),
    }
    times: dict[str, datetime | None] = {name: getattr(row, name) for name in _TIMES}
    return entity | {name: write_timestamp(moment) for name, moment in times.items() if moment}


def _read(entity: Any) -> Heard:
    times: dict[str, Any] = {}
    wrong: list[str] = []
    for name in _TIMES:
        try:
            times[name] = read_timestamp(entity[name]) if entity.get(name) else None
        except GraphProtocolError:
            times[name] = None
            wrong.append(name)
    numbers: dict[str, int] = {}
    for name in ("longest", "samples"):
        text = str(entity.get(name, "0"))
        numbers[name] = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 - 30 years
        if numbers[name] == 0 and text != "0":
            wrong.append(name)
    if wrong:
        fields = {"name": entity["RowKey"], "columns": ",".join(wrong)}
        log_line(_LOGGER, logging.ERROR, "what was heard of a subscription cannot be read as it stands", fields)
    longest = timedelta(seconds=numbers["longest"])
    return Heard(name=entity["RowKey"], longest=longest, samples=numbers["samples"], **times)
