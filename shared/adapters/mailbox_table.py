"""ports.MailboxStore and ports.MailActionStore on table ``subscriptions``: partition ``mailbox``, and one a person for their actions.

Every write is guarded by the row's ETag. What is sealed lies in as many properties as it takes: one holds 64 KiB.
https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model (2026-02)
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from shared.adapters.storage import Storage
from shared.errors import GraphProtocolError, StorageError
from shared.graph.timestamp import read_timestamp, write_timestamp
from shared.ports import MailAction, Mailbox, MailboxState
from shared.telemetry import log_line

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

_LOGGER = logging.getLogger(__name__)
_TABLE: Final = "subscriptions"
_MAILBOX: Final = "mailbox"
_PIECE: Final = 60_000
_MOST_PIECES: Final = 10
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class MailboxTable:
    """The partition ``mailbox``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def read(self, name: str) -> Mailbox | None:
        """Read one row."""
        entity = await _get(self._storage, _MAILBOX, name)
        return None if entity is None else _read_mailbox(entity)

    async def save(self, mailbox: Mailbox) -> Mailbox | None:
        """Create or replace a row; None if somebody else was faster. Raises StorageError for what no row holds."""
        etag = await _put(self._storage, _write_mailbox(mailbox), mailbox.etag)
        return replace(mailbox, etag=etag) if etag else None

    async def remove(self, mailbox: Mailbox) -> bool:
        """Delete a row if its etag still holds; one that is gone is as good."""
        from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use
        from azure.core.exceptions import ResourceModifiedError  # noqa: PLC0415

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                await table.delete_entity(
                    _MAILBOX, mailbox.name, etag=mailbox.etag, match_condition=MatchConditions.IfNotModified
                )
            except ResourceModifiedError:
                return False
        return True


class MailActionTable:
    """The partitions ``action~<owner>``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def read(self, owner: str, key: str) -> MailAction | None:
        """Read one row."""
        entity = await _get(self._storage, _actions_of(owner), _row_key(key))
        return None if entity is None else _read_action(entity, owner, key)

    async def save(self, action: MailAction) -> MailAction | None:
        """Create or replace a row; None if somebody else was faster."""
        entity = {
            "PartitionKey": _actions_of(action.owner),
            "RowKey": _row_key(action.key),
            "asked": action.asked,
            "draft": action.draft,
            "status": action.status,
            "began": write_timestamp(action.began),
            "held_until": write_timestamp(action.held_until),
        }
        etag = await _put(self._storage, entity, action.etag)
        return replace(action, etag=etag) if etag else None

    async def forget(self, owner: str, *, before: datetime | None = None) -> None:
        """Delete what one person has asked for, all of it or what they asked for before a time."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            query = table.query_entities(
                "PartitionKey eq @partition", parameters={"partition": _actions_of(owner)}, select=["RowKey", "began"]
            )
            found = [entity async for entity in query]
            for entity in found:
                if before is None or _time(entity.get("began")) < before:
                    await table.delete_entity(_actions_of(owner), entity["RowKey"])


def _actions_of(owner: str) -> str:
    return f"action~{owner}"


def _row_key(key: str) -> str:
    """Name a row by a key that anybody may have chosen."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


async def _get(storage: Storage, partition: str, row: str) -> Any:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

    table = await storage.table(_TABLE)
    with storage.errors():
        try:
            return await table.get_entity(partition, row)
        except ResourceNotFoundError:
            return None


async def _put(storage: Storage, entity: Mapping[str, Any], etag: str) -> str:
    """Create or replace; the new etag, empty if somebody else was faster."""
    from azure.core.exceptions import (  # noqa: PLC0415 - heavy, on first use
        ResourceExistsError,
        ResourceModifiedError,
        ResourceNotFoundError,
    )

    table = await storage.table(_TABLE)
    with storage.errors():
        try:
            answer = await _write(table, entity, etag)
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            return ""
    return str(answer["etag"])


async def _write(table: "TableClient", entity: Mapping[str, Any], etag: str) -> Mapping[str, Any]:
    from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use

    if not etag:
        return await table.create_entity(entity)
    guard = MatchConditions.IfNotModified
    return await table.update_entity(entity, mode="replace", etag=etag, match_condition=guard)


def _write_mailbox(mailbox: Mailbox) -> dict[str, Any]:
    sealed = mailbox.sealed
    pieces = [sealed[start : start + _PIECE] for start in range(0, len(sealed), _PIECE)]
    if len(pieces) > _MOST_PIECES:
        raise StorageError("somebody's tokens are longer than a row holds")
    entity: dict[str, Any] = {
        "PartitionKey": _MAILBOX,
        "RowKey": mailbox.name,
        "user_id": mailbox.user_id,
        "tenant_id": mailbox.tenant_id,
        "state": mailbox.state,
        "since": write_timestamp(mailbox.since),
        "problem": mailbox.problem,
    }
    return entity | {f"sealed{number}": piece for number, piece in enumerate(pieces)}


def _read_mailbox(entity: Any) -> Mailbox:
    """Read a row. One that somebody spoilt is of nobody who is connected, and keeps its etag, so that it can be replaced."""
    texts = {name: entity.get(name, "") for name in ("user_id", "tenant_id", "problem")}
    state, pieces = entity.get("state"), list[bytes]()
    while isinstance(piece := entity.get(f"sealed{len(pieces)}"), bytes):
        pieces.append(piece)
    state_is_known = state in get_args(MailboxState)
    if not state_is_known or not all(isinstance(text, str) for text in texts.values()):
        log_line(_LOGGER, logging.ERROR, "who has connected a mailbox cannot be read", {"name": entity["RowKey"]})
        texts = dict.fromkeys(texts, "")
        state = "ended"
    return Mailbox(
        name=entity["RowKey"],
        state=state,
        since=_time(entity.get("since")),
        sealed=b"".join(pieces),
        etag=entity.metadata["etag"],
        **texts,
    )


def _read_action(entity: Any, owner: str, key: str) -> MailAction:
    status = entity.get("status")
    return MailAction(
        owner=owner,
        key=key,
        asked=str(entity.get("asked", "")),
        draft=str(entity.get("draft", "")),
        status=status if type(status) is int else 0,
        began=_time(entity.get("began")),
        held_until=_time(entity.get("held_until")),
        etag=entity.metadata["etag"],
    )


def _time(text: object) -> datetime:
    try:
        return read_timestamp(text)
    except GraphProtocolError:
        return _NEVER
