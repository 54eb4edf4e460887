"""Clears up what nobody else does: old ledger periods, and poison messages that the host wrote.

The host moves a message that keeps killing its worker to ``notifications-poison`` as it was, without a reason and with
an expiry of seven days. Here such an envelope becomes a dead letter of ours, which says why and never expires.
"""

import logging
from dataclasses import dataclass

from shared.envelope import is_dead_letter, read_envelope
from shared.errors import EnvelopeError
from shared.keeping import Keeping
from shared.ledger import Ledger
from shared.ports import Clock, Queue, TakenMessage
from shared.telemetry import log_line
from shared.work import Dead

_LOGGER = logging.getLogger(__name__)
_AT_ONCE = 32
_MOST_ROUNDS = 100
_HOST_GAVE_UP = "the host gave up on the message: every delivery killed the worker or met a storage failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What it takes to clear up."""

    ledger: Ledger
    dead_letters: Queue
    keeping: Keeping
    now: Clock

    async def sweep(self) -> None:
        """Clear up once. Raises StorageError; whatever was done stays done."""
        dropped = await self.ledger.drop_old_periods(self.now())
        adopted = 0
        for _ in range(_MOST_ROUNDS):
            taken = await self.dead_letters.take(_AT_ONCE)
            for message in taken:
                adopted += await self._adopt(message)
            if len(taken) < _AT_ONCE:
                break
        log_line(_LOGGER, logging.INFO, "sweep", {"periods_dropped": len(dropped), "poison_adopted": adopted})

    async def _adopt(self, message: TakenMessage) -> bool:
        """Make a dead letter of an envelope that the host poisoned; ours are left alone, and come back by themselves."""
        if is_dead_letter(message.text):
            return False
        try:
            envelope = read_envelope(message.text.encode())
        except EnvelopeError as problem:
            await self.keeping.bury_unreadable(message.text.encode(), str(problem), attempts=message.dequeue_count)
            await self.dead_letters.remove(message)
            return True
        for item in envelope.items:
            dead = Dead(
                reason="host poison",
                error="the host gave up: the worker died or storage failed every time",
                owed=item.owed,
            )
            await self.keeping.bury(item, dead, envelope)
        await self.dead_letters.remove(message)
        return True
