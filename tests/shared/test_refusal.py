"""What Graph's refusals mean for subscriptions."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GraphApiError
from shared.graph.client_state import mint_client_state
from shared.graph.refusal import ANYTHING, QUOTA_PAUSE, ROWS, VALIDATION_PAUSES, Row, _find, read_refusal

POST, PATCH, DELETE, GET = (f"{method} /subscriptions" for method in ("POST", "PATCH", "DELETE", "GET"))
USER = "8c1e9b2a-0000-4000-8000-00000000beef@7e4a0000-0000-4000-8000-000000007e4a"
HUB_SECRET = "EventHub:https://contoso.vault.azure.net/secrets/hub?tenantId=contoso.com"
HUB = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
PUBLISHING = "Client EventHubs publishing validation failed"
STATE = mint_client_state(b"k" * 32, tenant_id="t", delivery="webhook", name="teams~0a1b", generation=7)


def _error(
    status: int, message: str = "", *, code: str = "", retry_after: timedelta | None = None, what: str = POST
) -> GraphApiError:
    return GraphApiError(what, status=status, code=code, message=message, retry_after=retry_after)


def _wrapped(operation: str, status: str, reason: str) -> str:
    return f"Operation: {operation}; Exception: [Status Code: {status}; Reason: {reason}]"


SEEN = (
    # in the order of the table, one for each row, in the words that people were given
    _error(404, _wrapped("Delete", "NotFound", f"The requested user '{USER}' is invalid."), what=DELETE),
    _error(503, "Operation: Delete; Exception: [A task was canceled.]", code="ExtensionError", what=DELETE),
    _error(
        429,
        _wrapped(
            "Create",
            "429",
            "Resource 'SubscriptionCountReached' has reached limit of '1000'. "
            "Please retry after '12/31/9999 11:59:59 PM'",
        ),
        code="ExtensionError",
    ),
    _error(
        403,
        _wrapped("Create", "Forbidden", "App 'a-b' has reached its limit of '1' 'CHATS' subscription on tenant 't-u'"),
        code="ExtensionError",
    ),
    _error(
        403, _wrapped("Create", "Forbidden", "Maximum number of subscriptions has been reached"), code="ExtensionError"
    ),
    _error(
        404, _wrapped("Create", "NotFound", "REST API is not yet supported for this mailbox."), code="ExtensionError"
    ),
    _error(
        409,
        "Subscription Id 5f3c1a64-0000-4000-8000-000000000001 already exists for the requested combination",
        code="ObjectIdentifierInUse",
    ),
    _error(
        400,
        _wrapped(
            "Create", "Conflict", "A subscripton already exists. It must be deleted before a another can be made."
        ),
        code="ExtensionError",
    ),
    _error(
        503,
        _wrapped(
            "Create",
            "ServiceUnavailable",
            "Target resource '0003-ca' hosted on database '8d02' is currently on backend 'Unknown'",
        ),
        code="ExtensionError",
    ),
    _error(400, "Subscription validation request timed out.", code="InvalidRequest"),
    _error(400, "Invalid blob store url='https://contoso.vault.azure.net/secrets/store?tenantId=contoso.com'."),
    _error(400, f"{PUBLISHING} Ip has been prevented to connect to the endpoint. condition: amqp:unauthorized-access"),
    _error(400, f"{PUBLISHING} Unauthorized access. 'Send' claim(s) are required to perform this operation."),
    _error(400, f"{PUBLISHING} The messaging entity 'sb://contoso.servicebus.windows.net/x' could not be found."),
    _error(400, f"{PUBLISHING} Object reference not set to an instance of an object.", code="InvalidRequest"),
    _error(400, f"Invalid event hub notification url='{HUB_SECRET}'.", code="InvalidRequest"),
    _error(400, f"Invalid event hub notification url='{HUB}'.", code="InvalidRequest"),
    _error(400, "Subscription expiration can only be 4230 minutes in the future.", code="ExtensionError"),
    _error(400, "Certificate validation error: Cannot find the requested object.", code="InvalidRequest"),
    _error(400, "Exchange workload is not enabled for rich notifications", code="InvalidRequest"),
    _error(
        400,
        "The body must contain either 'expirationDateTime' or 'notificationUrl'.",
        code="InvalidRequest",
        what=PATCH,
    ),
    _error(400, "Something else entirely.", code="BadRequest"),
    _error(401, "Access token has expired or is not yet valid.", code="InvalidAuthenticationToken"),
    _error(403, "Insufficient privileges to complete the operation.", code="Authorization_RequestDenied"),
    _error(404, "The object was not found.", code="ResourceNotFound", what=PATCH),
    _error(404, "Resource not found for the segment 'teems'.", code="ResourceNotFound"),
    _error(409, "Conflict", code="Conflict"),
    _error(429, "Please retry again later.", code="TooManyRequests", retry_after=timedelta(seconds=30)),
    _error(0, "ReadTimeout"),
    _error(500, "An internal server error occurred.", code="InternalServerError"),
    _error(412, "The resource has changed.", code="PreconditionFailed"),
    _error(302),
)

RESEMBLING = (
    (_error(404, "The object was not found.", code="ResourceNotFound", what=DELETE), "gone", "done"),
    (_error(410, what=DELETE), "gone", "done"),
    (_error(0, "ConnectionError", what=DELETE), "unsure", "look"),
    (_error(404, _wrapped("Update", "NotFound", f"The requested user '{USER}' is invalid."), what=PATCH), "mailbox-gone", "report"),
    (_error(500, "There was an error processing a storage extension.", code="ExtensionError", what=GET), "unavailable", "again"),
    (_error(500, _wrapped("Create", "InternalServerError", "Request has been quarantined by condition.")), "unavailable", "again"),
    (
        _error(
            400,
            "Subscription validation request failed. HTTP status code is 'InternalServerError'. "
            "Notification endpoint must respond with 200 OK to validation request.",
            code="ValidationError",
        ),
        "validation",
        "again",
    ),
    (_error(400, "Client EventHubs publishing validation failed Object reference not set"), "event-hub", "again"),
    (_error(400, _wrapped("Create", "BadRequest", "Expiration is beyond the allowed maximum of 3.00:00:00")), "request", "report"),
    (_error(400, "lifecycleNotificationUrl is a required property for subscription creation on this resource"), "request", "report"),
    (_error(403, _wrapped("Create", "Forbidden", "Forbidden"), code="ExtensionError"), "permission", "report"),
    (_error(409, "Subscription Id 99999999-9999-4999-8999-999999999999 already exists"), "conflict", "look"),
    (_error(404, "/users/99999999-9999-4999-8999-999999999999/messages", what=PATCH), "gone", "recreate"),
    (_error(504, retry_after=timedelta(seconds=9)), "unavailable", "again"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "seen"), list(zip(ROWS, SEEN, strict=True)), ids=lambda each: getattr(each, "kind", None)
)
def test_each_row_of_the_table_is_met_by_what_people_saw(row: Row, seen: GraphApiError) -> None:
    found, means = _find(seen)
    refusal = read_refusal(seen, attempts=1)

    assert found is row
    assert (refusal.kind, refusal.then, refusal.definite) == (row.kind, row.then, row.definite)
    assert refusal.problem.endswith(means)
    assert "{" not in means
    assert seen.message[:80] in refusal.problem


@pytest.mark.parametrize("row", [*ROWS, ANYTHING], ids=lambda row: row.kind)
def test_each_row_names_a_public_source(row: Row) -> None:
    assert row.source.startswith(("https://learn.microsoft.com/", "https://github.com/", "https://stackoverflow.com/")) or (
    row.source.startswith("https://techcommunity.microsoft.com/")
    )  # fmt: skip


@pytest.mark.parametrize("row", [*ROWS, ANYTHING], ids=lambda row: row.kind)
def test_each_row_either_waits_more_than_nothing_or_sets_nobody_to_work(row: Row) -> None:
    waits = [row.wait(_error(400), attempt) for attempt in range(1, 9)]

    assert all(timedelta(0) < wait <= timedelta(hours=1) for wait in waits)
    assert row.then != "look" or not row.definite or row.kind == "conflict"


@pytest.mark.parametrize(("error", "kind", "then"), RESEMBLING)
def test_what_resembles_a_row_is_told_from_it(error: GraphApiError, kind: str, then: str) -> None:
    refusal = read_refusal(error, attempts=1)

    assert (refusal.kind, refusal.then) == (kind, then)


def test_a_failed_validation_is_tried_five_times_and_then_given_up_for_an_hour() -> None:
    waits = [read_refusal(_error(400), attempts=attempt).wait for attempt in range(1, 6)]

    assert waits == [*VALIDATION_PAUSES, timedelta(hours=1)]
    assert all(timedelta(seconds=5) <= wait <= timedelta(seconds=60) for wait in waits[:-1])


@pytest.mark.parametrize(
    "error",
    [
        _error(403, "App 'a' has reached its limit of '1' 'CHATMESSAGE' subscription on tenant 't'"),
        _error(429, "SubscriptionCountReached: limit of '1000'; retry after 12/31/9999", code="ExtensionError"),
        _error(403, "Maximum number of subscriptions has been reached"),
    ],
)
def test_a_quota_is_said_and_waited_for(error: GraphApiError) -> None:
    refusal = read_refusal(error, attempts=1)

    assert refusal.wait == QUOTA_PAUSE
    assert error.message in refusal.problem
    assert "quota" in refusal.problem


def test_a_quota_is_asked_for_twice_in_25_minutes_at_most_however_often_it_was_tried() -> None:
    waits = [read_refusal(SEEN[3], attempts=attempt).wait for attempt in range(1, 20)]

    assert set(waits) == {timedelta(minutes=25)}


def test_a_quota_says_which_one_even_where_graph_says_much() -> None:
    long = _error(403, f"{'x' * 300} limit of '1' 'USERS/U/CHATS/GETALLMESSAGES' subscription on tenant 't'")

    assert "the quota of 1 for USERS/U/CHATS/GETALLMESSAGES is used up" in read_refusal(long, attempts=1).problem


def test_an_hour_in_the_year_9999_is_not_waited_for_but_read_as_a_quota() -> None:
    refusal = read_refusal(SEEN[2], attempts=1)

    assert (refusal.kind, refusal.wait) == ("quota", QUOTA_PAUSE)
    assert "1000 subscriptions to this mailbox" in refusal.problem


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


@pytest.mark.parametrize(
    ("status", "definite"), [(400, True), (403, True), (408, False), (0, False), (500, False), (200, False)]
)
def test_only_a_definite_no_leaves_nothing_behind(status: int, *, definite: bool) -> None:
    assert read_refusal(_error(status), attempts=1).definite is definite


HUB_MISTAKES = {
    PUBLISHING: ("Data Sender", "public networks", "misspelt", "EntityPath"),
    f"{PUBLISHING} Unauthorized": ("0bf30f3b-4a52-48df-9a82-234910c4a086", "Data Sender", "some minutes"),
    f"{PUBLISHING} Ip has been prevented to connect": ("trusted services", "public networks"),
    f"{PUBLISHING} No such host is known": ("misspelt",),
    f"Invalid event hub notification url='{HUB}'.": ("Data Sender", "?tenantId=", "misspelt", "public networks", "incident"),
    f"Invalid event hub notification url='{HUB_SECRET}'.": ("Key Vault Secrets User", "?tenantId=", "public networks", "misspelt"),
    "Invalid blob store url='https://v/secrets/s'.": ("Key Vault Secrets User", "microsoft-graph-change-notifications"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "words"), HUB_MISTAKES.items())
def test_a_hub_s_usual_mistakes_are_named_in_the_order_of_likelihood_with_a_way_to_find_out(
    said: str, words: tuple[str, ...]
) -> None:
    error = _error(400, said, code="InvalidRequest")
    refusal, (_, means) = read_refusal(error, attempts=1), _find(error)

    assert refusal.kind == "event-hub"
    places = [means.index(each) for each in words]
    assert places == sorted(places)
    assert "/api/manage/event-hub" in refusal.problem
    assert "python -m local hub-check" in refusal.problem


def test_a_hub_is_tried_five_times_and_then_every_quarter_of_an_hour_for_ever() -> None:
    waits = [read_refusal(_error(400, PUBLISHING), attempts=attempt).wait for attempt in (1, 2, 3, 4, 5, 6, 500)]

    assert waits == [*VALIDATION_PAUSES, *[timedelta(minutes=15)] * 3]


def test_a_key_that_graph_repeats_is_not_repeated_by_us() -> None:
    said = "failed for Endpoint=sb://c/;SharedAccessKeyName=graph;SharedAccessKey=c2VjcmV0;EntityPath=hub and sr=x&sig=c2VjcmV0&se=1"

    problem = read_refusal(_error(400, f"{PUBLISHING} {said}"), attempts=1).problem

    assert "c2VjcmV0" not in problem
    assert "SharedAccessKeyName=graph" in problem


@pytest.mark.parametrize("cut", [0, 1, 20, 60, 200])
def test_a_client_state_that_graph_repeats_is_not_repeated_by_us(cut: int) -> None:
    """Also where the text was cut in the middle of it."""
    said = f"{'x' * cut} clientState {STATE} is odd"

    for length in range(len(said) + 1):
        problem = read_refusal(_error(400, said[:length]), attempts=1).problem
        assert STATE.rpartition(".")[2][:6] not in problem


WORDS = st.sampled_from(
    [
        STATE,
        "validation request failed",
        "limit of '1' 'X' subscription",
        "9999-12-31",
        "already exists",
        "{limit}",
        "'",
    ]
)
TEXTS = st.lists(st.text(max_size=120) | WORDS, max_size=6).map(" ".join)
ERRORS = st.builds(
    GraphApiError,
    st.sampled_from([POST, PATCH, DELETE, GET, "", "anything"]),
    status=st.integers(-1, 999),
    code=TEXTS,
    message=TEXTS,
    request_id=st.text(max_size=40),
    retry_after=st.none() | st.timedeltas(),
)


@given(ERRORS, st.integers(min_value=0, max_value=10**6))
def test_whatever_graph_says_is_waited_for_and_said_without_a_secret(error: GraphApiError, attempts: int) -> None:
    refusal = read_refusal(error, attempts=attempts)

    assert timedelta(0) < refusal.wait <= timedelta(hours=1)
    assert 0 < len(refusal.problem) <= 1_000
    assert STATE not in refusal.problem
    assert STATE.rpartition(".")[2][:12] not in refusal.problem
