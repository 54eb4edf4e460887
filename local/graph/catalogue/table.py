"""What can be subscribed to: one table of resources with their change types, longest lifetimes and rules.

Lifetimes: https://learn.microsoft.com/en-us/graph/api/resources/subscription (copy of 2026-09). Not here: checking a request
against a row, see `subscription_rules`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Workload = Literal["channel", "chat", "mail", "silent"]
"""Where the changes come from; nothing ever happens in a silent one, but it can be subscribed to."""

ALL_CHANGES = frozenset({"created", "updated", "deleted"})
TEAMS_MINUTES = 4_320
OUTLOOK_MINUTES = 10_080
OUTLOOK_RICH_MINUTES = 1_440
DIRECTORY_MINUTES = 41_760
FILES_MINUTES = 42_300
PRESENCE_MINUTES = 60
LIFECYCLE_URL_AFTER_MINUTES = 60
TEAMS_QUOTA = 10_000
MAILBOX_QUOTA = 1_000
DIRECTORY_QUOTA = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One row: which paths it covers and what Graph allows there. Rich minutes of None: not enabled for rich."""

    name: str
    paths: tuple[str, ...]
    workload: Workload = "silent"
    change_types: frozenset[str] = ALL_CHANGES
    max_minutes: int
    max_rich_minutes: int | None = None
    teams: bool = False
    outlook: bool = False
    one_per_resource: bool = False
    quota: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A subscription's resource, understood: its row, the ids in its path, and its query without the question mark."""

    resource: Resource
    ids: Mapping[str, str]
    query: str


CATALOGUE = (
    Resource(
        name="chatMessage",
        paths=("teams/getAllMessages", "teams/{team}/channels/{channel}/messages"),
        workload="channel",
        max_minutes=TEAMS_MINUTES,
        max_rich_minutes=TEAMS_MINUTES,
        teams=True,
        one_per_resource=True,
    ),
    Resource(
        name="chatMessage",
        paths=("chats/getAllMessages", "chats/{chat}/messages", "users/{user}/chats/getAllMessages"),
        workload="chat",
        max_minutes=TEAMS_MINUTES,
        max_rich_minutes=TEAMS_MINUTES,
        teams=True,
        one_per_resource=True,
    ),
    Resource(
        name="message",
        paths=("users/{user}/messages", "users/{user}/mailFolders/{folder}/messages"),
        workload="mail",
        max_minutes=OUTLOOK_MINUTES,
        max_rich_minutes=OUTLOOK_RICH_MINUTES,
        outlook=True,
        quota=MAILBOX_QUOTA,
    ),
    Resource(
        name="event or contact",
        paths=("users/{user}/events", "users/{user}/contacts", "users/{user}/contactFolders/{folder}/contacts"),
        max_minutes=OUTLOOK_MINUTES,
        max_rich_minutes=OUTLOOK_RICH_MINUTES,
        outlook=True,
        quota=MAILBOX_QUOTA,
    ),
    Resource(
        name="chat",
        paths=("chats", "chats/{chat}", "users/{user}/chats"),
        max_minutes=TEAMS_MINUTES,
        max_rich_minutes=TEAMS_MINUTES,
        teams=True,
    ),
    Resource(
        name="team, channel or member",
        paths=(
            "teams",
            "teams/{team}",
            "teams/getAllChannels",
            "teams/getAllMembers",
            "teams/{team}/channels",
            "teams/{team}/members",
            "chats/getAllMembers",
            "chats/{chat}/members",
        ),
        max_minutes=TEAMS_MINUTES,
        max_rich_minutes=TEAMS_MINUTES,
        teams=True,
    ),
    # `created` is tolerated as Graph tolerated it in March 2026 (Q&A 5844980), although nothing ever comes of it
    Resource(
        name="user or group",
        paths=("users", "users/{user}", "groups", "groups/{group}", "groups/{group}/members"),
        max_minutes=DIRECTORY_MINUTES,
        quota=DIRECTORY_QUOTA,
    ),
    Resource(
        name="driveItem or list",
        paths=("drives/{drive}/root", "users/{user}/drive/root", "sites/{site}/lists/{list}"),
        change_types=frozenset({"updated"}),
        max_minutes=FILES_MINUTES,
    ),
    Resource(
        name="presence",
        paths=("communications/presences/{user}",),
        change_types=frozenset({"updated"}),
        max_minutes=PRESENCE_MINUTES,
        max_rich_minutes=PRESENCE_MINUTES,
        teams=True,
    ),
)

_PARENTHESES = re.compile(r"\('([^']*)'\)")


def slashes(path: str) -> str:
    """Turn keys in parentheses into segments: `teams('1')/channels('2')` means `teams/1/channels/2`."""
    return _PARENTHESES.sub(r"/\1", path).strip("/")


def find(resource: str) -> Match | None:
    """Return what a subscription's resource means, or None if Graph knows nothing of that name.

    The first row that fits wins, with literal paths before those that have ids.
    """
    path, _, query = resource.partition("?")
    return next((match for pattern, row in _PATTERNS if (match := _try(pattern, row, slashes(path), query))), None)


def _try(pattern: re.Pattern[str], row: Resource, path: str, query: str) -> Match | None:
    fits = pattern.fullmatch(path)
    return Match(resource=row, ids=fits.groupdict(), query=query) if fits else None


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template), re.IGNORECASE)


_PATTERNS = sorted(
    ((_pattern(path), row) for row in CATALOGUE for path in row.paths), key=lambda entry: entry[0].groups
)
