"""A batch of events from a hub to its end: judged, and handled by the same pipeline as what comes over the queue.

`take` returns only when every item of every event is done, suppressed, refused, on a queue or among the dead letters. If that
cannot be written down it raises, and the host brings the batch again, for as long as it takes: that partition stands still,
and one line in the log says so.

The host also brings a batch again whose last delivery killed the worker. So where a batch begins is written down before it is
handled, and one with events that somebody began before is not handled here: its items go onto the queue, whose rules find the
one that kills (docs/decisions/0016).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from shared.dispatch import describe
from shared.envelope import Envelope, fits, pack, write_json, write_new_item
from shared.errors import StorageError
from shared.graph.timestamp import write_timestamp
from shared.intake import Policy
from shared.opening import Recognised
from shared.pipeline import Pipeline
from shared.ports import Clock, HubMark, HubMarks, Queue
from shared.pull_intake import EventVerdict, HubEvent, Taken, judge_event
from shared.telemetry import log_line
from shared.work import Work

_LOGGER = logging.getLogger(__name__)

_ITEMS_TOGETHER: Final = 100
"""In one envelope: what one transaction of the ledger holds."""
_SHARES_AT_ONCE: Final = 3
_LARGE: Final = 32 * 1024
"""Bytes of an event from which on it is read in a thread: were it made to take long, the loop would stand still meanwhile."""
_IN_ONE_GO: Final = 64 * 1024
"""Bytes of events that are read before others have their turn."""
_TRIES: Final = 3


@dataclass(slots=True, kw_only=True)
class _Share:
    """Part of a batch that is brought to its end together: changes, lifecycle work, and events that cannot be read.

    ``received`` is when the oldest of its events reached the hub.
    """

    received: datetime
    taken: list[Taken] = field(default_factory=list)
    work: list[str] = field(default_factory=list)
    unreadable: list[tuple[HubEvent, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.taken) + len(self.work) + len(self.unreadable)

    def add(self, event: HubEvent, verdict: EventVerdict) -> None:
        self.taken += verdict.taken
        self.work += verdict.work
        if verdict.unreadable:
            self.unreadable.append((event, verdict.unreadable))
        if event.enqueued is not None and event.enqueued < self.received:
            self.received = event.enqueued

    def cut(self, most: int) -> "_Share":
        """Take so many off, or what there is."""
        taken, self.taken = self.taken[:most], self.taken[most:]
        most -= len(taken)
        work, self.work = self.work[:most], self.work[most:]
        most -= len(work)
        unreadable, self.unreadable = self.unreadable[:most], self.unreadable[most:]
        return _Share(received=self.received, taken=taken, work=work, unreadable=unreadable)


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What the one line about a batch says."""

    items: int = 0
    work: int = 0
    skipped: int = 0
    unreadable: list[tuple[HubEvent, str]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, event: HubEvent, verdict: EventVerdict) -> None:
        self.items += len(verdict.taken)
        self.work += len(verdict.work)
        self.skipped += verdict.skipped
        if verdict.unreadable:
            self.unreadable.append((event, verdict.unreadable))
        if verdict.refused:
            self.refused.update(verdict.refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """What it takes to bring batches to their end. ``hub`` and ``consumer_group`` are what this app reads."""

    hub: str
    consumer_group: str
    policy: Policy
    pipeline: Pipeline
    work: Queue
    marks: HubMarks
    threads: ThreadPoolExecutor
    now: Clock
    begun: dict[str, HubMark] = field(default_factory=dict)
    """The latest mark of each partition, as far as this process knows."""
    standing: dict[str, datetime] = field(default_factory=dict)
    """Since when partitions stand still."""

    async def take(self, events: Sequence[HubEvent]) -> None:
        """Bring one batch, all of one partition, to its end. Raises whatever keeps that from being written down."""
        if not events:
            return
        partition = events[0].partition
        try:
            await self._take(partition, events)
        except Exception as problem:  # whatever it is, the host brings the batch again, and nothing behind it is read
            self._say_that_it_stands(partition, events, problem)
            raise
        since = self.standing.pop(partition, None)
        if since is not None:
            fields = {"partition": partition, "stood_since": write_timestamp(since)}
            log_line(_LOGGER, logging.WARNING, "partition goes on", fields)

    async def _take(self, partition: str, events: Sequence[HubEvent]) -> None:
        started = self.now()
        again = await self._was_begun(partition, events)
        tally = _Tally()
        await self._finish(self._shares(events, tally), self._put_on_queue if again else self._handle)
        self._report(partition, events, tally, again=again, started=started)

    # -- what was begun before --------------------------------------------------------------------------------------

    async def _was_begun(self, partition: str, events: Sequence[HubEvent]) -> bool:
        """Tell whether somebody began with any of these events before; if nobody did, write down that we do.

        One write a batch: the row that this process wrote last still stands, or its etag does not hold, and it is read. Events
        whose place the host does not say cannot be written down, so they count as begun. Raises StorageError.
        """
        numbers = [event.sequence_number for event in events if event.sequence_number is not None]
        if len(numbers) < len(events):
            return True
        first, last = min(numbers), max(numbers)
        known = self.begun.pop(partition, None)
        mark: HubMark | None = None
        for _ in range(_TRIES):
            known = known or await self.marks.read(self.hub, self.consumer_group, partition)
            if known is not None and mark is not None and replace(known, etag=mark.etag) == mark:
                self.begun[partition] = known  # ours: its answer got lost on the way, and it was tried again
                return False
            if known is not None and known.first <= last and first <= known.last:
                self.begun[partition] = known
                return True
            mark = HubMark(
                hub=self.hub,
                consumer_group=self.consumer_group,
                partition=partition,
                first=first,
                last=last,
                at=self.now(),
                etag=known.etag if known else "",
            )
            saved = await self.marks.save(mark)
            if saved is not None:
                self.begun[partition] = saved
                return False
            known = None
        raise StorageError("somebody else is writing down at the same time where batches of this partition begin")

    # -- shares ------------------------------------------------------------------------------------------------------

    async def _shares(self, events: Iterable[HubEvent], tally: _Tally) -> AsyncGenerator[_Share, None]:
        """Judge events one after the other, no further ahead than they are wanted, and divide what they hold."""
        share = _Share(received=self.now())
        in_one_go = 0
        for event in events:
            in_one_go += len(event.body)
            if len(event.body) > _LARGE:
                loop = asyncio.get_running_loop()
                verdict = await loop.run_in_executor(self.threads, self._judge, event)
                in_one_go = 0
            else:
                verdict = self._judge(event)
            tally.add(event, verdict)
            share.add(event, verdict)
            while len(share) >= _ITEMS_TOGETHER:
                yield share.cut(_ITEMS_TOGETHER)
            if not len(share):
                share.received = self.now()
            if in_one_go > _IN_ONE_GO:
                await asyncio.sleep(0)
                in_one_go = 0
        if len(share):
            yield share

    def _judge(self, event: HubEvent) -> EventVerdict:
        return judge_event(event, policy=self.policy, now=self.now())

    async def _finish(self, shares: AsyncGenerator[_Share, None], finish: Callable[[_Share], Awaitable[None]]) -> None:
        """Bring shares to their end, a few at a time. After a failure no more are begun; those under way come to theirs."""
        turn = asyncio.Lock()
        failed = False

        async def next_share() -> _Share | None:
            async with turn:
                return None if failed else await anext(shares, None)

        async def work() -> None:
            nonlocal failed
            try:
                while (share := await next_share()) is not None:
                    await finish(share)
            except BaseException:
                failed = True
                raise

        async with aclosing(shares):
            for ended in await asyncio.gather(*(work() for _ in range(_SHARES_AT_ONCE)), return_exceptions=True):
                if ended is not None:
                    raise ended

    async def _handle(self, share: _Share) -> None:
        """Handle a share's changes here and now."""
        envelope = self._envelope(share)
        await self._put_aside(share, envelope)
        works = [
            Work(
                item=taken.item,
                recognised=Recognised(notification=taken.notification, state=taken.state, delivery="eventhub"),
            )
            for taken in share.taken
            if not taken.notification.additional_payload_storage_id
        ]
        if works:
            await self.pipeline.handle(works, envelope)

    async def _put_on_queue(self, share: _Share) -> None:
        """Handle nothing: put a share's changes onto the queue, packed as the webhook packs them."""
        envelope = self._envelope(share)
        await self._put_aside(share, envelope)
        written: list[str] = []
        for taken in share.taken:
            if taken.notification.additional_payload_storage_id:
                continue
            notification = taken.notification.written or write_json(taken.notification.raw)
            text = write_new_item(taken.item.item_id, notification)
            if fits(text):
                written.append(text)
            else:
                await self.pipeline.keeping.put(taken.item, envelope)
        for text in pack(written, via=envelope.via, received=envelope.received):
            await self.pipeline.keeping.queue.put(text)

    async def _put_aside(self, share: _Share, envelope: Envelope) -> None:
        """Keep what is handled elsewhere, or never.

        Items whose content is in a blob go onto the queue one by one: nobody waits for a blob of somebody else's.
        """
        keeping = self.pipeline.keeping
        aside: list[Awaitable[None]] = [self.work.put(text) for text in share.work]
        aside += [
            keeping.put(taken.item, envelope)
            for taken in share.taken
            if taken.notification.additional_payload_storage_id
        ]
        aside += [
            keeping.bury_unreadable(event.body, why, attempts=1, event=_place(event)) for event, why in share.unreadable
        ]
        if aside:
            await asyncio.gather(*aside)

    @staticmethod
    def _envelope(share: _Share) -> Envelope:
        items = tuple(taken.item for taken in share.taken)
        return Envelope(via="eventhub", received=share.received, items=items)

    # -- words --------------------------------------------------------------------------------------------------------

    def _report(
        self, partition: str, events: Sequence[HubEvent], tally: _Tally, *, again: bool, started: datetime
    ) -> None:
        for event, why in tally.unreadable:
            fields = {name: value for name, value in _place(event).items() if value is not None}
            log_line(_LOGGER, logging.ERROR, "event unreadable", fields | {"bytes": len(event.body), "error": why})
        log_line(
            _LOGGER,
            logging.WARNING if again or tally.refused or tally.unreadable else logging.INFO,
            "events",
            {
                "partition": partition,
                "first": events[0].sequence_number,
                "last": events[-1].sequence_number,
                "events": len(events),
                "accepted": tally.items + tally.work,
                "lifecycle": tally.work,
                "skipped": tally.skipped,
                "unreadable": len(tally.unreadable),
                "refused": tally.refused,
                "handled": "by way of the queue, since they were begun before" if again else "here",
                "ms": round((self.now() - started).total_seconds() * 1000, 1),
            },
        )

    def _say_that_it_stands(self, partition: str, events: Sequence[HubEvent], problem: Exception) -> None:
        since = self.standing.setdefault(partition, self.now())
        fields = {
            "partition": partition,
            "since": write_timestamp(since),
            "first": events[0].sequence_number,
            "events": len(events),
            "reason": describe(problem),
            "next": "the host tries again, at most 5 minutes apart, and reads nothing behind these events until that works",
        }
        log_line(_LOGGER, logging.ERROR, "partition stands still", fields)


def _place(event: HubEvent) -> dict[str, object]:
    """Say where an event stood."""
    return {"partition": event.partition, "offset": event.offset, "sequenceNumber": event.sequence_number}
