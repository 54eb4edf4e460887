"""Which permissions follow from subscriptions.json: no more than the entries need, and a reason and a page for each."""

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.catalogue.find import CATALOGUE as THEIRS
from scripts.provisioning.permissions import (
    BY_PATH,
    BY_TYPE,
    MEMBERS,
    TITLES,
    TO_FIND,
    WALKS,
    access_of,
    derive,
)
from shared.caller import Caller
from shared.feed_titles import FeedTitles
from shared.feeds import feed_of
from shared.graph.catalogue import CATALOGUE, find
from shared.graph.following import FOLLOWING
from shared.graph.resource import read_resource
from shared.membership import Membership
from tests.builders import NOW

USER = "6c0b0000-0000-4000-8000-000000006c0b"


def needs(resource: str, *, live: bool = False, **more: Any) -> list[str]:
    entry = {"name": "one", "resource": resource, "changeType": "created", **more}
    return list(derive(json.dumps({"subscriptions": [entry]}), live=live).permissions)


@pytest.mark.parametrize(
    ("resource", "more", "expected"),
    [
        ("/teams/getAllMessages", {}, ["Channel.ReadBasic.All", "ChannelMessage.Read.All", "Team.ReadBasic.All"]),
        ("teams('1')/channels('2')/messages", {}, ["ChannelMessage.Read.All"]),
        ("/chats/getAllMessages", {"includeResourceData": True}, ["Chat.Read.All"]),
        (f"/users/{USER}/messages", {"handlers": [{"forward": {"to": "https://x"}}]}, ["Mail.ReadBasic.All"]),
        (f"/users/{USER}/messages", {"handlers": ["feed"]}, ["Mail.Read"]),
        (f"/users/{USER}/messages", {}, ["Mail.Read"]),
        (f"/users/{USER}/messages", {"handlers": ["forward"], "includeResourceData": True}, ["Mail.Read"]),
        ("/users/alex@contoso.com/events", {"handlers": ["forward"]}, ["Calendars.ReadBasic.All", "User.Read.All"]),
        ("/users/{user}/contacts", {"forEach": {"group": USER}}, ["Contacts.Read", "GroupMember.Read.All"]),
        ("/users/{user}/contacts", {"forEach": {"users": [USER]}}, ["Contacts.Read"]),
        ("/users/{user}/contacts", {"forEach": {"users": [USER, "alex@contoso.com"]}}, ["Contacts.Read", "User.Read.All"]),
        ("/chats/getAllMembers", {}, ["ChatMember.Read.All"]),
        ("/teams/getAllMembers", {}, ["TeamMember.Read.All"]),
        ("/communications/callRecords?$filter=x", {}, ["CallRecords.Read.All"]),
        (
            "/chats/getAllMessages",
            {"handlers": [{"dlp": {"policyViolation": {"action": "blockAccess"}}}]},
            ["Chat.Read.All", "Chat.UpdatePolicyViolation.All"],
        ),
        ("/teams/1/channels/2/messages", {"handlers": [{"dlp": {"policyViolation": True}}]}, ["ChannelMessage.Read.All", "ChannelMessage.UpdatePolicyViolation.All"]),
        ("/chats/getAllMessages", {"handlers": [{"dlp": {"policyViolation": {}}}]}, ["Chat.Read.All", "Chat.UpdatePolicyViolation.All"]),
        ("/chats/getAllMessages", {"handlers": [{"dlp": {"policyViolation": False}}]}, ["Chat.Read.All"]),
        ("/chats/getAllMessages", {"handlers": ["dlp"]}, ["Chat.Read.All"]),
        (f"/users/{USER}/messages", {"handlers": [{"dlp": {"policyViolation": True}}]}, ["Mail.Read"]),
    ],
)  # fmt: skip
def test_an_entry_needs_no_more_than_this(resource: str, more: dict[str, Any], expected: list[str]) -> None:
    assert needs(resource, **more) == expected


NAMES = {"Channel.ReadBasic.All", "Team.ReadBasic.All"}
SHOWS_MEMBERS = {
    "/teams/1/channels/2/allMembers": {"ChannelMember.Read.All", "ChannelMember.ReadWrite.All"},
    "/chats/1/members": {
        "ChatMember.Read.All", "ChatMember.ReadWrite.All", "Chat.Read.All", "Chat.ReadBasic.All", "Chat.ReadWrite.All"
    },
}  # fmt: skip
"""What Graph's pages of these two operations name for apps, but for what a team or chat consents to by itself; read apart from ours.
https://learn.microsoft.com/graph/api/channel-list-allmembers (2026-04), https://learn.microsoft.com/graph/api/chat-list-members (2026-04)"""

