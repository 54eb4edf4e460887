"""Recordings and transcripts of meetings: once they have happened they are listed, readable, and followed by delta."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.graph.simulator import Simulator
from tests.local.graph.asking import Asker
from tests.local.graph.stand import App

KINDS = [("call-recording", "Recordings"), ("call-transcript", "Transcripts")]


@pytest.fixture
async def asker(graph: Simulator) -> AsyncIterator[Asker]:
    graph.knobs.turn({"delta_lag_seconds": 0})
    async with aiohttp.ClientSession() as session:
        yield Asker.for_app(session, graph)


def of(graph: Simulator, number: int = 0) -> str:
    return f"users/{graph.world.people[number].id}"


async def happen(app: App, kind: str, **ids: str) -> Any:
    return await app.control("happen", {"kind": kind, "ids": ids})


@pytest.mark.parametrize(("kind", "name"), KINDS)
async def test_delta_tells_what_was_added_to_the_meetings_of_an_organizer(
    graph: Simulator, app: App, asker: Asker, kind: str, name: str
) -> None:
    user_id = graph.world.people[0].id
    path = f"{of(graph)}/onlineMeetings/getAll{name}(meetingOrganizerUserId='{user_id}')/delta"
    await happen(app, kind, user=user_id)
    first = await asker.get(path)
    (item,) = first["value"]
    assert item["@odata.type"] == f"#microsoft.graph.call{name[:-1]}"
    await happen(app, kind, user=graph.world.people[1].id)
    second = await asker.get(first["@odata.deltaLink"])
    assert second["value"] == []
    await happen(app, kind, user=user_id)
    (added,) = (await asker.get(second["@odata.deltaLink"]))["value"]
    assert added["id"] != item["id"]
    assert "@removed" not in added


@pytest.mark.parametrize(("kind", "name"), KINDS)
async def test_pages_of_delta_tell_everything_once(
    graph: Simulator, app: App, asker: Asker, kind: str, name: str
) -> None:
    for _ in range(5):
        await happen(app, kind, user=graph.world.people[0].id)
    found = await asker.listed(f"{of(graph)}/onlineMeetings/getAll{name}/delta?$top=2")
    listed = await asker.listed(f"{of(graph)}/onlineMeetings/getAll{name}")
    assert sorted(each["id"] for each in found) == sorted(each["id"] for each in listed)
    assert len(listed) == 5


@pytest.mark.parametrize(("kind", "name"), KINDS)
async def test_it_is_listed_with_its_meeting_and_read_through_everybodys_paths(
    graph: Simulator, app: App, asker: Asker, kind: str, name: str
) -> None:
    await happen(app, kind, user=graph.world.people[0].id, meeting="one")
    await happen(app, kind, user=graph.world.people[0].id, meeting="two")
    listed = await asker.listed(f"{of(graph)}/onlineMeetings/getAll{name}")
    assert {each["meetingId"] for each in listed} == {"one", "two"}
    assert await asker.listed(f"communications/onlineMeetings/getAll{name}") == listed
    for each in listed:
        for home in (of(graph), "communications"):
            path = f"{home}/onlineMeetings/{each['meetingId']}/{name.lower()}"
            assert await asker.listed(path) == [each]
            found = await asker.get(f"{path}/{each['id']}")
            found.pop("@odata.context")
            assert found == each


@pytest.mark.parametrize("name", ["Recordings", "Transcripts"])
async def test_somebody_without_meetings_has_an_empty_delta_and_nobody_has_none(
    graph: Simulator, asker: Asker, name: str
) -> None:
    page = await asker.get(f"{of(graph, 1)}/onlineMeetings/getAll{name}/delta")
    assert page["value"] == []
    assert "@odata.deltaLink" in page
    assert (await asker.refused("GET", f"users/nobody/onlineMeetings/getAll{name}/delta"))[0] == 404
    assert (await asker.refused("GET", f"communications/onlineMeetings/getAll{name}/delta"))[0] == 400


async def test_a_delta_link_is_good_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    async with aiohttp.ClientSession() as session:
        async with Simulator(state_file=file, state_dir=tmp_path) as graph:
            graph.knobs.turn({"delta_lag_seconds": 0})
            await happen(App(session, graph.http_url, ""), "call-recording", user=graph.world.people[0].id)
            asker = Asker.for_app(session, graph)
            page = await asker.get(f"{of(graph)}/onlineMeetings/getAllRecordings/delta")
            link = page["@odata.deltaLink"].partition("/v1.0/")[2]
        async with Simulator(state_file=file, state_dir=tmp_path) as graph:
            graph.knobs.turn({"delta_lag_seconds": 0})
            asker = Asker.for_app(session, graph)
            named = {"user": graph.world.people[0].id, "meeting": "later", "recording": "added"}
            await happen(App(session, graph.http_url, ""), "call-recording", **named)
            told = (await asker.get(link))["value"]
    assert [each["id"] for each in told] == ["added"]
