"""What Graph's refusals mean for subscriptions."""

from datetime import timedelta

import pytest

from shared.errors import GraphApiError
from shared.graph.client_state import mint_client_state
from shared.graph.refusal import QUOTA_PAUSE, VALIDATION_PAUSES, read_refusal


def _error(status: int, message: str = "", *, code: str = "", retry_after: timedelta | None = None) -> GraphApiError:
    return GraphApiError("POST /subscriptions", status=status, code=code, message=message, retry_after=retry_after)


def test_a_failed_validation_is_tried_five_times_and_then_given_up_for_an_hour() -> None:
    waits = [read_refusal(_error(400), attempts=attempt).wait for attempt in range(1, 6)]

    assert waits == [*VALIDATION_PAUSES, timedelta(hours=1)]
    assert all(timedelta(seconds=5) <= wait <= timedelta(seconds=60) for wait in waits[:-1])


@pytest.mark.parametrize(
    "error",
    [
        _error(403, "App 'a' has reached its limit of '1' 'CHATMESSAGE' subscription on tenant 't'"),
        _error(429, "SubscriptionCountReached: limit of '1000'; retry after 12/31/9999", code="ExtensionError"),
    ],
)
def test_a_quota_is_said_and_waited_for(error: GraphApiError) -> None:
    refusal = read_refusal(error, attempts=1)

    assert refusal.wait == QUOTA_PAUSE
    assert error.message in refusal.problem
    assert "quota" in refusal.problem


def test_a_missing_permission_is_no_quota() -> None:
    refusal = read_refusal(_error(403, "Insufficient privileges", code="Authorization_RequestDenied"), attempts=1)

    assert "permission" in refusal.problem
    assert refusal.wait == timedelta(minutes=15)


@pytest.mark.parametrize("status", [429, 503, 504])
def test_throttling_is_waited_out_exactly(status: int) -> None:
    refusal = read_refusal(_error(status, retry_after=timedelta(seconds=17)), attempts=1)

    assert refusal.wait == timedelta(seconds=17)


def test_without_a_hint_the_pause_doubles_up_to_a_quarter_of_an_hour() -> None:
    waits = [read_refusal(_error(500), attempts=attempt).wait.total_seconds() for attempt in (1, 2, 3, 20, 10_000)]

    assert waits == [15, 30, 60, 900, 900]


@pytest.mark.parametrize(("status", "definite"), [(400, True), (403, True), (408, False), (0, False), (500, False)])
def test_only_a_definite_no_leaves_nothing_behind(status: int, *, definite: bool) -> None:
    assert read_refusal(_error(status), attempts=1).definite is definite


def test_a_client_state_that_graph_repeats_is_not_repeated_by_us() -> None:
    state = mint_client_state(b"k" * 32, tenant_id="t", delivery="webhook", name="teams", generation=7)

    assert state not in read_refusal(_error(400, f"clientState {state} is odd"), attempts=1).problem
