"""Who is in a group: all pages, users only, and those known while Graph does not answer."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.memory_subscriptions import MemoryGraph
from shared.errors import GraphApiError
from shared.group_members import GroupMembers
from tests.builders import NOW

GROUP = "abcdef00-0000-4000-8000-00000000000a"
FIRST = f"/groups/{GROUP}/transitiveMembers?$select=id&$top=999"
WATCH = f"/groups/delta?$filter=id%20eq%20'{GROUP}'&$select=members&$deltatoken=latest"
SECOND = f"/groups/{GROUP}/transitiveMembers?$select=id&$skiptoken=abc%3d"


def _user(user: str, kind: str = "user") -> Mapping[str, Any]:
    return {"@odata.type": f"#microsoft.graph.{kind}", "id": user}


@pytest.fixture
def graph() -> MemoryGraph:
    following = f"https://graph.microsoft.com/v1.0{SECOND}"
    return MemoryGraph(
        pages={
            FIRST: {"value": [_user("u1"), _user("g1", "group"), _user("d1", "device")], "@odata.nextLink": following},
            SECOND: {"value": [_user("u2"), _user("u1")]},
        }
    )


async def test_every_page_is_read_and_only_users_count(graph: MemoryGraph) -> None:
    assert await GroupMembers(graph, lambda: NOW).read([GROUP, GROUP]) == {GROUP: ("u1", "u2")}
    assert [path for _, path, _ in graph.requests] == [WATCH, FIRST, SECOND]


async def test_a_group_is_read_again_only_when_its_delta_tells_of_something_and_then_twice(graph: MemoryGraph) -> None:
    link = "https://graph.microsoft.com/v1.0/groups/delta?$deltatoken="
    graph.pages[WATCH] = {"value": [], "@odata.deltaLink": f"{link}1"}
    graph.pages["/groups/delta?$deltatoken=1"] = {"value": [], "@odata.nextLink": f"{link}1b"}
    graph.pages["/groups/delta?$deltatoken=1b"] = {"value": [], "@odata.deltaLink": f"{link}1"}
    members = GroupMembers(graph, lambda: NOW)
    await members.read([GROUP])
    graph.requests.clear()

    assert await members.read([GROUP]) == {GROUP: ("u1", "u2")}
    assert len(graph.requests) == 2

    graph.pages["/groups/delta?$deltatoken=1b"] = {"value": [{"id": GROUP}], "@odata.deltaLink": f"{link}1"}
    graph.pages[SECOND] = {"value": [_user("u3")]}
    graph.requests.clear()
    assert await members.read([GROUP]) == {GROUP: ("u1", "u3")}
    assert FIRST in [path for _, path, _ in graph.requests]

    graph.pages["/groups/delta?$deltatoken=1b"] = {"value": [], "@odata.deltaLink": f"{link}1"}
    graph.pages[SECOND] = {"value": [_user("u4")]}  # what Graph lists lagged behind what it told
    assert await members.read([GROUP]) == {GROUP: ("u1", "u4")}
    graph.requests.clear()
    assert await members.read([GROUP]) == {GROUP: ("u1", "u4")}
    assert len(graph.requests) == 2


async def test_once_a_day_a_group_is_read_although_nothing_is_told_of_it(graph: MemoryGraph) -> None:
    link = "https://graph.microsoft.com/v1.0/groups/delta?$deltatoken=1"
    graph.pages[WATCH] = graph.pages["/groups/delta?$deltatoken=1"] = {"value": [], "@odata.deltaLink": link}
    now = NOW
    members = GroupMembers(graph, lambda: now)
    await members.read([GROUP])
    graph.pages[SECOND] = {"value": []}  # somebody left a group within the group
    now = NOW + timedelta(hours=23)
    assert await members.read([GROUP]) == {GROUP: ("u1", "u2")}

    now = NOW + timedelta(hours=24)
    assert await members.read([GROUP]) == {GROUP: ("u1",)}


@pytest.mark.parametrize(
    "second",
    [
        None,
        {"value": None},
        {"value": [{"@odata.type": "#microsoft.graph.user"}]},
        {"value": [], "@odata.nextLink": "https://elsewhere.example/x"},
        {"value": [], "@odata.nextLink": 5},
    ],
)
async def test_a_group_that_cannot_be_read_to_the_end_keeps_those_it_had(
    graph: MemoryGraph, second: Mapping[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    members = GroupMembers(graph, lambda: NOW)
    await members.read([GROUP])
    graph.pages[FIRST] = {**graph.pages[FIRST], "value": []}
    if second is None:
        del graph.pages[SECOND]
    else:
        graph.pages[SECOND] = second

    with caplog.at_level(logging.WARNING):
        assert await members.read([GROUP]) == {GROUP: ("u1", "u2")}
    assert GROUP in caplog.text


async def test_a_group_that_was_never_read_is_left_out(graph: MemoryGraph) -> None:
    graph.troubles["GET"] = [GraphApiError("GET", status=503)] * 2

    assert await GroupMembers(graph, lambda: NOW).read([GROUP]) == {}


async def test_pages_that_never_end_are_given_up(graph: MemoryGraph) -> None:
    graph.pages[SECOND] = {"value": [], "@odata.nextLink": f"https://graph.microsoft.com/v1.0{SECOND}"}

    assert await GroupMembers(graph, lambda: NOW).read([GROUP]) == {}
    assert len(graph.requests) == 1001
