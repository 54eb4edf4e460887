"""What a function's `retry` says, and the pauses that follow from it."""

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.retry_policy import FOR_EVER, NO_LIMIT, RetryPolicy, read_retry_policy

FIXED = {"strategy": "fixed_delay", "max_retry_count": "3", "delay_interval": "00:00:10"}
GROWING = {
    "strategy": "exponential_backoff",
    "max_retry_count": "-1",
    "minimum_interval": "00:00:05",
    "maximum_interval": "00:05:00",
}


def pauses(policy: RetryPolicy, count: int) -> list[float]:
    chance = random.Random(7)  # noqa: S311 - chance, not secrecy
    return [pause.total_seconds() for pause in itertools.islice(policy.pauses(chance), count)]


def test_a_fixed_delay_is_waited_so_often_and_no_oftener() -> None:
    policy = read_retry_policy(FIXED)
    assert policy == RetryPolicy(most=3, shortest=timedelta(seconds=10))
    assert pauses(policy, 100) == [10, 10, 10]


def test_a_backoff_grows_from_the_minimum_to_the_maximum_and_never_ends() -> None:
    found = pauses(read_retry_policy(GROWING), 2000)
    assert found[0] == 5
    assert 9 <= found[1] <= 11, "the minimum, and the minimum again with a fifth of chance"
    assert found[:8] == sorted(found[:8])
    assert found[8:] == [300] * 1992


def test_a_backoff_without_a_minimum_never_waits_however_often() -> None:
    policy = read_retry_policy({"strategy": "exponential_backoff", "max_retry_count": "-1"})
    assert policy == RetryPolicy(most=FOR_EVER, shortest=timedelta(0), longest=NO_LIMIT)
    assert pauses(policy, 2000) == [0] * 2000


def test_no_retries_are_none() -> None:
    assert pauses(read_retry_policy(FIXED | {"max_retry_count": "0"}), 5) == []


@pytest.mark.parametrize(
    ("spoilt", "blame"),
    [
        (FIXED | {"strategy": "linear"}, "not 'linear'"),
        (FIXED | {"max_retry_count": "many"}, "max_retry_count is a number"),
        (FIXED | {"max_retry_count": "-2"}, "-1 for ever"),
        ({"strategy": "fixed_delay", "max_retry_count": "3"}, "delay_interval is written hh:mm:ss, not None"),
        (FIXED | {"delay_interval": "00:00:00.5"}, "delay_interval is written hh:mm:ss"),
        (FIXED | {"delay_interval": "00:00:60"}, "delay_interval is out of range"),
        (GROWING | {"minimum_interval": "00:06:00"}, "minimum_interval is longer"),
    ],
)
def test_what_worker_or_host_would_refuse_is_refused(spoilt: dict[str, Any], blame: str) -> None:
    with pytest.raises(ValueError, match=blame):
        read_retry_policy(spoilt)


@given(st.dictionaries(st.sampled_from([*FIXED, *GROWING]), st.none() | st.text() | st.integers()))
def test_anything_is_a_policy_or_a_value_error(raw: dict[str, Any]) -> None:
    try:
        policy = read_retry_policy(raw)
    except ValueError:
        return
    assert all(pause >= 0 for pause in pauses(policy, 5))
