"""What was acknowledged arrives, whatever happens to the worker or to storage: the real Azurite, killed and frozen."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from local.demo.play import gather, kill_worker, settle
from local.demo.reckoning import reckon
from local.demo.stage import Stage, set_up
from tests.scenarios.acting import KNOWN_CLIENT_STATE_KEY, deliver, mail_notification, said, subscription

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

OUTAGE_SECONDS = 10.0
LATEST_ANSWER_MS = 3000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One stage for the module; Graph sends again twenty times sooner than it really does."""
    folder = tmp_path_factory.mktemp("stage")
    settings = KNOWN_CLIENT_STATE_KEY | {
        "HANDLER_TIMEOUT_SECONDS": "2",
        # what is in the worker's hands when it is killed takes four times as long as the rest
        "AzureFunctionsJobHost__extensions__queues__batchSize": "8",
        "AzureFunctionsJobHost__extensions__queues__newBatchThreshold": "4",
    }
    async with set_up(folder, graph_options=("--time-scale", "20"), extra=settings) as made:
        yield made


@pytest.fixture(scope="module")
def kills() -> list[float]:
    """When the worker was killed, in whichever test."""
    return []


async def chatter(stage: Stage, **plan: float) -> None:
    await stage.graph("POST", "/_sim/chatter", {"duplicates": 0.05, "forged": 0.02, **plan})


async def restarts(stage: Stage) -> int:
    return int((await stage.app("/admin/host/status"))["worker"]["restarts"])


async def test_a_worker_that_is_killed_again_and_again_loses_nothing_of_two_thousand(
    stage: Stage, kills: list[float]
) -> None:
    dice = random.Random(7)  # noqa: S311 - moments, not secrets
    await chatter(stage, rate=200, seconds=10)
    for _ in range(3):
        await asyncio.sleep(dice.uniform(0.8, 2.2))
        kills.append(await kill_worker(stage))
    tally = await settle(stage)

    reckoning = reckon(await gather(stage, tally, kills))

    assert said(reckoning) == {}
    assert reckoning.handled + reckoning.dead == tally["acknowledged"] == 2000
    assert await restarts(stage) == 3


async def test_storage_that_does_not_answer_for_ten_seconds_costs_nothing(stage: Stage, kills: list[float]) -> None:
    """Graph hears a 5xx within its three seconds and sends again; nobody restarts anything."""
    before, workers = len(await answers(stage)), await restarts(stage)
    too_large = await a_large_notification(stage)
    await chatter(stage, rate=40, seconds=OUTAGE_SECONDS + 2)
    await asyncio.sleep(1)
    stage.azurite.pause()
    try:
        frozen = asyncio.create_task(asyncio.sleep(OUTAGE_SECONDS))
        large = await deliver(stage, too_large)
        await frozen
    finally:
        stage.azurite.resume()
    tally = await settle(stage)
    heard = (await answers(stage))[before:]
    refused = [each for each in heard if each["status"] != 202]
    reckoning = reckon(await gather(stage, tally, kills))

    assert {each["status"] for each in refused} <= {500, 503}
    assert len(refused) >= 10
    assert max(each["ms"] for each in heard) < LATEST_ANSWER_MS
    assert tally["late"] == 0
    assert (large["status"], large["ms"] < LATEST_ANSWER_MS) == (503, True)
    assert said(reckoning) == {}
    assert await restarts(stage) == workers


async def answers(stage: Stage) -> list[dict[str, Any]]:
    """Every answer that Graph got, oldest first."""
    deliveries: list[dict[str, Any]] = (await stage.graph("GET", "/_sim/deliveries"))["deliveries"]
    return deliveries


async def a_large_notification(stage: Stage) -> dict[str, Any]:
    """One that has to go to a blob before it is acknowledged."""
    row = await subscription(stage, "mailbox-1")
    return {"value": [mail_notification(stage, row, "large") | {"padding": "x" * 100_000}]}
