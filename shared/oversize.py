"""Completes items that no event could hold with what Graph put into a blob for them, a few at a time.

What may heal is waited for: a store that nobody named, or that does not answer, uses up no attempt for a day, because what is wrong
is not the item. A blob that is not there uses attempts: it may be on its way, but not for long. The form of the blobs is
`shared.graph.additional_payload`'s.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from shared.errors import GraphProtocolError, StorageError
from shared.graph.additional_payload import CONTAINER, complete, is_blob_name
from shared.opening import Unopenable
from shared.ports import Clock, OversizePayloads

_AT_ONCE: Final = 4
_PATIENCE: Final = timedelta(seconds=20)
_UNTIL_MENDED: Final = timedelta(minutes=5)
_MENDED_WITHIN: Final = timedelta(days=1)
_WHERE: Final = "the account that OVERSIZE_STORAGE or OVERSIZE_STORAGE__blobServiceUri names"


class PayloadAway(Exception):  # noqa: N818 - a state that heals
    """The blob could not be had this time. ``after`` is when to ask again, None if the schedule says; ``spends`` an attempt."""

    def __init__(self, problem: str, *, after: timedelta | None = None, spends: bool = True) -> None:
        super().__init__(problem)
        self.after = after
        self.spends = spends


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversize:
    """What it takes to complete such items. ``store`` is None where no setting names one."""

    store: OversizePayloads | None
    now: Clock
    largest: int
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def complete(self, item: Mapping[str, Any], storage_id: str, *, received: datetime) -> dict[str, Any]:
        """Give the item with everything that was left out. Raises PayloadAway and Unopenable."""
        blob = await self._fetch(storage_id, received)
        try:
            return complete(item, blob)
        except GraphProtocolError as problem:
            raise Unopenable(f"{problem}: blob {storage_id!r} in container {CONTAINER!r} of {_WHERE}") from problem

    async def rescue(self, storage_id: str) -> bytes | None:
        """Fetch a blob that is to be kept for a person; None if that cannot be done, for whatever reason."""
        try:
            return await self._fetch(storage_id, self.now())
        except (PayloadAway, Unopenable):
            return None

    async def _fetch(self, storage_id: str, received: datetime) -> bytes:
        if not is_blob_name(storage_id):
            raise Unopenable("its additionalPayloadStorageId is not the name of a blob")
        if self.store is None:
            raise self._away(
                f"blob {storage_id!r} holds what no event could: say where with OVERSIZE_STORAGE", received
            )
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()), self.turns:
                blob = await self.store.get(storage_id, at_most=self.largest + 1)
        except (StorageError, TimeoutError) as problem:
            why = str(problem) or "it took too long"
            raise self._away(f"blob {storage_id!r} could not be read from {_WHERE}: {why}", received) from problem
        if blob is None:
            raise PayloadAway(
                f"there is no blob {storage_id!r} in container {CONTAINER!r} of {_WHERE}: "
                "see whether that is the account whose connection string Graph was given, and whether blobs age out too soon"
            )
        if len(blob) > self.largest:
            raise Unopenable(f"blob {storage_id!r} is larger than MAX_BODY_BYTES, {self.largest}")
        return blob

    def _away(self, problem: str, received: datetime) -> PayloadAway:
        return PayloadAway(problem, after=_UNTIL_MENDED, spends=self.now() - received > _MENDED_WITHIN)