IN_CHANNELS, IN_CHATS = "/teams/1/channels/2/messages/3", "/chats/1/messages/2"
MESSAGES = {
    "/teams/getAllMessages": IN_CHANNELS,
    "/teams/1/channels/2/messages": IN_CHANNELS,
    "/chats/getAllMessages": IN_CHATS,
    "/chats/1/messages": IN_CHATS,
    f"/users/{USER}/chats/getAllMessages": IN_CHATS,
    "/appCatalogs/teamsApps/1/installedToChats/getAllMessages": IN_CHATS,
}
"""What brings messages of Teams, and where they are."""


def test_every_entry_that_brings_messages_of_teams_is_among_these() -> None:
    known = {entry.name for entry in CATALOGUE if entry.odata_type == "chatMessage"}

    assert {found.name for each in MESSAGES if (found := find(each.lstrip("/")))} == known


class Asked:
    """A Graph that knows nobody, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def request(self, method: str, path: str, **_: Any) -> Mapping[str, Any]:
        self.asked.append((method, path))
        return {"value": []}


async def asked_for_members(message: str) -> str:
    """Give what the app asks Graph before it shows the feed that a message is in."""
    graph = Asked()
    into = feed_of(read_resource(message.lstrip("/")))
    assert not await Membership(graph, lambda: NOW, home_tenant_id=USER).may_see(
        Caller(user_id=USER, tenant_id=USER), into
    )
    [(_, path)] = graph.asked
    return path


@pytest.mark.parametrize("resource", MESSAGES)
async def test_whoever_shows_a_feed_may_ask_who_is_in_it_and_has_no_more_for_that_than_it_takes(resource: str) -> None:
    enough = SHOWS_MEMBERS[await asked_for_members(MESSAGES[resource])]
    before, shown = set(needs(resource)), set(needs(resource, live=True))

    assert shown & enough
    assert len(shown - before - NAMES) == (0 if before & enough else 1)


TELLS_NAMES: Mapping[str, set[str]] = {
    "/teams/1/channels/2": {"Channel.ReadBasic.All", "ChannelSettings.Read.All", "ChannelSettings.ReadWrite.All"},
    "/teams/1": {"Team.ReadBasic.All", "TeamSettings.Read.All", "TeamSettings.ReadWrite.All"},
    "/chats/1": {"Chat.ReadBasic.All", "Chat.Read.All", "Chat.ReadWrite.All"},
}
"""What the pages of these operations name for apps, but for what a team or chat consents to by itself and what is there for old times' sake.
https://learn.microsoft.com/graph/api/channel-get (2024-09), …/team-get, …/chat-get"""


async def asked_for_names(message: str) -> list[str]:
    """Give what the app asks Graph to call a feed by its name, without who is in it."""
    graph = Asked()
    titles = FeedTitles(graph, Membership(graph, lambda: NOW, home_tenant_id=USER), lambda: NOW, home_tenant_id=USER)
    await titles.find([feed_of(read_resource(message.lstrip("/")))])
    return [path.partition("?")[0] for _, path in graph.asked if not path.endswith("embers")]


@pytest.mark.parametrize("resource", MESSAGES)
async def test_whoever_shows_a_feed_may_call_it_by_its_name_and_a_chat_at_least_by_who_is_in_it(resource: str) -> None:
    shown = set(needs(resource, live=True))
    for path in await asked_for_names(MESSAGES[resource]):
        enough = TELLS_NAMES[path]

        assert shown & enough or (path.startswith("/chats") and shown & SHOWS_MEMBERS["/chats/1/members"])
        assert len(shown & enough) <= 1, "one is enough"


@pytest.mark.parametrize(
    ("resource", "handlers"),
    [(f"/users/{USER}/messages", ["feed"]), ("/teams/getAllMessages", ["forward", "dlp"]), ("/teams/getAllMembers", ["feed"])],
)  # fmt: skip
def test_nobody_is_asked_for_where_no_feed_of_a_channel_or_chat_comes_of_it(resource: str, handlers: list[str]) -> None:
    assert needs(resource, handlers=handlers, live=True) == needs(resource, handlers=handlers)


@pytest.mark.parametrize(
    "resource", ["/communications/presences/1", "/solutions/approval/approvalItems", "/groups/1/conversations"]
)
def test_what_an_app_cannot_hear_is_said(resource: str) -> None:
    derived = derive(json.dumps({"subscriptions": [{"name": "one", "resource": resource}]}))

    assert derived.permissions == ()
    assert "lets no app subscribe" in derived.notes[0]


