"""What Graph says of a mailbox, as its owner is answered: pages that lead on, refusals in Graph's words, and nothing that breaks."""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from shared.answers import Answer
from shared.errors import (
    BadRequest,
    EarshotError,
    GraphApiError,
    GraphProtocolError,
    NotNow,
    SignInError,
    StorageError,
    Unauthorised,
    UserSignedOut,
)
from shared.mail_answers import (
    answer_delta,
    answer_folders,
    answer_message,
    answer_messages,
    answer_refusal,
    print_message,
)
from shared.mail_requests import read_token
from shared.token_sealing import Unreadable
from tests.strategies import JSON_VALUES

BASE = "https://graph.microsoft.com/v1.0/me/mailFolders('inbox')/messages"
MAIL = {
    "id": "m1",
    "subject": "Plans",
    "parentFolderId": "f1",
    "isRead": False,
    "@odata.etag": "x",
    "internetMessageId": "<i>",
}


def body(answer: Answer) -> Any:
    return json.loads(answer.body)


def test_a_message_has_graphs_names_and_its_folder() -> None:
    assert print_message(MAIL) == {
        "id": "m1",
        "subject": "Plans",
        "parentFolderId": "f1",
        "isRead": False,
        "folder": "f1",
    }


def test_what_graph_does_not_say_is_not_made_up() -> None:
    assert print_message({"id": "m1", "isRead": True}) == {"id": "m1", "isRead": True}


def test_a_page_leads_on_until_its_end() -> None:
    first = body(answer_messages({"value": [MAIL], "@odata.nextLink": f"{BASE}?$skip=1"}))
    last = body(answer_messages({"value": []}))

    assert read_token(first["skipToken"]) == {"$skip": "1"}
    assert last == {"messages": []}


def test_a_delta_tells_what_is_there_and_what_has_left() -> None:
    gone = {"id": "m2", "@removed": {"reason": "deleted"}}
    more = body(answer_delta({"value": [MAIL, gone], "@odata.nextLink": f"{BASE}/delta?$skiptoken=a"}))
    end = body(answer_delta({"value": [], "@odata.deltaLink": f"{BASE}/delta?$deltatoken=b"}))

    assert ([each["id"] for each in more["messages"]], more["removed"], more["more"]) == (["m1"], ["m2"], True)
    assert (read_token(more["token"]), read_token(end["token"])) == ({"$skiptoken": "a"}, {"$deltatoken": "b"})
    assert end["more"] is False


def test_folders_have_the_roles_that_are_known() -> None:
    folders = {"value": [{"id": "f1", "displayName": "Posteingang", "unreadItemCount": 2}, {"id": "f2"}, 5]}

    assert body(answer_folders(folders, {"f1": "inbox"}))["folders"] == [
        {"id": "f1", "displayName": "Posteingang", "unreadItemCount": 2, "role": "inbox"},
        {"id": "f2", "role": None},
    ]


@given(JSON_VALUES)
def test_any_answer_of_graphs_is_passed_on_or_is_none(value: Any) -> None:
    page = value if isinstance(value, dict) else {"value": value, "@odata.nextLink": value, "@odata.deltaLink": value}
    for answer in (answer_messages, answer_delta, answer_message, lambda told: answer_folders(told, {})):
        with suppress(GraphProtocolError):
            answer(page)


def refused(status: int, code: str = "ErrorX", message: str = "In Graph's words.", **more: Any) -> GraphApiError:
    return GraphApiError("GET /me/messages/secret", status=status, code=code, message=message, **more)


REFUSALS: dict[str, tuple[EarshotError, int, str]] = {
    "not connected": (UserSignedOut("they have left"), 409, "NotConnected"),
    "the authority is away": (SignInError("t", status=0), 503, "ServiceUnavailable"),
    "a key that is gone": (Unreadable(), 503, "ServiceUnavailable"),
    "Graph is away": (refused(0), 503, "GraphUnavailable"),
    "Graph is ill": (refused(502), 503, "GraphUnavailable"),
    "Graph does not take our token": (refused(401), 503, "GraphUnavailable"),
    "a bad request": (refused(400), 400, "ErrorX"),
    "forbidden": (refused(403, "ErrorAccessDenied"), 403, "ErrorAccessDenied"),
    "not there": (refused(404, "ErrorItemNotFound"), 404, "ErrorItemNotFound"),
    "a conflict": (refused(409), 409, "ErrorX"),
    "changed meanwhile": (refused(412), 412, "ErrorX"),
    "too large": (refused(413), 413, "ErrorX"),
    "too much has happened": (refused(410, "SyncStateNotFound"), 410, "ResyncRequired"),
    "the same with another status": (refused(404, "resyncRequired"), 410, "ResyncRequired"),
    "too many": (refused(429, "TooManyRequests"), 429, "TooManyRequests"),
    "no answer of Graph's": (GraphProtocolError("odd"), 502, "BadGateway"),
    "nonsense": (BadRequest("top is a number"), 400, "BadRequest"),
    "a stranger": (Unauthorised(), 401, "Unauthorized"),
    "no keys": (NotNow("later"), 503, "ServiceUnavailable"),
    "no storage": (StorageError("away"), 503, "ServiceUnavailable"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_reaches_its_owner_with_a_sensible_status(case: str) -> None:
    problem, status, code = REFUSALS[case]
    answer = answer_refusal(problem)

    assert (answer.status, body(answer)["error"]["code"]) == (status, code)
    assert body(answer)["error"]["message"]
    assert "/me/messages/secret" not in answer.body.decode()


def test_graphs_own_words_reach_whoever_asked() -> None:
    assert body(answer_refusal(refused(403)))["error"]["message"] == "In Graph's words."


@pytest.mark.parametrize(
    ("problem", "seconds"),
    [(refused(429, retry_after=timedelta(seconds=7)), "7"), (refused(429), "10"), (refused(503), "10")],
)
def test_who_has_to_wait_is_told_how_long(problem: GraphApiError, seconds: str) -> None:
    assert answer_refusal(problem).headers["Retry-After"] == seconds


def test_what_depends_on_who_asks_is_kept_by_nobody_else() -> None:
    for answer in (answer_message(MAIL), answer_messages({"value": []}), answer_refusal(refused(404))):
        assert "private" in answer.headers["Cache-Control"]
