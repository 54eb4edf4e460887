"""ports.HubMarks on table ``subscriptions``: partition ``hub`` has a row a partition of a hub.

Every write is guarded by the row's ETag, and there is one a batch. A row that cannot be read is as good as none, and written over.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from shared.adapters.storage import Storage
from shared.errors import GraphProtocolError
from shared.graph.timestamp import read_timestamp, write_timestamp
from shared.ports import HubMark
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_TABLE: Final = "subscriptions"
_PARTITION: Final = "hub"
_TEXTS: Final = ("hub", "consumer_group", "partition")
_NUMBER = re.compile(r"[0-9]{1,19}")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_NOT_IN_A_KEY = re.compile(r"[^0-9A-Za-z._$-]")


class HubMarkTable:
    """The partition ``hub``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def read(self, hub: str, consumer_group: str, partition: str) -> HubMark | None:
        """Read one row; None if there is none."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                entity = await table.get_entity(_PARTITION, _key(hub, consumer_group, partition))
            except ResourceNotFoundError:
                return None
        return _read(entity)

    async def save(self, mark: HubMark) -> HubMark | None:
        """Create or replace a row; None if somebody else was faster."""
        from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use
        from azure.core.exceptions import (  # noqa: PLC0415
            ResourceExistsError,
            ResourceModifiedError,
            ResourceNotFoundError,
        )

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                if not mark.etag:
                    answer = await table.create_entity(_entity(mark))
                else:
                    answer = await table.update_entity(
                        _entity(mark),
                        mode="replace",
                        etag=mark.etag,
                        match_condition=MatchConditions.IfNotModified,
                    )
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
                return None
        return replace(mark, etag=answer["etag"])

    async def list(self) -> Sequence[HubMark]:
        """Read every row that can be read."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            rows = table.query_entities("PartitionKey eq @partition", parameters={"partition": _PARTITION})
            marks = [_read(entity) async for entity in rows]
        return [mark for mark in marks if mark.first <= mark.last]


def _key(hub: str, consumer_group: str, partition: str) -> str:
    """Name a row; hubs and groups are named with letters, digits, and a few signs that a key may have."""
    return "~".join(_NOT_IN_A_KEY.sub("_", part)[:256] for part in (hub, consumer_group, partition.zfill(4)))


def _entity(mark: HubMark) -> dict[str, str]:
    """Write a row; its numbers as text, since they have 64 bits."""
    return {
        "PartitionKey": _PARTITION,
        "RowKey": _key(mark.hub, mark.consumer_group, mark.partition),
        "hub": mark.hub,
        "consumer_group": mark.consumer_group,
        "partition": mark.partition,
        "first": str(mark.first),
        "last": str(mark.last),
        "at": write_timestamp(mark.at),
    }


def _read(entity: Any) -> HubMark:
    """Read a row. One that somebody spoilt covers nothing, and keeps its etag, so that it can be replaced."""
    etag = entity.metadata["etag"]
    texts = {name: entity.get(name) for name in _TEXTS}
    numbers = {name: str(entity.get(name, "")) for name in ("first", "last")}
    try:
        at = read_timestamp(entity.get("at"))
    except GraphProtocolError:
        at = _NEVER
    known = all(isinstance(text, str) for text in texts.values())
    if at == _NEVER or not known or not all(_NUMBER.fullmatch(number) for number in numbers.values()):
        log_line(_LOGGER, logging.ERROR, "where a hub's batch began cannot be read", {"row": entity["RowKey"]})
        return HubMark(hub="", consumer_group="", partition="", first=0, last=-1, at=at, etag=etag)
    return HubMark(**texts, first=int(numbers["first"]), last=int(numbers["last"]), at=at, etag=etag)
