"""One envelope to its end: opened, deduplicated, handled, and what failed kept for another time.

Whatever happens to an item happens to it alone. `process` and `handle` return only when every item is done, suppressed, refused,
back on the queue or among the dead letters; if that cannot be written down they raise StorageError, and the host delivers
everything again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.envelope import Envelope, read_envelope
from shared.errors import EnvelopeError
from shared.handling import Handling
from shared.keeping import Keeping
from shared.opener import Opener
from shared.ports import Clock
from shared.silence import HeardRecorder
from shared.telemetry import log_line
from shared.work import Dead, Dropped, Retry, Work, under_way

_LOGGER = logging.getLogger(__name__)
_APART_FROM_DELIVERY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The same for push and pull: open, handle, keep."""

    opener: Opener
    handling: Handling
    keeping: Keeping
    heard: HeardRecorder
    now: Clock

    async def process(self, message: bytes, *, dequeue_count: int) -> None:
        """Bring one message of queue ``notifications`` to its end. Raises StorageError."""
        try:
            envelope = read_envelope(message)
        except EnvelopeError as problem:
            await self.keeping.bury_unreadable(message, str(problem), attempts=dequeue_count)
            log_line(_LOGGER, logging.ERROR, "envelope unreadable", {"error": problem, "deliveries": dequeue_count})
            return
        if dequeue_count >= _APART_FROM_DELIVERY:
            await self._take_apart(envelope, dequeue_count)
            return
        await self.handle([Work(item=item) for item in envelope.items], envelope)

    async def handle(self, works: Sequence[Work], envelope: Envelope) -> None:
        """Bring the items of one envelope to their ends, wherever it came from. Raises StorageError."""
        started = self.now()
        await self.opener.open(works, envelope)
        await self.handling.handle(under_way(works))
        left = [work for work in works if not all(isinstance(ending, Dropped) for ending in work.endings)]
        if left:
            await asyncio.gather(*(self.keeping.keep(work, envelope) for work in left))
        self._report(works, envelope, started)
        await self._note(works, envelope)

    async def _note(self, works: Sequence[Work], envelope: Envelope) -> None:
        """Note whose notifications were heard; what a delta told was not."""
        if envelope.via == "delta":
            return
        for name in {work.opened.name for work in works if work.opened is not None}:
            self.heard.note(name, envelope.received)
        await self.heard.flush()

    async def _take_apart(self, envelope: Envelope, dequeue_count: int) -> None:
        """Handle nothing of a message whose last delivery killed the worker, or could not be written down.

        Its items part; one that was alone already goes back with a failed attempt. So what kills the worker is counted,
        in the end dies, and does not meet the same neighbours again.
        """
        if len(envelope.items) == 1:
            ending = await self.keeping.put_back_failed(envelope)
        else:
            await self.keeping.split(envelope)
            ending = "split"
        fields = {"items": len(envelope.items), "deliveries": dequeue_count, "ending": ending}
        log_line(_LOGGER, logging.WARNING, "envelope delivered again", fields)

    def _report(self, works: Sequence[Work], envelope: Envelope, started: datetime) -> None:
        counts: Counter[str] = Counter()
        for work in works:
            for ending in work.endings:
                match ending:
                    case Dropped(why=why):
                        counts[why] += 1
                    case Retry(error=error):
                        counts["retried"] += 1
                        log_line(
                            _LOGGER,
                            logging.WARNING,
                            "item retried",
                            {"item": work.item.item_id, "attempt": work.item.attempt, "error": error},
                        )
                    case Dead(reason=reason, error=error):
                        counts["dead"] += 1
                        log_line(
                            _LOGGER,
                            logging.ERROR,
                            "item dead",
                            {"item": work.item.item_id, "attempt": work.item.attempt, "reason": reason, "error": error},
                        )
        now = self.now()
        log_line(
            _LOGGER,
            logging.INFO,
            "envelope",
            {
                "via": envelope.via,
                "items": len(works),
                "endings": counts,
                "ms": round((now - started).total_seconds() * 1000, 1),
                "age_ms": round((now - envelope.received).total_seconds() * 1000, 1),
            },
        )
