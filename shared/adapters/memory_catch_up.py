"""Memory twins of what catch-up and silence need: scopes, runs, gap reports, and what was heard."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.adapters.memory import Outage
from shared.ports import CatchUpRun, GapReport, Heard, Scope

MOST_GAPS = 200


@dataclass(slots=True, kw_only=True)
class MemoryScopeStore:
    """ports.ScopeStore in dictionaries."""

    scopes: dict[tuple[str, str], Scope] = field(default_factory=dict)
    runs: dict[str, CatchUpRun] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)
    _etags: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def list(self, name: str) -> Sequence[Scope]:
        """Read the scopes of a subscription."""
        self.outage.check()
        return [scope for (owner, _), scope in self.scopes.items() if owner == name]

    async def save(self, scope: Scope) -> Scope | None:
        """Create or replace a scope."""
        self.outage.check()
        there = self.scopes.get((scope.name, scope.path))
        if (there.etag if there else "") != scope.etag:
            return None
        kept = replace(scope, etag=self._etag())
        self.scopes[scope.name, scope.path] = kept
        return kept

    async def remove(self, scope: Scope) -> None:
        """Delete a scope."""
        self.outage.check()
        self.scopes.pop((scope.name, scope.path), None)

    async def read_run(self, name: str) -> CatchUpRun | None:
        """Read the catch-up that is under way."""
        self.outage.check()
        return self.runs.get(name)

    async def save_run(self, run: CatchUpRun) -> CatchUpRun | None:
        """Create or replace it."""
        self.outage.check()
        there = self.runs.get(run.name)
        if (there.etag if there else "") != run.etag:
            return None
        self.runs[run.name] = replace(run, etag=self._etag())
        return self.runs[run.name]

    async def end_run(self, run: CatchUpRun) -> bool:
        """Delete it if its etag still holds."""
        self.outage.check()
        there = self.runs.get(run.name)
        if there is not None and there.etag != run.etag:
            return False
        self.runs.pop(run.name, None)
        return True

    async def forget(self, name: str) -> None:
        """Delete everything of a subscription."""
        self.outage.check()
        self.runs.pop(name, None)
        for key in [key for key in self.scopes if key[0] == name]:
            del self.scopes[key]

    def _etag(self) -> str:
        return f'"{next(self._etags)}"'


@dataclass(slots=True, kw_only=True)
class MemoryGapStore:
    """ports.GapStore in a dictionary."""

    reports: dict[tuple[datetime, str], GapReport] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)

    async def save(self, report: GapReport) -> None:
        """Write a report."""
        self.outage.check()
        self.reports[report.opened, report.name] = report
        for key in sorted(self.reports, reverse=True)[MOST_GAPS:]:
            del self.reports[key]

    async def latest(self, limit: int) -> Sequence[GapReport]:
        """Read the latest reports."""
        self.outage.check()
        return [self.reports[key] for key in sorted(self.reports, reverse=True)[:limit]]


@dataclass(slots=True, kw_only=True)
class MemoryHeardStore:
    """ports.HeardStore in a dictionary."""

    rows: dict[str, Heard] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)
    writes: int = 0

    async def read(self, names: Sequence[str]) -> Sequence[Heard]:
        """Read these rows."""
        self.outage.check()
        return [self.rows[name] for name in names if name in self.rows]

    async def write(self, rows: Sequence[Heard]) -> None:
        """Write rows."""
        self.outage.check()
        self.writes += len(rows)
        self.rows |= {row.name: replace(row, indexed=row.look_at) for row in rows}

    async def due(self, now: datetime, *, limit: int) -> Sequence[Heard]:
        """Read the rows that want to be looked at."""
        self.outage.check()
        due = [(row.look_at, row.name) for row in self.rows.values() if row.look_at is not None and row.look_at <= now]
        return [self.rows[name] for _, name in sorted(due)[:limit]]

    async def polled(self, *, limit: int) -> Sequence[Heard]:
        """Read the rows of which changes go unheard."""
        self.outage.check()
        return sorted((row for row in self.rows.values() if row.polled_since), key=lambda row: row.name)[:limit]

    async def remove(self, names: Sequence[str]) -> None:
        """Delete rows."""
        self.outage.check()
        for name in names:
            self.rows.pop(name, None)
