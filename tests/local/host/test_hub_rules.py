"""Which events are a batch, what its function is given, and where a trigger listens."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.datums import Datum
from local.host.functions import Binding
from local.host.hub_rules import (
    Event,
    HubAddress,
    Partition,
    is_many,
    place,
    plain_values,
    read_address,
    system_values,
    trigger_input,
    trigger_metadata,
)

NOW = datetime(2026, 11, 20, 10, 0, 0, 250_000, tzinfo=UTC)
KEY = "c2VjcmV0LWtleQ=="
NAMESPACE = f"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey={KEY}"
ADDRESS = HubAddress(connection_string=NAMESPACE, namespace="ns.servicebus.windows.net", hub="h", consumer_group="g")


def event(number: int, body: bytes = b"x", **changes: Any) -> Event:
    given: dict[str, Any] = {"sequence_number": number, "offset": str(number * 8), "enqueued": NOW, "body": body}
    return Event(**(given | changes))


def partition(*, most: int = 10, least: int = 1, wait: float = 60.0, frequency: int = 1) -> Partition:
    return Partition(most=most, least=least, wait=wait, frequency=frequency)


def numbers(batches: list[list[Event]]) -> list[list[int]]:
    return [[event.sequence_number for event in batch] for batch in batches]


def trigger(**settings: Any) -> Binding:
    stated = {"connection": "Hub", "eventHubName": "h", **settings}
    return Binding(name="events", type="eventHubTrigger", binary=True, settings=stated)


# --- batches


def test_events_run_as_they_come_in_batches_of_the_largest_size() -> None:
    assert numbers(partition(most=3).take([event(n) for n in range(7)], 0)) == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_first_batch_is_not_waited_for_but_the_next_one_is() -> None:
    part = partition(least=3, wait=60)
    assert numbers(part.take([event(0)], 0)) == [[0]]
    assert part.take([event(1)], 1) == []
    assert part.take([event(2)], 2) == []
    assert numbers(part.take([event(3)], 3)) == [[1, 2, 3]]


def test_what_is_held_back_runs_when_it_has_waited_long_enough() -> None:
    part = partition(least=3, wait=60)
    part.take([event(0)], 0)
    assert part.take([event(1)], 100) == []
    assert part.take([], 159) == []
    assert numbers(part.take([], 160)) == [[1]]


def test_events_that_were_here_before_are_dropped() -> None:
    """The client's buffer outlives a broken connection, behind which it asks for the same events again."""
    part = partition()
    assert numbers(part.take([event(0), event(1), event(2)], 0)) == [[0, 1, 2]]
    assert numbers(part.take([event(1), event(2), event(3)], 1)) == [[3]]


def test_offsets_that_are_no_numbers_drop_nothing() -> None:
    part = partition()
    again = [event(0, offset="1:0:8"), event(0, offset="1:0:8")]
    assert numbers(part.take(again, 0)) == [[0, 0]]


def test_sequence_numbers_that_begin_anew_drop_nothing() -> None:
    """A namespace in memory counts from nought when it is started again; its offsets go on."""
    part = partition()
    part.take([event(5)], 0)
    assert numbers(part.take([event(0, offset="4000")], 1)) == [[0]]


def test_a_checkpoint_is_due_after_every_so_many_batches() -> None:
    part = partition(frequency=3)
    assert [part.counts() for _ in range(7)] == [False, False, True, False, False, True, False]


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=20),
    st.integers(1, 7),
    st.integers(1, 7),
)
def test_every_event_runs_once_and_in_order_however_they_came(arrivals: list[list[int]], most: int, least: int) -> None:
    part = partition(most=most, least=min(least, most), wait=5)
    ran = []
    for now, arrival in enumerate(arrivals):
        for batch in part.take([event(n) for n in sorted(arrival)], now):
            assert 0 < len(batch) <= most
            ran += [event.sequence_number for event in batch]
    ran += [event.sequence_number for event in part.held]
    assert ran == sorted(set(ran))
    seen: set[int] = set()
    for arrival in arrivals:
        seen |= {n for n in arrival if not seen or n > max(seen)}
    assert set(ran) == seen


# --- what the function gets


@pytest.mark.parametrize(
    ("many", "binary", "expected"),
    [
        (True, True, Datum("collection_bytes", [b"a", b"", b"\xff"])),
        (True, False, Datum("collection_string", ["a", "\ufffd"])),
        (False, True, Datum("bytes", b"a")),
        (False, False, Datum("string", "a")),
    ],
)
def test_the_trigger_gets_bytes_or_texts_and_empty_texts_are_missing(
    expected: Datum, *, many: bool, binary: bool
) -> None:
    events = [event(0, b"a"), event(1, b""), event(2, b"\xff")]
    assert trigger_input(events if many else events[:1], many=many, binary=binary) == expected


