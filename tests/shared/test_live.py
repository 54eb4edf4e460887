"""Groups empty themselves: who is let in when, for how long, and when everybody comes again."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.feeds import feed_id, is_feed_id
from shared.graph.resource import read_resource
from shared.live import (
    EPOCH,
    LARGEST_CHANGE,
    LATE,
    LONGEST_ACCESS,
    epoch_of,
    feed_message,
    group_now,
    group_of,
    groups_to_join,
    mail_message,
    own_feed,
    renew_after,
)
from tests.strategies import JSON_VALUES

FEED = feed_id(read_resource("teams/t/channels/c"))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds it
CHANCES = st.floats(0, 1, exclude_max=True)


def test_an_epoch_is_five_minutes_of_the_clock() -> None:
    assert epoch_of(NOON + EPOCH) == epoch_of(NOON) + 1
    assert epoch_of(NOON + EPOCH - timedelta(microseconds=1)) == epoch_of(NOON)
    assert group_now(FEED, NOON) == group_of(FEED, epoch_of(NOON)) == f"{FEED}~5983920"


@pytest.mark.parametrize(("seconds", "groups"), [(0, 1), (239, 1), (240, 2), (299, 2)])
def test_late_in_an_epoch_the_next_one_is_joined_too(seconds: int, groups: int) -> None:
    joined = groups_to_join(FEED, NOON + timedelta(seconds=seconds))

    assert [group for group, _ in joined] == [group_of(FEED, epoch_of(NOON) + number) for number in range(groups)]


@given(MOMENTS)
def test_nothing_that_is_granted_is_heard_for_longer_than_the_longest_access(now: datetime) -> None:
    """After which no group that was joined is spoken to, whatever the service keeps in it."""
    joined = {group for group, _ in groups_to_join(FEED, now)}

    assert group_now(FEED, now) in joined
    for part in range(1, 10):
        assert group_now(FEED, now + LONGEST_ACCESS + EPOCH * part / 9) not in joined


@given(MOMENTS)
def test_a_time_to_live_outlasts_the_epoch_by_what_clocks_may_differ_and_no_more(now: datetime) -> None:
    for group, ttl in groups_to_join(FEED, now):
        end = datetime.fromtimestamp((int(group.rpartition("~")[2]) + 1) * EPOCH.total_seconds(), UTC)
        assert timedelta(seconds=29) < now + ttl - end < timedelta(seconds=31)


@given(MOMENTS, CHANCES, CHANCES)
def test_who_renews_when_told_is_always_in_the_group_that_is_spoken_to(
    now: datetime, first: float, then: float
) -> None:
    """Two rounds: told at any time, and told when it renewed; half a minute is left for an attempt that fails."""
    joined: set[str] = set()
    for chance in (first, then):
        joined |= {group for group, _ in groups_to_join(FEED, now)}
        renewed = now + renew_after(now, chance=chance)
        assert timedelta(0) < renewed - now <= LONGEST_ACCESS
        late = renewed + LATE * 0.45
        for part in range(11):
            assert group_now(FEED, now + (late - now) * part / 10) in joined
        assert len(groups_to_join(FEED, renewed)) == 2
        now = renewed


def test_what_an_owner_hears_has_the_name_of_no_feed() -> None:
    assert not is_feed_id(own_feed("a11ce000-0000-4000-8000-000000000001"))


def test_renewals_are_spread_over_half_a_minute() -> None:
    waits = {renew_after(NOON, chance=chance / 100) for chance in range(100)}

    assert (min(waits), max(waits)) == (timedelta(seconds=240), timedelta(seconds=270))
    assert len(waits) > 25


def test_a_change_is_sent_as_the_page_has_it_and_one_that_is_too_large_without() -> None:
    change: dict[str, Any] = {"position": 7, "content": {"body": "x" * 100}}
    assert feed_message(FEED, 7, change) == {"feed": FEED, "position": 7, "change": change}

    large = {"position": 7, "content": {"body": "x" * LARGEST_CHANGE}}
    assert feed_message(FEED, 7, large) == {"feed": FEED, "position": 7}


def test_of_a_mail_that_is_too_large_its_owner_is_told_the_id() -> None:
    small = mail_message("updated", "m", message={"subject": "x"}, folder="inbox")
    large = mail_message("created", "m", message={"subject": "x" * LARGEST_CHANGE}, folder="inbox")

    assert small == {"change": "updated", "id": "m", "message": {"subject": "x"}, "folder": "inbox"}
    assert large == {"change": "created", "id": "m", "message": None, "folder": "inbox"}
    assert mail_message("deleted", "m", message=None)["message"] is None


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=5))
def test_whatever_a_change_says_its_message_is_json_within_what_the_service_takes(change: dict[str, Any]) -> None:
    assert len(json.dumps(feed_message(FEED, 1, change))) < LARGEST_CHANGE * 1.5
