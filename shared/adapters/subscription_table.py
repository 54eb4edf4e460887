"""ports.SubscriptionStore on table ``subscriptions``: one row a subscription, every write guarded by its ETag."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from shared.adapters.storage import Storage
from shared.graph.subscription import LiveSubscription
from shared.graph.timestamp import read_timestamp, write_timestamp

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

_TABLE: Final = "subscriptions"
_PARTITION: Final = "app"
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
)
_NUMBERS: Final = ("generation", "attempts", "lifetime_minutes")
_FLAGS: Final = ("include_resource_data", "immutable_ids", "refused")
_TIMES: Final = ("expires", "created", "renewed", "not_before")


class SubscriptionTable:
    """The rows of table ``subscriptions``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def list(self) -> Sequence[LiveSubscription]:
        """Read every row."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            rows = table.query_entities("PartitionKey eq @partition", parameters={"partition": _PARTITION})
            return [_read(entity) async for entity in rows]

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
        with self._storage.errors():
            try:
                answer = await _write(table, row)
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
                return None
        return replace(row, etag=answer["etag"])

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
        return True


async def _write(table: "TableClient", row: LiveSubscription) -> Any:
    from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use

    if not row.etag:
        return await table.create_entity(_entity(row))
    guard = MatchConditions.IfNotModified
    return await table.update_entity(_entity(row), mode="replace", etag=row.etag, match_condition=guard)


def _entity(row: LiveSubscription) -> dict[str, Any]:
    entity: dict[str, Any] = {"PartitionKey": _PARTITION, "RowKey": row.name}
    entity |= {name: getattr(row, name) for name in (*_TEXTS, *_NUMBERS, *_FLAGS)}
    times: dict[str, datetime | None] = {name: getattr(row, name) for name in _TIMES}
    return entity | {name: write_timestamp(moment) for name, moment in times.items() if moment}


def _read(entity: Any) -> LiveSubscription:
    values: dict[str, Any] = {name: str(entity.get(name, "")) for name in _TEXTS}
    values |= {name: int(entity.get(name, 0)) for name in _NUMBERS}
    values |= {name: bool(entity.get(name, False)) for name in _FLAGS}
    values |= {name: read_timestamp(entity[name]) for name in _TIMES if entity.get(name)}
    return LiveSubscription(name=entity["RowKey"], etag=entity.metadata["etag"], **values)
