"""What `dlp` reads of a message beside its text, whatever the content is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph.resource import read_resource
from shared.message_facts import is_teams, name_sender, nothing_before, own_place, read_link, read_sent, read_state
from tests.builders import NOW
from tests.strategies import JSON_VALUES

MESSAGE = read_resource("chats/c/messages/m")
FIELDS = (
    "id",
    "etag",
    "@odata.etag",
    "lastModifiedDateTime",
    "lastEditedDateTime",
    "createdDateTime",
    "from",
    "sender",
    "webUrl",
    "webLink",
)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES), st.text(max_size=10))
def test_any_content_is_read_and_leaves_nothing_that_no_row_holds(content: dict[str, Any], version: str) -> None:
    state = read_state(content, resource=MESSAGE, deleted=False, version=version, received=NOW)
    texts = [state.name, state.text, name_sender(content), read_link(content)]

    assert all(text.isprintable() and len(text) <= 2048 for text in texts)
    assert (read_sent(content) or NOW).tzinfo is not None
    nothing_before(content, resource=MESSAGE, change_type="created", notification={}, fetched=False)


@pytest.mark.parametrize(
    ("content", "sender"),
    [
        ({"from": {"user": {"id": "ABC", "displayName": "Alex"}}}, "abc"),
        ({"from": {"user": None, "application": {"id": "bot"}}}, "bot"),
        ({"from": {"emailAddress": {"address": "Alex@contoso.com", "name": "Alex"}}}, "alex@contoso.com"),
        ({"sender": {"emailAddress": {"address": "a@contoso.com"}}}, "a@contoso.com"),
        ({"from": None}, ""),
        ({}, ""),
    ],
)
def test_who_wrote_it_is_an_id_or_an_address_and_never_a_name(content: dict[str, Any], sender: str) -> None:
    assert name_sender(content) == sender


@pytest.mark.parametrize(
    ("content", "link"),
    [
        ({"webUrl": "https://teams.example/1"}, "https://teams.example/1"),
        ({"webUrl": None, "webLink": "https://outlook.example/1"}, "https://outlook.example/1"),
        ({"webUrl": "javascript:alert(1)"}, ""),
        ({"webUrl": "https://" + "x" * 3000}, ""),
    ],
)
def test_a_link_is_an_https_url(content: dict[str, Any], link: str) -> None:
    assert read_link(content) == link


@pytest.mark.parametrize(
    ("path", "own", "teams"),
    [
        ("users/u/chats/c/messages/m", "chats/c/messages/m", True),
        ("chats/c/messages/m", "chats/c/messages/m", True),
        ("teams/t/channels/c/messages/m", "teams/t/channels/c/messages/m", True),
        ("users/u/messages/m", "users/u/messages/m", False),
        ("users/u/mailFolders/chats/messages/m", "users/u/mailFolders/chats/messages/m", False),
    ],
)
def test_a_message_is_known_by_its_own_path(path: str, own: str, teams: bool) -> None:  # noqa: FBT001
    place = own_place(read_resource(path))

    assert (str(place), is_teams(place)) == (own, teams)


@pytest.mark.parametrize(
    ("name", "number"), [("1616965872395", 1616965872395), ('W/"CQAA"', 0), ("²", 0), ("9" * 30, 0)]
)
def test_a_version_that_is_a_number_counts_as_one(name: str, number: int) -> None:
    assert read_state({}, resource=MESSAGE, deleted=False, version=name, received=NOW).number == number
