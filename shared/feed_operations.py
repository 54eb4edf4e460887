"""What people's programs may call about feeds and live updates: one row an operation, and the shapes of what travels."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.feed_reading import DEFAULT_TOP, LARGEST_POSITION, LARGEST_TOP
from shared.negotiation import LONGEST_ID, MOST_FEEDS
from shared.openapi import ERROR, Operation, header, in_path, query

_POSITION: Final = {"type": "integer", "minimum": 0, "maximum": LARGEST_POSITION}
_TIME: Final = {"type": "string", "format": "date-time"}
_FEED_ID: Final = {"type": "string", "pattern": "^f[a-z2-7]{24}$"}
_IDS: Final = {"type": "array", "items": {"type": "string"}}
_KNOWN: Final = header("If-None-Match", {"type": "string"}, "Tags of what the caller has already.")

FEED_OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        function="feeds",
        method="GET",
        path="/feeds",
        summary="List the feeds that the caller may see.",
        description="`incomplete` says that of some feeds it cannot be told right now whether the caller may see them.",
        parameters=(_KNOWN,),
        answers={200: "Feeds"},
        tagged=True,
    ),
    Operation(
        function="feed_page",
        method="GET",
        path="/feeds/{feed}",
        summary="Read a page of one feed.",
        description=(
            "Changes in order of arrival: the newest first, or oldest first behind a position. Positions grow by one and have no holes: "
            "who was away asks for what came `after` the last one seen, until a page has no `after`. Each change comes with the present "
            "state of its item, so that what was deleted has no content anywhere. A feed that the caller may not see does not exist."
        ),
        parameters=(
            in_path("feed", _FEED_ID, "A feed's id."),
            query(
                "top", _POSITION, f"How many changes; {DEFAULT_TOP} unless given, and never more than {LARGEST_TOP}."
            ),
            query("after", _POSITION, "Only changes behind this position, oldest first."),
            query("before", _POSITION, "Only changes before this position."),
            _KNOWN,
        ),
        answers={200: "FeedPage", 400: ERROR, 404: ERROR},
        tagged=True,
    ),
    Operation(
        function="negotiate",
        method="POST",
        path="/negotiate",
        summary="Get a connection to live updates.",
        description=(
            "For a SignalR client. It is told `feed` with `{feed, position, change?}` for each change of a granted feed, in the form of a "
            "page's changes, and `mail` for the caller's own mailbox. To go on hearing of feeds, negotiate again after `renewAfter` "
            "seconds; the connection stays. Who finds a hole between positions asks for a page `after` the last one."
        ),
        body="Wanted",
        answers={200: "Connection", 400: ERROR},
    ),
    Operation(
        function="openapi",
        method="GET",
        path="/openapi.json",
        summary="This description.",
        answers={200: "Anything"},
        public=True,
    ),
)

FEED_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "Anything": {"type": "object"},
    "Feed": {
        "type": "object",
        "required": ["id", "resource", "kind", "title", "team"],
        "properties": {
            "id": _FEED_ID,
            "resource": {"type": "string", "description": "The channel, chat or mail folder, as Graph's path."},
            "kind": {"type": "string", "enum": ["channel", "chat", "mail folder", "mailbox", "feed"]},
            "title": {
                "type": ["string", "null"],
                "description": (
                    "What people call it: a channel's or folder's name, a chat's topic or the others in it, the mailbox's owner. "
                    "Null while that is not known; names may be hours old."
                ),
            },
            "team": {
                "type": ["string", "null"],
                "description": "The name of a channel's team, likewise; null for all else.",
            },
        },
    },
    "Feeds": {
        "type": "object",
        "required": ["feeds"],
        "properties": {
            "feeds": {"type": "array", "items": {"$ref": "#/components/schemas/Feed"}},
            "incomplete": {"type": "boolean"},
        },
    },
    "Change": {
        "type": "object",
        "required": [
            "position",
            "arrived",
            "changeType",
            "id",
            "resource",
            "version",
            "changed",
            "deleted",
            "content",
        ],
        "properties": {
            "position": {"type": "integer", "minimum": 1},
            "arrived": _TIME,
            "changeType": {"type": "string"},
            "id": {"type": "string", "description": "The item's id, which stays the same through edits."},
            "resource": {"type": "string"},
            "version": {"type": "string"},
            "changed": {"oneOf": [_TIME, {"type": "null"}]},
            "deleted": {"type": "boolean", "description": "A tombstone: the item is gone, and so is its content."},
            "content": {"type": ["object", "null"], "description": "The Teams message or mail as Graph serves it."},
        },
    },
    "FeedPage": {
        "type": "object",
        "required": ["changes"],
        "properties": {
            "changes": {"type": "array", "items": {"$ref": "#/components/schemas/Change"}},
            "after": {"type": "integer", "minimum": 1, "description": "Where to go on, oldest first."},
            "before": {"type": "integer", "minimum": 1, "description": "Where to go on, newest first."},
        },
    },
    "Wanted": {
        "type": "object",
        "properties": {
            "feeds": {
                "type": "array",
                "items": {"type": "string", "maxLength": LONGEST_ID},
                "maxItems": MOST_FEEDS,
                "description": "Feeds to hear of; none for the mailbox alone.",
            }
        },
    },
    "Connection": {
        "type": "object",
        "required": ["url", "accessToken", "expires", "renewAfter", "feeds", "refused"],
        "properties": {
            "url": {"type": "string"},
            "accessToken": {"type": "string"},
            "expires": _TIME,
            "renewAfter": {"type": "integer", "minimum": 0, "description": "Seconds until one negotiates again."},
            "feeds": _IDS,
            "refused": {**_IDS, "description": "Feeds that do not exist for the caller."},
            "untold": {**_IDS, "description": "Feeds of which that cannot be told right now: ask again."},
        },
    },
}
