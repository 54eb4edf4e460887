"""Keeps what did not end well: back on the queue with a delay, or among the dead letters. Nothing is kept in memory."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.envelope import (
    DEAD_PAYLOADS,
    LARGEST_ENVELOPE,
    Envelope,
    Item,
    write_dead_letter,
    write_envelope,
    write_unreadable,
)
from shared.ports import Clock, Payloads, Queue
from shared.retrying import Schedule
from shared.work import Dead, Retry, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """The two queues that take what is left of an envelope, and the schedule of attempts."""

    queue: Queue
    dead_letters: Queue
    payloads: Payloads
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
        await self.queue.put(write_envelope(replace(envelope, items=(again,))), delay=delay)

    async def bury(self, item: Item, dead: Dead, envelope: Envelope) -> None:
        """Write a dead letter; its payload first moves to where nothing ages out."""
        kept = replace(item, owed=dead.owed)
        if item.payload is not None:
            kept = replace(kept, payload=await self.payloads.bury(item.payload))
        letter = write_dead_letter(
            kept,
            via=envelope.via,
            reason=dead.reason,
            error=dead.error,
            first_seen=envelope.received,
            last_tried=self.now(),
        )
        await self.dead_letters.put(letter)

    async def bury_unreadable(self, message: bytes, error: str, *, attempts: int) -> None:
        """Keep a message that is no envelope as it came; in a blob if that does not fit into another message."""
        text = message.decode("ascii") if message.isascii() else base64.b64encode(message).decode()
        encoding = "none" if message.isascii() else "base64"
        letter = write_unreadable(text, encoding=encoding, error=error, attempts=attempts, now=self.now())
        if len(letter) > LARGEST_ENVELOPE:
            name = f"{DEAD_PAYLOADS}unreadable/{hashlib.sha256(message).hexdigest()}"
            await self.payloads.put(name, message)
            letter = write_unreadable(name, encoding="payload", error=error, attempts=attempts, now=self.now())
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
