"""A hundred thousand subscriptions: planning, a tick with nothing due, and a life on a compressed clock within Graph's limits.

The app's own `Subscriptions` and `Executor` run on the memory twin of their table, against a Graph that counts writes and says 429
as Graph does. Each figure is taken in a process of its own. `--plot FILE` draws the writes of the life.
"""

import argparse
import asyncio
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.bench.figures import Figure
from local.bench.writes_plot import draw
from local.worker313.environment import ROOT
from shared.adapters.memory_catch_up import MemoryGapStore, MemoryHeardStore, MemoryScopeStore
from shared.adapters.memory_subscriptions import MemoryDeclared, MemorySubscriptionStore
from shared.catch_up import CatchUp
from shared.declaration import Declaration, read_declaration
from shared.errors import EnvelopeError, GraphApiError
from shared.fan_out import expand
from shared.graph.addresses import Addresses
from shared.graph.subscription import LiveSubscription
from shared.pacing import PacedGraph
from shared.reconcile import Circumstances, due_at, plan, write_digest
from shared.settings import Settings
from shared.silence import Silence
from shared.subscription_work import ReconcileWork, read_work
from shared.subscriptions import Subscriptions

_MANY, _QUICK_MANY = 100_000, 4_000
_START = datetime(2026, 11, 2, tzinfo=UTC)
_TICK = timedelta(minutes=5)
_LIMIT, _WINDOW = 500, timedelta(seconds=20)
"""https://learn.microsoft.com/graph/throttling-limits (2026-09)"""
_MIB = 1024
_ROUNDS = 3
_GROUP = "9c000000-0000-4000-8000-000000000001"
_ENVIRON = {
    "GRAPH_TENANT_ID": "7e4a0000-0000-4000-8000-000000007e4a",
    "GRAPH_CLIENT_ID": "a99e0000-0000-4000-8000-00000000a99e",
    "PUBLIC_BASE_URL": "https://a.example/api",
    "CLIENT_STATE_KEY": "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5",
}


def measure_many(*, quick: bool = False, plot: Path | None = None) -> list[Figure]:
    """Take the figures. Raises CalledProcessError for a process that fails."""
    count = _QUICK_MANY if quick else _MANY
    planned, idle, life = _ask("plan", count), _ask("idle", count), _ask("life", count, plot)
    scale = _MANY / count
    noted = f"{life['writes']} writes in {life['hours']:.0f} h; {life['refused']} of them were answered 429"
    return [
        Figure(
            name="planning 100,000 subscriptions",
            value=planned["seconds"] * scale,
            unit="s",
            target=2,
            note="median of 3",
        ),
        Figure(
            name="planning 100,000 subscriptions: memory",
            value=planned["mib"] * scale,
            unit="MiB",
            target=300,
            note="declaration, rows and plan; above the imported app",
        ),
        Figure(
            name="a tick with nothing due, 100,000 declared",
            value=idle["seconds"] * scale,
            unit="s",
            target=1,
            note=f"{idle['reads']:.0f} rows read, {idle['requests']:.0f} requests to Graph",
        ),
        Figure(
            name="100,000 created and renewed: most writes in 20 s",
            value=life["most"],
            unit="writes",
            target=_LIMIT,
            note=noted,
        ),
        Figure(
            name="100,000 renewed: the latest renewal",
            value=life["latest"],
            unit="%",
            target=0.7,
            note=f"of the lifetime; the earliest {life['earliest']:.0%}, {life['expired']} expired",
        ),
    ]


