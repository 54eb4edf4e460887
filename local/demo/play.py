"""One performance on a stage: people chatter, the worker is killed, the dust settles, the evidence is gathered."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from azure.storage.queue import QueueClient

from local.demo.processes import StageError
from local.demo.reckoning import Evidence, event_key
from local.demo.stage import Stage

SETTLE_WITHIN_SECONDS = 30.0
_POLL_SECONDS = 0.25
_PAGE = 200
_GLANCE_SECONDS = 0.002
_MOST_GLANCES = 1000

Progress = Callable[[Mapping[str, Any], int], None]
"""Shown the simulator's tally and how many events arrived, a few times a second."""


async def play(stage: Stage, chatter: Mapping[str, Any], *, kill: bool, progress: Progress) -> Evidence:
    """Run one chatter to its end and gather the evidence. Raises StageError if the stage itself breaks."""
    await stage.graph("POST", "/_sim/chatter", chatter)
    killer = asyncio.create_task(_kill_after(stage, chatter["seconds"] / 2)) if kill else None
    try:
        tally = await _settle(stage, progress)
        killed_at = await killer if killer else None
    finally:
        if killer:
            killer.cancel()
    return Evidence(
        tally=tally,
        truths=(await stage.graph("GET", "/_sim/changes"))["changes"],
        items=(await stage.graph("GET", "/_sim/items"))["items"],
        received=tuple(stage.sink.received),
        dead_letters=await asyncio.to_thread(read_dead_letters, stage.azurite.connection_string),
        feed=await read_feeds(stage),
        killed_at=killed_at,
    )


async def _kill_after(stage: Stage, seconds: float) -> float:
    """Kill the worker after a time, at a moment when it has something in its hands."""
    await asyncio.sleep(seconds)
    pid = await stage.worker_pid()
    for _ in range(_MOST_GLANCES):
        if (await stage.graph("GET", "/_sim/chatter"))["changes"] > len(stage.sink.received):
            break
        await asyncio.sleep(_GLANCE_SECONDS)
    os.kill(pid, signal.SIGKILL)
    return time.time()


async def _settle(stage: Stage, progress: Progress) -> Mapping[str, Any]:
    """Wait until the chatter has ended and everything that was acknowledged has arrived, or time is up."""
    deadline: float | None = None
    while True:
        tally: Mapping[str, Any] = await stage.graph("GET", "/_sim/chatter")
        progress(tally, len(stage.sink.received))
        if not tally["running"] and not tally["pending"]:
            now = asyncio.get_running_loop().time()
            deadline = deadline or now + SETTLE_WITHIN_SECONDS
            if now > deadline or await _everything_arrived(stage):
                return tally
        if stage.host.process.returncode is not None:
            raise StageError(f"the host ended; it said:\n{stage.host.tail()}")
        await asyncio.sleep(_POLL_SECONDS)


async def _everything_arrived(stage: Stage) -> bool:
    """Tell whether the sink has all, and the queue holds nothing, not even hidden: then nothing more will come."""
    truths = (await stage.graph("GET", "/_sim/changes"))["changes"]
    arrived = {event_key(each.event) for each in stage.sink.received}
    missing = [row for row in truths if row["acknowledged"] and (row["resource"], row["version"]) not in arrived]
    waiting = await asyncio.to_thread(queue_length, stage.azurite.connection_string, "notifications")
    return waiting == 0 if not missing else False


def queue_length(connection_string: str, name: str) -> int:
    """Count the messages of a queue, hidden ones too."""
    with QueueClient.from_connection_string(connection_string, name) as queue:
        return int(queue.get_queue_properties().approximate_message_count or 0)


def read_dead_letters(connection_string: str) -> list[dict[str, Any]]:
    """Read queue ``notifications-poison`` and leave it as it is, but for five seconds of hiding."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - where it is used

    with QueueClient.from_connection_string(connection_string, "notifications-poison") as queue:
        try:
            messages = queue.receive_messages(messages_per_page=32, visibility_timeout=5)
            return [json.loads(message.content) for message in messages]
        except ResourceNotFoundError:
            return []


async def read_feeds(stage: Stage) -> list[dict[str, Any]]:
    """Read every row of every feed through the app's own API."""
    rows: list[dict[str, Any]] = []
    for feed in (await stage.app("/api/feeds"))["feeds"]:
        position = 0
        while True:
            page = await stage.app(f"/api/feeds/{feed['id']}?after={position}&top={_PAGE}")
            rows += page["changes"]
            if "after" not in page:
                break
            position = page["after"]
    return rows
