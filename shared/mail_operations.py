"""What people's programs may call about their own mailbox: one row an operation, and the shapes of what travels."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.mail_requests import (
    DEFAULT_TOP,
    LARGEST_TOP,
    LONGEST_COMMENT,
    LONGEST_ID,
    LONGEST_KEY,
    LONGEST_TOKEN,
)
from shared.openapi import ERROR, Operation, header, in_path, query

_ID: Final = {"type": "string", "pattern": f"^[A-Za-z0-9_=+-]{{1,{LONGEST_ID}}}$"}
_TOKEN: Final = {"type": "string", "pattern": f"^[A-Za-z0-9_-]{{0,{LONGEST_TOKEN}}}$"}
_MESSAGE: Final = in_path("message", _ID, "A message's id, which stays the same when it is moved.")
_FOLDER: Final = query(
    "folder",
    _ID | {"pattern": f"^[A-Za-z0-9_=+-]{{0,{LONGEST_ID}}}$"},
    "A folder's id, or a name such as `inbox`, which it is unless given.",
)
_KEY: Final = header(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^[!-~]{{1,{LONGEST_KEY}}}$"},
    "What the caller knows this very request by: asked for again with it, it is done once.",
)
_REFUSED: Final[Mapping[int, str]] = dict.fromkeys((400, 403, 404, 409, 429, 502), ERROR)
"""What Graph refuses reaches the caller with its own word and sentence; 409 `NotConnected` asks them to connect."""
_CHANGING: Final[Mapping[int, str]] = {**_REFUSED, **dict.fromkeys((405, 412, 413, 422), ERROR)}

MAIL_OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        function="mail_state",
        method="GET",
        path="/mail/connect",
        summary="Say whether the caller's mailbox is connected.",
        answers={200: "MailState"},
    ),
    Operation(
        function="mail_connect",
        method="POST",
        path="/mail/connect",
        summary="Connect the caller's mailbox.",
        description=(
            "The app then acts for the caller with the permissions `Mail.ReadWrite` and `Mail.Send`, and hears what changes in the "
            "inbox. Asked for again, it takes newer tokens. 403 says why it may not."
        ),
        answers={202: "MailState", 403: ERROR},
    ),
    Operation(
        function="mail_disconnect",
        method="DELETE",
        path="/mail/connect",
        summary="Disconnect it: what was kept goes away.",
        answers={200: "MailState", 202: "MailState"},
    ),
    Operation(
        function="mail_folders",
        method="GET",
        path="/mail/folders",
        summary="List the folders at the top of the mailbox.",
        answers={200: "MailFolders", **_REFUSED},
    ),
    Operation(
        function="mail_messages",
        method="GET",
        path="/mail/messages",
        summary="List a page of a folder, the newest first.",
        parameters=(
            _FOLDER,
            query(
                "top",
                {"type": "integer", "minimum": 1, "maximum": 999_999_999},
                f"How many; {DEFAULT_TOP} unless given, and never more than {LARGEST_TOP}.",
            ),
            query("skipToken", _TOKEN, "Where the page before said to go on."),
        ),
        answers={200: "MailPage", **_REFUSED},
    ),
    Operation(
        function="mail_delta",
        method="GET",
        path="/mail/delta",
        summary="Say what has changed in a folder.",
        description=(
            "Without a token what there is of the last thirty days. While `more` is true, ask again with `token` at once; then keep it "
            "for the next time. Of a message that was there already only what has changed may be told. 410 asks to begin without one."
        ),
        parameters=(_FOLDER, query("token", _TOKEN, "What the last answer ended with.")),
        answers={200: "MailDelta", 410: ERROR, **_REFUSED},
    ),
    Operation(
        function="mail_message",
        method="GET",
        path="/mail/messages/{message}",
        summary="Read one message.",
        description="Its body is as its sender wrote it: HTML from a stranger.",
        parameters=(_MESSAGE,),
        answers={200: "MailMessage", **_REFUSED},
    ),
    Operation(
        function="mail_reply",
        method="POST",
        path="/mail/messages/{message}/reply",
        summary="Answer a message.",
        description="425 says that this very reply is being sent, 422 `KeyReused` that the key was another reply's.",
        parameters=(_MESSAGE, _KEY),
        body="MailReply",
        body_required=True,
        answers={202: "MailDone", 425: ERROR, **_CHANGING},
    ),
    Operation(
        function="mail_move",
        method="POST",
        path="/mail/messages/{message}/move",
        summary="Move a message to another folder.",
        parameters=(_MESSAGE,),
        body="MailMove",
        body_required=True,
        answers={200: "MailMessage", **_CHANGING},
    ),
    Operation(
        function="mail_read",
        method="POST",
        path="/mail/messages/{message}/read",
        summary="Mark a message as read, or as unread.",
        parameters=(_MESSAGE,),
        body="MailMark",
        answers={200: "MailMessage", **_CHANGING},
    ),
    Operation(
        function="mail_delete",
        method="DELETE",
        path="/mail/messages/{message}",
        summary="Delete a message.",
        description="With a key, one that is gone already is as good as deleted.",
        parameters=(_MESSAGE, _KEY),
        answers={200: "MailDone", **_CHANGING},
    ),
)

MAIL_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "MailState": {
        "type": "object",
        "required": ["state", "live"],
        "properties": {
            "state": {"type": "string", "enum": ["none", "connecting", "connected", "leaving", "ended"]},
            "live": {"type": "boolean", "description": "Whether changes are heard at once."},
            "since": {"type": "string", "format": "date-time"},
            "message": {"type": "string", "description": "Why it has ended, or why nothing is heard yet, for people."},
        },
    },
    "MailFolders": {
        "type": "object",
        "required": ["folders"],
        "properties": {"folders": {"type": "array", "items": {"$ref": "#/components/schemas/MailFolder"}}},
    },
    "MailFolder": {
        "type": "object",
        "required": ["id", "role"],
        "properties": {
            "id": {"type": "string"},
            "displayName": {"type": ["string", "null"]},
            "parentFolderId": {"type": ["string", "null"]},
            "totalItemCount": {"type": ["integer", "null"]},
            "unreadItemCount": {"type": ["integer", "null"]},
            "role": {
                "type": ["string", "null"],
                "description": "`inbox`, `sentitems` and so on, for those that have one.",
            },
        },
    },
    "MailMessage": {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "string"},
            "folder": {"type": "string", "description": "The id of the folder that it is in."},
            "subject": {"type": ["string", "null"]},
            "bodyPreview": {"type": ["string", "null"]},
            "receivedDateTime": {"type": ["string", "null"]},
            "isRead": {"type": ["boolean", "null"]},
        },
        "description": "A message as Graph serves it, as far as it said something: its other properties have Graph's names too.",
    },
    "MailPage": {
        "type": "object",
        "required": ["messages"],
        "properties": {
            "messages": {"type": "array", "items": {"$ref": "#/components/schemas/MailMessage"}},
            "skipToken": {"type": "string", "description": "Where to go on, if there is more."},
        },
    },
    "MailDelta": {
        "type": "object",
        "required": ["messages", "removed", "token", "more"],
        "properties": {
            "messages": {"type": "array", "items": {"$ref": "#/components/schemas/MailMessage"}},
            "removed": {"type": "array", "items": {"type": "string"}, "description": "What has left the folder."},
            "token": {"type": "string"},
            "more": {"type": "boolean"},
        },
    },
    "MailReply": {
        "type": "object",
        "required": ["comment"],
        "properties": {
            "comment": {"type": "string", "minLength": 1, "maxLength": LONGEST_COMMENT, "pattern": "\\S"},
            "all": {"type": "boolean", "description": "To everybody whom the message was written to."},
        },
    },
    "MailMove": {
        "type": "object",
        "required": ["folder"],
        "properties": {"folder": {**_ID, "description": "A folder's id, or a name such as `archive`."}},
    },
    "MailMark": {"type": "object", "properties": {"isRead": {"type": "boolean"}}},
    "MailDone": {
        "type": "object",
        "required": ["done"],
        "properties": {"done": {"type": "boolean"}, "repeated": {"type": "boolean"}},
    },
}
