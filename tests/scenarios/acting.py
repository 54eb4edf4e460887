"""What scenarios do on a stage over and over: say something in a channel, wait for what becomes of it, look at queues."""

import asyncio
import base64
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from local.demo.processes import Running, start
from local.demo.reckoning import Reckoning
from local.demo.stage import ROOT, Stage, host_command
from shared.graph.client_state import mint_client_state

T = TypeVar("T")
DEADLINE = 30.0

CLIENT_STATE_KEY = b"a key that only this test may use"
KNOWN_CLIENT_STATE_KEY = {"CLIENT_STATE_KEY": base64.b64encode(CLIENT_STATE_KEY).decode()}
"""A setting for stages on which a test writes notifications of its own."""


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
    """Look at the dead letters without taking them: a sweep could not see them otherwise."""
    return await asyncio.to_thread(peek, stage, "notifications-poison")


async def run_by_hand(stage: Stage, function: str) -> None:
    async with stage.http.post(f"{stage.host_url}/admin/functions/{function}", json={}) as answer:
        answer.raise_for_status()


@asynccontextmanager
async def another_host(stage: Stage, name: str) -> AsyncIterator[Running]:
    """Run one more host of the same app on the same storage: it shares queues and partitions with the first."""
    command = host_command("local", port=0, app=stage.app_folder)
    log = stage.folder / f"{name}.log"
    host = await start(name, command, folder=ROOT, environ=stage.environ, log=log)
    try:
        await host.wait_for_line("Host started", within=DEADLINE)
        yield host
    finally:
        await host.stop()


def kill_host(host: Running) -> float:
    """Kill a host and its worker as a machine's end would; the moment."""
    os.killpg(host.process.pid, signal.SIGKILL)
    return time.time()


async def deliver(stage: Stage, body: Any, route: str = "notifications") -> dict[str, Any]:
    """Have the simulator send any body once; how it was answered."""
    asked = {"url": f"{stage.host_url}/api/{route}", "body": body}
    answered: dict[str, Any] = await stage.graph("POST", "/_sim/deliver", asked)
    return answered


async def subscription(stage: Stage, name: str) -> dict[str, Any]:
    """How the app says that one of its subscriptions is."""
    rows: list[dict[str, Any]] = (await stage.app("/api/status"))["subscriptions"]
    return next(row for row in rows if row["name"] == name)


def mail_notification(
    stage: Stage, row: Mapping[str, Any], message: str, *, version: str = 'W/"1"', generation: int | None = None
) -> dict[str, Any]:
    """A basic notification for a mail subscription, as Graph would write it."""
    resource = f"Users/{row['resource'].split('/')[1]}/Messages/{message}"
    return {
        "subscriptionId": row["subscriptionId"],
        "subscriptionExpirationDateTime": row["expires"],
        "clientState": mint_client_state(
            CLIENT_STATE_KEY,
            tenant_id=stage.world["tenant"],
            delivery="webhook",
            name=row["name"],
            generation=row["generation"] if generation is None else generation,
        ),
        "changeType": "created",
        "resource": resource,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Message",
            "@odata.id": resource,
            "@odata.etag": version,
            "id": message,
        },
        "tenantId": stage.world["tenant"],
    }


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
