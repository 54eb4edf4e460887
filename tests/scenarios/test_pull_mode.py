"""Pull mode end to end: hosts that share the partitions of a hub, and what is wrong in them. Nothing is lost, nothing stands in the way."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient
from azure.storage.blob import ContainerClient

from local.demo.play import gather, kill_worker, settle
from local.demo.reckoning import reckon
from local.demo.stage import Stage, set_up
from tests.local.eventhubs.stand import CLIENT_LEAKS
from tests.scenarios.acting import (
    KNOWN_CLIENT_STATE_KEY,
    another_host,
    arrival,
    dead_letters,
    kill_host,
    peek,
    said,
    say,
    until,
)
from tests.scenarios.copies import copy_app

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module"), CLIENT_LEAKS]

HANDLER = Path(__file__).with_name("moody_handler.txt")
ONLY_CHATS = {"mail": 0, "chats": 1, "duplicates": 0.05, "forged": 0.02}
PARTITIONS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The app with a moody handler."""
    app = copy_app(tmp_path_factory.mktemp("app"))
    (app / "shared" / "handlers" / "moody.py").write_text(HANDLER.read_text(encoding="utf-8"), encoding="utf-8")
    settings = KNOWN_CLIENT_STATE_KEY | {
        "RUNS": str(tmp_path_factory.mktemp("runs") / "runs"),
        "HANDLER_TIMEOUT_SECONDS": "2",
        "RETRY_ATTEMPTS": "4",
        "RETRY_LONGEST_DELAY_SECONDS": "1",
    }
    folder = tmp_path_factory.mktemp("stage")
    async with set_up(folder, app=app, handlers=["moody"], extra=settings, besides=("pull",)) as made:
        yield made


@pytest.fixture(scope="module")
def kills() -> list[float]:
    """When something was killed, in whichever test."""
    return []


async def chatter(stage: Stage, **plan: float) -> None:
    await stage.graph("POST", "/_sim/chatter", ONLY_CHATS | plan)


async def owners(stage: Stage) -> Counter[str]:
    """How many partitions each host owns, as the blobs say that all hosts go by."""

    def look() -> Counter[str]:
        with ContainerClient.from_connection_string(stage.azurite.connection_string, "azure-webjobs-eventhub") as blobs:
            found = [blob.metadata for blob in blobs.list_blobs(include=["metadata"]) if "/ownership/" in blob.name]
        return Counter(each["ownerid"] for each in found if each.get("ownerid"))

    return await asyncio.to_thread(look)


async def shared_by(stage: Stage, hosts: int) -> None:
    async def look() -> bool:
        counts = await owners(stage)
        return sum(counts.values()) == PARTITIONS and len(counts) == hosts

    await until(look, f"{PARTITIONS} partitions to be shared by {hosts} hosts", within=60)


async def send(stage: Stage, bodies: Sequence[bytes]) -> None:
    """Put events into the hub as whoever may send there."""
    assert stage.hub is not None
    text = stage.hub.connection_string
    async with EventHubProducerClient.from_connection_string(text, eventhub_name="notifications") as producer:
        for body in bodies:
            await producer.send_batch([EventData(body)])


async def test_hosts_come_and_go_and_one_is_killed_in_the_middle_and_nothing_is_lost(
    stage: Stage, kills: list[float]
) -> None:
    async with another_host(stage, "second") as second:
        await shared_by(stage, 2)
        await chatter(stage, rate=80, seconds=15)
        await asyncio.sleep(4)
        kills.append(kill_host(second))
        async with another_host(stage, "third"):
            tally = await settle(stage)
            await shared_by(stage, 2)
    reckoning = reckon(await gather(stage, tally, kills))

    assert said(reckoning) == {}
    assert reckoning.handled + reckoning.dead == tally["acknowledged"] == 1200


async def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(stage: Stage, kills: list[float]) -> None:
    await chatter(stage, rate=60, seconds=6)
    await asyncio.sleep(2)
    kills.append(await kill_worker(stage))
    tally = await settle(stage)
    reckoning = reckon(await gather(stage, tally, kills))

    assert said(reckoning) == {}
    assert tally["acknowledged"] == 360


BROKEN = {
    "empty": b"",
    "not JSON": b"Hello, hub",
    "not UTF-8": b'{"value": ["\xff\xfe"]}',
    "half a collection": b'{"value": [{"subscriptionId": "7f105c7d", "clientSta',
    "no collection": b'{"value": {"a": 1}}',
    "a list": b"[1, 2, 3]",
}


async def test_what_is_broken_in_a_hub_is_a_dead_letter_that_says_where_and_holds_up_nobody(stage: Stage) -> None:
    """One in ten is broken; the real ones come between them."""
    written = []
    for number, body in enumerate(BROKEN.values()):
        await send(stage, [body])
        written += [await say(stage, f"between {number} and {n}", where=chat_of(stage)) for n in range(9)]
    for each in written:
        await arrival(stage, each["resource"])

    async def look() -> list[dict[str, Any]]:
        found = [each for each in await dead_letters(stage) if each["reason"] == "unreadable"]
        return found if len(found) >= len(BROKEN) else []

    letters = await until(look, "as many dead letters as broken events")
    assert len(letters) == len(BROKEN)
    assert all(each["event"].keys() >= {"partition", "offset", "sequenceNumber"} for each in letters)
    assert sorted(base64_or_text(each) for each in letters) == sorted(BROKEN.values())


def base64_or_text(letter: dict[str, Any]) -> bytes:
    text = letter["message"]
    return base64.b64decode(text) if letter["messageEncoding"] == "base64" else text.encode("ascii")


async def test_a_message_that_kills_the_worker_ends_as_a_dead_letter_and_its_partition_goes_on(stage: Stage) -> None:
    killer = await say(stage, "kill", where=chat_of(stage))

    async def look() -> list[dict[str, Any]]:
        return [each for each in await dead_letters(stage) if named(each) == killer["resource"]]

    await until(look, "the killer among the dead letters", within=120)
    for text in ("after that one", "and once more", "and a third time", "and a fourth"):
        await arrival(stage, (await say(stage, text, where=chat_of(stage)))["resource"])
    assert await asyncio.to_thread(peek, stage, "notifications") == []


def named(letter: dict[str, Any]) -> str:
    items = letter.get("items") or [{}]
    return str((items[0].get("notification") or {}).get("resource", ""))


def chat_of(stage: Stage) -> str:
    return str(stage.world["chats"][0]["name"])


async def test_status_names_the_hub_and_nothing_secret(stage: Stage) -> None:
    status = await stage.app("/api/status")

    assert "event_hub" in status["running"]
    assert "SharedAccessKey" not in json.dumps(status)
