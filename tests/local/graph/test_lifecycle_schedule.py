import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.faults import GraphFault
from local.graph.knobs import Knobs
from local.graph.lifecycle.agenda import Agenda
from local.graph.lifecycle.authorization import Authorizations
from local.graph.lifecycle.schedule import end_in_sight, next_challenge

START = datetime(2026, 1, 1, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def challenges(minutes: float) -> list[float]:
    """Return how many minutes before the end each challenge comes, for someone who never reacts."""
    now, end, found = START, after(minutes), []
    while (moment := next_challenge(now, end)) is not None:
        found.append((end - moment) / timedelta(minutes=1))
        now = moment
    return found


EVERY_QUARTER = [float(left) for left in range(225, 0, -15)]


@pytest.mark.parametrize(
    ("lifetime", "expected"),
    [
        (5, []),
        (15, []),
        (45, [30, 15]),
        (60, [45, 30, 15]),
        (240, EVERY_QUARTER),
        (480, [240, *EVERY_QUARTER]),
        (600, [300, 240, *EVERY_QUARTER]),
        (720, [360, 240, *EVERY_QUARTER]),
        (721, [720, 360, 240, *EVERY_QUARTER]),
        (10_080, [720, 360, 240, *EVERY_QUARTER]),
    ],
)
def test_challenges_come_rarely_at_first_and_every_quarter_of_an_hour_in_the_end(
    lifetime: float, expected: list[float]
) -> None:
    assert challenges(lifetime) == expected


@given(st.timedeltas(timedelta(0), timedelta(days=40)))
def test_a_challenge_is_always_later_than_now_and_before_the_end(left: timedelta) -> None:
    moment = next_challenge(START, START + left)
    assert moment is None or START < moment < START + left


@pytest.mark.parametrize(
    ("now", "authorized_until", "expires", "expected"),
    [
        (0, 60, 4_320, 60),
        (0, 60, 45, 45),
        (60, 60, 4_320, 4_320),
        (100, 60, 4_320, 4_320),
    ],
)
def test_the_nearer_end_is_warned_of_and_a_token_that_has_ended_no_more(
    now: float, authorized_until: float, expires: float, expected: float
) -> None:
    found = end_in_sight(after(now), authorized_until=after(authorized_until), expires=after(expires))
    assert found == after(expected)


@dataclass(frozen=True)
class Made:
    app_id: str = "app"
    created_at: datetime = START
    patched_at: datetime | None = None
    reauthorized_at: datetime | None = None


@pytest.mark.parametrize(
    ("made", "minutes"),
    [
        (Made(), 60),
        (Made(patched_at=after(10)), 70),
        (Made(reauthorized_at=after(50)), 110),
        (Made(patched_at=after(10), reauthorized_at=after(5)), 70),
    ],
)
def test_a_token_lasts_an_hour_from_the_latest_renewal(made: Made, minutes: float) -> None:
    authorizations = Authorizations(Knobs())
    assert authorizations.until(made) == after(minutes)
    assert authorizations.open(made, after(minutes - 1))
    assert not authorizations.open(made, after(minutes))


def test_without_a_schedule_only_revoked_apps_lapse() -> None:
    authorizations = Authorizations(Knobs(lifecycle_schedule=False))
    assert authorizations.open(Made(), after(1_000))
    authorizations.revoke("app")
    assert authorizations.open(Made(), after(59))
    assert not authorizations.open(Made(), after(61))
    assert authorizations.open(Made(app_id="another"), after(61))
    with pytest.raises(GraphFault, match="403 Authorization_RequestDenied"):
        authorizations.check("app")
    authorizations.restore("app")
    authorizations.check("app")
    assert (authorizations.open(Made(), after(61)), authorizations.revoked) == (True, frozenset())


@given(st.lists(st.integers(0, 50)))
def test_an_agenda_does_everything_once_in_order_and_nothing_too_early(minutes: list[int]) -> None:
    agenda, done = Agenda(), list[int]()
    for minute in minutes:
        agenda.put(after(minute), lambda _, minute=minute: done.append(minute))  # type: ignore[misc]
    for now in range(51):
        while action := agenda.take(after(now)):
            action(after(now))
        assert done == sorted(minute for minute in minutes if minute <= now)
    assert (len(agenda), agenda.next_moment) == (0, None)


def test_asking_a_long_agenda_what_is_due_costs_next_to_nothing() -> None:
    agenda = Agenda()
    for number in range(50_000):
        agenda.put(after(10 + number % 1_000), lambda _: None)
    started = time.process_time()
    for _ in range(1_000):
        assert agenda.take(START) is None
    assert time.process_time() - started < 0.1
