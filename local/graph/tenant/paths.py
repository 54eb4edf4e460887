"""One canonical name for everything that Graph lets people name in several ways.

Canonical: slashes instead of parentheses, collections in lower case, people and folders by their ids, and the shortest path that
Graph has for an item. Not here: what exists under a name, see `world`.
"""

import re
from collections.abc import Callable, Mapping

NAMES = frozenset(
    [
        "appcatalogs",
        "applications",
        "calendar",
        "calendars",
        "calendarview",
        "channels",
        "chats",
        "children",
        "communications",
        "contactfolders",
        "contacts",
        "copilot",
        "deleteditems",
        "directory",
        "drive",
        "drives",
        "events",
        "groups",
        "items",
        "joinedteams",
        "lists",
        "mailfolders",
        "members",
        "memberof",
        "messages",
        "onlinemeetings",
        "owners",
        "permissions",
        "presence",
        "presences",
        "recordings",
        "replies",
        "root",
        "sites",
        "teams",
        "teamsapps",
        "todo",
        "transcripts",
        "users",
    ]
)
_KEY = re.compile(r"\('([^']*)'\)")

Rewrite = tuple[re.Pattern[str], str]

# the same thing by a longer and by its shortest path; ids are [^/]+
_SHORTER: tuple[Rewrite, ...] = tuple(
    (re.compile(pattern + "(?=/|$)"), shorter)
    for pattern, shorter in (
        (r"^users/([^/]+)/mailfolders/[^/]+/messages/([^/]+)", r"users/\1/messages/\2"),
        (r"^users/([^/]+)/mailfolders/[^/]+/childfolders/([^/]+)", r"users/\1/mailfolders/\2"),
        (r"^users/([^/]+)/contactfolders/[^/]+/contacts/([^/]+)", r"users/\1/contacts/\2"),
        (r"^users/([^/]+)/calendars/[^/]+/events", r"users/\1/events"),
        (r"^users/([^/]+)/calendars/[^/]+/calendarview", r"users/\1/calendarview"),
        (r"^users/([^/]+)/calendar/(events|calendarview)", r"users/\1/\2"),
        (r"^users/[^/]+/chats/(?!getallmessages)([^/]+)", r"chats/\1"),
        (r"^users/([^/]+)/presence", r"communications/presences/\1"),
        (r"^users/[^/]+/onlinemeetings/([^/]+)/(recordings|transcripts)", r"communications/onlinemeetings/\1/\2"),
        (r"^groups/([^/]+)/team", r"teams/\1"),
        (r"^drives/([^/]+)/root/children", r"drives/\1/items/root/children"),
    )
)


def canonical(
    path: str, *, user: Callable[[str], str], folder: Callable[[str, str], str], drive: Callable[[str], str]
) -> str:
    """Return the one name of what a path names, whether it exists or not.

    `user` returns a person's id for whatever they are called by, `folder` the id of a mailbox's folder, both what they are given
    if they do not know it; `drive` the id of a person's drive.
    """
    parts = [_plain(part) for part in _KEY.sub(r"/\1", path.partition("?")[0]).strip("/").split("/")]
    if parts[0] in {"users", "presences"} and len(parts) > 1:
        parts[1] = user(parts[1])
    if parts[:2] == ["communications", "presences"] and len(parts) > 2:  # noqa: PLR2004 - the third part is the person
        parts[2] = user(parts[2])
    _name_folder(parts, folder)
    if parts[0] == "users" and parts[2:3] == ["drive"]:
        parts[:3] = ["drives", drive(parts[1])]
    name = "/".join(parts)
    for pattern, shorter in _SHORTER:
        name = pattern.sub(shorter, name)
    return name


def spell(template: str, ids: Mapping[str, str]) -> str:
    """Return a path template of the catalogue with its ids filled in."""
    return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], template)


def names_in(template: str) -> tuple[str, ...]:
    """Return the names of the ids in a path template."""
    return tuple(re.findall(r"\{(\w+)\}", template))


def _plain(part: str) -> str:
    low = part.lower()
    return low if low in NAMES or low.startswith("getall") else part


def _name_folder(parts: list[str], folder: Callable[[str, str], str]) -> None:
    if len(parts) > 3 and parts[0] == "users" and parts[2] in {"mailfolders", "contactfolders"}:  # noqa: PLR2004 - users/{}/folders/{}
        parts[3] = folder(parts[1], parts[3])
