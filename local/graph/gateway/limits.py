"""Graph's request limits as a table, and the window that counts calls against one of them.

Pure: times go in as simulated seconds. Not here: answering 429, see `throttling`.
https://learn.microsoft.com/en-us/graph/throttling-limits (copy of 2026)
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from local.graph.gateway.calls import Family

Scope = Literal["tenant", "app", "mailbox"]
"""Whose calls are counted together: an app's in one tenant, an app's in all tenants, an app's to one mailbox."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls of a family in so many seconds; a family of None is every call."""

    family: Family | None
    scope: Scope
    calls: int
    seconds: float


LIMITS = (
    Limit("subscription-writes", "tenant", 500, 20),
    Limit("subscription-writes", "app", 2_000, 20),
    Limit("reauthorize", "tenant", 1_000, 20),
    Limit("reauthorize", "app", 4_000, 20),
    Limit("subscription", "tenant", 500, 20),
    Limit("subscription", "app", 2_000, 20),
    Limit("subscription-list", "tenant", 25, 20),
    Limit("subscription-list", "app", 40, 20),
    Limit("outlook", "mailbox", 10_000, 600),
    Limit(None, "app", 130_000, 10),
)
AT_ONCE_TO_A_MAILBOX = 4


@dataclass(slots=True)
class Window:
    """The latest calls that count against one limit; a call that is refused counts too.

    Only as many calls are remembered as are allowed: the limit is reached when the oldest of them is still inside the window.
    """

    limit: Limit
    _times: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self._times = deque(maxlen=self.limit.calls)

    def count(self, now: float) -> float:
        """Count a call, and return for how many seconds no further one will be allowed; 0 if this one is."""
        times = self._times
        over = len(times) == self.limit.calls and times[0] > now - self.limit.seconds
        times.append(now)
        return times[0] + self.limit.seconds - now if over else 0.0

    def idle(self, now: float) -> bool:
        """Return whether nothing that it remembers counts any more."""
        return not self._times or self._times[-1] <= now - self.limit.seconds
