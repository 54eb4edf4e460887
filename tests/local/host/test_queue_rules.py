"""What becomes of a queue message, what its function is given, and how long a listener waits."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from local.host.datums import Datum
from local.host.polling import SHORTEST, Backoff
from local.host.queue_rules import (
    Fate,
    Message,
    after_run,
    decode,
    encode,
    on_pickup,
    poison_queue,
    trigger_input,
    trigger_metadata,
)
from local.host.retries import RetryOptions, read_retry_options

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
MESSAGE = Message(
    id="m-1", text="", pop_receipt="r", dequeue_count=2, inserted=NOW, expires=NOW + timedelta(days=7), next_visible=NOW
)


@pytest.mark.parametrize(
    ("succeeded", "count", "queue", "fate"),
    [
        (True, 1, "work", Fate.DELETE),
        (True, 9, "work", Fate.DELETE),
        (False, 1, "work", Fate.RETRY),
        (False, 4, "work", Fate.RETRY),
        (False, 5, "work", Fate.POISON),
        (False, 9, "work-poison", Fate.LEAVE),
        (True, 9, "work-poison", Fate.DELETE),
    ],
)
def test_a_run_decides_a_message_s_fate(*, succeeded: bool, count: int, queue: str, fate: Fate) -> None:
    assert after_run(succeeded=succeeded, dequeue_count=count, limit=5, queue=queue) is fate


@pytest.mark.parametrize(
    ("count", "queue", "fate"),
    [(5, "work", Fate.RUN), (6, "work", Fate.POISON), (6, "work-poison", Fate.RUN)],
)
def test_a_message_taken_too_often_is_not_run(count: int, queue: str, fate: Fate) -> None:
    assert on_pickup(count, 5, queue) is fate


def test_a_poison_queue_has_no_poison_queue() -> None:
    assert poison_queue("work") == "work-poison"
    assert poison_queue("work-poison") is None


@pytest.mark.parametrize(
    ("text", "is_base64", "body"),
    [("aGk=", True, b"hi"), ("hello!", True, None), ("aGk", True, None), ("hello!", False, b"hello!"), ("", True, b"")],
)
def test_a_message_is_decoded_or_known_to_be_unreadable(text: str, body: bytes | None, *, is_base64: bool) -> None:
    assert decode(text, is_base64=is_base64) == body


def test_encoding_is_the_inverse_of_decoding() -> None:
    assert decode(encode(b"\xff\x00", is_base64=True), is_base64=True) == b"\xff\x00"
    with pytest.raises(UnicodeDecodeError):
        encode(b"\xff", is_base64=False)


def test_the_trigger_gets_bytes_or_text() -> None:
    assert trigger_input(b"\xff", binary=True) == Datum("bytes", b"\xff")
    assert trigger_input("é".encode(), binary=False) == Datum("string", "é")
    with pytest.raises(UnicodeDecodeError):
        trigger_input(b"\xff", binary=False)


def test_trigger_metadata_is_what_the_host_passes() -> None:
    metadata = trigger_metadata(MESSAGE, Datum("bytes", b"{}"))
    assert metadata["Id"] == Datum("string", "m-1")
    assert metadata["DequeueCount"] == Datum("json", "2")
    assert metadata["InsertionTime"] == Datum("json", '"2026-11-20T10:00:00+00:00"')
    assert metadata["PopReceipt"] == Datum("string", "r")


def test_a_json_text_overwrites_metadata_ignoring_case() -> None:
    text = '{"id": 7, "dequeueCount": "x", "Extra": {"a": 1}, "flag": true, "list": [1], "none": null}'
    metadata = trigger_metadata(MESSAGE, Datum("string", text))
    assert metadata["Id"] == Datum("string", "7")
    assert metadata["DequeueCount"] == Datum("string", "x")
    assert metadata["Extra"] == Datum("json", '{"a": 1}')
    assert metadata["flag"] == Datum("string", "True")
    assert not {"id", "list", "none"} & set(metadata)


@pytest.mark.parametrize("given", [Datum("bytes", b'{"id": 7}'), Datum("string", "{id: 7}"), Datum("string", "[7]")])
def test_bytes_and_what_is_no_object_overwrite_nothing(given: Datum) -> None:
    assert trigger_metadata(MESSAGE, given)["Id"] == Datum("string", "m-1")


def test_polling_slows_down_to_the_longest_interval_and_a_hit_makes_it_quick_again() -> None:
    backoff = Backoff(timedelta(seconds=1), random.Random(7))  # noqa: S311 - chance, not secrecy
    assert backoff.after_nothing() == SHORTEST
    pauses = [backoff.after_nothing() for _ in range(9)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(seconds=1)
    assert backoff.after_hits() == SHORTEST
    assert SHORTEST * 1.8 <= backoff.after_nothing() <= SHORTEST * 2.2


def test_left_alone_the_storage_client_tries_for_about_25_seconds() -> None:
    pauses = list(RetryOptions().pauses())
    assert len(pauses) == 5
    assert sum(pauses, timedelta()) == timedelta(seconds=24.8)


def test_retry_settings_bind_to_the_storage_client() -> None:
    settings = {
        "AzureWebJobsStorage__Retry__MaxRetries": "1",
        "AZUREWEBJOBSSTORAGE__RETRY__DELAY": "00:00:00.5",
        "AzureWebJobsStorage__Retry__NetworkTimeout": "1",
        "Other__Retry__MaxRetries": "9",
    }
    options = read_retry_options("AzureWebJobsStorage", settings)
    assert options == RetryOptions(max_retries=1, delay=timedelta(seconds=0.5), network_timeout=timedelta(seconds=1))


def test_a_wrong_retry_setting_is_named() -> None:
    with pytest.raises(ValueError, match="AzureWebJobsStorage__Retry"):
        read_retry_options("AzureWebJobsStorage", {"AzureWebJobsStorage__Retry__Delay": "soon"})
