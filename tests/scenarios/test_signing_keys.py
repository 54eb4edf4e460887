"""The authority's signing keys rotate, and are away at times: nothing genuine is refused for it, and nobody waits long."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from local.demo.play import queue_length
from local.demo.stage import Stage, set_up
from tests.scenarios.acting import arrival, events_of, say, until
from tests.scenarios.gate import Gate, open_gate

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

PROMPT_MS = 1500


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gated(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stage, Gate]]:
    """A stage whose app reaches the authority through a gate."""
    folder = tmp_path_factory.mktemp("stage")
    async with (
        open_gate(folder / "graph.log") as gate,
        set_up(folder, extra={"GRAPH_AUTHORITY": gate.url}) as stage,
    ):
        yield stage, gate


async def start_afresh(stage: Stage) -> None:
    """Have the host start another worker, which knows no keys yet: nobody asks it how it is."""
    worker = (await stage.app("/admin/host/status"))["worker"]
    os.kill(worker["pid"], signal.SIGKILL)

    async def restarted() -> bool:
        now = (await stage.app("/admin/host/status"))["worker"]
        return bool(now["restarts"] > worker["restarts"] and now["pid"] != worker["pid"])

    await until(restarted, "another worker")


async def last_answer(stage: Stage) -> dict[str, Any]:
    async def answered() -> list[dict[str, Any]]:
        deliveries: list[dict[str, Any]] = (await stage.graph("GET", "/_sim/deliveries"))["deliveries"]
        return deliveries

    return (await until(answered, "an answer"))[-1]


async def acknowledged(stage: Stage, count: int) -> None:
    async def look() -> bool:
        return (
            len([row for row in (await stage.graph("GET", "/_sim/changes"))["changes"] if row["acknowledged"]]) >= count
        )

    await until(look, f"{count} acknowledged changes")


async def is_waiting(stage: Stage, count: int) -> bool:
    return await asyncio.to_thread(queue_length, stage.azurite.connection_string, "notifications") == count


def checked(stage: Stage) -> list[str]:
    """How many items of each delivery travelled unchecked, as the app's log says."""
    lines = stage.host.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [
        word for line in lines if ": delivery id=" in line for word in line.split() if word.startswith("unchecked=")
    ]


async def test_while_keys_cannot_be_had_items_travel_unchecked_and_wait(gated: tuple[Stage, Gate]) -> None:
    stage, gate = gated
    gate.is_open.clear()
    await start_afresh(stage)
    first = (await say(stage, "signed with the old key"))["resource"]
    await acknowledged(stage, 1)
    await stage.graph("POST", "/_sim/rotate-signing-keys", {})
    second = (await say(stage, "signed with the new key"))["resource"]
    await acknowledged(stage, 2)
    answer = await last_answer(stage)
    before_it_opened = [*events_of(stage, first), *events_of(stage, second)]
    gate.is_open.set()
    await arrival(stage, first)
    await arrival(stage, second)
    await until(lambda: is_waiting(stage, 0), "an empty queue")

    assert before_it_opened == []
    assert (answer["status"], answer["ms"] < PROMPT_MS) == (202, True)
    assert checked(stage) == ["unchecked=1", "unchecked=1"]


async def test_a_worker_that_starts_after_a_rotation_takes_the_new_keys_within_the_request(
    gated: tuple[Stage, Gate],
) -> None:
    stage, _ = gated
    await start_afresh(stage)
    await stage.graph("POST", "/_sim/rotate-signing-keys", {"forget": True})
    await arrival(stage, (await say(stage, "hello again"))["resource"])

    assert checked(stage)[-1] == "unchecked=0"


async def test_a_key_that_is_new_within_a_minute_of_the_last_look_makes_the_item_wait(
    gated: tuple[Stage, Gate],
) -> None:
    """Looks are a minute apart, so that nobody can make us ask the authority; the item is kept meanwhile."""
    stage, _ = gated
    await stage.graph("POST", "/_sim/rotate-signing-keys", {"forget": True})
    message = (await say(stage, "patience"))["resource"]

    async def put_back() -> bool:
        return "cannot be had right now" in stage.host.log.read_text(encoding="utf-8", errors="replace")

    await until(put_back, "the item to be put back")
    await until(lambda: is_waiting(stage, 1), "the item on the queue")
    assert events_of(stage, message) == []
    assert checked(stage)[-1] == "unchecked=1"
