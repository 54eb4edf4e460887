"""The catalogue's files: what they may contain, and that what they contain makes sense."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.catalogue.find import CATALOGUE, by_key, find
from local.graph.catalogue.quota import QUOTAS, Quota
from local.graph.catalogue.reading import CatalogueError, read_text
from local.graph.catalogue.row import Row

ROW = """
[[resource]]
key = "message"
name = "message"
type = "#Microsoft.Graph.Message"
item = "Users/{user}/Messages/{message}"
paths = ["users/{user}/messages"]
family = "outlook"
change_types = ["created"]
max_minutes = 10080
source = "https://learn.microsoft.com/"
as_of = "2026-09"
"""
IDS = re.compile(r"\{(\w+)\}")


def test_a_row_is_read_with_its_defaults() -> None:
    (row,) = read_text(ROW, "resource", Row, called="here")
    assert (row.change_types, row.max_rich_minutes, row.version) == (frozenset({"created"}), None, "none")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "message"', 'nome = "message"', "here, resource message: unknown nome"),
        ('name = "message"\n', "", "here, resource message: missing name"),
        ("max_minutes = 10080", 'max_minutes = "long"', "max_minutes: 'long' is no int"),
        ("max_minutes = 10080", "max_minutes = true", "max_minutes: True is no int"),
        ('["created"]', '"created"', "change_types: a list is expected"),
        ('["created"]', "[1]", "change_types: 1 is no str"),
        ('"outlook"', '"mail"', "family: 'mail' is none of teams, outlook"),
        ("max_minutes = 10080", "max_minutes = 1\nlatency_seconds = [1]", "latency_seconds: a list of 2"),
        ("max_minutes = 10080", "max_minutes = 1\nonly_rich = 1", "only_rich: 1 is no bool"),
        ("[[resource]]", "[[resources]]", r"only \[\[resource\]\] is expected"),
        ("[[resource]]", "[resource]", r"only \[\[resource\]\] is expected"),
        ("10080", "", "here: "),
    ],
)
def test_a_table_with_a_mistake_is_refused_with_the_place_of_it(old: str, new: str, says: str) -> None:
    assert old in ROW
    with pytest.raises(CatalogueError, match=says):
        read_text(ROW.replace(old, new, 1), "resource", Row, called="here")


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.key)
def test_a_row_says_where_it_is_from_and_makes_sense(row: Row) -> None:
    assert row.source.startswith("https://learn.microsoft.com/en-us/graph/")
    assert re.fullmatch(r"202\d-[01]\d", row.as_of)
    assert by_key(row.key) is row
    assert row.silent <= row.change_types
    assert row.lifecycle <= {"reauthorizationRequired", "subscriptionRemoved", "missed"}
    assert bool(row.paths) == bool(row.change_types) == bool(row.max_minutes) == bool(row.lifecycle)
    assert row.max_rich_minutes is None or row.max_rich_minutes <= row.max_minutes
    assert row.latency_seconds is None or row.latency_seconds[0] <= row.latency_seconds[1]


@pytest.mark.parametrize("path", [path for row in CATALOGUE for path in row.paths])
def test_every_path_is_found_as_itself_with_its_ids(path: str) -> None:
    match = find(IDS.sub(r"id-of-\1", path))
    assert match is not None
    assert match.path == path
    assert dict(match.ids) == {name: f"id-of-{name}" for name in IDS.findall(path)}


@given(
    st.text()
    | st.lists(st.sampled_from(["users", "me", "('", "')", "/", "?", "{user}", "messages", "%2F"])).map("".join)
)
def test_any_text_is_a_resource_or_none(text: str) -> None:
    match = find(text)
    assert match is None or match.row in CATALOGUE


@pytest.mark.parametrize(
    ("key", "lifecycle"),
    [
        ("message", {"reauthorizationRequired", "subscriptionRemoved", "missed"}),
        ("event", {"reauthorizationRequired", "subscriptionRemoved", "missed"}),
        ("contact", {"reauthorizationRequired", "subscriptionRemoved", "missed"}),
        ("channel-message", {"reauthorizationRequired", "subscriptionRemoved"}),
        ("chat-message", {"reauthorizationRequired", "subscriptionRemoved"}),
        ("user", {"reauthorizationRequired"}),
        ("drive-item", {"reauthorizationRequired"}),
        ("call-record", {"reauthorizationRequired"}),
    ],
)
def test_lifecycle_events_are_those_of_the_support_matrix(key: str, lifecycle: set[str]) -> None:
    assert by_key(key).lifecycle == lifecycle


@pytest.mark.parametrize("quota", QUOTAS, ids=lambda quota: quota.key)
def test_a_quota_says_where_it_is_from(quota: Quota) -> None:
    assert quota.source.startswith("https://learn.microsoft.com/en-us/graph/")
    assert re.fullmatch(r"202\d-[01]\d", quota.as_of)
    assert quota.limit > 0
