"""The catalogue: every row can be found, and a notification belongs to exactly what was declared."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GraphProtocolError
from shared.graph.catalogue import CATALOGUE, CatalogueEntry, concerns, find, longest_lifetime
from shared.graph.resource import read_resource

ALICE = "11111111-aaaa-4aaa-8aaa-111111111111"
BOB = "22222222-bbbb-4bbb-8bbb-222222222222"


def _fill(template: str, text: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: f"{text}-{match[1]}", template)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_row_is_found_by_its_own_path_and_concerns_its_own_items(entry: CatalogueEntry) -> None:
    path = _fill(entry.name, "x")

    assert find(f"/{path}?$filter=a eq 'b/c'") is entry
    assert entry.kind.change_types
    assert all(concerns(path, read_resource(_fill(item.text, "x"))) for item in entry.items)


@pytest.mark.parametrize("entry", [each for each in CATALOGUE if "{" in each.name], ids=lambda entry: entry.name)
def test_an_item_of_another_parent_is_no_concern_of_a_declared_one(entry: CatalogueEntry) -> None:
    shared = set(re.findall(r"\{(\w+)\}", entry.name))
    bound = [item for item in entry.items if shared & set(re.findall(r"\{(\w+)\}", item.text))]

    declared = _fill(entry.name, "x")
    assert not any(concerns(declared, read_resource(_fill(item.text, "y"))) for item in bound)


@pytest.mark.parametrize(
    ("declared", "item"),
    [
        ("/teams/getAllMessages", "teams('t')/channels('c')/messages('m')"),
        ("teams/getAllMessages?model=A", "teams('t')/channels('c')/messages('m')/replies('r')"),
        ("chats/getAllMessages", "chats('19:x@unq.gbl.spaces')/messages('1')"),
        (f"users/{ALICE.upper()}/messages", f"Users/{ALICE}/Messages/AAMk="),
        (f"users/{ALICE}/messages", f"Users/{ALICE}@{BOB}/Messages/AAMk="),
        (f"users/{ALICE}/mailFolders('inbox')/messages", f"Users/{ALICE}/Messages/AAMk="),
        (f"users/{ALICE}/mailFolders/inbox/messages", f"users/{ALICE}/mailFolders/AAA/messages/AAMk="),
        ("users/alice@contoso.com/messages", f"Users/{ALICE}/Messages/AAMk="),
        ("users/alice@contoso.com/messages", "Users/Alice@contoso.com/Messages/AAMk="),
        ("drives/d/root", "drives/d/root"),
        ("something/brandNew", "something('brandNew')/items('1')"),
    ],
)
def test_what_is_declared_concerns_its_items_in_either_spelling(declared: str, item: str) -> None:
    assert concerns(declared, read_resource(item))


@pytest.mark.parametrize(
    ("declared", "item"),
    [
        ("teams/getAllMessages", "chats/c/messages/m"),
        ("teams/t/channels/c/messages", "teams/t/channels/other/messages/m"),
        ("chats/C/messages", "chats/c/messages/m"),
        (f"users/{ALICE}/messages", f"users/{BOB}/messages/m"),
        (f"users/{ALICE}/messages", f"users/{BOB}@{ALICE}/messages/m"),
        (f"users/{ALICE}/messages", "users/alice@contoso.com/messages/m"),
        ("users/alice@contoso.com/messages", "users/bob@contoso.com/messages/m"),
        ("users/alice@contoso.com/messages", f"users/{ALICE}/events/e"),
        ("something/brandNew", "something/else"),
        ("not a path\\", "teams/t"),
    ],
)
def test_what_is_somebody_elses_is_no_concern(declared: str, item: str) -> None:
    assert not concerns(declared, read_resource(item))


def test_literal_names_win_over_placeholders() -> None:
    found = [find(path) for path in ("teams/getAllMessages", "teams/t", "chats/getAllMembers", "chats/c")]

    assert [entry.odata_type for entry in found if entry] == ["chatMessage", "team", "conversationMember", "chat"]


def test_lifetimes_are_those_of_the_page() -> None:
    minutes = {
        (path, rich): longest_lifetime(path, include_resource_data=rich).total_seconds() / 60
        for path in ("teams/getAllMessages", "users/u/messages", "users", "drives/d/root", "brandNew")
        for rich in (False, True)
    }

    assert minutes == {
        ("teams/getAllMessages", False): 4320,
        ("teams/getAllMessages", True): 4320,
        ("users/u/messages", False): 10_080,
        ("users/u/messages", True): 1440,
        ("users", False): 41_760,
        ("users", True): 41_760,
        ("drives/d/root", False): 42_300,
        ("drives/d/root", True): 42_300,
        ("brandNew", False): 60,
        ("brandNew", True): 60,
    }


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_it(declared: str, text: str) -> None:
    find(declared)
    try:
        item = read_resource(text)
    except GraphProtocolError:
        return
    concerns(declared, item)
