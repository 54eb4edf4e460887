"""A handler that fails, in whatever way, costs its own change and nobody else's."""

import asyncio
import html
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from local.demo.play import queue_length
from local.demo.stage import Stage, set_up
from tests.scenarios.acting import (
    KNOWN_CLIENT_STATE_KEY,
    arrival,
    dead_letters,
    deliver,
    events_of,
    mail_notification,
    run_by_hand,
    say,
    subscription,
    until,
)
from tests.scenarios.copies import copy_app

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

HANDLER = Path(__file__).with_name("moody_handler.txt")


@pytest.fixture(scope="module")
def runs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "runs"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, runs_file: Path) -> AsyncIterator[Stage]:
    """The app with one handler more, four attempts, three deliveries, short pauses."""
    app = copy_app(tmp_path_factory.mktemp("app"))
    (app / "shared" / "handlers" / "moody.py").write_text(HANDLER.read_text(encoding="utf-8"), encoding="utf-8")
    settings = KNOWN_CLIENT_STATE_KEY | {
        "RUNS": str(runs_file),
        "RETRY_ATTEMPTS": "4",
        "RETRY_LONGEST_DELAY_SECONDS": "1",
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
        return [each for each in letters if each["items"][0]["notification"]["resource"] == resource]

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

    assert (letter["reason"], letter["attempts"]) == ("attempts exhausted", 4)
    assert letter["error"].startswith("moody: ValueError at moody.py:")
    assert "secrets" not in letter["error"]
    assert runs()["raise an exception with my secrets in it"] == 4
    assert len(events_of(stage, message)) == 1


async def test_what_kills_the_worker_dies_alone(stage: Stage, runs: Any) -> None:
    """Its siblings of the same body are handled; it becomes a dead letter that says why."""
    row = await subscription(stage, "mailbox-2")
    body = {"value": [mail_notification(stage, row, name) for name in ("one", "two", "killer", "three", "four")]}
    assert (await deliver(stage, body))["status"] == 202

    async def is_over() -> bool:
        return not await asyncio.to_thread(queue_length, stage.azurite.connection_string, "notifications")

    await until(is_over, "an empty queue", within=60)
    ours = {item["resource"] for item in body["value"]}
    [letter] = [each for each in await dead_letters(stage) if each["items"][0]["notification"]["resource"] in ours]
    survivors = [item["resource"] for item in body["value"] if item["resourceData"]["id"] != "killer"]

    assert letter["items"][0]["notification"]["resource"].endswith("/killer")
    assert (letter["reason"], letter["attempts"]) == ("attempts exhausted", 4)
    assert letter["error"].startswith("its last delivery killed the worker")
    assert all(events_of(stage, resource) for resource in survivors)
    assert 4 <= runs()["killer"] <= 5, "once with its siblings, then once an attempt"


async def test_what_the_host_gave_up_on_becomes_a_dead_letter_of_ours(stage: Stage) -> None:
    """The host moves a message as it is and lets it expire after seven days; a sweep gives it a reason and keeps it."""
    row = await subscription(stage, "mailbox-2")
    notification = mail_notification(stage, row, "given-up")
    item = {"itemId": "a-0", "notification": notification, "checked": True, "attempt": 1}
    envelope = {"earshot": 1, "via": "webhook", "received": "2026-11-20T12:00:00Z", "items": [item]}
    with QueueClient.from_connection_string(stage.azurite.connection_string, "notifications-poison") as queue:
        with suppress(ResourceExistsError):
            queue.create_queue()  # as the host does with its first poison message
        queue.send_message(json.dumps(envelope))
    await run_by_hand(stage, "sweep")

    async def look() -> list[dict[str, Any]]:
        return [each for each in await dead_letters(stage) if each.get("reason") == "host poison"]

    [letter] = await until(look, "a dead letter with a reason")
    assert letter["items"] == [item]
    assert letter["firstSeen"] == "2026-11-20T12:00:00Z"
