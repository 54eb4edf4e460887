"""Counts subscriptions against Graph's quotas, and holds freed places back for a while if told to.

Not here: the quotas themselves, see `catalogue.quota`.
https://learn.microsoft.com/en-us/graph/change-notifications-overview
"""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from local.graph.catalogue.quota import quotas_at
from local.graph.catalogue.row import Match
from local.graph.faults import GraphFault

Counted = tuple[str, ...]
"""A quota's key, and the values by which it counts."""


@dataclass(slots=True)
class Counts:
    """How many places are taken under each quota."""

    _used: Counter[Counted] = field(default_factory=Counter)
    _held: list[tuple[datetime, Counted]] = field(default_factory=list)
    """A heap, the next to be freed first."""

    def full(self, match: Match, ids: Mapping[str, str], caller: Mapping[str, str]) -> GraphFault | None:
        """Return the refusal for the first quota that has no place left for a subscription, None if there is room."""
        for quota in quotas_at(match):
            counted = quota.count_of(match, ids, caller)
            if counted and self._used[counted] >= quota.limit:
                return GraphFault(quota.status, quota.code, quota.message(match, counted))
        return None

    def take(self, match: Match, ids: Mapping[str, str], caller: Mapping[str, str]) -> None:
        """Count one subscription."""
        self._used.update(_counted(match, ids, caller))

    def give_back(
        self, match: Match, ids: Mapping[str, str], caller: Mapping[str, str], *, free_at: datetime | None
    ) -> None:
        """Count one subscription less, now or, as users saw it take hours, at a later moment."""
        for counted in _counted(match, ids, caller):
            if free_at is None:
                self._free(counted)
            else:
                heapq.heappush(self._held, (free_at, counted))

    def release(self, now: datetime) -> None:
        """Free the places that were held back until now."""
        while self._held and self._held[0][0] <= now:
            self._free(heapq.heappop(self._held)[1])

    def printed(self) -> dict[str, int]:
        """Return how many places are taken, by what they are counted under."""
        return {" ".join(counted): number for counted, number in sorted(self._used.items())}

    def _free(self, counted: Counted) -> None:
        self._used[counted] -= 1
        if not self._used[counted]:
            del self._used[counted]


def _counted(match: Match, ids: Mapping[str, str], caller: Mapping[str, str]) -> list[Counted]:
    found = (quota.count_of(match, ids, caller) for quota in quotas_at(match))
    return [counted for counted in found if counted]
