"""What people ask of their own mailbox, read and turned into what Graph is asked for. Pure.

Every path begins at ``me``: whose mailbox it is, the token alone decides, and nothing that anybody sends can name another. Ids are
those that survive a move, as in the notifications.
https://learn.microsoft.com/graph/api/resources/message (2026-04)
https://learn.microsoft.com/graph/outlook-immutable-id (2026-03)
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from shared.errors import BadRequest, GraphProtocolError
from shared.graph.links import relative_path
from shared.graph.subscription import id_headers
from shared.graph.timestamp import write_timestamp

DEFAULT_TOP: Final = 25
LARGEST_TOP: Final = 100
LONGEST_ID: Final = 512
LONGEST_COMMENT: Final = 100_000
LONGEST_TOKEN: Final = 6_144
"""It has to fit into a request's first line, which web servers let have 8 KB."""
LONGEST_KEY: Final = 200
REACH: Final = timedelta(days=30)
"""How far back a mailbox is brought up to date at first; what is older is paged through where somebody looks at it."""

INBOX: Final = "inbox"
ROLES: Final = ("inbox", "drafts", "sentitems", "deleteditems", "archive", "junkemail")
"""Folders that Graph knows by name as well as by id, in whatever language a mailbox shows them.
https://learn.microsoft.com/graph/api/resources/mailfolder"""

LISTED: Final = (
    "id",
    "subject",
    "from",
    "toRecipients",
    "ccRecipients",
    "receivedDateTime",
    "sentDateTime",
    "bodyPreview",
    "isRead",
    "isDraft",
    "hasAttachments",
    "importance",
    "conversationId",
    "parentFolderId",
    "flag",
)
WHOLE: Final = (*LISTED, "bccRecipients", "replyTo", "body", "webLink")

_ID: Final = re.compile(rf"[A-Za-z0-9_=+-]{{1,{LONGEST_ID}}}")
_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")
_CARRIED: Final = frozenset({"$skip", "$skiptoken", "$deltatoken", "$select", "$top", "$filter", "$orderby"})
_PAGE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to Graph."""

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What somebody answers."""

    comment: str = field(repr=False)
    everybody: bool = False


def ask_folders() -> Ask:
    """Ask for the folders at the top of a mailbox."""
    query = {"$top": "100", "$select": "id,displayName,parentFolderId,totalItemCount,unreadItemCount"}
    return _get(f"/me/mailFolders?{_query(query)}")


def ask_role(role: str) -> Ask:
    """Ask which folder has a role."""
    return _get(f"/me/mailFolders/{role}?$select=id")


def ask_messages(query: Mapping[str, str]) -> Ask:
    """Ask for a page of a folder, the newest first. Raises BadRequest."""
    folder, top = read_folder(query), _read_top(query)
    if token := query.get("skipToken", ""):
        return _get(f"{_messages(folder)}?{_query(read_token(token))}")
    options = {"$top": str(top), "$orderby": "receivedDateTime desc", "$select": ",".join(LISTED)}
    return _get(f"{_messages(folder)}?{_query(options)}")


def ask_delta(query: Mapping[str, str], *, now: datetime) -> Ask:
    """Ask what has changed in a folder since a token, without one what there is of the last month. Raises BadRequest."""
    folder = read_folder(query)
    options: Mapping[str, str]
    if token := query.get("token", ""):
        options = read_token(token)
    else:
        since = write_timestamp((now - REACH).replace(microsecond=0))
        options = {"$select": ",".join(LISTED), "$filter": f"receivedDateTime ge {since}"}
    headers = {"Prefer": ", ".join([*id_headers(immutable_ids=True).values(), f"odata.maxpagesize={_PAGE}"])}
    return Ask(method="GET", path=f"{_messages(folder)}/delta?{_query(options)}", headers=headers)


def ask_message(message: str) -> Ask:
    """Ask for one message with its body. Raises BadRequest."""
    return _get(f"{_message(message)}?$select={','.join(WHOLE)}")


def ask_whether_draft(message: str) -> Ask:
    """Ask whether something still waits to be sent."""
    return _get(f"{_message(message)}?$select=id,isDraft")


def ask_mark(message: str, body: bytes) -> Ask:
    """Mark a message as read, or as unread where ``isRead`` is false. Raises BadRequest."""
    told = _read_object(body)
    is_read = told.get("isRead", True)
    if type(is_read) is not bool:
        raise BadRequest("isRead is true or false")
    return _do("PATCH", _message(message), {"isRead": is_read})


