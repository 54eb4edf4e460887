"""What notifications cost while the app runs in its host: requests to storage by Azurite's own log, lines logged, CPU of the worker.

Not counted: polls that found nothing. What the design promises is counted with bodies of sixty basic notifications and a handler
that writes nothing to storage; `local.bench.envelope_cost` looks at other bodies.
"""

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from local.azurite.emulator import Azurite
from local.azurite.request_log import RequestLog, StorageRequest
from local.bench.figures import Figure
from local.bench.material import NAME, Material
from local.demo.processes import Running, start
from local.demo.sink import Sink
from local.keys.material import make_signing_key
from local.worker313.environment import ROOT
from shared.adapters.storage import PATIENT, Storage
from shared.adapters.subscription_table import SubscriptionTable
from shared.graph.subscription import LiveSubscription
from shared.settings import Settings
from shared.storage_health import StorageHealth

_ITEMS = 60
_BODIES, _QUICK_BODIES = 20, 4
_WITHIN_SECONDS = 60.0
_STARTED = "Host started on "
_OF_THE_HOST = re.compile(rb"\[\S+\] (Executing|Executed) 'Functions\.")
_FOUND = re.compile(rb" (\S+) debug: Serializer: Raw response body string is [^\n]*<QueueMessage>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What so many bodies of so many items have cost."""

    bodies: int
    items: int
    requests: Counter[str]
    log_lines: int
    log_bytes: int
    cpu_seconds: float
    """Of the process that runs the app's code; the real host's own is not in it."""


def measure_storage(material: Material, *, quick: bool = False) -> list[Figure]:
    """Run the app and count."""
    bodies = _QUICK_BODIES if quick else _BODIES
    return _figures(asyncio.run(observe(material, bodies=bodies, items=_ITEMS)))


async def observe(material: Material, *, bodies: int, items: int) -> Observed:
    """Send bodies one after the other, and look at what they cost; what they tell of is forwarded to a sink."""
    sink = Sink(secret=make_signing_key())
    await sink.start()
    try:
        with Azurite(access_log=material.folder / "azurite.log") as azurite:
            await _subscribe(azurite)
            host = await _start_host(material, azurite, sink)
            try:
                address = (await host.wait_for_line(_STARTED, within=_WITHIN_SECONDS)).removeprefix(_STARTED)
                deliver = _Deliveries(material=material, address=address, sink=sink, items=items)
                log = RequestLog(azurite)
                await deliver.one("warm")
                await _drained(log, 1)  # tables and queues are made once, and are no notification's cost
                log = RequestLog(azurite)
                said, worker = host.log.stat().st_size, await _worker(address)
                spent = cpu_seconds(worker)
                for number in range(bodies):
                    await deliver.one(f"b{number}")
                await _drained(log, bodies)
                spent = cpu_seconds(worker) - spent
                lines = logged(host.log.read_bytes()[said:])
                counted = countable(log.read(), answered_with_messages(log.text()))
            finally:
                await host.stop()
    finally:
        await sink.stop()
    return Observed(
        bodies=bodies,
        items=items,
        requests=counted,
        log_lines=len(lines),
        log_bytes=sum(map(len, lines)),
        cpu_seconds=spent,
    )


def countable(requests: Sequence[StorageRequest], answered_with_messages: frozenset[str]) -> Counter[str]:
    """Count the requests by kind, without polls that found nothing, or whose answer is still to come."""
    kinds = (
        f"{each.method} {each.path}"
        for each in requests
        if not _is_poll(each) or each.request_id in answered_with_messages
    )
    return Counter(re.sub(r"/messages/.*|\(.*", "", kind) for kind in kinds)


def answered_with_messages(log: bytes) -> frozenset[str]:
    """Find the ids of the polls that were answered with messages."""
    return frozenset(found[1].decode("ascii", "replace") for found in _FOUND.finditer(log))


def logged(console: bytes) -> Sequence[bytes]:
    """Pick the lines that reach Application Insights: host.json keeps the host's own about every invocation out of it."""
    return [line for line in console.splitlines() if not _OF_THE_HOST.match(line)]


def _is_poll(request: StorageRequest) -> bool:
    return request.method == "GET" and request.path.endswith("/messages")


def _figures(seen: Observed) -> list[Figure]:
    total, bodies = seen.requests.total(), seen.bodies
    note = ", ".join(f"{count / bodies:.2g} {kind}" for kind, count in seen.requests.most_common())
    return [
        Figure(name="storage requests a notification", value=total / bodies / _ITEMS, unit="", target=0.1),
        Figure(name="storage requests an envelope of 60", value=total / bodies, unit="", target=6, note=note),
    ]


async def _subscribe(azurite: Azurite) -> None:
    """Write the row that the app would have written, had there been a Graph to subscribe at."""
    now = datetime.now(UTC)  # noqa: TID251 - a row for now
    settings = Settings.from_environ({"AzureWebJobsStorage": azurite.connection_string})
    storage = Storage(settings=settings, patience=PATIENT, health=StorageHealth(), now=lambda: now)
    row = LiveSubscription(
        name=NAME,
        generation=1,
        resource="/teams/getAllMessages",
        change_type="created,updated,deleted",
        include_resource_data=True,
        delivery="webhook",
        not_before=now + timedelta(days=1),
    )
    await SubscriptionTable(storage).save(row)
    await storage.close()


async def _start_host(material: Material, azurite: Azurite, sink: Sink) -> Running:
    handlers = [{"forward": {"to": sink.url}}]
    environ = material.settings(handlers=handlers, storage=azurite.connection_string) | {
        "PATH": os.environ["PATH"],  # noqa: TID251 - for a child, which gets nothing else of ours
        "FORWARD_SIGNING_KEY": sink.secret,
    }
    command = [sys.executable, "-m", "local", "host", "--app", str(ROOT), "--port", "0"]
    return await start("the host", command, folder=ROOT, environ=environ, log=Path(material.folder / "host.log"))


@dataclass(slots=True, kw_only=True)
class _Deliveries:
    """Bodies that follow each other: each is sent when everything before it has arrived."""

    material: Material
    address: str
    sink: Sink
    items: int
    sent: int = 0

    async def one(self, series: str) -> None:
        """Send one body and wait until its changes have arrived."""
        document = {"value": [self.material.item(number, rich=False, series=series) for number in range(self.items)]}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.address}/api/notifications", json=document) as answer,
        ):
            answer.raise_for_status()
        self.sent += self.items
        async with asyncio.timeout(_WITHIN_SECONDS):
            while len(self.sink.received) < self.sent:  # noqa: ASYNC110 - the demo's sink keeps a list
                await asyncio.sleep(0.01)


async def _worker(address: str) -> int:
    """Find the process that runs the app's code."""
    async with aiohttp.ClientSession() as session, session.get(f"{address}/admin/host/status") as answer:
        return int((await answer.json(content_type=None))["worker"]["pid"])


def cpu_seconds(pid: int) -> float:
    """Read what a process has spent so far; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _drained(log: RequestLog, messages: int) -> None:
    """Wait until so many messages have been deleted: one for each body."""
    async with asyncio.timeout(_WITHIN_SECONDS):
        while _deletions(log) < messages:  # noqa: ASYNC110 - it is Azurite's log that is watched
            await asyncio.sleep(0.1)


def _deletions(log: RequestLog) -> int:
    return sum(each.method == "DELETE" and each.path.startswith("/notifications/") for each in log.read())
