"""Messages of queue ``subscription-work``: read as they were written, and strangers' refused."""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import LARGEST_ENVELOPE
from shared.errors import EnvelopeError
from shared.subscription_work import (
    MOST_SHARES,
    CatchUpWork,
    LifecycleWork,
    MailboxWork,
    ReconcileWork,
    UnknownWork,
    read_work,
    share_out,
    write_work,
)
from tests.builders import NOW
from tests.strategies import JSON_VALUES

names = st.text(min_size=1, max_size=60)


@given(
    st.one_of(
        st.builds(CatchUpWork, name=names, reason=names, since=st.none() | st.just(NOW), lap=st.integers(1, 9)),
        st.builds(ReconcileWork, digest=names, wanted=st.dictionaries(names, names), gone=st.lists(names).map(tuple)),
        st.builds(UnknownWork, path=names),
        st.builds(MailboxWork, name=names),
    )
)
def test_what_is_written_is_read_again(work: Any) -> None:
    text = write_work(work)

    assert text.isascii()
    assert read_work(text.encode()) == work


def test_a_lifecycle_event_is_read_as_the_webhook_wrote_it() -> None:
    message = b'{"earshot":1,"lifecycleEvent":"missed","name":"mail~1","generation":2,"subscriptionId":"s"}'

    assert read_work(message) == LifecycleWork(lifecycle_event="missed", name="mail~1", subscription_id="s")


_PROPERTIES = st.sampled_from(
    [
        "catchUp",
        "name",
        "since",
        "lap",
        "reconcile",
        "gone",
        "digest",
        "unknown",
        "mailbox",
        "lifecycleEvent",
        "subscriptionId",
    ]
)


@given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_a_strangers_message_is_refused(message: bytes) -> None:
    with pytest.raises(EnvelopeError):
        read_work(message)


@given(st.dictionaries(_PROPERTIES, JSON_VALUES))
def test_anything_that_looks_like_ours_is_read_or_refused(values: dict[str, Any]) -> None:
    with suppress(EnvelopeError):
        read_work(json.dumps({"earshot": 1} | values).encode())


@pytest.mark.parametrize(
    "message",
    [
        '{"earshot":1,"catchUp":"gap"}',
        '{"earshot":1,"catchUp":"gap","name":"a","since":"yesterday"}',
        '{"earshot":1,"reconcile":["a"],"digest":"d"}',
        '{"earshot":1,"reconcile":{"a":5},"digest":"d"}',
        '{"earshot":1,"reconcile":{"a":"b"}}',
        '{"earshot":1,"reconcile":{},"gone":[5],"digest":"d"}',
        '{"earshot":1,"unknown":""}',
        '{"earshot":1,"mailbox":["a"]}',
        '{"earshot":2,"unknown":"/subscriptions"}',
        "[" * 100_000,
    ],
)
def test_what_lacks_something_is_refused(message: str) -> None:
    with pytest.raises(EnvelopeError):
        read_work(message.encode())


def test_every_subscription_is_in_one_share_and_every_share_fits_into_a_message() -> None:
    wanted = {f"mail~{number}": "ü" * (number % 700) for number in range(1_000)}
    gone = [f"gone~{number}" for number in range(120)]

    shares = list(share_out("d" * 32, wanted, gone))

    assert [name for share in shares for name in (*share.gone, *share.wanted)] == [*gone, *wanted]
    assert {name: resource for share in shares for name, resource in share.wanted.items()} == wanted
    assert max(len(share.gone) + len(share.wanted) for share in shares) == MOST_SHARES
    assert max(len(write_work(share)) for share in shares) < LARGEST_ENVELOPE
    assert list(share_out("d", {}, [])) == []


def test_a_lap_counts_from_one() -> None:
    assert read_work(b'{"earshot":1,"catchUp":"gap","name":"a","lap":"x"}') == CatchUpWork(name="a", reason="gap")
    assert write_work(CatchUpWork(name="a", reason="gap", since=NOW + timedelta(seconds=1))).count("since") == 1