def test_what_no_row_has_is_said_with_what_to_do() -> None:
    derived = derive(
        json.dumps({"subscriptions": [{"name": "one", "resource": "/planets/{planet}", "unchecked": True}]})
    )

    assert derived.permissions == ()
    assert "--permission <Name>" in derived.notes[0]


def test_every_row_of_the_catalogue_has_its_access_and_no_row_is_left_over() -> None:
    used = {entry.name if entry.name in BY_PATH else entry.odata_type for entry in CATALOGUE}

    assert [access_of(entry) for entry in CATALOGUE]
    assert used == {*BY_PATH, *BY_TYPE}


def test_every_access_names_a_page() -> None:
    for access in (*BY_PATH.values(), *BY_TYPE.values(), *TO_FIND.values(), *MEMBERS.values(), *TITLES):
        assert access.page.startswith("https://learn.microsoft.com/")
        assert all(re.fullmatch(r"[A-Z][A-Za-z]+(\.[A-Z-][A-Za-z-]+)+|", each) for each in (access.hear, access.read))


DEPARTURES = {
    "groups/{group}/conversations": "Group.Read.All is for people: the row of apps says that it is not supported",
    "communications/presences": "Presence.Read.All is for people",
    "communications/presences/{user}": "Presence.Read.All is for people",
    "solutions/approval/approvalItems": "ApprovalSolution.Read is for people",
    "appCatalogs/teamsApps/{app}/installedToChats": "the narrower permission of an app that is installed there",
}


def test_a_table_that_was_written_by_itself_says_the_same() -> None:
    """The simulator's catalogue was read from Graph's pages apart from ours."""
    theirs = {path: row.permissions for row in THEIRS for path in row.paths}
    ours = {entry.name: access_of(entry) for entry in CATALOGUE}
    different = {
        name
        for name, access in ours.items()
        if name in theirs and tuple(filter(None, (access.hear, access.read))) != tuple(theirs[name])
    }

    assert len(ours.keys() & theirs.keys()) > 50
    assert different == set(DEPARTURES)


def test_what_catch_up_lists_to_find_its_way_is_allowed_to_it() -> None:
    """Folders of a mailbox are open to whoever may read its mail; teams and channels are not, to whoever may read messages."""
    finds = {name: tuple(step.path for step in each.steps if step.kind == "find") for name, each in FOLLOWING.items()}
    elsewhere = {name: paths for name, paths in finds.items() if paths and not name.startswith("users/")}

    assert elsewhere == {name: tuple(paths) for name, paths in WALKS.items()}
    assert {path for paths in WALKS.values() for path in paths} == set(TO_FIND)


_JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=8,
)
_HANDLERS = _JSON | st.lists(
    st.sampled_from(["feed", "forward", {"dlp": {"policyViolation": True}}, {"dlp": 1}, {}, 7])
)
_ENTRY = st.fixed_dictionaries(
    {"name": st.text(max_size=9), "resource": st.sampled_from([entry.name for entry in CATALOGUE]) | st.text()},
    optional={
        "handlers": _HANDLERS,
        "forEach": _JSON | st.just({"users": 5}),
        "tenant": _JSON,
        "delivery": _JSON,
        "includeResourceData": _JSON,
    },
)


@given(entries=st.lists(_ENTRY | _JSON), live=st.booleans())
def test_any_file_gives_permissions_or_one_sentence(*, entries: list[Any], live: bool) -> None:
    known = {
        name for each in (*BY_PATH.values(), *BY_TYPE.values(), *TO_FIND.values()) for name in (each.hear, each.read)
    }
    known |= {
        "User.Read.All",
        "GroupMember.Read.All",
        "Chat.UpdatePolicyViolation.All",
        "ChannelMessage.UpdatePolicyViolation.All",
        "ChannelMember.Read.All",
        "ChatMember.Read.All",
    }
    if not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("resource"), str)
        for each in entries
    ):
        with pytest.raises(ValueError, match="subscriptions"):
            derive(json.dumps({"subscriptions": entries}), live=live)
        return
    derived = derive(json.dumps({"subscriptions": entries}), live=live)

    assert set(derived.permissions) <= known
    assert all(reason.purpose and reason.page for reason in derived.reasons)


@given(st.binary())
def test_any_bytes_give_permissions_or_one_sentence(data: bytes) -> None:
    with contextlib.suppress(ValueError):  # and nothing else
        derive(data.decode("utf-8", "replace"))


def test_a_file_that_is_nested_a_hundred_thousand_deep_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        derive("[" * 100_000)
