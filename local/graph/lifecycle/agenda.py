"""What is to be done when, cheap for many thousands of moments. Pure. Not here: waiting for them, see `keeper`."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

Action = Callable[[datetime], None]
"""Does what was planned; is given the time at which it is done, which may be later than planned."""


@dataclass(slots=True)
class Agenda:
    """Actions in order of their moments; those of one moment in the order in which they were put."""

    _entries: list[tuple[datetime, int, Action]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, moment: datetime, action: Action) -> None:
        """Plan an action."""
        heapq.heappush(self._entries, (moment, next(self._numbers), action))

    def take(self, now: datetime) -> Action | None:
        """Return the first action whose moment has come, which then is no longer planned."""
        return heapq.heappop(self._entries)[2] if self._entries and self._entries[0][0] <= now else None

    @property
    def next_moment(self) -> datetime | None:
        """When there is something to do next."""
        return self._entries[0][0] if self._entries else None

    def __len__(self) -> int:
        return len(self._entries)
