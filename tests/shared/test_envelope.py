"""Envelopes and dead letters: what is read was written, and nothing else is ever read into one."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import (
    LARGEST_ENVELOPE,
    Envelope,
    Item,
    is_dead_letter,
    owed_names,
    pack,
    read_envelope,
    read_payload,
    write_dead_letter,
    write_envelope,
    write_item,
    write_json,
    write_unreadable,
)
from shared.errors import EnvelopeError
from tests import builders, strategies
from tests.builders import NOW

QUEUE_METADATA = {
    "id",
    "dequeuecount",
    "insertiontime",
    "expirationtime",
    "nextvisibletime",
    "popreceipt",
    "queuetrigger",
}
OBJECTS = st.dictionaries(strategies.SURROGATES_INCLUDED, strategies.JSON_VALUES, max_size=4)
TEXTS = st.lists(st.text(max_size=20), max_size=3).map(tuple)
ITEMS = st.builds(
    Item,
    item_id=st.text(min_size=1, max_size=128),
    notification=OBJECTS,
    attempt=st.integers(1, 10**6),
    owed=st.none() | TEXTS,
) | st.builds(
    Item,
    item_id=st.text(min_size=1, max_size=128),
    payload=st.text(max_size=100),
    checked=st.just(False),
    validation_tokens=TEXTS,
)
ENVELOPES = st.builds(
    Envelope,
    via=st.sampled_from(["webhook", "eventhub", "delta", "redrive"]),
    received=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis adds the zone
    items=st.lists(ITEMS, max_size=4).map(tuple),
)


@given(ENVELOPES)
def test_what_was_written_is_read_again(envelope: Envelope) -> None:
    assert read_envelope(write_envelope(envelope).encode("ascii")) == envelope


@given(st.binary(max_size=300))
def test_any_bytes_are_an_envelope_or_an_error(data: bytes) -> None:
    try:
        read_envelope(data)
    except EnvelopeError:
        return


@given(
    st.fixed_dictionaries(
        {"earshot": st.just(1), "via": st.just("webhook"), "received": st.just("2026-11-20T12:00:00Z")},
        optional={
            "items": st.lists(
                st.fixed_dictionaries(
                    {"itemId": st.just("i") | strategies.JSON_VALUES},
                    optional=dict.fromkeys(
                        ("notification", "payload", "checked", "validationTokens", "attempt", "owed"),
                        strategies.JSON_VALUES,
                    ),
                )
                | strategies.JSON_VALUES,
                max_size=3,
            )
            | strategies.JSON_VALUES
        },
    )
)
def test_whatever_is_read_can_be_written_and_read_again(document: dict[str, Any]) -> None:
    """Else an item could neither go back to the queue nor among the dead letters, and would come for ever."""
    try:
        envelope = read_envelope(json.dumps(document).encode())
    except EnvelopeError:
        return
    assert read_envelope(write_envelope(envelope).encode("ascii")) == envelope


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"text",
        b'{"earshot":2,"via":"webhook","received":"2026-11-20T12:00:00Z","items":[]}',
        b'{"earshot":1,"via":"pigeon","received":"2026-11-20T12:00:00Z","items":[]}',
        b'{"earshot":1,"via":["webhook"],"received":"2026-11-20T12:00:00Z","items":[]}',
        b'{"earshot":1,"via":"webhook","received":"yesterday","items":[]}',
        b'{"earshot":1,"via":"webhook","items":[]}',
        b'{"earshot":1,"via":"webhook","received":"2026-11-20T12:00:00Z","items":{}}',
        b'{"earshot":1,"via":"webhook","received":"2026-11-20T12:00:00Z","items":[null]}',
        b'{"earshot":1,"via":"webhook","received":"2026-11-20T12:00:00Z","items":[{"itemId":"a"}]}',
        b'{"earshot":1,"via":"webhook","received":"2026-11-20T12:00:00Z","items":[{"notification":{}}]}',
        (
            b'{"earshot":1,"via":"webhook","received":"2026-11-20T12:00:00Z","items":'
            b'[{"itemId":"a","notification":{},"payload":"b"}]}'
        ),
        (
            b'{"earshot":1,"via":"webhook","received":"2026-11-20T12:00:00Z","items":'
            b'[{"itemId":"a","notification":{"n":NaN}}]}'
        ),
        (
            b'{"earshot":1,"via":"webhook","received":"2026-11-20T12:00:00Z","items":'
            b'[{"itemId":"a","notification":{"n":1e999}}]}'
        ),
        b'{"earshot":1,"items":' + b"[" * 100_000,
    ],
    ids=lambda message: repr(message[-60:]),
)
def test_what_is_no_envelope_is_an_error(message: bytes) -> None:
    with pytest.raises(EnvelopeError):
        read_envelope(message)


def test_an_envelope_looks_as_its_readers_were_promised() -> None:
    item = Item(item_id="i", notification={"a": 1}, attempt=2, owed=("feed",))
    envelope = Envelope(via="webhook", received=NOW, items=(item,))

    assert json.loads(write_envelope(envelope)) == {
        "earshot": 1,
        "via": "webhook",
        "received": "2026-11-20T12:00:00Z",
        "items": [{"itemId": "i", "notification": {"a": 1}, "checked": True, "attempt": 2, "owed": ["feed"]}],
    }


def test_a_claim_check_and_an_unchecked_item_say_so() -> None:
    item = Item(item_id="i", payload="live/x", checked=False, validation_tokens=("t",))

    assert json.loads(write_item(item)) == {
        "itemId": "i",
        "payload": "live/x",
        "checked": False,
        "validationTokens": ["t"],
        "attempt": 1,
    }


def test_an_item_is_unchecked_unless_it_says_otherwise() -> None:
    text = '{"earshot":1,"via":"webhook","received":"2026-11-20T12:00:00Z","items":[{"itemId":"a","notification":{}}]}'

    assert not read_envelope(text.encode()).items[0].checked


@given(ENVELOPES)
def test_the_host_never_takes_a_property_for_its_own(envelope: Envelope) -> None:
    """Functions binds top-level JSON properties whose names match a queue message's metadata, in any case."""
    packed = pack([write_item(item) for item in envelope.items], via=envelope.via, received=envelope.received)
    letters = [
        write_dead_letter(item, via="webhook", reason="r", error="e", first_seen=NOW, last_tried=NOW)
        for item in envelope.items
    ]
    unreadable = write_unreadable("x", encoding="none", error="e", attempts=1, now=NOW)
    for text in (write_envelope(envelope), *packed, *letters, unreadable):
        assert text.isascii()
        assert not {name.lower() for name in json.loads(text)} & QUEUE_METADATA


