"""A notification's resource path in both of Graph's spellings, normalised, and templates that match it.

``teams('a')/channels('b')/messages('c')`` and ``Teams/a/Channels/b/messages/c`` are the same path. Ids keep their case
(two mails may differ by nothing else), except GUIDs, which have none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from shared.errors import GraphProtocolError

_LONGEST = 4096
_SEGMENT = re.compile(r"(?P<name>[^/('?#]+)(?:\('(?P<key>(?:[^']|'')*)'\))?(?:/|$)")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_CLIMBING = {".", ".."}
_STRANGE = re.compile(r"[\x00-\x1f\\?#\ud800-\udfff]")

# Graph's collection names, spelled as its pages spell them; notifications are not consistent about their case.
_COLLECTIONS = {
    name.lower(): name
    for name in (
        "appCatalogs",
        "calendars",
        "calls",
        "channels",
        "chats",
        "communications",
        "contactFolders",
        "contacts",
        "conversations",
        "drive",
        "drives",
        "events",
        "getAllMessages",
        "groups",
        "installations",
        "items",
        "joinedTeams",
        "lists",
        "mailFolders",
        "members",
        "messages",
        "onlineMeetings",
        "owners",
        "presences",
        "replies",
        "root",
        "sites",
        "subscriptions",
        "teams",
        "users",
    )
}


@dataclass(frozen=True, slots=True)
class Resource:
    """A normalised path relative to Graph's root: collection names and ids, decoded, in order."""

    segments: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(quote(segment, safe="@:=_-.~!$&*+,;") for segment in self.segments)

    @property
    def path(self) -> str:
        """The path for a request: relative, percent-encoded, no query, no way to climb out of it."""
        return str(self)

    @property
    def parent(self) -> "Resource":
        """The container: the path without its last collection and id."""
        return Resource(self.segments[:-2])


def read_resource(text: str) -> Resource:
    """Read a notification's ``resource``.

    Raises GraphProtocolError for what is no relative path of plain segments: a host, a query, ``..``, empty segments.
    """
    trimmed = text.strip("/")
    if not trimmed or len(trimmed) > _LONGEST or text.startswith("//"):
        raise GraphProtocolError("the resource is not a relative path")
    container, _, last = trimmed.rpartition("/")
    if container.count("'") % 2:  # that slash is inside an id
        container, last = "", trimmed
    if container.endswith("/"):
        raise GraphProtocolError("the resource has an empty segment")
    segments = (*_read_segments(container), *_read_segments(last))
    if ":" in segments[0]:
        raise GraphProtocolError("the resource begins as a URL does")
    return Resource(segments)


@dataclass(frozen=True, slots=True)
class Template:
    """A path with placeholders, such as ``teams/{team}/channels/{channel}/messages/{message}``."""

    text: str

    def match(self, resource: Resource) -> Mapping[str, str] | None:
        """Match a whole path; the placeholders' values, or None."""
        parts = _parts(self.text)
        if len(parts) != len(resource.segments):
            return None
        found: dict[str, str] = {}
        for (placeholder, literal), segment in zip(parts, resource.segments, strict=True):
            if placeholder:
                found[placeholder] = segment
            elif literal != segment and literal.lower() != segment.lower():
                return None
        return found


@lru_cache(maxsize=512)  # matched against every item
def _parts(template: str) -> tuple[tuple[str, str], ...]:
    """Split a template into (placeholder, literal) pairs, one of which is empty."""
    parts = template.strip("/").split("/")
    return tuple((part[1:-1], "") if part[:1] == "{" and part[-1:] == "}" else ("", part) for part in parts)


def is_guid(text: str) -> bool:
    """Tell whether a segment is a GUID: an id that has no case, unlike a mail's."""
    return _GUID.fullmatch(text) is not None


@lru_cache(maxsize=2048)  # teams, channels and users come again and again; only the last id is new
def _read_segments(path: str) -> tuple[str, ...]:
    segments: list[str] = []
    position = 0
    while position < len(path):
        match = _SEGMENT.match(path, position)
        if match is None:
            raise GraphProtocolError("the resource is not a path of Graph's")
        name, key = match.groups()
        segments.append(_segment(name))
        if key is not None:
            segments.append(_segment(key.replace("''", "'")))
        position = match.end()
    return tuple(segments)


def _segment(text: str) -> str:
    plain = unquote(text)
    # an id may hold a slash, percent-encoded; but nothing that a server, decoding it, would climb by
    if not plain or _STRANGE.search(plain) or not _CLIMBING.isdisjoint(plain.split("/")):
        raise GraphProtocolError("the resource has a segment that no path of Graph's has")
    return plain.lower() if is_guid(plain) else _COLLECTIONS.get(plain.lower(), plain)
