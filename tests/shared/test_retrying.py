"""The schedule of attempts: it grows, it has bounds, and it ends."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.retrying import JITTER, LONGEST_DELAY, Schedule

HOUR = timedelta(hours=1)
CHANCES = st.floats(0, 1)


def test_delays_double_from_five_seconds_to_an_hour() -> None:
    delays = [Schedule().delay(attempt, chance=0.5).total_seconds() for attempt in range(1, 13)]

    assert delays == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@given(st.integers(1, 10**9), CHANCES)
def test_jitter_stays_within_a_fifth(attempt: int, chance: float) -> None:
    schedule = Schedule()
    plain = schedule.delay(attempt, chance=0.5)
    delay = schedule.delay(attempt, chance=chance)

    assert plain * (1 - JITTER) - timedelta(microseconds=1) <= delay <= plain * (1 + JITTER) + timedelta(microseconds=1)
    assert delay <= HOUR * (1 + JITTER)


@given(st.timedeltas(), CHANCES)
def test_what_was_asked_for_is_only_clamped(after: timedelta, chance: float) -> None:
    delay = Schedule().delay(1, chance=chance, after=after)

    assert timedelta(0) <= delay <= LONGEST_DELAY
    assert delay == after or not timedelta(0) <= after <= LONGEST_DELAY


def test_what_graph_asks_for_is_the_least_and_the_delays_grow_all_the_same() -> None:
    """Else an outage of Graph's that says "ten seconds" every time would use up all attempts in two minutes."""
    ten = timedelta(seconds=10)
    delays = [Schedule().delay(attempt, chance=0.5, at_least=ten).total_seconds() for attempt in range(1, 13)]

    assert delays == [10, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@given(st.integers(1, 20), CHANCES, st.timedeltas(), st.none() | st.timedeltas())
def test_nobody_is_asked_earlier_than_he_wants(
    attempt: int, chance: float, at_least: timedelta, after: timedelta | None
) -> None:
    delay = Schedule().delay(attempt, chance=chance, after=after, at_least=at_least)

    assert timedelta(0) <= delay <= LONGEST_DELAY
    assert delay >= min(max(at_least, after or at_least), LONGEST_DELAY)


@pytest.mark.parametrize(("attempt", "last"), [(1, False), (11, False), (12, True), (13, True)])
def test_the_twelfth_attempt_is_the_last(attempt: int, *, last: bool) -> None:
    assert Schedule().is_last(attempt) is last


@given(CHANCES)
def test_what_died_together_comes_back_apart_and_soon(chance: float) -> None:
    assert timedelta(seconds=5) <= Schedule().spread(chance=chance) <= timedelta(seconds=25)
