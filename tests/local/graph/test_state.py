"""A simulator that is stopped goes on where it was: tenants, subscriptions, delta links, tokens and time."""

import json
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.graph.simulator import Simulator
from local.graph.state import StateError, read_state, write_state
from tests.local.graph.stand import App, Receiver, Wanted


async def call(session: aiohttp.ClientSession, graph: Simulator, token: str, path: str) -> Any:
    async with session.get(f"{graph.http_url}/v1.0/{path}", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def token_of(graph: Simulator) -> str:
    return graph.authority.access_token(
        audience="https://graph.microsoft.com", app_id="the-app", tenant_id=graph.tenant_id, roles=[]
    )


async def test_everything_is_there_again_after_a_restart(
    tmp_path: Path, receiver: Receiver, wanted: Wanted, rich: dict[str, Any]
) -> None:
    file = tmp_path / "state.json"
    async with aiohttp.ClientSession() as session:
        async with Simulator(state_file=file, state_dir=tmp_path) as first:
            token = token_of(first)
            app = App(session, first.http_url, token)
            status, made = await app.call("POST", "/v1.0/subscriptions", wanted(**rich))
            assert status == 201
            await app.control("post", {"where": "General", "text": "before"})
            await receiver.until(lambda: len(receiver.items) == 1)
            users = await call(session, first, token, "users/delta")
            link, stopped = users["@odata.deltaLink"].partition("/v1.0/")[2], first.clock.now()
            path = first.world.places[0].collection
        async with Simulator(state_file=file, state_dir=tmp_path) as second:
            assert second.clock.now() >= stopped
            app = App(session, second.http_url, token)
            assert await call(session, second, token, f"subscriptions/{made['id']}") == made | {"clientState": None}
            messages = await call(session, second, token, path)
            assert [each["body"]["content"] for each in messages["value"]] == ["<p>before</p>"]
            assert (await call(session, second, token, link))["value"] == []
            await app.control("post", {"where": "General", "text": "after"})
            await receiver.until(lambda: len(receiver.items) == 2)
    earlier, later = receiver.items
    assert (later["subscriptionId"], later["clientState"]) == (made["id"], "our secret")
    assert later["resourceData"]["id"] > earlier["resourceData"]["id"]
    assert later["encryptedContent"]


def test_the_file_is_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_state(file, {"version": 1})
    write_state(file, {"version": 2})
    assert json.loads(file.read_text()) == {"version": 2}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps({"version": 99}),
        json.dumps({"version": 1, "now": 5}),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(text)
    with pytest.raises(StateError, match=r"state\.json"):
        read_state(file)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("now", "yesterday"),
        ("elapsed", []),
        ("nextNumber", "x"),
        ("tenants", []),
        ("tenants", [{}]),
        ("tenants", [5]),
        ("subscriptions", 5),
        ("subscriptions", [{}, {}]),
        ("keys", []),
        ("keys", [{}]),
    ],
)
async def test_a_state_that_no_simulator_has_written_ends_the_start_with_a_remedy(
    tmp_path: Path, part: str, value: Any
) -> None:
    file = tmp_path / "state.json"
    async with Simulator(state_file=file, state_dir=tmp_path):
        pass
    file.write_text(json.dumps(json.loads(file.read_text()) | {part: value}))
    with pytest.raises((StateError, ValueError), match="to start anew"):
        async with Simulator(state_file=file, state_dir=tmp_path):
            pass


async def test_a_place_where_no_state_can_be_kept_is_noticed_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with Simulator(state_file=tmp_path / "nowhere" / "state.json", state_dir=tmp_path):
            pass
