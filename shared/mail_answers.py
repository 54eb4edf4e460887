"""What Graph says of a mailbox, turned into what its owner is answered: messages, folders, pages, and refusals in their own words. Pure."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from shared.answers import PRIVATE, Answer, answer_error, answer_json, answer_problem
from shared.errors import EarshotError, GraphApiError, GraphProtocolError, SignInError, UserSignedOut
from shared.graph.delta_page import has_lost_its_state, read_page
from shared.mail_requests import WHOLE, write_token

_FOLDER: Final = ("id", "displayName", "parentFolderId", "totalItemCount", "unreadItemCount")
_THEIRS: Final = frozenset({400, 403, 404, 405, 409, 412, 413, 422})
"""Refusals that say something about what was asked for, and are passed on as they are."""
_TOO_MANY: Final = 429
_LATER: Final = timedelta(seconds=10)
_AWAY: Final = "Microsoft 365 does not answer right now: nothing was lost, try again in a moment"
_NOT_NOW: Final = "we cannot act for you right now: try again in a minute"


def print_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Write a message for its owner: Graph's own names, as far as Graph said something, and ``folder`` for where it is."""
    shown = {name: message[name] for name in WHOLE if name in message}
    return shown | ({"folder": shown["parentFolderId"]} if shown.get("parentFolderId") else {})


def answer_messages(page: Mapping[str, Any]) -> Answer:
    """Answer with a page of a folder. Raises GraphProtocolError for what is none."""
    listed = read_page(page, delta=False)
    body: dict[str, Any] = {"messages": [print_message(item.content) for item in listed.items]}
    if page.get("@odata.nextLink") is not None:
        body["skipToken"] = write_token(page["@odata.nextLink"])
    return answer_json(200, body, PRIVATE)


def answer_delta(page: Mapping[str, Any]) -> Answer:
    """Answer with what has changed: messages, ids that left the folder, and where to go on. Raises GraphProtocolError for what is none.

    ``more`` says that this is not all yet; with it or without, ``token`` is what to come back with.
    """
    told = read_page(page)
    more = page.get("@odata.nextLink") is not None
    body = {
        "messages": [print_message(item.content) for item in told.items if "@removed" not in item.content],
        "removed": [item.id for item in told.items if "@removed" in item.content],
        "token": write_token(page["@odata.nextLink"] if more else page.get("@odata.deltaLink")),
        "more": more,
    }
    return answer_json(200, body, PRIVATE)


def answer_message(message: Mapping[str, Any]) -> Answer:
    """Answer with one message. Raises GraphProtocolError for what is none."""
    if not isinstance(message.get("id"), str):
        raise GraphProtocolError("a message has no id")
    return answer_json(200, print_message(message), PRIVATE)


def answer_folders(listed: Mapping[str, Any], roles: Mapping[str, str]) -> Answer:
    """Answer with folders; ``roles`` are by folder id. Raises GraphProtocolError for what is no list of them."""
    values = listed.get("value")
    if not isinstance(values, list):
        raise GraphProtocolError("a list of folders has no value")
    folders: Sequence[Mapping[str, Any]] = [
        each for each in values if isinstance(each, dict) and isinstance(each.get("id"), str)
    ]
    shown = [
        {name: each[name] for name in _FOLDER if name in each} | {"role": roles.get(each["id"])} for each in folders
    ]
    return answer_json(200, {"folders": shown}, PRIVATE)


def answer_done(status: int, *, repeated: bool = False) -> Answer:
    """Answer that something is done, or was the first time that it was asked for."""
    return answer_json(status, {"done": True} | ({"repeated": True} if repeated else {}), PRIVATE)


def answer_refusal(problem: EarshotError) -> Answer:  # noqa: PLR0911 - a row each
    """Answer why something was not done, so that its owner can tell what to do. What it says stays between them: it is not for the log."""
    if isinstance(problem, UserSignedOut):
        return answer_error(409, "NotConnected", f"connect your mailbox: {problem.message}", PRIVATE)
    if isinstance(problem, SignInError):
        return answer_error(503, "ServiceUnavailable", _NOT_NOW, _retry(_LATER))
    if isinstance(problem, GraphProtocolError):
        return answer_error(502, "BadGateway", "Microsoft 365 answered something that we do not understand", PRIVATE)
    if not isinstance(problem, GraphApiError):
        return answer_problem(problem)
    if has_lost_its_state(problem) and problem.status != 400:  # noqa: PLR2004 - which says what is wrong itself
        return answer_error(410, "ResyncRequired", "too much has happened since: begin without a token", PRIVATE)
    if problem.status == _TOO_MANY:
        after = problem.retry_after or _LATER
        return answer_error(429, problem.code or "TooManyRequests", _said(problem), _retry(after))
    if problem.status in _THEIRS:
        return answer_error(problem.status, problem.code or "Refused", _said(problem), PRIVATE)
    return answer_error(503, "GraphUnavailable", _AWAY, _retry(problem.retry_after or _LATER))


def _said(problem: GraphApiError) -> str:
    return problem.message or f"Microsoft 365 answered {problem.status}"


def _retry(after: timedelta) -> dict[str, str]:
    seconds = max(1, round(after.total_seconds()))
    return {**PRIVATE, "Retry-After": str(seconds)}
