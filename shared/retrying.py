"""When a failed item is tried again: growing delays with jitter, then never. Pure; chance is a parameter."""

from dataclasses import dataclass
from datetime import timedelta

LONGEST_DELAY = timedelta(days=6)
"""A queue message's visibility ends at 7 days."""

JITTER = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Attempts and delays. By default 12 attempts, 5 seconds growing to an hour, 20 % either way."""

    attempts: int = 12
    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(hours=1)

    def delay(
        self, attempt: int, *, chance: float, after: timedelta | None = None, at_least: timedelta | None = None
    ) -> timedelta:
        """Say how long to wait after attempt number ``attempt`` (from 1) failed.

        Args:
            attempt: the attempt that failed.
            chance: between 0 and 1, from the caller.
            after: what the handler asked for; it is not shortened, only clamped to 6 days.
            at_least: what Graph asked for. It goes on answering "in ten seconds" for hours: the schedule's own delays grow
                all the same, or all attempts would be spent in two minutes.
        """
        plain = min(self.first * (1 << min(attempt - 1, 32)), self.longest)
        grown = plain * (1 - JITTER + 2 * JITTER * chance)
        if at_least is not None:
            return min(max(grown, at_least, after or timedelta(0)), LONGEST_DELAY)
        return grown if after is None else min(max(after, timedelta(0)), LONGEST_DELAY)

    def spread(self, *, chance: float) -> timedelta:
        """Say how long an item waits whose worker died: not so long, but not as long as its neighbours.

        It does not grow, for most of those that it meets are innocent.
        """
        return self.first * (1 + 4 * chance)

    def is_last(self, attempt: int) -> bool:
        """Tell whether an attempt was the last one."""
        return attempt >= self.attempts
