"""Counts of one run: what was sent, what came back, how long it took. Not here: judging it, see `judge`."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

TIMES_KEPT = 100_000
"""How many of the latest answer times are looked at for percentiles."""


@dataclass(slots=True, eq=False)
class Tally:
    """What a run of chatter amounts to so far. `sent` and `acknowledged` count each notice once, without repetitions.

    `lost` is what Graph lost itself, `discarded` what it threw away because the receiver or its authorization was not up to it.
    `pending` counts what is still to be seen through: bodies under way, and notices that wait for one.
    """

    running: bool = False
    changes: int = 0
    sent: int = 0
    duplicates: int = 0
    forged: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    discarded: int = 0
    bodies: int = 0
    acknowledged: int = 0
    pending: int = 0
    gave_up: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    ack_ms: deque[float] = field(default_factory=lambda: deque(maxlen=TIMES_KEPT))
    late: int = 0

    def printed(self) -> dict[str, Any]:
        """Return the counts for the control API."""
        times = sorted(self.ack_ms)
        return {
            "running": self.running,
            "changes": self.changes,
            "sent": self.sent,
            "duplicates": self.duplicates,
            "forged": dict(sorted(self.forged.items())),
            "lost": self.lost,
            "discarded": self.discarded,
            "bodies": self.bodies,
            "acknowledged": self.acknowledged,
            "pending": self.pending,
            "gaveUp": self.gave_up,
            "statuses": dict(sorted(self.statuses.items())),
            "ack_ms": {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99), "max": percentile(times, 1.0)},
            "late": self.late,
        }


def percentile(ordered: list[float], share: float) -> float | None:
    """Return the value below which this share of an ordered list lies, rounded; None for an empty list."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
