"""Silence: what is usual is learnt, what is unusual is looked at, and what goes unheard is polled until it is heard."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory import Outage
from shared.adapters.memory_catch_up import MemoryHeardStore
from shared.ports import Heard
from shared.silence import (
    ENOUGH,
    GIVE_UP_POLLING,
    POLL_EVERY,
    SLACK,
    WRITE_EVERY,
    HeardRecorder,
    Silence,
    Watched,
    can_be_judged,
    expected_quiet,
    learn,
    look,
    merge,
    print_polled,
)
from tests.builders import NOW

HOUR = timedelta(hours=1)
MAIL = Watched(resource="users/a/messages")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def known(**changes: object) -> Heard:
    valid = Heard(name="a", last=NOW, longest=2 * HOUR, samples=ENOUGH, look_at=NOW)
    return replace(valid, **changes)  # type: ignore[arg-type]


# -- learning -------------------------------------------------------------------------------------------------------------


def test_the_longest_quiet_time_is_learnt() -> None:
    heard = merge(known(), "a", first=NOW + 3 * HOUR, last=NOW + 4 * HOUR, longest=HOUR, count=3)
    assert heard.longest == 3 * HOUR
    assert (heard.last, heard.samples) == (NOW + 4 * HOUR, ENOUGH + 3)


def test_one_standstill_of_ours_is_no_rhythm_and_what_is_usual_is_learnt_all_the_same() -> None:
    once = merge(known(), "a", first=NOW + 30 * HOUR, last=NOW + 30 * HOUR, longest=0 * HOUR, count=1)
    assert once.longest <= 4 * HOUR

    heard, at = known(), NOW
    for _ in range(10):
        at += 60 * HOUR  # every weekend
        heard = merge(heard, "a", first=at, last=at + 50 * HOUR, longest=HOUR, count=9)
        at += 50 * HOUR
    assert heard.longest > 50 * HOUR


def test_it_fades_to_half_in_a_fortnight_of_busy_days() -> None:
    heard = known(longest=60 * HOUR)
    for hour in range(14 * 24):
        at = NOW + hour * HOUR
        heard = merge(heard, "a", first=at, last=at, longest=timedelta(0), count=1)
    assert 29 * HOUR < heard.longest < 31 * HOUR


@given(
    times=st.lists(st.integers(-1000, 1000), min_size=1, max_size=20),
    lengths=st.lists(st.integers(0, 10_000), min_size=20, max_size=20),
)
def test_whatever_order_things_are_heard_in_time_never_goes_backwards(times: list[int], lengths: list[int]) -> None:
    heard: Heard | None = None
    latest = None
    for number, hours in enumerate(times):
        at = NOW + hours * HOUR
        heard = merge(heard, "a", first=at, last=at + timedelta(seconds=lengths[number]), longest=timedelta(0), count=1)
        assert heard.longest >= timedelta(0)
        assert latest is None or (heard.last or NOW) >= latest
        latest = heard.last
    assert heard is not None
    assert heard.samples == len(times)
    assert (expected_quiet(heard, None) is None) == (heard.samples < ENOUGH)


@pytest.mark.parametrize(
    ("heard", "declared", "expected"),
    [
        (known(), None, 4 * HOUR),
        (known(longest=timedelta(minutes=1)), None, HOUR),
        (known(longest=timedelta(days=99)), None, timedelta(days=30)),
        (known(samples=ENOUGH - 1), None, None),
        (known(), timedelta(minutes=20), timedelta(minutes=20)),
        (known(samples=0), timedelta(minutes=20), timedelta(minutes=20)),
    ],
)
def test_what_is_usual_is_declared_or_learnt(
    heard: Heard, declared: timedelta | None, expected: timedelta | None
) -> None:
    assert expected_quiet(heard, declared) == expected


# -- deciding -------------------------------------------------------------------------------------------------------------


def test_who_is_not_quiet_for_long_is_looked_at_when_he_is() -> None:
    later, found = look(known(), None, NOW + 3 * HOUR)
    assert found is None
    assert later.look_at == NOW + 4 * HOUR


def test_who_is_quiet_for_longer_than_usual_is_looked_at_and_not_at_once_again() -> None:
    later, found = look(known(), None, NOW + 4 * HOUR)
    assert found is not None
    assert (found.since, found.expected, found.polled) == (NOW + SLACK, 4 * HOUR, False)
    assert later.look_at == NOW + 8 * HOUR


def test_whose_rhythm_nobody_knows_is_left_alone() -> None:
    later, found = look(known(samples=3), None, NOW + 1000 * HOUR)
    assert found is None
    assert (later.look_at or NOW) > NOW + 1000 * HOUR


def test_changes_that_go_unheard_are_polled_until_notifications_return() -> None:
    now = NOW + 4 * HOUR
    polled = learn(known(), unheard=3, now=now)
    assert (polled.polled_since, polled.look_at) == (now, now + POLL_EVERY)
    later, found = look(polled, None, now + POLL_EVERY)
    assert found is not None
    assert found.polled
    assert later.look_at == now + 2 * POLL_EVERY

    again = merge(later, "a", first=now + HOUR, last=now + HOUR, longest=timedelta(0), count=1)
    well, nothing = look(again, None, now + 2 * HOUR)
    assert (well.polled_since, nothing) == (None, None)


def test_a_look_that_finds_nothing_changes_nothing() -> None:
    assert learn(known(), unheard=0, now=NOW) == known()


def test_polling_ends_when_nothing_goes_unheard_for_a_day() -> None:
    polled = learn(known(), unheard=1, now=NOW)
    later, _ = look(polled, None, NOW + GIVE_UP_POLLING)
    assert later.polled_since is not None
    later, _ = look(polled, None, NOW + GIVE_UP_POLLING + HOUR)
    assert later.polled_since is None


@pytest.mark.parametrize(
    ("resource", "options", "judged"),
    [
        ("users/a/messages", "", True),
        ("users/a/messages?$select=subject", "", True),
        ("users/a/messages?$filter=isRead eq false", "", False),
        ("users/a/messages?$search=x", "", False),
        ("users/a/messages", "$filter=x", False),
        ("chats/getAllMessages", "", False),
        ("nothing/known", "", False),
    ],
)
def test_silence_is_judged_only_where_a_delta_tells_the_same(resource: str, options: str, *, judged: bool) -> None:
    assert can_be_judged(resource, options) is judged


# -- recording --------------------------------------------------------------------------------------------------------------


async def test_a_subscription_is_written_down_once_in_ten_minutes() -> None:
    store, clock = MemoryHeardStore(), Clock()
    recorder = HeardRecorder(store, clock)
    for second in range(0, 1800, 10):
        clock.now = NOW + timedelta(seconds=second)
        recorder.note("a", clock.now)
        recorder.note("b", clock.now)
        await recorder.flush()
    assert store.writes == 2 * 3
    assert store.rows["a"].samples == 1 + 2 * 60


async def test_what_could_not_be_written_is_written_later() -> None:
    outage, clock = Outage(away=True), Clock()
    store = MemoryHeardStore(outage=outage)
    recorder = HeardRecorder(store, clock)
    recorder.note("a", NOW)
    await recorder.flush()
    recorder.note("a", NOW + HOUR)
    outage.away = False
    clock.now = NOW + WRITE_EVERY
    await recorder.flush()

    assert (store.rows["a"].samples, store.rows["a"].longest, store.rows["a"].last) == (2, HOUR, NOW + HOUR)


async def test_two_processes_add_to_one_row() -> None:
    store, clock = MemoryHeardStore(), Clock()
    one, other = HeardRecorder(store, clock), HeardRecorder(store, clock)
    one.note("a", NOW)
    other.note("a", NOW - HOUR)
    await one.flush()
    await other.flush()
    assert (store.rows["a"].samples, store.rows["a"].last) == (2, NOW)


# -- looking after them -----------------------------------------------------------------------------------------------------


def declared(**watched: Watched) -> "dict[str, Watched]":
    return watched


async def test_only_what_is_due_is_read_and_a_second_review_finds_nothing() -> None:
    store, clock = MemoryHeardStore(), Clock()
    await store.write([known(name="quiet", look_at=NOW + HOUR), known(name="later", look_at=NOW + 99 * HOUR)])
    silence = Silence(store, clock)
    clock.now = NOW + 5 * HOUR
    find = declared(quiet=MAIL, later=MAIL).get
    review = await silence.review(find)

    assert [each.name for each in review.probe] == ["quiet"]
    assert review.poll == ()
    assert (await silence.review(find)).probe == ()


async def test_what_is_declared_no_more_is_forgotten() -> None:
    store, clock = MemoryHeardStore(), Clock()
    await store.write([known()])
    await Silence(store, clock).review(lambda _: None)
    assert store.rows == {}


async def test_who_was_never_heard_is_watched_if_his_rhythm_is_declared() -> None:
    store, clock = MemoryHeardStore(), Clock()
    silence = Silence(store, clock)
    for _ in range(2):
        await silence.watch({"a": NOW})
    clock.now = NOW + 2 * HOUR
    find = declared(a=replace(MAIL, quiet_after=HOUR)).get

    assert [each.name for each in (await silence.review(find)).probe] == ["a"]


async def test_from_silence_to_polling_and_back() -> None:
    store, clock = MemoryHeardStore(), Clock()
    silence, recorder = Silence(store, clock), HeardRecorder(store, clock)
    await store.write([known()])
    find = declared(a=MAIL).get
    clock.now = NOW + 5 * HOUR
    assert [each.name for each in (await silence.review(find)).probe] == ["a"]
    await silence.probed("a", unheard=0)
    assert await silence.polled() == []
    await silence.probed("a", unheard=2)
    assert [each["name"] for each in print_polled(await silence.polled())] == ["a"]
    clock.now += POLL_EVERY
    assert [each.name for each in (await silence.review(find)).poll] == ["a"]

    clock.now += timedelta(minutes=1)
    recorder.note("a", clock.now)
    await recorder.flush()
    clock.now += POLL_EVERY
    review = await silence.review(find)
    assert (review.probe, review.poll, await silence.polled()) == ((), (), [])
