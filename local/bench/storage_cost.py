"""What notifications cost in requests to storage, counted in Azurite's own log while the app runs in its host.

Bodies of sixty basic notifications go to a handler that writes nothing to storage. Not counted: polls that found nothing.
"""

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
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
_FOUND = re.compile(rb" (\S+) debug: Serializer: Raw response body string is [^\n]*<QueueMessage>")


def measure_storage(material: Material, *, quick: bool = False) -> list[Figure]:
    """Run the app and count."""
    return asyncio.run(_measure(material, _QUICK_BODIES if quick else _BODIES))


async def _measure(material: Material, bodies: int) -> list[Figure]:
    sink = Sink(secret=make_signing_key())
    await sink.start()
    try:
        with Azurite(access_log=material.folder / "azurite.log") as azurite:
            await _subscribe(azurite)
            host = await _start_host(material, azurite, sink)
            try:
                address = (await host.wait_for_line(_STARTED, within=_WITHIN_SECONDS)).removeprefix(_STARTED)
                log = RequestLog(azurite)
                await _deliver(material, address, "warm", sink, 0)
                await _drained(log, 1)  # tables and queues are made once, and are no notification's cost
                log = RequestLog(azurite)
                for number in range(bodies):
                    await _deliver(material, address, f"b{number}", sink, (number + 1) * _ITEMS)
                await _drained(log, bodies)
                counted = countable(log.read(), answered_with_messages(log.text()))
            finally:
                await host.stop()
    finally:
        await sink.stop()
    return _figures(counted, bodies)


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


def _is_poll(request: StorageRequest) -> bool:
    return request.method == "GET" and request.path.endswith("/messages")


def _figures(counted: Counter[str], bodies: int) -> list[Figure]:
    total = counted.total()
    note = ", ".join(f"{count / bodies:.2g} {kind}" for kind, count in counted.most_common())
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


async def _deliver(material: Material, address: str, series: str, sink: Sink, before: int) -> None:
    """Send one body and wait until its changes have arrived."""
    document = {"value": [material.item(number, rich=False, series=series) for number in range(_ITEMS)]}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/api/notifications", json=document) as answer,
    ):
        answer.raise_for_status()
    async with asyncio.timeout(_WITHIN_SECONDS):
        while len(sink.received) < before + _ITEMS:  # noqa: ASYNC110 - the demo's sink keeps a list
            await asyncio.sleep(0.01)


async def _drained(log: RequestLog, messages: int) -> None:
    """Wait until so many messages have been deleted: one for each body."""
    async with asyncio.timeout(_WITHIN_SECONDS):
        while _deletions(log) < messages:  # noqa: ASYNC110 - it is Azurite's log that is watched
            await asyncio.sleep(0.1)


def _deletions(log: RequestLog) -> int:
    return sum(each.method == "DELETE" and each.path.startswith("/notifications/") for each in log.read())
