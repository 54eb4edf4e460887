"""What becomes of a notification on its way out of Graph: it is lost, comes late, comes again, or has echoes.

Decided by the knobs and by dice of its own, so that a seed repeats it. Not here: doing it, see `publisher`.
"""

from dataclasses import dataclass

from local.graph.clock import Clock
from local.graph.delivery.bulk import BulkMoves
from local.graph.delivery.notices import Notice, Truth
from local.graph.dice import Dice
from local.graph.knobs import Knobs
from local.graph.subscribing.store import Subscription
from local.graph.tenant.entity import Change

AGAIN_WITHIN_SECONDS = 10.0
"""How much later, at most, a notification is told again or has an echo; nothing is published about it."""
OF_A_CREATION, OF_AN_EDIT = 1, 2
"""Echoes of something new in Outlook, and of an event's edit, which three `updated` tell of then: microsoft-graph-docs-contrib
issues 7644 and 3072, microsoft-graph-docs issues 7598 and 17091."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one notice; times are simulated seconds from now."""

    lost: bool = False
    late: float = 0.0
    again_after: float | None = None
    echoes_after: tuple[float, ...] = ()


class Fates:
    """Decides, as the knobs stand."""

    def __init__(self, *, dice: Dice, knobs: Knobs, clock: Clock) -> None:
        self._dice = dice
        self._knobs = knobs
        self._moves = BulkMoves(clock, knobs)

    @property
    def stir(self) -> bool:
        """Whether anything can become of notices but that they go out at once."""
        knobs = self._knobs
        shares = knobs.lost or knobs.delayed or knobs.duplicates or knobs.echoes
        return bool(shares or knobs.latency or self._moves)

    def note(self, change: Change) -> None:
        """Take notice of a change before anybody is told of it."""
        self._moves.note(change)

    def of(self, notice: Notice, change: Change, truth: Truth) -> Fate:
        """Return what becomes of a notice of a change."""
        dice, knobs = self._dice.of("fate", truth.number), self._knobs
        lost, delayed, delay, repeated, gap, latency = (dice.random() for _ in range(6))
        if lost < knobs.lost or self._moves.swallows(change):
            return Fate(lost=True)
        late = delay * knobs.delay_seconds if delayed < knobs.delayed else 0.0
        if knobs.latency:
            late += usual_latency(notice.subscription, latency)
        return Fate(
            late=late,
            again_after=late + gap * AGAIN_WITHIN_SECONDS if repeated < knobs.duplicates else None,
            echoes_after=self._echoes(notice, change, truth, late) if knobs.echoes else (),
        )

    def _echoes(self, notice: Notice, change: Change, truth: Truth, late: float) -> tuple[float, ...]:
        dice, count = self._dice.of("echo", truth.number), echoes_of(change, truth.change_type, notice.subscription)
        if not count or dice.random() >= self._knobs.echoes:
            return ()
        return tuple(late + dice.random() * AGAIN_WITHIN_SECONDS for _ in range(count))


def usual_latency(subscription: Subscription, lot: float) -> float:
    """Return how late a notification is by Graph's table: up to twice the average, at most the maximum, 0 where none is stated.

    https://learn.microsoft.com/en-us/graph/change-notifications-overview
    """
    stated = subscription.asked.match.row.latency_seconds
    return min(2 * lot * stated[0], stated[1]) if stated else 0.0


def echoes_of(change: Change, told: str, subscription: Subscription) -> int:
    """Return how many more `updated` tell of a change, for a subscription that hears of updates."""
    row = change.entity.row
    if row.family != "outlook" or change.other_end or change.change_type != told or "updated" not in subscription.heard:
        return 0
    if told == "created":
        return OF_A_CREATION
    return OF_AN_EDIT if told == "updated" and row.key == "event" else 0
