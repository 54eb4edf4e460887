"""What the app says about itself: names and reasons, never a value."""

import json
from datetime import timedelta
from typing import Any

from shared.adapters.memory_catch_up import MemoryGapStore
from shared.adapters.memory_pull import MemoryHubMarks
from shared.adapters.memory_subscriptions import MemoryDeclared, MemoryEncryptionKeys, MemorySubscriptionStore
from shared.key_watch import KeyWatch
from shared.ports import Comparison, GapReport, HubMark
from shared.status import Status
from tests.builders import NAME, NOW, SUBSCRIPTION_ID, declaration, encryption_key, live


def status(**changes: Any) -> Status:
    valid: dict[str, Any] = {
        "parts": {"webhook": (), "processor": ()},
        "store": MemorySubscriptionStore(rows={NAME: live(expires=NOW, problem="quota")}),
        "now": lambda: NOW,
    }
    return Status(**(valid | changes))


def test_an_app_whose_parts_run_is_well() -> None:
    code, body = status().health()

    assert (code, json.loads(body)) == (200, {"status": "ok", "parts": ["processor", "webhook"], "problems": {}})


def test_an_app_that_lacks_a_setting_says_which() -> None:
    code, body = status(parts={"webhook": ("CLIENT_STATE_KEY is missing",), "processor": ()}).health()

    assert code == 503
    assert json.loads(body) == {
        "status": "degraded",
        "parts": ["processor"],
        "problems": {"webhook": ["CLIENT_STATE_KEY is missing"]},
    }


async def test_the_full_status_lists_subscriptions_and_what_is_left_out() -> None:
    code, body = await status(parts={"webhook": ("x is missing",), "feed": ()}).full()
    found = json.loads(body)

    assert (code, found["running"], found["leftOut"]["webhook"]) == (200, ["feed"], ["x is missing"])
    assert found["subscriptions"] == [
        {
            "name": NAME,
            "resource": "teams/getAllMessages",
            "subscriptionId": SUBSCRIPTION_ID,
            "generation": 3,
            "expires": "2026-11-20T12:00:00Z",
            "problem": "quota",
        }
    ]


async def test_of_a_great_many_those_in_trouble_are_shown_first() -> None:
    rows = {f"row-{number:04d}": live(name=f"row-{number:04d}") for number in range(1_200)}
    rows["row-1100"] = live(name="row-1100", problem="quota")
    _, body = await status(store=MemorySubscriptionStore(rows=rows)).full()
    found = json.loads(body)

    assert found["subscriptionCount"] == 1_200
    assert len(found["subscriptions"]) == 1_000
    assert found["subscriptions"][0]["name"] == "row-1100"


async def test_certificates_are_counted_by_who_names_them() -> None:
    ids = {"a": "key-2", "b": "key-2", "c": "key-1", "d": ""}
    rows = {name: live(name=name, certificate_id=id_) for name, id_ in ids.items()}
    keys = KeyWatch(MemoryEncryptionKeys([encryption_key()]), lambda: NOW)
    _, body = await status(store=MemorySubscriptionStore(rows=rows), keys=keys).full()
    encryption = json.loads(body)["encryption"]

    assert encryption["named"] == {"key-2": 2, "key-1": 1}
    assert encryption["certificateId"] == encryption_key().certificate_id


async def test_gaps_are_shown_with_what_became_of_them() -> None:
    gaps = MemoryGapStore()
    await gaps.save(
        GapReport(name=NAME, reason="gap", opened=NOW, since=NOW, closed=NOW, how="delta", found=2, dispatched=2)
    )
    await gaps.save(GapReport(name="files", reason="missed", opened=NOW + timedelta(minutes=1)))
    _, body = await status(gaps=gaps).full()

    assert [(gap["name"], gap["state"], gap["how"], gap["found"]) for gap in json.loads(body)["gaps"]] == [
        ("files", "open", "", 0),
        (NAME, "closed", "delta", 2),
    ]


async def test_subscriptions_that_nobody_knows_are_shown() -> None:
    store = MemorySubscriptionStore(comparison=Comparison(digest="d", at=NOW, done=True, unknown=("s-9",)))
    _, body = await status(store=store).full()

    assert json.loads(body)["unknownSubscriptions"] == ["s-9"]


async def test_a_broken_declaration_is_said_and_takes_nothing_down() -> None:
    """A probe that saw 503 would take down an app that hears everything it heard before."""
    wrong = "subscription 'mail': it is wrong (line 7, $.subscriptions[2].changeType)"
    state = status(declared=MemoryDeclared(declaration(), [wrong]))

    code, body = state.health()
    _, full = await state.full()

    assert (code, json.loads(body)["status"], json.loads(body)["problems"]) == (
        200,
        "degraded",
        {"declaration": [wrong]},
    )
    assert json.loads(full)["declaration"] == {"entries": 1, "digest": "digest", "problems": [wrong]}


async def test_with_no_good_declaration_at_all_the_app_is_not_well() -> None:
    state = status(declared=MemoryDeclared(None, ["it is not JSON (line 1, column 2)"]))

    assert state.health()[0] == 503
    assert json.loads((await state.full())[1])["declaration"]["entries"] is None


async def test_a_part_that_nobody_asked_for_says_what_to_set() -> None:
    code, body = await status(absent={"event_hub": "set EventHubConnection"}).full()

    assert (code, json.loads(body)["leftOut"]) == (200, {"event_hub": ["set EventHubConnection"]})
    assert "pull" not in json.loads(body)


async def test_a_hub_is_shown_with_the_events_that_were_begun_last() -> None:
    marks = MemoryHubMarks()
    await marks.save(
        HubMark(hub="hub", consumer_group="$Default", partition="3", first=10, last=19, at=NOW - timedelta(minutes=1))
    )
    _, body = await status(marks=marks).full()

    assert json.loads(body)["pull"] == [
        {
            "hub": "hub",
            "consumerGroup": "$Default",
            "partition": "3",
            "sequenceNumber": 19,
            "begun": "2026-11-20T11:59:00Z",
        }
    ]


async def test_without_storage_the_status_still_answers() -> None:
    _, away = await status(store=MemorySubscriptionStore(away=True)).full()
    _, none = await status(store=None).full()

    assert json.loads(away)["problem"] == "storage did not answer"
    assert "subscriptions" not in json.loads(none)
