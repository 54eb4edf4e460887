"""NCRONTAB against a table of schedules and moments."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.ncrontab import read_crontab

FOLLOWING = [
    ("*/5 * * * * *", "2026-11-20T10:00:00", "2026-11-20T10:00:05"),
    ("*/5 * * * * *", "2026-11-20T10:00:04.9", "2026-11-20T10:00:05"),
    ("0 */5 * * * *", "2026-11-20T10:00:01", "2026-11-20T10:05:00"),
    ("0 0 * * * *", "2026-12-31T23:30:00", "2027-01-01T00:00:00"),
    ("0 30 9 * * 1-5", "2026-11-20T09:30:00", "2026-11-23T09:30:00"),
    ("0 30 9 * * Mon-Fri", "2026-11-20T09:29:59", "2026-11-20T09:30:00"),
    ("0 0 0 1 Jan *", "2026-11-20T00:00:00", "2027-01-01T00:00:00"),
    ("0 0 0 13 * fri", "2026-11-20T00:00:00", "2027-08-13T00:00:00"),
    ("0 0 0 29 2 *", "2026-11-20T00:00:00", "2028-02-29T00:00:00"),
    ("0 0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),
    ("0 50/5 * * * *", "2026-11-20T10:00:00", "2026-11-20T10:50:00"),
    ("15,45 10-20/10 3 * * Sunday", "2026-11-22T03:10:15", "2026-11-22T03:10:45"),
    ("*/10 * * * *", "2026-11-20T10:01:00", "2026-11-20T10:10:00"),
    ("59 59 23 31 12 *", "2026-12-31T23:59:59", "2027-12-31T23:59:59"),
]


@pytest.mark.parametrize(("schedule", "now", "expected"), FOLLOWING)
def test_the_following_occurrence_is_found(schedule: str, now: str, expected: str) -> None:
    found = read_crontab(schedule).following(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_date_that_never_comes_has_no_occurrence() -> None:
    assert read_crontab("0 0 0 30 2 *").following(datetime(2026, 11, 20, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("schedule", "blame"),
    [
        ("* * * *", "six fields"),
        ("60 * * * * *", "second"),
        ("* * * 0 * *", "day"),
        ("* * * * * 7", "weekday"),
        ("*/0 * * * * *", "second"),
        ("x * * * * *", "can't be read"),
        ("", "six fields"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_field(schedule: str, blame: str) -> None:
    with pytest.raises(ValueError, match=blame):
        read_crontab(schedule)


@given(
    st.sampled_from([row[0] for row in FOLLOWING]),
    st.datetimes(datetime(2000, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
)
def test_the_following_occurrence_is_later_and_nothing_lies_between(schedule: str, now: datetime) -> None:
    crontab = read_crontab(schedule)
    found = crontab.following(now)
    assert found is not None
    assert found > now
    middle = now + (found - now) / 2
    assert crontab.following(middle) == found
