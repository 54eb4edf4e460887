"""Moves of mails in bulk: beyond a limit Graph does not tell of them one by one any more, only that something was missed.

A field report, microsoft-graph-docs issue 14914, names 25 moves; how they are counted is not known: here for each mailbox within a
simulated minute. Not here: telling `missed`, see `courier` and `lifecycle.keeper`.
"""

from collections import deque

from local.graph.clock import Clock
from local.graph.knobs import Knobs
from local.graph.tenant.entity import Change

WITHIN_SECONDS = 60.0


class BulkMoves:
    """Counts the moves of each mailbox and remembers those that nobody is told of."""

    def __init__(self, clock: Clock, knobs: Knobs) -> None:
        self._clock = clock
        self._knobs = knobs
        self._moments: dict[tuple[str, str], deque[float]] = {}
        self._swallowed: set[int] = set()

    def __bool__(self) -> bool:
        """Say whether anything was swallowed so far."""
        return bool(self._swallowed)

    def note(self, change: Change) -> None:
        """Take notice of a change; its two ends make one move, which is counted where it begins."""
        if change.other_end is None or change.entity.row.key != "message":
            return
        moments = self._moments.setdefault((change.tenant_id, change.entity.ids["user"]), deque())
        if change.change_type == "deleted":
            now = self._clock.seconds()
            moments.append(now)
            while moments[0] <= now - WITHIN_SECONDS:
                moments.popleft()
        if len(moments) > self._knobs.bulk_limit:
            self._swallowed.add(change.number)

    def swallows(self, change: Change) -> bool:
        """Return whether nobody is told of a change that was noted."""
        return change.number in self._swallowed
