"""The states that a host gets into by answering late, as a table of answers and moments."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.delivery.health import ENOUGH_ANSWERS, SAMPLES, WINDOW_SECONDS, Admission, Health, State

FAST, SLOW, LOST = 0.1, 3.0, 10.0
HOST = "receiver.example"


def answered(*groups: tuple[int, float], at: float = 0.0) -> Health:
    """A host that answered so many times, each after so many seconds."""
    health = Health()
    for count, seconds in groups:
        for _ in range(count):
            health.answered(HOST, seconds, at)
    return health


def state(health: Health) -> State:
    return health.hosts[HOST].state


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([(100, FAST)], State.WELL),
        ([(ENOUGH_ANSWERS - 1, LOST)], State.WELL),
        ([(ENOUGH_ANSWERS, SLOW)], State.SLOW),
        ([(ENOUGH_ANSWERS, LOST)], State.DROP),
        ([(90, FAST), (10, SLOW)], State.WELL),
        ([(90, FAST), (11, SLOW)], State.SLOW),
        ([(85, FAST), (15, LOST)], State.SLOW),
        ([(80, FAST), (20, LOST)], State.SLOW),
        ([(90, FAST), (10, 2.999)], State.WELL),
        ([(90, FAST), (20, 9.999)], State.SLOW),
    ],
)
def test_a_tenth_of_late_answers_makes_a_host_slow_and_many_that_never_came_drop_it(
    groups: list[tuple[int, float]], expected: State
) -> None:
    assert state(answered(*groups)) is expected


def test_a_slow_host_whose_answers_stay_away_is_dropped() -> None:
    health = answered((ENOUGH_ANSWERS, SLOW))
    for _ in range(ENOUGH_ANSWERS):
        health.answered(HOST, LOST, 1.0)
    assert state(health) is State.DROP


def test_what_happened_in_an_earlier_window_is_forgotten() -> None:
    health = answered((ENOUGH_ANSWERS - 1, SLOW))
    for _ in range(ENOUGH_ANSWERS):
        health.answered(HOST, FAST, WINDOW_SECONDS)
    assert state(health) is State.WELL


@pytest.mark.parametrize(
    ("seconds", "before", "slow_answers", "leaves"),
    [
        (SLOW, Admission.LATER, 0, True),
        (SLOW, Admission.LATER, 1, False),
        (LOST, Admission.NEVER, 0, True),
        (LOST, Admission.NEVER, 1, False),
    ],
)
def test_after_ten_minutes_a_few_live_sends_decide_whether_it_goes_on(
    seconds: float, before: Admission, slow_answers: int, *, leaves: bool
) -> None:
    health = answered((ENOUGH_ANSWERS, seconds))
    entered = state(health)
    assert health.admit(HOST, WINDOW_SECONDS - 1) is before
    samples = [health.admit(HOST, WINDOW_SECONDS + 1) for _ in range(SAMPLES)]
    assert samples == [Admission.SAMPLE] * SAMPLES
    assert health.admit(HOST, WINDOW_SECONDS + 1) is before
    for number in range(SAMPLES):
        health.answered(HOST, SLOW if number < slow_answers else FAST, WINDOW_SECONDS + 2, sample=True)
    assert state(health) is (State.WELL if leaves else entered)
    assert health.admit(HOST, WINDOW_SECONDS + 3) is (Admission.NOW if leaves else before)


def test_samples_that_never_came_to_an_answer_are_made_up_for() -> None:
    health = answered((ENOUGH_ANSWERS, LOST))
    for _ in range(SAMPLES):
        health.admit(HOST, WINDOW_SECONDS)
    assert health.admit(HOST, WINDOW_SECONDS + 1) is Admission.NEVER
    assert health.admit(HOST, 2 * WINDOW_SECONDS) is Admission.SAMPLE


def test_one_host_does_not_suffer_for_another() -> None:
    health = answered((ENOUGH_ANSWERS, LOST))
    assert health.admit("other.example", 0.0) is Admission.NOW
    assert health.printed(60.0)[HOST]["state"] == "drop"
    assert health.printed(60.0)[HOST]["seconds"] == 60


@given(st.lists(st.tuples(st.sampled_from([FAST, SLOW, LOST]), st.floats(0, 700)), max_size=200))
def test_a_host_that_answers_well_again_gets_well_whatever_it_did_before(story: Iterable[tuple[float, float]]) -> None:
    health, at = Health(), 0.0
    for seconds, passed in story:
        at += passed
        if health.admit(HOST, at) is not Admission.NEVER:
            health.answered(HOST, seconds, at)
    for _ in range(3 * SAMPLES):
        at += WINDOW_SECONDS
        admission = health.admit(HOST, at)
        if admission in {Admission.NOW, Admission.SAMPLE}:
            health.answered(HOST, FAST, at, sample=admission is Admission.SAMPLE)
    assert health.admit(HOST, at) is Admission.NOW
