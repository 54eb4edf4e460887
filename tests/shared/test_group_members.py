"""Who is in a group: all pages, users only, and those known while Graph does not answer."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from shared.adapters.memory_subscriptions import MemoryGraph
from shared.errors import GraphApiError
from shared.group_members import GroupMembers

GROUP = "abcdef00-0000-4000-8000-00000000000a"
FIRST = f"/groups/{GROUP}/transitiveMembers?$select=id&$top=999"
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
    assert await GroupMembers(graph).read([GROUP, GROUP]) == {GROUP: ("u1", "u2")}
    assert [path for _, path, _ in graph.requests] == [FIRST, SECOND]


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
    members = GroupMembers(graph)
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
    graph.troubles["GET"] = [GraphApiError("GET", status=503)]

    assert await GroupMembers(graph).read([GROUP]) == {}


async def test_pages_that_never_end_are_given_up(graph: MemoryGraph) -> None:
    graph.pages[SECOND] = {"value": [], "@odata.nextLink": f"https://graph.microsoft.com/v1.0{SECOND}"}

    assert await GroupMembers(graph).read([GROUP]) == {}
    assert len(graph.requests) == 1000
