"""Memory twins of what pull mode needs beside the queues: where batches begin, and what no event could hold."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from shared.adapters.memory import Outage
from shared.ports import HubMark


@dataclass(slots=True, kw_only=True)
class MemoryHubMarks:
    """ports.HubMarks in a dictionary. ``asked`` counts reads and writes."""

    rows: dict[tuple[str, str, str], HubMark] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)
    asked: dict[str, int] = field(default_factory=lambda: {"read": 0, "save": 0})
    _etags: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def read(self, hub: str, consumer_group: str, partition: str) -> HubMark | None:
        """Read one row."""
        self.outage.check()
        self.asked["read"] += 1
        return self.rows.get((hub, consumer_group, partition))

    async def save(self, mark: HubMark) -> HubMark | None:
        """Create or replace a row; None if somebody else was faster."""
        self.outage.check()
        self.asked["save"] += 1
        key = (mark.hub, mark.consumer_group, mark.partition)
        there = self.rows.get(key)
        if (there.etag if there else "") != mark.etag:
            return None
        self.rows[key] = replace(mark, etag=f'"{next(self._etags)}"')
        return self.rows[key]

    async def list(self) -> Sequence[HubMark]:
        """Read every row."""
        self.outage.check()
        return [self.rows[key] for key in sorted(self.rows)]


@dataclass(slots=True, kw_only=True)
class MemoryOversizePayloads:
    """ports.OversizePayloads in a dictionary."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)

    async def get(self, name: str, *, at_most: int) -> bytes | None:
        """Fetch the beginning of a blob."""
        self.outage.check()
        blob = self.blobs.get(name)
        return None if blob is None else blob[:at_most]
