"""Judging events: any bytes are a verdict, every item is counted once, and what is unreadable says why."""

import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import Envelope, read_envelope, write_envelope
from shared.pull_intake import EventVerdict, HubEvent, judge_event
from shared.subscription_work import LifecycleWork, read_work
from tests import builders, strategies
from tests.builders import NOW, client_state, hub_event, lifecycle_notification, notification, over_hub, probe

POLICY = builders.policy(delivery="eventhub")


def judge(event: HubEvent, **changes: Any) -> EventVerdict:
    return judge_event(event, policy=replace(POLICY, **changes), now=NOW)


def counted(verdict: EventVerdict) -> int:
    return len(verdict.taken) + len(verdict.work) + sum(verdict.refused.values()) + verdict.skipped


def test_changes_become_items_that_need_no_token() -> None:
    verdict = judge(hub_event(notification("7"), builders.rich_notification("8")))

    assert [taken.item.checked for taken in verdict.taken] == [True, True]
    assert [(taken.item.notification or {})["resourceData"]["id"] for taken in verdict.taken] == ["7", "8"]
    assert {taken.state.name for taken in verdict.taken} == {builders.NAME}
    assert (verdict.work, verdict.refused, verdict.skipped, verdict.unreadable) == ((), {}, 0, "")


def test_lifecycle_events_become_work_as_at_the_webhook() -> None:
    verdict = judge(hub_event(lifecycle_notification(), notification(), number=3))

    assert [read_work(text.encode()) for text in verdict.work] == [
        LifecycleWork(
            lifecycle_event="reauthorizationRequired", name=builders.NAME, subscription_id=builders.SUBSCRIPTION_ID
        )
    ]
    assert len(verdict.taken) == 1


@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        ({"clientState": client_state()}, "clientState"),  # what the webhook takes
        ({"clientState": client_state(delivery="eventhub", tenant_id=builders.OTHER_TENANT)}, "clientState"),
        ({"clientState": "1.teams-messages.3." + "A" * 43}, "clientState"),
        ({"tenantId": builders.OTHER_TENANT}, "clientState"),
        ({"tenantId": 7}, "malformed"),
        ({"resource": None}, "malformed"),
        ({"changeType": None}, "malformed"),
    ],
)
def test_an_item_that_is_not_ours_costs_its_siblings_nothing(spoiled: Mapping[str, Any], reason: str) -> None:
    items = [over_hub(notification("7")) | spoiled, over_hub(notification("8")), None]
    verdict = judge(hub_event(raw=builders.body(*items)))

    assert [(taken.item.notification or {})["resourceData"]["id"] for taken in verdict.taken] == ["8"]
    assert verdict.refused == ({"malformed": 2} if reason == "malformed" else {reason: 1, "malformed": 1})


def test_another_tenants_item_is_refused_although_its_state_is_genuine() -> None:
    state = client_state(delivery="eventhub", tenant_id=builders.OTHER_TENANT)
    item = notification(clientState=state, tenantId=builders.OTHER_TENANT)

    assert judge(hub_event(raw=builders.body(item))).refused == {"tenant": 1}


@pytest.mark.parametrize("changes", [{}, {"subscriptionId": "5f3c1a64"}, {"changeType": "created"}])
def test_graphs_probe_is_skipped(changes: Mapping[str, str]) -> None:
    verdict = judge(hub_event(raw=builders.body(probe() | changes, over_hub(notification()))))

    assert (verdict.skipped, verdict.refused, len(verdict.taken)) == (1, {}, 1)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "the event is empty"),
        (b"not json", "the event is not JSON: Expecting value at character 0"),
        (b'{"value": [1,,2]}', "the event is not JSON: Expecting value at character 13"),
        (b'{"value": [NaN]}', "the event is not JSON"),
        (b'{"value": "\xff"}', "the event is not UTF-8, from byte 11 on"),
        (b"\xff", "the event is not UTF-8, from byte 0 on"),
        (b"[]", "the event is no collection: it has no array named 'value'"),
        (b'{"value": {}}', "the event is no collection: it has no array named 'value'"),
        (b"[" * 100_000, "the event is nested too deep"),
        (builders.body(notification())[:-2], "the event breaks off: JSON goes on after its {} characters"),
        (builders.body(notification())[:-40], "the event breaks off: JSON goes on after its {} characters"),
    ],
)
def test_an_unreadable_event_says_why_and_quotes_nothing(raw: bytes, reason: str) -> None:
    verdict = judge(hub_event(raw=raw))

    assert verdict.unreadable == reason.format(len(raw))
    assert counted(verdict) == 0


