"""What was acknowledged arrives, whatever happens to the worker or to storage: the real Azurite, killed and frozen."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from local.demo.play import gather, kill_worker, play, settle
from local.demo.reckoning import Reckoning, reckon
from local.demo.stage import Stage, set_up

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

OUTAGE_SECONDS = 10.0
LATEST_ANSWER_MS = 3000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One stage for the module; Graph sends again twenty times sooner than it really does."""
    folder = tmp_path_factory.mktemp("stage")
    settings = {"HANDLER_TIMEOUT_SECONDS": "2"}
    async with set_up(folder, graph_options=("--time-scale", "20"), extra=settings) as made:
        yield made


async def chatter(stage: Stage, **plan: float) -> None:
    await stage.graph("POST", "/_sim/chatter", {"duplicates": 0.05, "forged": 0.02, **plan})


def said(reckoning: Reckoning) -> dict[str, Any]:
    kinds = ("lost", "twice", "strangers", "objections")
    return {kind: list(getattr(reckoning, kind))[:5] for kind in kinds if getattr(reckoning, kind)}


async def test_a_worker_that_is_killed_again_and_again_loses_nothing_of_two_thousand(stage: Stage) -> None:
    dice = random.Random(7)
    await chatter(stage, rate=250, seconds=8)
    kills: list[float] = []
    for _ in range(4):
        await asyncio.sleep(dice.uniform(0.8, 2.2))
        kills.append(await kill_worker(stage))
    tally = await settle(stage)

    reckoning = reckon(await gather(stage, tally, kills))

    assert said(reckoning) == {}
    assert reckoning.handled + reckoning.dead == tally["acknowledged"] == 2000
    assert (await stage.app("/admin/host/status"))["worker"]["restarts"] == 4


async def test_storage_that_does_not_answer_for_ten_seconds_costs_nothing(stage: Stage) -> None:
    """Graph hears a 5xx within its three seconds and sends again; nobody restarts anything."""
    before = len((await stage.graph("GET", "/_sim/deliveries"))["deliveries"])
    restarts = (await stage.app("/admin/host/status"))["worker"]["restarts"]
    await chatter(stage, rate=40, seconds=OUTAGE_SECONDS + 2)
    await asyncio.sleep(1)
    stage.azurite.pause()
    try:
        await asyncio.sleep(OUTAGE_SECONDS)
    finally:
        stage.azurite.resume()
    tally = await settle(stage)

    answers = (await stage.graph("GET", "/_sim/deliveries"))["deliveries"][before:]
    refused = [each for each in answers if each["status"] != 202]
    print(max(each["ms"] for each in answers), len(refused), {each["status"] for each in answers})
    reckoning = reckon(await gather(stage, tally))

    assert {each["status"] for each in refused} <= {500, 503}, "every other answer while storage is away is a 5xx"
    assert len(refused) >= 10
    assert max(each["ms"] for each in answers) < LATEST_ANSWER_MS
    assert tally["late"] == 0
    assert said(reckoning) == {}
    assert (await stage.app("/admin/host/status"))["worker"]["restarts"] == restarts