def ask_move(message: str, body: bytes) -> Ask:
    """Put a message into another folder. Raises BadRequest."""
    told = _read_object(body)
    destination = told.get("folder")
    if not isinstance(destination, str) or not _ID.fullmatch(destination):
        raise BadRequest("folder is a folder's id, or a name such as archive or deleteditems")
    return _do("POST", f"{_message(message)}/move", {"destinationId": destination})


def ask_delete(message: str) -> Ask:
    """Delete a message, as Graph does: it can be recovered for a while. Raises BadRequest."""
    return _do("DELETE", _message(message))


def ask_draft_of_reply(message: str, reply: Reply) -> Ask:
    """Have an answer drafted. Raises BadRequest."""
    action = "createReplyAll" if reply.everybody else "createReply"
    return _do("POST", f"{_message(message)}/{action}", {"comment": reply.comment})


def ask_send(draft: str) -> Ask:
    """Send what was drafted."""
    return _do("POST", f"{_message(draft)}/send")


def read_reply(body: bytes) -> Reply:
    """Read what somebody answers. Raises BadRequest."""
    told = _read_object(body)
    comment, everybody = told.get("comment"), told.get("all", False)
    if not isinstance(comment, str) or not comment.strip() or len(comment) > LONGEST_COMMENT:
        raise BadRequest(f"comment is a text of 1 to {LONGEST_COMMENT} characters")
    if type(everybody) is not bool:
        raise BadRequest("all is true or false")
    try:
        comment.encode()
    except UnicodeEncodeError as problem:
        raise BadRequest("comment has half a character in it") from problem
    return Reply(comment=comment, everybody=everybody)


def read_key(headers: Mapping[str, str]) -> str:
    """Read the key by which a repetition is recognised; empty for none. Raises BadRequest.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ (2025-10)
    """
    key = next((text for name, text in headers.items() if name.lower() == "idempotency-key"), "").strip()
    if key and not _KEY.fullmatch(key):
        raise BadRequest(f"Idempotency-Key is 1 to {LONGEST_KEY} visible characters")
    return key


def read_folder(query: Mapping[str, str]) -> str:
    """Read which folder is meant. Raises BadRequest."""
    folder = query.get("folder") or INBOX
    if not _ID.fullmatch(folder):
        raise BadRequest("folder is a folder's id, or a name such as inbox")
    return folder


def write_token(link: object) -> str:
    """Make what leads on of a link of Graph's: its options, and nothing of where it leads. Raises GraphProtocolError."""
    _, _, query = relative_path(link).partition("?")
    options = {name: text for name, text in parse_qsl(query, keep_blank_values=True) if name in _CARRIED}
    if not options:
        raise GraphProtocolError("a link to what follows has nothing in it that leads on")
    return base64.urlsafe_b64encode(json.dumps(options, separators=(",", ":")).encode()).decode().rstrip("=")


def read_token(token: str) -> Mapping[str, str]:
    """Read what leads on: options for one listing of the caller's own, whoever made them up. Raises BadRequest."""
    wrong = BadRequest("the token is none of this API's: begin without one")
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise wrong
    try:
        options = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error) as problem:
        raise wrong from problem
    if not isinstance(options, dict) or not options or not options.keys() <= _CARRIED:
        raise wrong
    if not all(isinstance(text, str) and text.isprintable() for text in options.values()):
        raise wrong
    return options


def _read_top(query: Mapping[str, str]) -> int:
    text = query.get("top", str(DEFAULT_TOP))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):  # noqa: PLR2004 - no more digits
        raise BadRequest(f"top is a number from 1 to {LARGEST_TOP}")
    return min(int(text), LARGEST_TOP)


def _read_object(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body or b"{}")
    except (ValueError, RecursionError) as problem:
        raise BadRequest("the body is not JSON") from problem
    if not isinstance(told, dict):
        raise BadRequest("the body is no JSON object")
    return told


def _get(path: str) -> Ask:
    return _do("GET", path)


def _do(method: str, path: str, body: Mapping[str, Any] | None = None) -> Ask:
    return Ask(method=method, path=path, body=body, headers=id_headers(immutable_ids=True))


def _messages(folder: str) -> str:
    return f"/me/mailFolders/{quote(folder, safe='')}/messages"


def _message(message: str) -> str:
    if not _ID.fullmatch(message):
        raise BadRequest("that is no message's id")
    return f"/me/messages/{quote(message, safe='')}"


def _query(options: Mapping[str, str]) -> str:
    return urlencode(options, quote_via=quote, safe="$,")
