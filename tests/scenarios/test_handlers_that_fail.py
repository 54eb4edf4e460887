"""A handler that fails, in whatever way, costs its own change and nobody else's."""

import asyncio
import html
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from local.demo.play import queue_length
from local.demo.stage import Stage, set_up
from tests.scenarios.acting import arrival, dead_letters, events_of, run_by_hand, say, until
from tests.scenarios.copies import copy_app

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

HANDLER = Path(__file__).with_name("moody_handler.txt")


@pytest.fixture(scope="module")
def runs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "runs"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, runs_file: Path) -> AsyncIterator[Stage]:
    """The app with one handler more, three attempts, three deliveries, short pauses."""
    app = copy_app(tmp_path_factory.mktemp("app"))
    (app / "shared" / "handlers" / "moody.py").write_text(HANDLER.read_text(encoding="utf-8"), encoding="utf-8")
    settings = {
        "RUNS": str(runs_file),
        "RETRY_ATTEMPTS": "3",
        "HANDLER_TIMEOUT_SECONDS": "1",
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:01",
        "AzureFunctionsJobHost__extensions__queues__maxDequeueCount": "3",
    }
    async with set_up(tmp_path_factory.mktemp("stage"), app=app, handlers=["moody"], extra=settings) as made:
        yield made


@pytest.fixture
def runs(runs_file: Path) -> Any:
    """How often the handler ran for each message."""

    def count() -> Counter[str]:
        lines = runs_file.read_text(encoding="utf-8").splitlines() if runs_file.exists() else []
        return Counter(html.unescape(re.sub("<[^>]+>", "", json.loads(line)["text"])) for line in lines)

    return count


async def letter_of(stage: Stage, resource: str) -> dict[str, Any]:
    async def look() -> list[dict[str, Any]]:
        letters = await dead_letters(stage)
        return [letter for letter in letters if letter["items"][0]["notification"]["resource"] == resource]

    [letter] = await until(look, f"a dead letter of {resource}")
    return letter


async def test_a_handler_that_asks_for_later_runs_again_alone(stage: Stage, runs: Any) -> None:
    message = (await say(stage, "later, please"))["resource"]

    async def ran() -> bool:
        return bool(runs()["later, please"] == 3)

    await until(ran, "three runs")
    await arrival(stage, message)
    assert len(events_of(stage, message)) == 1, "what had been done is not done again"


async def test_a_handler_that_gives_up_leaves_a_dead_letter_with_its_reason(stage: Stage, runs: Any) -> None:
    message = (await say(stage, "give up on me"))["resource"]
    letter = await letter_of(stage, message)

    assert (letter["reason"], letter["error"], letter["attempts"]) == ("moody gave up", "nobody wants to know", 1)
    assert letter["items"][0]["owed"] == ["moody"]
    await arrival(stage, message)
    assert runs()["give up on me"] == 1


async def test_a_handler_that_raises_is_tried_as_often_as_the_settings_say(stage: Stage, runs: Any) -> None:
    message = (await say(stage, "raise an exception with my secrets in it"))["resource"]
    letter = await letter_of(stage, message)

    assert (letter["reason"], letter["attempts"]) == ("attempts exhausted", 3)
    assert letter["error"].startswith("moody: ValueError at moody.py:")
    assert "secrets" not in letter["error"]
    assert runs()["raise an exception with my secrets in it"] == 3
    assert len(events_of(stage, message)) == 1


async def test_what_kills_the_worker_dies_alone(stage: Stage, runs: Any) -> None:
    """Its siblings of the same body are handled; it becomes a dead letter of ours that says why."""
    notifications = await siblings(stage, "one", "please kill the worker", "two", "three")
    killer = notifications["please kill the worker"]
    for text, resource in notifications.items():
        if resource != killer:
            assert await arrival(stage, resource), text

    async def is_over() -> bool:
        waiting = await asyncio.to_thread(queue_length, stage.azurite.connection_string, "notifications")
        return waiting == 0

    await until(is_over, "an empty queue", within=60)
    await run_by_hand(stage, "sweep")
    letter = await letter_of(stage, killer)

    print(letter["reason"], letter["error"], letter["attempts"], runs())
    assert [each for each in await dead_letters(stage) if each.get("reason") is None] == []


async def siblings(stage: Stage, *texts: str) -> dict[str, str]:
    """Write messages and have them told in one body."""
    return {text: (await say(stage, text))["resource"] for text in texts}
