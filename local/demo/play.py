"""One performance on a stage: people chatter, the worker is killed, the dust settles, the evidence is gathered."""

import asyncio
import contextlib
import json
import os
import signal
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from local.demo.processes import StageError
from local.demo.reckoning import Evidence, event_key, watched_in
from local.demo.stage import Stage
from local.emulation import EmulatorError

SETTLE_WITHIN_SECONDS = 30.0
_EMPTY_FOR_SECONDS = 3.0
_HUB_EMPTY_FOR_SECONDS = 20.0
"""A batch whose worker was killed comes again after the retry policy's first pause, and no queue shows it meanwhile."""
_FINDINGS_WITHIN_SECONDS = 5.0
_POLL_SECONDS = 0.25
_PAGE = 200
_GLANCE_SECONDS = 0.002
_MOST_GLANCES = 1000

Progress = Callable[[Mapping[str, Any], int], None]
"""Shown the simulator's tally and how many events arrived, a few times a second."""


def _unseen(_tally: Mapping[str, Any], _arrived: int) -> None:
    """Show nothing."""


async def play(stage: Stage, chatter: Mapping[str, Any], *, kills: int = 0, progress: Progress = _unseen) -> Evidence:
    """Run one chatter to its end and gather the evidence. Raises StageError if the stage itself breaks.

    The worker is killed so many times while people chatter, at equal distances.
    """
    await stage.graph("POST", "/_sim/chatter", chatter)
    killer = asyncio.create_task(_kill_every(stage, chatter["seconds"] / (kills + 1), kills))
    try:
        tally = await settle(stage, progress)
        killed_at = await killer
    finally:
        killer.cancel()
    return await gather(stage, tally, killed_at)


async def gather(stage: Stage, tally: Mapping[str, Any], kills: Sequence[float] = ()) -> Evidence:
    """Gather what everything that happened on the stage so far has left behind.

    A change may have reached the sink a moment before its findings are written: those are waited for.
    """
    deadline = asyncio.get_running_loop().time() + _FINDINGS_WITHIN_SECONDS
    while True:
        evidence = await _gather(stage, tally, kills)
        if not watched_in(evidence).wrong or asyncio.get_running_loop().time() > deadline:
            return evidence
        await asyncio.sleep(_POLL_SECONDS)


async def _gather(stage: Stage, tally: Mapping[str, Any], kills: Sequence[float]) -> Evidence:
    return Evidence(
        tally=tally,
        truths=(await stage.graph("GET", "/_sim/changes"))["changes"],
        items=(await stage.graph("GET", "/_sim/items"))["items"],
        received=tuple(stage.sink.received),
        dead_letters=await asyncio.to_thread(read_dead_letters, stage.azurite.connection_string),
        feed=await read_feeds(stage),
        objections=await stage.graph("GET", "/_sim/judge"),
        kills=kills,
        findings=await read_findings(stage) if stage.hub else None,
        alerts=tuple(each.event for each in stage.sink.alerts),
    )


async def _kill_every(stage: Stage, seconds: float, times: int) -> list[float]:
    """Kill the worker again and again; the moments when."""
    kills: list[float] = []
    for _ in range(times):
        await asyncio.sleep(seconds)
        kills.append(await kill_worker(stage))
    return kills


async def kill_worker(stage: Stage) -> float:
    """Kill the worker at a moment when it has something in its hands; that moment."""
    pid = await stage.worker_pid()
    for _ in range(_MOST_GLANCES):
        if (await stage.graph("GET", "/_sim/chatter"))["changes"] > len(stage.sink.received):
            break
        await asyncio.sleep(_GLANCE_SECONDS)
    with contextlib.suppress(ProcessLookupError):  # something else has killed it
        os.kill(pid, signal.SIGKILL)
    return time.time()


async def settle(stage: Stage, progress: Progress = _unseen) -> Mapping[str, Any]:
    """Wait until the chatter has ended and everything that was acknowledged has arrived, or nothing more can come."""
    loop = asyncio.get_running_loop()
    deadline: float | None = None
    last_full = loop.time()
    patience = _HUB_EMPTY_FOR_SECONDS if stage.hub else _EMPTY_FOR_SECONDS
    while True:
        tally: Mapping[str, Any] = await stage.graph("GET", "/_sim/chatter")
        progress(tally, len(stage.sink.received))
        if not tally["running"] and not tally["pending"]:
            deadline = deadline or loop.time() + SETTLE_WITHIN_SECONDS
            if await asyncio.to_thread(queue_length, stage.azurite.connection_string, "notifications"):
                last_full = loop.time()
            elif await _everything_arrived(stage) or loop.time() > last_full + patience:
                return tally
            if loop.time() > deadline:
                return tally
        else:
            last_full = loop.time()
        _check(stage)
        await asyncio.sleep(_POLL_SECONDS)


def _check(stage: Stage) -> None:
    if stage.host.process.returncode is not None:
        raise StageError(f"the host ended; it said:\n{stage.host.tail()}")
    try:
        stage.azurite.check()
    except EmulatorError as problem:
        raise StageError(str(problem)) from problem


async def _everything_arrived(stage: Stage) -> bool:
    """Tell whether the sink has all that was acknowledged."""
    truths = (await stage.graph("GET", "/_sim/changes"))["changes"]
    arrived = {event_key(each.event) for each in stage.sink.received}
    return all((row["resource"], row["version"]) in arrived for row in truths if row["acknowledged"])


def queue_length(connection_string: str, name: str) -> int:
    """Count the messages of a queue, hidden ones too: while there is none, nothing more will come."""
    with QueueClient.from_connection_string(connection_string, name) as queue:
        try:
            return int(queue.get_queue_properties().approximate_message_count or 0)
        except ResourceNotFoundError:
            return 0


def read_dead_letters(connection_string: str) -> list[dict[str, Any]]:
    """Read queue ``notifications-poison`` and leave it as it is, but for five seconds of hiding."""
    with QueueClient.from_connection_string(connection_string, "notifications-poison") as queue:
        try:
            messages = queue.receive_messages(messages_per_page=32, visibility_timeout=5)
            return [json.loads(message.content) for message in messages]
        except ResourceNotFoundError:
            return []


async def read_feeds(stage: Stage) -> list[dict[str, Any]]:
    """Read every row of every feed through the app's own API."""
    rows: list[dict[str, Any]] = []
    for feed in (await stage.app("/api/manage/feeds"))["feeds"]:
        position = 0
        while True:
            page = await stage.app(f"/api/manage/feeds/{feed['id']}?after={position}&top={_PAGE}")
            rows += page["changes"]
            if "after" not in page:
                break
            position = page["after"]
    return rows


async def read_findings(stage: Stage) -> list[dict[str, Any]]:
    """Read every finding through the app's own API."""
    findings: list[dict[str, Any]] = []
    query = f"top={_PAGE}"
    while query:
        page = await stage.app(f"/api/manage/findings?{query}")
        findings += page["findings"]
        following = page.get("continuation")
        query = f"top={_PAGE}&continuation={urllib.parse.quote(following)}" if following else ""
    return findings
