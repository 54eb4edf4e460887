"""Keeps what did not end well: back on the queue with a delay, or among the dead letters. Nothing is kept in memory."""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from shared.envelope import (
    DEAD_PAYLOADS,
    LARGEST_ENVELOPE,
    LIVE_PAYLOADS,
    Envelope,
    Item,
    write_dead_letter,
    write_envelope,
    write_json,
    write_unreadable,
)
from shared.errors import EnvelopeError, GraphProtocolError
from shared.graph.additional_payload import complete
from shared.graph.notification import ChangeNotification, read_notification
from shared.oversize import Oversize
from shared.ports import Clock, Payloads, Queue
from shared.retrying import Schedule
from shared.work import Dead, Retry, Work

_OVER_A_HUB: Final = ("eventhub", "redrive")
_ROOM_FOR_AN_ERROR: Final = 3 * 1024
"""A dead letter may be so much longer than an envelope: a message holds 4 KiB more, and an error is cut at 2,000 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """The two queues that take what is left of an envelope, and the schedule of attempts."""

    queue: Queue
    dead_letters: Queue
    payloads: Payloads
    oversize: Oversize
    schedule: Schedule
    now: Clock
    chance: Callable[[], float]

    async def keep(self, work: Work, envelope: Envelope) -> None:
        """Keep what is left of one item. Raises StorageError."""
        for index, ending in enumerate(work.endings):
            if isinstance(ending, Retry) and ending.spends and self.schedule.is_last(work.item.attempt):
                ending = Dead(reason="attempts exhausted", error=ending.error, owed=ending.owed)  # noqa: PLW2901
                work.endings[index] = ending
            if isinstance(ending, Retry):
                await self._put_back(work.item, ending, envelope)
            elif isinstance(ending, Dead):
                await self.bury(work.item, ending, envelope)

    async def _put_back(self, item: Item, retry: Retry, envelope: Envelope) -> None:
        delay = self.schedule.delay(item.attempt, chance=self.chance(), after=retry.after, at_least=retry.at_least)
        again = replace(item, owed=retry.owed, attempt=item.attempt + 1 if retry.spends else item.attempt)
        await self.put(again, envelope, delay=delay)

    async def put(self, item: Item, envelope: Envelope, *, delay: timedelta = timedelta(0)) -> None:
        """Put one item onto the queue by itself; with a claim check if no message holds it, as may be when it came by none.

        Raises StorageError.
        """
        text = write_envelope(replace(envelope, items=(item,)))
        if len(text) > LARGEST_ENVELOPE and item.notification is not None:
            name = f"{LIVE_PAYLOADS}{self.now():%Y-%m-%d}/{item.item_id}.json"
            text = write_envelope(replace(envelope, items=(await self._check_in(item, item.notification, name),)))
        await self.queue.put(text, delay=delay)

    async def _check_in(self, item: Item, notification: Mapping[str, Any], name: str) -> Item:
        """Keep a notification in a blob; the claim check for it."""
        await self.payloads.put(name, write_json(notification).encode("ascii"))
        return replace(item, notification=None, payload=name)

    async def bury(self, item: Item, dead: Dead, envelope: Envelope) -> None:
        """Write a dead letter; its payload first moves to where nothing ages out."""
        kept = replace(item, owed=dead.owed)
        if item.payload is not None:
            kept = replace(kept, payload=await self.payloads.bury(item.payload))
        elif envelope.via in _OVER_A_HUB:
            kept, dead = await self._rescue(kept, dead)
        letter = self._write_dead(kept, dead, envelope)
        if len(letter) > LARGEST_ENVELOPE + _ROOM_FOR_AN_ERROR and kept.notification is not None:
            kept = await self._check_in(kept, kept.notification, f"{DEAD_PAYLOADS}{item.item_id}.json")
            letter = self._write_dead(kept, dead, envelope)
        await self.dead_letters.put(letter)

    def _write_dead(self, item: Item, dead: Dead, envelope: Envelope) -> str:
        return write_dead_letter(
            item,
            via=envelope.via,
            reason=dead.reason,
            error=dead.error,
            first_seen=envelope.received,
            last_tried=self.now(),
        )

    async def _rescue(self, item: Item, dead: Dead) -> tuple[Item, Dead]:
        """Keep with an item what Graph keeps for it in a blob, which may age out: completed, or else the blob as it is.

        What cannot be had is left where it is: the dead letter says its name.
        """
        found = read_notification(item.notification)
        if not isinstance(found, ChangeNotification) or not found.additional_payload_storage_id:
            return item, dead
        blob = await self.oversize.rescue(found.additional_payload_storage_id)
        if blob is None:
            return item, dead
        try:
            notification = complete(found.raw, blob)
            return await self._check_in(item, notification, f"{DEAD_PAYLOADS}{item.item_id}.json"), dead
        except (GraphProtocolError, EnvelopeError):
            name = f"{DEAD_PAYLOADS}oversize/{hashlib.sha256(blob).hexdigest()}"
            await self.payloads.put(name, blob)
            return item, replace(dead, error=f"{dead.error}; its blob is kept as {name!r} in container 'payloads'")

    async def bury_unreadable(
        self, message: bytes, error: str, *, attempts: int, event: Mapping[str, object] | None = None
    ) -> None:
        """Keep what holds nothing that can be read as it came; in a blob if that does not fit into another message."""
        text = message.decode("ascii") if message.isascii() else base64.b64encode(message).decode()
        encoding = "none" if message.isascii() else "base64"
        now = self.now()
        letter = write_unreadable(text, encoding=encoding, error=error, attempts=attempts, now=now, event=event)
        if len(letter) > LARGEST_ENVELOPE:
            name = f"{DEAD_PAYLOADS}unreadable/{hashlib.sha256(message).hexdigest()}"
            await self.payloads.put(name, message)
            letter = write_unreadable(name, encoding="payload", error=error, attempts=attempts, now=now, event=event)
        await self.dead_letters.put(letter)

    async def put_back_failed(self, envelope: Envelope) -> str:
        """Put a single item back whose delivery came to nothing, or bury it after its last attempt; what it was."""
        [item] = envelope.items
        if self.schedule.is_last(item.attempt):
            dead = Dead(
                reason="attempts exhausted",
                error="its last delivery killed the worker, ran out of time, or met a storage failure",
                owed=item.owed,
            )
            await self.bury(item, dead, envelope)
            return "dead"
        again = replace(item, attempt=item.attempt + 1)
        delay = self.schedule.spread(chance=self.chance())
        await self.queue.put(write_envelope(replace(envelope, items=(again,))), delay=delay)
        return "retried"

    async def split(self, envelope: Envelope) -> None:
        """Give every item a message of its own, so that one that kills the worker kills alone."""
        await asyncio.gather(
            *(self.queue.put(write_envelope(replace(envelope, items=(item,)))) for item in envelope.items)
        )
