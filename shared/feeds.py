"""What a feed is: one channel, chat or mail folder, and the state of one of its items. Pure.

`overtakes` is the rule by which states of one item replace each other, however late or often they arrive.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.graph.resource import Resource
from shared.graph.timestamp import write_timestamp
from shared.ports import FeedEntry, FeedLogRow, FeedSummary

_FEED_ID = re.compile(r"f[a-z2-7]{24}")
_KINDS: Mapping[str, str] = {"channels": "channel", "chats": "chat", "mailFolders": "mail folder", "users": "mailbox"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTitle:
    """What people call a feed, and the team that a channel is in; None where that is not known."""

    title: str | None = None
    team: str | None = None


NAMELESS: Final = FeedTitle()


def feed_of(resource: Resource) -> FeedSummary:
    """Find the feed of a message: its channel, chat, mail folder or mailbox. A reply is in its channel's feed."""
    container = resource.parent
    if container.segments[-2:-1] == ("messages",):  # teams/../channels/../messages/../replies/..
        container = container.parent
    kind = _KINDS.get(container.segments[-2] if len(container.segments) > 1 else "", "feed")
    return FeedSummary(feed=feed_id(container), resource=str(container), kind=kind)


def feed_id(container: Resource) -> str:
    """Make the stable, URL-safe id of a feed from its normalised resource."""
    digest = hashlib.sha256(str(container).encode("utf-8", "surrogatepass")).digest()
    return "f" + base64.b32encode(digest[:15]).decode().lower()


def is_feed_id(text: str) -> bool:
    """Tell whether a text can be a feed's id, before anybody looks for it."""
    return _FEED_ID.fullmatch(text) is not None


def print_feed(feed: FeedSummary, called: FeedTitle = NAMELESS) -> dict[str, Any]:
    """Print a feed as the list of feeds has it."""
    return {
        "id": feed.feed,
        "resource": feed.resource,
        "kind": feed.kind,
        "title": called.title,
        "team": called.team,
    }


def print_change(row: FeedLogRow) -> dict[str, Any]:
    """Print a change as readers get it, by page or live."""
    entry = row.entry
    return {
        "position": row.position,
        "arrived": write_timestamp(row.arrived),
        "changeType": row.change_type,
        "id": entry.item,
        "resource": entry.resource,
        "version": entry.version,
        "changed": write_timestamp(entry.changed) if entry.changed else None,
        "deleted": entry.deleted,
        "content": entry.content,
    }


def overtakes(entry: FeedEntry, known: FeedEntry) -> bool:
    """Tell whether a state that arrived replaces the one that is known: the same never does, an older one never does.

    States are ordered by when the resource says that it changed; numeric versions decide a tie, then that it is gone.
    Where that does not tell, the later arrival wins. A deletion without a version says no more than that the item is
    gone, which a deleted one is already.
    """
    if entry.version == known.version and entry.deleted == known.deleted and entry.version:
        return False
    if entry.deleted and known.deleted and not (entry.version and known.version):
        return False
    if entry.changed is None or known.changed is None:
        return True
    if entry.changed != known.changed:
        return entry.changed > known.changed
    if entry.version != known.version and entry.version.isdecimal() and known.version.isdecimal():
        return int(entry.version) > int(known.version)
    return entry.deleted or not known.deleted


def entry_of(
    resource: Resource,
    *,
    change_type: str,
    version: str,
    deleted: bool,
    content: Mapping[str, Any] | None,
    changed: datetime | None,
) -> FeedEntry:
    """Make the state of an item; what is deleted keeps no content."""
    return FeedEntry(
        item=resource.segments[-1],
        resource=str(resource),
        change_type=change_type,
        version=version,
        changed=changed,
        deleted=deleted,
        content=None if deleted else content,
    )
