"""What `dlp` reads from a Teams message or a mail beside its text: who, when, which version, and where to look at it. Pure.

Content comes as Graph served it, or as somebody inside could have written it: nothing here raises.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.change_key import read_changed, read_round, read_version
from shared.dlp.people import read_sender
from shared.errors import GraphProtocolError
from shared.findings import Version
from shared.graph.resource import Resource
from shared.graph.timestamp import read_timestamp

_TEAMS: Final = frozenset({"teams", "chats"})
_UNEDITED: Final = "unedited"
_LONGEST_SENDER: Final = 320
_LONGEST_LINK: Final = 2048
_LONGEST_VERSION: Final = 80
_LONGEST_NUMBER: Final = 18


def own_place(resource: Resource) -> Resource:
    """Give a message's own path: a chat's is the same for everybody in it, whosever messages were subscribed to."""
    if resource.segments[::2][:2] == ("users", "chats"):
        return Resource(resource.segments[2:])
    return resource


def is_teams(resource: Resource) -> bool:
    """Tell a Teams message from a mail, by its own path."""
    return resource.segments[0] in _TEAMS


def length_of(content: Mapping[str, Any]) -> int:
    """Measure roughly how much there is to scan, in characters: the body, and what attachments hold."""
    attachments = content.get("attachments")
    holders = [content.get("body"), *(attachments if isinstance(attachments, list) else ())]
    texts = [each.get("content") for each in holders if isinstance(each, dict)]
    return sum(len(text) for text in texts if isinstance(text, str))


def read_state(
    content: Mapping[str, Any], *, resource: Resource, deleted: bool, version: str, received: datetime
) -> Version:
    """Read which state of the message this is; what does not say when it changed had changed when we heard of it."""
    name = read_version({}, content) or version
    number = int(name) if name.isascii() and name.isdigit() and len(name) <= _LONGEST_NUMBER else 0
    text = _text_mark(content) if is_teams(resource) and not deleted else ""
    return Version(
        changed=read_changed(content) or received,
        number=number,
        deleted=deleted,
        name=_plain(name, _LONGEST_VERSION),
        text=text,
    )


def nothing_before(
    content: Mapping[str, Any],
    *,
    resource: Resource,
    change_type: str,
    notification: Mapping[str, Any],
    fetched: bool,
) -> bool:
    """Tell whether no earlier version can have had another text, so that nobody has to look for its findings.

    A Teams message says when it was edited. Otherwise it is known of what Graph itself calls *created*, provided that this is the
    first version: a delta calls the latest one so, and content that was fetched may be any, unless the notification names its own.
    """
    if is_teams(resource) and _text_mark(content) == _UNEDITED:
        return True
    its_own = not fetched or bool(read_version(notification, None))
    return change_type == "created" and its_own and read_round(notification) is None


def name_sender(content: Mapping[str, Any]) -> str:
    """Name who wrote it by object id (Teams) or address (mail), in lower case, never by a name. Empty if it does not say."""
    sender = read_sender(content)
    return _plain(sender.id or sender.address, _LONGEST_SENDER)


def read_sent(content: Mapping[str, Any]) -> datetime | None:
    """Read when it was written."""
    for name in ("createdDateTime", "sentDateTime", "receivedDateTime"):
        try:
            return read_timestamp(content.get(name))
        except GraphProtocolError:
            continue
    return None


def read_link(content: Mapping[str, Any]) -> str:
    """Read where a person with the right to see it can look at it; empty where that is not said, as in chats."""
    for name in ("webUrl", "webLink"):
        link = content.get(name)
        if isinstance(link, str) and link.startswith("https://") and len(link) <= _LONGEST_LINK:
            return _plain(link, _LONGEST_LINK)
    return ""


def _text_mark(content: Mapping[str, Any]) -> str:
    """Name the text of a Teams message by when it was last edited; empty where it does not say.

    https://learn.microsoft.com/graph/api/resources/chatmessage: ``lastEditedDateTime`` is null if it never was.
    """
    edited = content.get("lastEditedDateTime", "")
    return _UNEDITED if edited is None else _plain(edited, 64) if isinstance(edited, str) else ""


def _plain(text: str, longest: int) -> str:
    """Leave out what no row and no line holds: control characters and halves of surrogate pairs."""
    return "".join(character for character in text[:longest] if character.isprintable())