def test_an_event_beyond_the_limit_is_not_even_read() -> None:
    assert judge(hub_event(raw=b" " * 101), max_body_bytes=100).unreadable.startswith("the event has 101 bytes")


def test_what_no_queue_could_hold_is_refused_before_anything_begins_with_it() -> None:
    deep = over_hub(notification()) | {"odd": 0}
    text = json.dumps({"value": [deep]}).replace('"odd": 0', '"odd": ' + "[" * 900 + "]" * 900)
    huge = json.dumps({"value": [deep]}).replace('"odd": 0', '"odd": 1e999')

    for raw in (text, huge):
        verdict = judge(hub_event(raw=raw.encode()))
        assert counted(verdict) == 1
        for taken in verdict.taken:
            envelope = Envelope(via="eventhub", received=NOW, items=(taken.item,))
            assert read_envelope(write_envelope(envelope).encode()) == envelope
    assert judge(hub_event(raw=huge.encode())).refused == {"malformed": 1}


# -- ids ---------------------------------------------------------------------------------------------------------------


def test_an_event_that_comes_again_has_the_same_ids() -> None:
    event = hub_event(notification("7"), None, notification("8"), number=41, partition="3")

    assert [taken.item.item_id for taken in judge(event).taken] == [taken.item.item_id for taken in judge(event).taken]
    assert [taken.item.item_id.partition("-")[0] for taken in judge(event).taken] == ["h3", "h3"]


def test_a_hub_that_was_made_anew_counts_from_zero_and_its_ids_are_others() -> None:
    event = hub_event(notification())
    again = replace(event, enqueued=NOW)

    assert judge(event).taken[0].item.item_id != judge(again).taken[0].item.item_id


@pytest.mark.parametrize("spoilt", [{"sequence_number": None}, {"sequence_number": -1}])
def test_without_a_place_the_id_is_the_bodys(spoilt: Mapping[str, Any]) -> None:
    one, other = hub_event(notification("7")), hub_event(notification("8"))
    ids = [judge(replace(event, **spoilt)).taken[0].item.item_id for event in (one, one, other)]

    assert ids[0] == ids[1] != ids[2]


@given(st.text(max_size=300), st.integers(min_value=-(2**63), max_value=2**63), st.none() | st.datetimes())
def test_every_id_fits_an_envelope(partition: str, number: int, enqueued: datetime | None) -> None:
    moment = enqueued.replace(tzinfo=UTC) if enqueued else None
    event = replace(hub_event(notification()), partition=partition, sequence_number=number, enqueued=moment)
    [taken] = judge(event).taken

    assert read_envelope(
        write_envelope(Envelope(via="eventhub", received=NOW, items=(taken.item,))).encode()
    ).items == (taken.item,)
    assert taken.item.item_id.isascii()
    assert taken.item.item_id.isprintable()


# -- anything ----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_any_bytes_are_a_verdict(raw: bytes) -> None:
    verdict = judge(HubEvent(body=raw))

    assert verdict.unreadable or counted(verdict) == len(json.loads(raw)["value"])


@given(st.lists(strategies.STRANGE_ITEMS | strategies.SPOILED_ITEMS | st.builds(probe), max_size=5))
def test_every_item_is_counted_once(items: list[Any]) -> None:
    verdict = judge(hub_event(*items))

    assert verdict.unreadable == ""
    assert counted(verdict) == len(items)


@pytest.mark.parametrize("element", [b"0", b"{}", b'"a"', b"null", b"[[]]"])
def test_an_event_of_a_great_many_items_costs_bounded_memory(element: bytes) -> None:
    """A megabyte of the least that can be an item: as much as a hub takes in one event, and some."""
    raw = b'{"value":[' + b",".join([element] * (1_000_000 // (len(element) + 1))) + b"]}"
    tracemalloc.start()
    verdict = judge(hub_event(raw=raw))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert verdict.refused == {"malformed": raw.count(element + b",") + 1}
    assert peak < 100_000_000