def metadata(events: list[Event], given: Datum, *, many: bool) -> dict[str, Datum]:
    return trigger_metadata(events, given, address=ADDRESS, partition_id="2", many=many, checkpoints=True)


def test_metadata_of_a_batch_are_arrays() -> None:
    events = [event(0, partition_key="k", properties={"a": b"\xff", "n": 1}), event(1)]
    found = metadata(events, Datum("collection_bytes", []), many=True)
    assert json.loads(found["PartitionContext"].value) == {
        "FullyQualifiedNamespace": "ns.servicebus.windows.net",
        "EventHubName": "h",
        "ConsumerGroup": "g",
        "PartitionId": "2",
        "IsCheckpointingAfterInvocation": True,
    }
    assert found["PartitionKeyArray"] == Datum("collection_string", ["k"])
    assert found["OffsetArray"] == Datum("collection_string", ["0", "8"])
    assert found["SequenceNumberArray"] == Datum("collection_sint64", [0, 1])
    assert json.loads(found["EnqueuedTimeUtcArray"].value) == ["2026-11-20T10:00:00.250000"] * 2
    assert json.loads(found["PropertiesArray"].value) == [{"a": "/w==", "n": 1}, {}]
    assert json.loads(found["SystemPropertiesArray"].value)[0] == {
        "SequenceNumber": 0,
        "Offset": "0",
        "PartitionKey": "k",
        "EnqueuedTimeUtc": "2026-11-20T10:00:00.250000",
    }


def test_metadata_of_one_event_are_its_own_and_null_is_left_out() -> None:
    found = metadata([event(7)], Datum("bytes", b"{}"), many=False)
    assert found["SequenceNumber"] == Datum("json", "7")
    assert found["Offset"] == Datum("string", "56")
    assert json.loads(found["SystemProperties"].value)["PartitionKey"] is None
    assert "PartitionKey" not in found


def test_a_json_text_overwrites_metadata_and_a_batch_of_them_does_not() -> None:
    text = '{"sequenceNumber": 1}'
    assert metadata([event(7)], Datum("string", text), many=False)["SequenceNumber"] == Datum("string", "1")
    many = metadata([event(7)], Datum("collection_string", [text]), many=True)
    assert many["SequenceNumberArray"] == Datum("collection_sint64", [7])


def test_a_client_s_properties_become_plain_values() -> None:
    raw = {b"text": "häkchen ✓".encode(), b"raw": b"\xff", "yes": True, b"n": 0.5}
    assert plain_values(raw) == {"text": "häkchen ✓", "raw": b"\xff", "yes": True, "n": 0.5}
    stamp = int(NOW.timestamp() * 1000)
    assert system_values({b"x-opt-enqueued-time": stamp}) == {"x-opt-enqueued-time": "2026-11-20T10:00:00.250000Z"}


def test_a_batch_s_place_is_told() -> None:
    assert place([event(3), event(9)], "2") == "Partition 2, sequence numbers 3-9, offsets 24-72, 2 events"


# --- where it listens


def test_a_connection_string_is_read_and_its_own_hub_wins() -> None:
    assert read_address(trigger(consumerGroup="g"), {"Hub": NAMESPACE}) == ADDRESS
    assert read_address(trigger(), {"Hub": NAMESPACE}).consumer_group == "$Default"
    assert read_address(trigger(), {"Hub": f"{NAMESPACE};EntityPath=mine"}).hub == "mine"
    assert KEY not in repr(ADDRESS)


@pytest.mark.parametrize(
    ("connection", "settings", "blame"),
    [
        ("Hub", {}, "'Hub' does not exist in the settings"),
        ("Hub", {"Hub__fullyQualifiedNamespace": "ns"}, "knows no identities: set 'Hub' to a connection string"),
        ("Hub", {"Hub": "ns.servicebus.windows.net"}, "is no connection string"),
        ("Hub", {"Hub": f"Endpoint=sb://ns;SharedAccessKey={KEY}"}, "is no connection string"),
        (NAMESPACE, {}, "has to be the name of the setting"),
    ],
)
def test_a_connection_that_cannot_be_used_is_said_without_its_key(
    connection: str, settings: dict[str, str], blame: str
) -> None:
    with pytest.raises(ValueError, match=blame) as refused:
        read_address(trigger(connection=connection), settings)
    assert KEY not in str(refused.value)


def test_somebody_has_to_name_the_hub() -> None:
    with pytest.raises(ValueError, match="names an event hub"):
        read_address(trigger(eventHubName=""), {"Hub": NAMESPACE})


@given(st.text())
def test_any_setting_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = read_address(trigger(), {"Hub": text})
    except ValueError:
        return
    assert address.namespace


@pytest.mark.parametrize(("said", "many"), [("MANY", True), ("many", True), ("ONE", False), (None, False)])
def test_only_many_is_a_batch(said: str | None, *, many: bool) -> None:
    assert is_many(trigger(cardinality=said)) is many