@dataclass
class CountingGraph:
    """A Graph with nothing but subscriptions and a group, which refuses what exceeds its limit of writes."""

    clock: "CompressedClock"
    members: Sequence[str]
    expiries: dict[str, datetime] = field(default_factory=dict)
    writes: list[datetime] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    requests: int = 0
    refused: int = 0
    _made: dict[str, datetime] = field(default_factory=dict)
    _recent: deque[datetime] = field(default_factory=deque)

    async def request(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        """Answer one request."""
        self.requests += 1
        if method == "GET":
            return self._read(path)
        self._count(method, path)
        if method == "POST":
            path = f"/subscriptions/{len(self.expiries):08d}"
        expires = datetime.fromisoformat(options["body"]["expirationDateTime"])
        now = self.clock.now
        if method == "PATCH":
            self.shares.append((now - self._made[path]) / (self.expiries[path] - self._made[path]))
        self.expiries[path], self._made[path] = expires, now
        return {"id": path.rpartition("/")[2], "expirationDateTime": expires.isoformat()}

    def _read(self, path: str) -> Mapping[str, Any]:
        if path.startswith("/groups/delta"):
            return {"value": [], "@odata.deltaLink": "https://graph.microsoft.com/v1.0/groups/delta?$deltatoken=1"}
        if path.startswith("/groups/"):
            return {"value": [{"@odata.type": "#microsoft.graph.user", "id": user} for user in self.members]}
        return {"value": []}

    def _count(self, method: str, path: str) -> None:
        now = self.clock.now
        while self._recent and now - self._recent[0] >= _WINDOW:
            self._recent.popleft()
        self.writes.append(now)
        self._recent.append(now)
        if len(self._recent) > _LIMIT:
            self.refused += 1
            raise GraphApiError(f"{method} {path}", status=429, retry_after=_WINDOW)


@dataclass
class CompressedClock:
    """A clock that moves when somebody pauses, or when it is told to; those who pause together wait together."""

    now: datetime = _START

    async def pause(self, seconds: float) -> None:
        """Move on."""
        until = self.now + timedelta(seconds=seconds)
        await asyncio.sleep(0)
        self.now = max(self.now, until)


@dataclass
class Shares:
    """Queue ``subscription-work`` as far as it matters here: the shares of comparisons; catch-ups are dropped."""

    clock: CompressedClock
    messages: list[tuple[datetime, str]] = field(default_factory=list)

    async def put(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Keep a share."""
        try:
            if isinstance(read_work(text.encode()), ReconcileWork):
                self.messages.append((self.clock.now + delay, text))
        except EnvelopeError as problem:
            raise AssertionError(text) from problem

    def take_due(self) -> list[str]:
        """Take what is visible."""
        self.messages.sort()
        end = bisect_right(self.messages, self.clock.now, key=lambda message: message[0])
        taken, self.messages = self.messages[:end], self.messages[end:]
        return [text for _, text in taken]

    async def take(self, limit: int) -> Any:
        """Nobody takes messages this way here."""
        raise NotImplementedError(limit)

    async def remove(self, message: Any) -> None:
        """Nobody takes messages this way here."""
        raise NotImplementedError(message)


class Workshop:
    """The app's subscriptions with ``count`` users in a group, on a clock that can be moved."""

    def __init__(self, count: int) -> None:
        self.members = [f"{number:08d}-0000-4000-8000-00000000a5e2" for number in range(count)]
        self.clock = CompressedClock()
        self.graph = CountingGraph(self.clock, self.members)
        self.store = MemorySubscriptionStore()
        self.shares = Shares(self.clock)
        self.declaration = declare()
        self.subscriptions = Subscriptions(
            declared=MemoryDeclared(self.declaration),
            settings=Settings.from_environ(_ENVIRON),
            graph=PacedGraph(self.graph, now=lambda: self.clock.now, pause=self.clock.pause),
            store=self.store,
            work=self.shares,
            catch_up=self.catch_up(),
            silence=Silence(MemoryHeardStore(), lambda: self.clock.now),
            keys=None,
            now=lambda: self.clock.now,
            pause=self.clock.pause,
        )

    def catch_up(self) -> CatchUp:
        """Make what looks for changes that went unheard; nothing asks it to, because catch-ups are dropped."""
        return CatchUp(
            graph=self.graph,
            scopes=MemoryScopeStore(),
            gaps=MemoryGapStore(),
            queue=self.shares,
            client_state_key=b"",
            tenant_id="",
            now=lambda: self.clock.now,
            new_id=lambda: "",
        )

    async def live(self, until: datetime) -> None:
        """Let the timer tick and the queue be worked off until a moment."""
        tick = self.clock.now
        while self.clock.now < until:
            if self.clock.now >= tick:
                await self.subscriptions.renew()
                tick += _TICK
            for text in self.shares.take_due():
                await self.subscriptions.work(text.encode())
            following = min([tick, *(when for when, _ in self.shares.messages)])
            self.clock.now = max(self.clock.now, following)


def declare() -> Declaration:
    """Declare one entry for the members of a group, with a lifetime of one day."""
    entry = {
        "name": "mail",
        "resource": "/users/{user}/messages",
        "changeType": "created,updated",
        "lifetimeMinutes": 1_440,
        "forEach": {"group": _GROUP},
    }
    return read_declaration(json.dumps({"subscriptions": [entry]}).encode(), known_handlers=None)


def _plan(count: int) -> dict[str, float]:
    """Plan over rows of which a tenth is due, as a comparison does."""
    before = _resident()
    shop = Workshop(count)
    here = Circumstances(addresses=Addresses(base_url="https://a.example/api"), tenant_id="t", key_fingerprint="k")
    members = {_GROUP: shop.members}
    rows = [
        LiveSubscription(
            name=each.name,
            generation=1,
            resource=each.resource,
            change_type=each.change_type,
            include_resource_data=False,
            delivery="webhook",
            subscription_id=f"{number:08d}-0000-4000-8000-0000000005b5",
            created=_START - timedelta(hours=number % 10),
            expires=_START + timedelta(days=1),
            lifetime_minutes=1_440,
            immutable_ids=each.immutable_ids,
            digest=write_digest(each, here),
        )
        for number, each in enumerate(expand(shop.declaration, members, []))
    ]
    gc.collect()
    now = min(map(due_at, rows)) + timedelta(hours=1)
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        declared = expand(shop.declaration, members, rows)
        actions = plan(declared, rows, now, circumstances=here)
        seconds.append(time.perf_counter() - began)
        if not 0 < len(actions) < count:
            raise RuntimeError(f"{len(actions)} of {count} are due: this is no plan like a day's")
    return {"seconds": statistics.median(seconds), "mib": _resident() - before}


async def _idle(count: int) -> dict[str, float]:
    shop = Workshop(count)
    await shop.live(_START + timedelta(seconds=count / 20) + _TICK * 2)
    if len(shop.graph.expiries) != count:
        raise RuntimeError(f"{len(shop.graph.expiries)} of {count} were created")
    shop.store.reads = shop.graph.requests = 0
    shop.clock.now += _TICK
    began = time.perf_counter()
    summary = await shop.subscriptions.renew()
    seconds = time.perf_counter() - began
    if summary.results:
        raise RuntimeError("something was due")
    return {"seconds": seconds, "reads": shop.store.reads, "requests": shop.graph.requests}


def _life(count: int, plot: Path | None) -> dict[str, float]:
    """Create all, then live for a day and a half: each is renewed at least once."""
    shop = Workshop(count)
    end = _START + timedelta(hours=36)
    asyncio.run(shop.live(end))
    writes = shop.graph.writes
    if len(shop.graph.expiries) != count:
        raise RuntimeError(f"{len(shop.graph.expiries)} of {count} were created")
    most = max(bisect_left(writes, start + _WINDOW) - index for index, start in enumerate(writes))
    if plot is not None:
        plot.write_text(draw(writes, start=_START, end=end, window=_WINDOW, limit=_LIMIT), "utf-8")
    return {
        "most": most,
        "writes": len(writes),
        "hours": (end - _START) / timedelta(hours=1),
        "refused": shop.graph.refused,
        "earliest": min(shop.graph.shares),
        "latest": max(shop.graph.shares),
        "expired": sum(expires <= end for expires in shop.graph.expiries.values()),
    }


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB


def _ask(what: str, count: int, plot: Path | None = None) -> dict[str, float]:
    command = [sys.executable, "-m", "local.bench.many_subscriptions", what, str(count)]
    command += ["--plot", str(plot.resolve())] if plot else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Take one figure in this process and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("plan", "idle", "life"))
    parser.add_argument("count", type=int)
    parser.add_argument("--plot", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "plan":
        answer = _plan(chosen.count)
    elif chosen.what == "idle":
        answer = asyncio.run(_idle(chosen.count))
    else:
        answer = _life(chosen.count, chosen.plot)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
