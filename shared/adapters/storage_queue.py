"""ports.Queue on Azure Storage. Messages never expire, and may be delayed."""

import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, timedelta
from typing import Any

from shared.adapters.storage import Storage
from shared.ports import TakenMessage

_NEVER_EXPIRES = -1
_TAKEN_FOR = timedelta(minutes=5)


class StorageQueue:
    """One queue of the account."""

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._name = name

    async def put(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put a message, hidden for ``delay`` (rounded up to a second)."""
        queue = await self._storage.queue(self._name)
        with self._storage.errors():
            await queue.send_message(
                text, visibility_timeout=math.ceil(delay.total_seconds()), time_to_live=_NEVER_EXPIRES
            )

    async def take(self, limit: int) -> Sequence[TakenMessage]:
        """Take messages for five minutes."""
        queue = await self._storage.queue(self._name)
        with self._storage.errors():
            taken = queue.receive_messages(messages_per_page=limit, visibility_timeout=int(_TAKEN_FOR.total_seconds()))
            # one page is one request; the iterator over all of them asks until nothing comes any more
            async for page in taken.by_page():
                return [_taken(message) async for message in page]
            return []

    async def remove(self, message: TakenMessage) -> None:
        """Delete a taken message; one that is gone is no error."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        queue = await self._storage.queue(self._name)
        with self._storage.errors(), suppress(ResourceNotFoundError):
            await queue.delete_message(message.message_id, message.pop_receipt)


def _taken(message: Any) -> TakenMessage:
    return TakenMessage(
        text=str(message.content),
        message_id=str(message.id),
        pop_receipt=str(message.pop_receipt),
        dequeue_count=int(message.dequeue_count),
        inserted=message.inserted_on.astimezone(UTC),
    )
