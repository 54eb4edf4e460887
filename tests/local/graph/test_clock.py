"""Time that can be moved on as far as anybody likes, and never beyond what is a date."""

from datetime import UTC, datetime, timedelta

import pytest

from local.graph.clock import LATEST, Clock, later, seven_digits

CENTURY = timedelta(days=36_525)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_moment_later_is_exact_until_time_stands_still() -> None:
    assert later(NOON, 90.5) == NOON + timedelta(seconds=90.5)
    assert later(NOON, 1e300) == later(NOON, float("inf")) == later(LATEST, 1) == LATEST


def test_a_clock_that_is_moved_on_for_ever_still_tells_a_date_to_which_a_lifetime_can_be_added() -> None:
    clock = Clock()
    before = clock.seconds()
    for _ in range(100):
        clock.advance(CENTURY)
    assert clock.now() == LATEST
    assert seven_digits(clock.now() + timedelta(minutes=43_200)).startswith("9000-01-31")
    assert clock.seconds() - before >= 100 * CENTURY.total_seconds()


def test_a_clock_that_runs_as_fast_as_it_can_stands_still_at_the_latest_moment() -> None:
    assert Clock(time_scale=1e308).now() == LATEST


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["time_scale", "patience"])
def test_a_clock_that_would_stand_still_or_run_backwards_is_refused(name: str, factor: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Clock(**{name: factor})
