"""Memory twins of what `dlp` needs: the findings, and rules that are at hand."""

import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from shared.adapters.memory import Outage
from shared.findings import (
    FindingCounts,
    FindingPage,
    FindingQuery,
    ListedFinding,
    MessageState,
    Scan,
    merge,
    settle,
)


@dataclass(slots=True, kw_only=True)
class MemoryFindingStore:
    """ports.FindingStore in a dictionary by message. ``requests`` counts what was asked of it."""

    messages: dict[str, MessageState] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)
    requests: int = 0
    _etags: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def apply(self, scan: Scan) -> MessageState:
        """Take up a scan."""
        known = self._look(scan.message.key)
        state = merge(known, scan)
        return state if state is known else self._save(state)

    async def settle(self, state: MessageState, *, told: Collection[str], verdict: str | None) -> None:
        """Note what was done about a message."""
        known = self._look(state.message.key)
        if known is not None:
            self._save(settle(known, told=told, verdict=verdict))

    async def page(self, query: FindingQuery, *, after: str, top: int) -> FindingPage:
        """Read one page."""
        wanted = [each for each in self._all() if query.wants(each) and each.place > after]
        return FindingPage(findings=wanted[:top], after=wanted[top - 1].place if len(wanted) > top else "")

    async def count(self, query: FindingQuery, *, most: int) -> FindingCounts:
        """Count findings."""
        wanted = [each for each in self._all() if query.wants(each)]
        counts: Counter[tuple[str, str, str]] = Counter(
            (each.finding.rule, each.finding.severity, each.status) for each in wanted[:most]
        )
        return FindingCounts(counts=counts, complete=len(wanted) <= most)

    def _look(self, key: str) -> MessageState | None:
        self.outage.check()
        self.requests += 1
        return self.messages.get(key)

    def _all(self) -> list[ListedFinding]:
        self.outage.check()
        self.requests += 1
        listed = (each for state in self.messages.values() for each in state.listed())
        return sorted(listed, key=lambda each: each.place)

    def _save(self, state: MessageState) -> MessageState:
        saved = self.messages[state.message.key] = replace(state, etag=str(next(self._etags)))
        return saved