def test_a_dead_letter_looks_as_its_readers_were_promised() -> None:
    item = Item(item_id="i", notification={"a": 1}, attempt=12, owed=("feed",))
    later = NOW.replace(hour=20)
    text = write_dead_letter(
        item, via="webhook", reason="attempts exhausted", error="e", first_seen=NOW, last_tried=later
    )

    assert json.loads(text) == {
        "earshot": 1,
        "via": "webhook",
        "reason": "attempts exhausted",
        "error": "e",
        "attempts": 12,
        "firstSeen": "2026-11-20T12:00:00Z",
        "lastTried": "2026-11-20T20:00:00Z",
        "items": [{"itemId": "i", "notification": {"a": 1}, "checked": True, "attempt": 12, "owed": ["feed"]}],
    }


@pytest.mark.parametrize("error", ["x" * 5000, "я" * 1000, "\U0001f600" * 1000, '"' * 1000])
def test_a_dead_letter_fits_into_a_message_however_long_its_error(error: str) -> None:
    item = Item(item_id="i", notification={"a": "x" * (LARGEST_ENVELOPE - 250)})
    text = write_dead_letter(item, via="webhook", reason="r", error=error, first_seen=NOW, last_tried=NOW)

    assert len(text) < 64 * 1024
    assert json.loads(text)["error"]


def test_dead_letters_are_told_from_what_the_host_poisoned() -> None:
    item = Item(item_id="i", notification={})
    envelope = write_envelope(Envelope(via="webhook", received=NOW, items=(item,)))
    ours = write_dead_letter(item, via="webhook", reason="r", error="e", first_seen=NOW, last_tried=NOW)

    assert is_dead_letter(ours)
    assert is_dead_letter(write_unreadable("x", encoding="none", error="e", attempts=1, now=NOW))
    assert not is_dead_letter(envelope)


@given(st.text(max_size=50))
def test_any_text_is_a_dead_letter_or_not(text: str) -> None:
    assert not is_dead_letter(text)


def test_nothing_packed_is_no_envelope() -> None:
    assert pack([], via="webhook", received=NOW) == []


@given(st.lists(st.integers(2, LARGEST_ENVELOPE - 128), max_size=40))
def test_packing_keeps_order_and_size(sizes: list[int]) -> None:
    written = [f'{{"itemId":"{number}","payload":"{"x" * size}"}}'[: size + 40] for number, size in enumerate(sizes)]
    written = [text for text in written if text.endswith("}") and len(text) <= LARGEST_ENVELOPE - 128]
    envelopes = pack(written, via="delta", received=NOW)

    assert all(len(text) <= LARGEST_ENVELOPE for text in envelopes)
    assert [item.item_id for text in envelopes for item in read_envelope(text.encode()).items] == [
        json.loads(text)["itemId"] for text in written
    ]


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b'{"a":NaN}', b"[" * 100_000])
def test_a_payload_that_is_no_notification_is_an_error(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        read_payload(data)


def test_a_payload_is_the_notification_as_graph_sent_it() -> None:
    assert read_payload(json.dumps(builders.notification()).encode()) == builders.notification()


def test_what_cannot_be_written_is_an_error() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, float("nan"), float("inf")):
        with pytest.raises(EnvelopeError):
            write_json(value)


def test_what_is_owed_has_one_order() -> None:
    assert owed_names(["feed", "dlp", "feed"]) == ("dlp", "feed")


def test_an_item_prints_no_notification_and_no_token() -> None:
    printed = repr(Item(item_id="i", notification={"a": "canary"}, validation_tokens=("canary",)))

    assert "canary" not in printed
