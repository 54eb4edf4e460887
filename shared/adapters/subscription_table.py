"""ports.SubscriptionStore on table ``subscriptions``: one row a subscription, every write guarded by its ETag.

Partition ``app`` has the rows, ``due`` an index of them by the time for which each wants to be looked at, ``mark`` what was
compared when. A row that somebody edited by hand, or that was half written, is read as far as it can be: what is left of it
is planned for like any other, and stops nobody.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from shared.adapters.storage import Storage
from shared.errors import GraphProtocolError
from shared.graph.subscription import LiveSubscription
from shared.graph.timestamp import read_timestamp, write_timestamp
from shared.ports import Comparison
from shared.reconcile import due_at, index_time
from shared.telemetry import log_line

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

_LOGGER = logging.getLogger(__name__)
_TABLE: Final = "subscriptions"
_PARTITION: Final = "app"
_DUE: Final = "due"
_MARK, _COMPARISON = "mark", "comparison"
_TEXTS: Final = (
    "resource",
    "change_type",
    "delivery",
    "subscription_id",
    "former_id",
    "certificate_id",
    "notification_query_options",
    "digest",
    "problem",
    "owed",
    "tenant_id",
    "lifecycle",
    "actor",
)
_NUMBERS: Final = ("generation", "attempts", "lifetime_minutes")
_FLAGS: Final = ("include_resource_data", "immutable_ids", "refused", "leaving")
_TIMES: Final = ("expires", "created", "renewed", "not_before", "owed_since", "swept", "indexed")
_TOGETHER: Final = 16
_STALE: Final = timedelta(hours=1)
"""Age from which on an entry that no row points back to is a leftover, and not one whose row is just being written."""


class SubscriptionTable:
    """The rows of table ``subscriptions``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def list(self) -> Sequence[LiveSubscription]:
        """Read every row."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            return [_read(entity) async for entity in _partition(table, _PARTITION)]

    async def due(self, now: datetime, *, limit: int) -> Sequence[LiveSubscription]:
        """Read the rows whose time has come, the longest due first."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            entries: list[Any] = []
            due = table.query_entities(
                "PartitionKey eq @partition and RowKey lt @until",
                parameters={"partition": _DUE, "until": _entry_key(now, "~")},
            )
            async for entry in due:
                entries.append(entry)
                if len(entries) == limit:
                    break
            turns = asyncio.Semaphore(_TOGETHER)
            found = await asyncio.gather(*(self._due_row(table, entry, now, turns) for entry in entries))
        return list({row.name: row for row in found if row is not None}.values())

    async def _due_row(
        self, table: "TableClient", entry: Any, now: datetime, turns: asyncio.Semaphore
    ) -> LiveSubscription | None:
        """Read the row that an entry of the index is about; a leftover is cleared away."""
        async with turns:
            when, _, name = str(entry["RowKey"]).partition("~")
            row = await self.read(name)
            if row is not None and row.indexed is not None and _time_key(row.indexed) == when:
                return row if due_at(row) <= now else None
            written = entry.metadata.get("timestamp")
            if written is None or now - written > _STALE:
                await _clear(table, str(entry["RowKey"]))
            return row if row is not None and due_at(row) <= now else None

    async def index(self, rows: Sequence[LiveSubscription]) -> int:
        """See to it that each of these rows is in the index; how many were not."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            there = {str(entry["RowKey"]) async for entry in _partition(table, _DUE)}
        lost = [row for row in rows if row.indexed is None or _entry_key(row.indexed, row.name) not in there]
        turns = asyncio.Semaphore(_TOGETHER)

        async def mend(row: LiveSubscription) -> None:
            async with turns:
                await self.save(replace(row, indexed=None))  # somebody who was faster has indexed it

        await asyncio.gather(*(mend(row) for row in lost))
        return len(lost)

    async def last_comparison(self) -> Comparison | None:
        """Read when everything was last compared."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                return _read_comparison(await table.get_entity(_MARK, _COMPARISON))
            except ResourceNotFoundError:
                return None

    async def save_comparison(self, comparison: Comparison) -> None:
        """Write down that everything was compared, or is about to be."""
        from azure.data.tables import UpdateMode  # noqa: PLC0415 - heavy, on first use

        entity = {
            "PartitionKey": _MARK,
            "RowKey": _COMPARISON,
            "digest": comparison.digest,
            "at": write_timestamp(comparison.at),
            "done": comparison.done,
            "size": comparison.size,
            "unknown": " ".join(comparison.unknown),
        }
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            await table.upsert_entity(entity, mode=UpdateMode.REPLACE)

    async def read(self, name: str) -> LiveSubscription | None:
        """Read one row."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                return _read(await table.get_entity(_PARTITION, name))
            except ResourceNotFoundError:
                return None

    async def save(self, row: LiveSubscription) -> LiveSubscription | None:
        """Create (empty etag) or replace a row; the row with its new etag, None if somebody else was faster."""
        from azure.core.exceptions import (  # noqa: PLC0415 - heavy, on first use
            ResourceExistsError,
            ResourceModifiedError,
            ResourceNotFoundError,
        )

        table = await self._storage.table(_TABLE)
        moved = index_time(row)
        kept = row if moved is None else replace(row, indexed=moved)
        with self._storage.errors():
            if moved is not None:
                await table.upsert_entity({"PartitionKey": _DUE, "RowKey": _entry_key(moved, row.name)})
            try:
                answer = await _write(table, kept)
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
                return None
            if row.indexed is not None and kept.indexed != row.indexed:
                await _clear(table, _entry_key(row.indexed, row.name))
        return replace(kept, etag=answer["etag"])

    async def remove(self, row: LiveSubscription) -> bool:
        """Delete a row if its etag still holds; one that is gone is as good."""
        from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use
        from azure.core.exceptions import ResourceModifiedError  # noqa: PLC0415

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                await table.delete_entity(
                    _PARTITION, row.name, etag=row.etag, match_condition=MatchConditions.IfNotModified
                )
            except ResourceModifiedError:
                return False
            if row.indexed is not None:
                await _clear(table, _entry_key(row.indexed, row.name))
        return True


def _partition(table: "TableClient", partition: str) -> AsyncIterable[Any]:
    return table.query_entities("PartitionKey eq @partition", parameters={"partition": partition})


async def _clear(table: "TableClient", entry: str) -> None:
    """Delete an entry of the index; one that is gone is as good."""
    await table.delete_entity(_DUE, entry)


async def _write(table: "TableClient", row: LiveSubscription) -> Any:
    from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use

    if not row.etag:
        return await table.create_entity(_entity(row))
    guard = MatchConditions.IfNotModified
    return await table.update_entity(_entity(row), mode="replace", etag=row.etag, match_condition=guard)


def _time_key(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _entry_key(moment: datetime, name: str) -> str:
    return f"{_time_key(moment)}~{name}"


def _entity(row: LiveSubscription) -> dict[str, Any]:
    entity: dict[str, Any] = {"PartitionKey": _PARTITION, "RowKey": row.name}
    entity |= {name: getattr(row, name) for name in (*_TEXTS, *_NUMBERS, *_FLAGS)}
    times: dict[str, datetime | None] = {name: getattr(row, name) for name in _TIMES}
    return entity | {name: write_timestamp(moment) for name, moment in times.items() if moment}


def _read(entity: Any) -> LiveSubscription:
    values: dict[str, Any] = {name: entity.get(name, "") for name in _TEXTS}
    values |= {name: entity.get(name, 0) for name in _NUMBERS}
    values |= {name: entity.get(name, False) for name in _FLAGS}
    wrong = [
        name
        for names, kind in ((_TEXTS, str), (_NUMBERS, int), (_FLAGS, bool))
        for name in names
        if type(values[name]) is not kind
    ]
    values |= {name: _DEFAULTS[name] for name in wrong}
    for name in _TIMES:
        try:
            values[name] = read_timestamp(entity[name]) if entity.get(name) else None
        except GraphProtocolError:
            values[name] = None
            wrong.append(name)
    if wrong:
        fields = {"name": entity["RowKey"], "columns": ",".join(sorted(wrong))}
        log_line(_LOGGER, logging.ERROR, "a row of table subscriptions cannot be read as it stands", fields)
    return LiveSubscription(name=entity["RowKey"], etag=entity.metadata["etag"], **values)


def _defaults() -> Iterable[tuple[str, Any]]:
    yield from ((name, "") for name in _TEXTS)
    yield from ((name, 0) for name in _NUMBERS)
    yield from ((name, False) for name in _FLAGS)


_DEFAULTS: Final[Mapping[str, Any]] = dict(_defaults())


def _read_comparison(entity: Any) -> Comparison | None:
    try:
        at = read_timestamp(entity.get("at"))
    except GraphProtocolError:
        return None  # as good as none: everything is compared again
    return Comparison(
        digest=str(entity.get("digest", "")),
        at=at,
        done=entity.get("done") is True,
        size=size if type(size := entity.get("size")) is int else 0,
        unknown=tuple(str(entity.get("unknown", "")).split()),
    )
