"""Every function of the app, indexed and invoked by Microsoft's own worker library on Python 3.13."""

import json
from typing import Any

import pytest

from shared.adapters.hub_mark_table import HubMarkTable
from shared.adapters.storage import Storage
from shared.adapters.storage_queue import StorageQueue
from tests.worker.standing import MESSAGE, Worker, body, lifecycle, notification

pytestmark = [pytest.mark.worker313, pytest.mark.azurite]


@pytest.fixture(autouse=True)
async def _closed(storage: Storage) -> Any:
    yield
    await storage.close()


def test_the_functions_are_indexed_with_their_triggers(worker: Worker) -> None:
    named = {
        "notifications": "httpTrigger",
        "lifecycle": "httpTrigger",
        "processor": "queueTrigger",
        "subscription_work": "queueTrigger",
        "renewal": "timerTrigger",
        "sweep": "timerTrigger",
        "event_hub": "eventHubTrigger",
        "manage_catch_up": "httpTrigger",
        "manage_feeds": "httpTrigger",
        "health": "httpTrigger",
        "status": "httpTrigger",
    }
    assert named.items() <= worker.functions.items()


@pytest.mark.parametrize("route", ["notifications", "lifecycle"])
def test_a_handshake_is_answered_on_both_routes(worker: Worker, route: str) -> None:
    answer = worker.post(route, validationToken="Validation: a+b c%&<script>")
    assert (answer.status, answer.body) == (200, b"Validation: a+b c%&<script>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not answer.outputs


@pytest.mark.parametrize("garbage", [b"", b"not json", b"[]", b'{"value":1}', b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("route", ["notifications", "lifecycle"])
def test_garbage_is_refused_without_a_failure(worker: Worker, route: str, garbage: bytes) -> None:
    answer = worker.post(route, garbage)
    assert (answer.worked, answer.status) == (True, 400)
    assert not answer.outputs


def test_valid_items_leave_for_the_queue_in_one_list(worker: Worker) -> None:
    answer = worker.post(
        "notifications", body(notification(), None, notification(clientState="forged"), notification())
    )
    assert answer.status == 202
    assert list(answer.outputs) == ["kept"]
    (envelope,) = json.loads(answer.outputs["kept"]["value"])
    assert [item["notification"]["tenantId"] for item in json.loads(envelope)["items"]] == [
        notification()["tenantId"]
    ] * 2


def test_lifecycle_events_leave_for_the_other_queue(worker: Worker) -> None:
    answer = worker.post("lifecycle", body(lifecycle("reauthorizationRequired")))
    assert answer.status == 202
    assert list(answer.outputs) == ["work"]
    (work,) = json.loads(answer.outputs["work"]["value"])
    assert json.loads(work)["lifecycleEvent"] == "reauthorizationRequired"


@pytest.mark.usefixtures("subscribed")
def test_an_envelope_becomes_a_change_that_the_feed_serves(worker: Worker) -> None:
    answer = worker.post("notifications", body(notification()))
    (envelope,) = json.loads(answer.outputs["kept"]["value"])
    processed = worker.invoke("processor", envelope.encode())
    assert (processed.worked, processed.error) == (True, "")
    feeds = worker.get("manage_feeds").json["feeds"]
    assert [feed["resource"] for feed in feeds] == [MESSAGE.partition("/messages")[0]]
    page = worker.get("manage_feed_page", feed=feeds[0]["id"])
    assert [change["content"]["body"] for change in page.json["changes"]] == [{"content": "x"}]


@pytest.mark.usefixtures("subscribed")
async def test_events_of_a_hub_become_changes_or_dead_letters(worker: Worker, storage: Storage) -> None:
    """Without a message on the queue in between: what fails is kept, so that the batch is done."""
    change = notification(delivery="eventhub", resourceData={"id": "m-1", "@odata.etag": "from-the-hub"})
    forged = notification(resourceData={"id": "m-1", "@odata.etag": "forged"})
    taken = worker.events("event_hub", body(change, forged), b"", b"\xff no collection", first=40)
    assert (taken.worked, taken.error) == (True, "")
    (mark,) = await HubMarkTable(storage).list()
    assert (mark.partition, mark.first, mark.last) == ("0", 40, 42)
    letters = [json.loads(message.text) for message in await StorageQueue(storage, "notifications-poison").take(32)]
    places = [letter["event"] for letter in letters if "event" in letter]
    assert sorted(place["sequenceNumber"] for place in places) == [41, 42]
    (status,) = worker.get("status").json["pull"]
    assert (status["partition"], status["sequenceNumber"]) == ("0", 42)


async def test_a_message_that_is_no_envelope_becomes_a_dead_letter(worker: Worker, storage: Storage) -> None:
    processed = worker.invoke("processor", b"\xff no envelope")
    assert (processed.worked, processed.error) == (True, "")
    letters = [json.loads(message.text) for message in await StorageQueue(storage, "notifications-poison").take(32)]
    assert [letter["reason"] for letter in letters] == ["unreadable"]


async def test_what_cannot_be_kept_fails_and_is_kept_when_it_comes_again(worker: Worker, storage: Storage) -> None:
    assert worker.invoke("processor", b"no envelope").worked
    await (await storage.queue("notifications-poison")).delete_queue()
    failed = worker.invoke("processor", b"no envelope")
    assert not failed.worked
    assert "StorageError" in failed.error
    assert worker.invoke("processor", b"no envelope").worked


@pytest.mark.usefixtures("subscribed")
@pytest.mark.parametrize("event", ["missed", "somethingNew"])
def test_lifecycle_work_is_done(worker: Worker, event: str) -> None:
    answer = worker.post("lifecycle", body(lifecycle(event)))
    (work,) = json.loads(answer.outputs["work"]["value"])
    assert worker.invoke("subscription_work", work.encode()).worked


def test_lifecycle_work_of_nobody_we_know_fails_and_comes_again(worker: Worker) -> None:
    assert not worker.invoke("subscription_work", b"{}").worked


@pytest.mark.usefixtures("subscribed")
@pytest.mark.parametrize("timer", ["renewal", "sweep"])
def test_timers_tick(worker: Worker, timer: str) -> None:
    ticked = worker.invoke(timer)
    assert (ticked.worked, ticked.error) == (True, "")


def test_an_unknown_feed_is_404(worker: Worker) -> None:
    answer = worker.get("manage_feed_page", feed="none")
    assert (answer.status, answer.json["error"]["code"]) == (404, "NotFound")


def test_health_names_the_parts_that_run(worker: Worker) -> None:
    answer = worker.get("health")
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert {"webhook", "processor", "subscriptions", "feed"} <= set(answer.json["parts"])


@pytest.mark.usefixtures("subscribed")
def test_status_lists_the_subscriptions(worker: Worker) -> None:
    answer = worker.get("status")
    assert answer.status == 200
    assert [row["name"] for row in answer.json["subscriptions"]] == ["channels"]
