"""How close a batch of events comes to what `cryptography` alone takes for the content of its items, on one core; and a backlog.

From the events' bytes to a handler that does nothing: read, checked, decrypted, claimed, handled and recorded, with every port in
memory. Not here: what storage takes (`local.bench.storage_cost`), and what the host takes before the app has the bytes.
"""

import asyncio
import gc
import json
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local.bench.figures import Figure, ratio
from local.bench.material import Material
from local.bench.opening import InPlace, bare_cryptography, make_opener, present, read_key
from shared.adapters.memory import MemoryLedgerStore, MemoryQueue
from shared.adapters.memory_catch_up import MemoryHeardStore
from shared.adapters.memory_pull import MemoryHubMarks
from shared.change import Change, Services
from shared.composition import Composition
from shared.ledger import Ledger
from shared.ports import LedgerRow, LedgerStore
from shared.pull import Pull
from shared.pull_intake import HubEvent
from shared.routing import ANY, Registration
from shared.settings import Settings
from shared.silence import HeardRecorder

_BATCH = 100
_ITEMS, _QUICK_ITEMS = 800, 200
_ROUNDS, _QUICK_ROUNDS = 9, 3
_BACKLOG, _QUICK_BACKLOG = 100_000, 2_000
_WARM = 0.2
"""The share of a backlog after which a process has all that it keeps: caches, pools, arenas."""
_SHAPES = (1, 20)
"""Items in an event: Graph says nothing of how many it packs."""


@dataclass(slots=True)
class _Counted:
    """A handler that does nothing but count."""

    changes: int = 0

    async def __call__(self, change: Change, services: Services) -> None:
        """Count a change that arrived whole."""
        del services
        self.changes += change.content is not None


class _Forgetful:
    """ports.LedgerStore that grants everything and keeps nothing: what is left to grow is the app's."""

    async def create(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Create every row."""
        del period, partition
        return {row.key: "e" for row in rows}

    async def read(self, period: str, partition: str, key: str) -> LedgerRow | None:
        """Know nothing."""
        del period, partition, key
        return None

    async def replace(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        """Replace every row."""
        return await self.create(period, partition, rows)

    async def put(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> None:
        """Take every row."""

    async def drop_before(self, period: str) -> Sequence[str]:
        """Have no periods."""
        del period
        return ()


def measure_pulling(material: Material, *, quick: bool = False) -> list[Figure]:
    """Measure one figure for each shape of events."""
    count, rounds = (_QUICK_ITEMS, _QUICK_ROUNDS) if quick else (_ITEMS, _ROUNDS)
    figures = [asyncio.run(_measure(material, shape, count, rounds)) for shape in _SHAPES]
    return [*figures, asyncio.run(_drain(material, _QUICK_BACKLOG if quick else _BACKLOG))]


async def _measure(material: Material, shape: int, count: int, rounds: int) -> Figure:
    items = [material.item(number, rich=True, delivery="eventhub") for number in range(count)]
    bodies = [json.dumps({"value": items[start : start + shape]}).encode() for start in range(0, count, shape)]
    events = [
        HubEvent(body=body, partition="0", offset=str(number), sequence_number=number, enqueued=present())
        for number, body in enumerate(bodies)
    ]
    batches = [events[start : start + _BATCH] for start in range(0, len(events), _BATCH)]
    contents = [item["encryptedContent"] for item in items]
    key = read_key(next((material.folder / "keys").glob("*.pem")))
    composition = Composition(Settings.from_environ(material.settings(handlers=["feed"])))
    bare, ours = [], []
    with InPlace() as here:
        for number in range(rounds + 1):
            pull, counted = await _make_pull(composition, here)
            bare.append(bare_cryptography(contents, key))
            ours.append(await _take_all(pull, batches))
            if counted.changes != count:
                raise RuntimeError(f"{counted.changes} of {count} changes were handled")
            if number == 0:  # the first round fills caches that a running app has full
                bare.clear()
                ours.clear()
    await composition.close()
    spent = sorted(ours)[len(ours) // 2]
    return Figure(
        name=f"events with {shape} item{'s' if shape > 1 else ''}: read, decrypt and dispatch, of what bare cryptography does",
        value=ratio(bare, ours),
        unit="%",
        target=0.9,
        at_least=True,
        note=f"{len(events) / spent:.0f} events a second and core, {spent / count * 1e6:.0f} µs of CPU an item",
    )


async def _drain(material: Material, count: int) -> Figure:
    """Take a long backlog of basic events, and tell how much memory that takes once the process is warm."""
    composition = Composition(Settings.from_environ(material.settings(handlers=["feed"])))
    template = material.item(0, rich=False, delivery="eventhub")
    warm = 0.0
    tracemalloc.start()
    with InPlace() as here:
        pull, _ = await _make_pull(composition, here, _Forgetful())
        for start in range(0, count, _BATCH):
            if not warm and start >= count * _WARM:
                warm = _mebibytes()
            await pull.take([_basic(template, number) for number in range(start, start + _BATCH)])
        grown = _mebibytes() - warm
    tracemalloc.stop()
    await composition.close()
    return Figure(
        name=f"memory that a backlog of {count:,} events takes, in a process that has seen {count * _WARM:,.0f}",
        value=max(grown, 0.0),
        unit="MiB",
        target=1,
        note=f"{warm:.1f} MiB of objects before",
    )


def _basic(template: Mapping[str, Any], number: int) -> HubEvent:
    path = template["resource"].replace("'0'", f"'{number}'")
    data = template["resourceData"] | {"id": str(number), "@odata.id": path}
    body = json.dumps({"value": [dict(template) | {"resource": path, "resourceData": data}]}).encode()
    return HubEvent(body=body, partition="0", offset=str(number), sequence_number=number, enqueued=present())


def _mebibytes() -> float:
    """Tell how much memory all objects take that were made since tracing began, and are still there."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 2**20


async def _make_pull(
    composition: Composition, here: InPlace, store: LedgerStore | None = None
) -> tuple[Pull, _Counted]:
    """Take the app's pull mode with every port in memory, as a process that was just started."""
    counted = _Counted()
    registration = Registration(
        name="feed", function=counted, template=ANY, changes=frozenset(), content=False, listed=False
    )
    opener = replace(await make_opener(composition, here), registrations=(registration,))
    settings = composition.settings
    ledger = Ledger(
        store or MemoryLedgerStore(), window=settings.deduplication_window, claim_lifetime=settings.handler_timeout
    )
    pull = composition.pull
    handling = replace(pull.pipeline.handling, ledger=ledger)
    pipeline = replace(
        pull.pipeline, opener=opener, handling=handling, heard=HeardRecorder(MemoryHeardStore(), present)
    )
    work = MemoryQueue(now=present)
    marks = MemoryHubMarks()
    return replace(pull, pipeline=pipeline, work=work, marks=marks, threads=here, begun={}, standing={}), counted


async def _take_all(pull: Pull, batches: Sequence[Sequence[HubEvent]]) -> float:
    """Take every batch, one after the other as of one partition; CPU seconds."""
    began = time.process_time()
    for batch in batches:
        await pull.take(batch)
    return time.process_time() - began
