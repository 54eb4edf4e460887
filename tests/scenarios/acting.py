"""What scenarios do on a stage over and over: say something in a channel, wait for what becomes of it, look at queues."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from local.demo.play import read_dead_letters
from local.demo.reckoning import Reckoning
from local.demo.stage import Stage

T = TypeVar("T")
DEADLINE = 30.0


async def until(look: Callable[[], Awaitable[T]], what: str, *, within: float = DEADLINE) -> T:
    """Look again and again until there is something; what was seen last is in the failure."""
    deadline = time.monotonic() + within
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within} s for {what}, and saw {found!r}")
        await asyncio.sleep(0.05)


async def say(stage: Stage, text: str, where: str = "General") -> dict[str, Any]:
    """Write one message; what it has become."""
    written: dict[str, Any] = await stage.graph("POST", "/_sim/post", {"where": where, "text": text})
    return written


def events_of(stage: Stage, resource: str) -> list[dict[str, Any]]:
    return [each.event for each in stage.sink.received if each.event["data"]["resource"] == resource]


async def arrival(stage: Stage, resource: str, *, within: float = DEADLINE) -> dict[str, Any]:
    """Wait for the first event of a resource."""

    async def look() -> list[dict[str, Any]]:
        return events_of(stage, resource)

    return (await until(look, f"an event of {resource}", within=within))[0]


async def dead_letters(stage: Stage) -> list[dict[str, Any]]:
    return await asyncio.to_thread(read_dead_letters, stage.azurite.connection_string)


async def run_by_hand(stage: Stage, function: str) -> None:
    async with stage.http.post(f"{stage.host_url}/admin/functions/{function}", json={}) as answer:
        answer.raise_for_status()


async def deliver(stage: Stage, body: Any, route: str = "notifications") -> dict[str, Any]:
    """Have the simulator send any body once; how it was answered."""
    asked = {"url": f"{stage.host_url}/api/{route}", "body": body}
    answered: dict[str, Any] = await stage.graph("POST", "/_sim/deliver", asked)
    return answered


def peek(stage: Stage, name: str) -> list[dict[str, Any]]:
    """Read what is visible on a queue, and leave it there."""
    with (
        QueueClient.from_connection_string(stage.azurite.connection_string, name) as queue,
        suppress(ResourceNotFoundError),
    ):
        return [json.loads(message.content) for message in queue.peek_messages(max_messages=32)]
    return []


def said(reckoning: Reckoning) -> Mapping[str, Any]:
    """What broke, a few examples of each kind; empty if everything holds."""
    kinds = ("lost", "twice", "strangers", "objections")
    return {kind: list(getattr(reckoning, kind))[:5] for kind in kinds if getattr(reckoning, kind)}
