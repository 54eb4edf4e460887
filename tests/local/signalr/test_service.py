"""The service as somebody meets it who has no client: what is refused, limits, pages of other origins, and the command."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from local.signalr.rest import LARGEST_BODY
from local.signalr.service import KEY, SignalRService
from shared.adapters.signalr_access import AccessKey
from tests.contracts.live_stand import RealStand, heard, real_stand
from tests.contracts.twins import until

ROOT = Path(__file__).parents[3]
HUB = "/api/hubs/earshot"
MESSAGE = {"target": "feed", "arguments": [1]}


@pytest.fixture
async def stand() -> AsyncIterator[RealStand]:
    async with real_stand() as running:
        yield running


async def ask(
    stand: RealStand, method: str, path: str, body: Any = None, *, query: str = "api-version=2024-12-01"
) -> int:
    url = stand.service.url + path
    headers = {"Authorization": f"Bearer {await AccessKey(KEY).token(url)}"}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    async with stand.session.request(method, f"{url}?{query}", data=raw, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "status"),
    [
        ("POST", f"{HUB}/:send", "", MESSAGE, 202),
        ("POST", f"{HUB}/users/u/:send", "", {"target": "feed"}, 202),
        ("POST", f"{HUB}/groups/g/:send", "", MESSAGE, 202),
        ("POST", f"{HUB}/connections/nobody/:send", "", MESSAGE, 202),
        ("POST", f"{HUB}/groups/{'g' * 1_024}/:send", "", MESSAGE, 202),
        ("POST", f"{HUB}/groups/{'g' * 1_025}/:send", "", MESSAGE, 400),
        ("POST", "/api/hubs/1st/:send", "", MESSAGE, 400),
        ("POST", f"{HUB}/:send", "", b"no json", 400),
        ("POST", f"{HUB}/:send", "", [], 400),
        ("POST", f"{HUB}/:send", "", {"arguments": []}, 400),
        ("POST", f"{HUB}/:send", "", {"target": "feed", "arguments": {}}, 400),
        ("POST", f"{HUB}/:generateToken", "", None, 200),
        ("POST", f"{HUB}/:generateToken", "minutesToExpire=0", None, 400),
        ("POST", f"{HUB}/:generateToken", "minutesToExpire=x", None, 400),
        ("PUT", f"{HUB}/users/u/groups/g", "ttl=60", None, 200),
        ("PUT", f"{HUB}/users/u/groups/g", "", None, 200),
        ("PUT", f"{HUB}/users/u/groups/g", "ttl=-1", None, 400),
        ("HEAD", f"{HUB}/users/u/groups/g", "", None, 404),
        ("DELETE", f"{HUB}/users/u/groups/g", "", None, 204),
        ("DELETE", f"{HUB}/users/u/groups", "", None, 204),
        ("HEAD", f"{HUB}/users/u", "", None, 404),
        ("HEAD", f"{HUB}/groups/g", "", None, 404),
        ("PUT", f"{HUB}/groups/g/connections/nobody", "", None, 404),
        ("DELETE", f"{HUB}/groups/g/connections/nobody", "", None, 200),
        ("POST", f"{HUB}/:closeConnections", "", None, 204),
        ("POST", f"{HUB}/:execute", "", [], 501),
        ("GET", f"{HUB}/groups/g/connections", "", None, 501),
    ],
)
async def test_the_rest_api_answers_as_its_reference_says(
    stand: RealStand, method: str, path: str, query: str, body: Any, status: int
) -> None:
    assert await ask(stand, method, path, body, query=f"api-version=2024-12-01&{query}") == status


@pytest.mark.parametrize("query", ["", "api-version=1.0", "api-version="])
async def test_a_version_that_is_not_known_is_refused(stand: RealStand, query: str) -> None:
    assert await ask(stand, "POST", f"{HUB}/:send", MESSAGE, query=query) == 400


async def test_a_body_of_a_megabyte_is_taken_and_one_byte_more_is_not(stand: RealStand) -> None:
    frame = len(json.dumps({"target": "feed", "arguments": [""]}))
    largest = {"target": "feed", "arguments": ["x" * (LARGEST_BODY - frame)]}
    alice = await stand.connect(await stand.live.connection("alice"))

    async def status_of(body: Any) -> int:
        url = f"{stand.service.url}{HUB}/:send"
        headers = {"Authorization": f"Bearer {await AccessKey(KEY).token(url)}"}

        async def stream() -> AsyncIterator[bytes]:
            yield json.dumps(body).encode()

        address = f"{url}?api-version=2024-12-01"
        async with stand.session.post(address, data=stream(), headers=headers) as answer:
            return answer.status

    assert await status_of(largest) == 202
    assert await heard(alice, 1) == [("feed", largest["arguments"])]
    largest["arguments"] = [f"{largest['arguments'][0]}x"]
    assert await status_of(largest) == 413


async def test_who_is_there_is_found_and_excluded_connections_hear_nothing(stand: RealStand) -> None:
    alice, bob = [await stand.connect(await stand.live.connection(user)) for user in ("alice", "bob")]
    hub = stand.service.hub("EARSHOT")
    [one], [other] = [[each.connection_id for each in hub.of_user(user)] for user in ("alice", "bob")]

    for path in (f"{HUB}/users/alice", f"{HUB}/connections/{one}"):
        assert await ask(stand, "HEAD", path) == 200
    assert await ask(stand, "PUT", f"{HUB}/groups/g/connections/{one}") == 200
    assert await ask(stand, "PUT", f"{HUB}/groups/g/connections/{other}") == 200
    assert await ask(stand, "HEAD", f"{HUB}/groups/g") == 200
    excluded = f"api-version=2024-12-01&excluded={one}"
    for path in (f"{HUB}/:send", f"{HUB}/groups/g/:send"):
        assert await ask(stand, "POST", path, MESSAGE, query=excluded) == 202
    assert await ask(stand, "POST", f"{HUB}/connections/{one}/:send", {"target": "last"}) == 202

    assert await heard(bob, 2) == [("feed", [1])] * 2
    assert await heard(alice, 1) == [("last", [])]
    assert await ask(stand, "DELETE", f"{HUB}/connections/{one}") == 200
    assert await ask(stand, "HEAD", f"{HUB}/users/alice") == 404


@pytest.mark.parametrize(
    "spoil",
    [
        {"aud": "https://elsewhere/api/hubs/earshot/:send"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"key": "somebody else's key, which is as long as ours"},
        {"algorithm": "HS512"},
        {"algorithm": "none", "key": ""},
    ],
    ids=["another address", "no address", "expired", "for ever", "another key", "another algorithm", "none"],
)
async def test_a_spoiled_token_of_a_caller_is_refused(stand: RealStand, spoil: dict[str, Any]) -> None:
    url = f"{stand.service.url}{HUB}/:send"
    claims = {"aud": url, "exp": 4_000_000_000} | spoil
    kept = {name: value for name, value in claims.items() if value is not None and name in {"aud", "exp"}}
    key = spoil.get("key", KEY * 2 if spoil.get("algorithm") == "HS512" else KEY)
    token = jwt.encode(kept, key or None, spoil.get("algorithm", "HS256"))

    async with stand.session.post(
        f"{url}?api-version=2024-12-01", json=MESSAGE, headers={"Authorization": f"Bearer {token}"}
    ) as answer:
        assert answer.status == 401
        assert set(await answer.json()) == {"code", "message"}


async def test_as_many_clients_as_a_unit_has_and_no_more() -> None:
    async with real_stand(most=2) as stand:
        first = await stand.connect(await stand.live.connection("alice"))
        await stand.connect(await stand.live.connection("alice"))
        with pytest.raises(aiohttp.ClientResponseError, match="429"):
            await stand.connect(await stand.live.connection("alice"))

        await first.leave()

        async def noticed() -> bool:
            await asyncio.sleep(0.01)
            return len(stand.service.hub("earshot").pending) == 1

        await until(noticed, within=30)
        await stand.connect(await stand.live.connection("alice"))


@pytest.mark.parametrize(
    ("version", "token"), [("", False), ("&negotiateVersion=0", False), ("&negotiateVersion=9", True)]
)
async def test_negotiation_has_two_versions(stand: RealStand, version: str, token: bool) -> None:  # noqa: FBT001
    connection = await stand.live.connection("alice")
    address = connection.url.replace("/client/?", "/client/negotiate?") + version
    headers = {"Authorization": f"Bearer {connection.access_token}"}
    async with stand.session.post(address, headers=headers) as answer:
        body = await answer.json()

    assert ("connectionToken" in body, body["negotiateVersion"]) == (token, int(token))
    taken = body.get("connectionToken", body["connectionId"])
    async with stand.session.ws_connect(f"{connection.url}&id={taken}", headers=headers) as socket:
        await socket.send_str('{"protocol":"json","version":1}\x1e')
        assert await socket.receive_str() == "{}\x1e"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="409"):
            await stand.session.ws_connect(f"{connection.url}&id={taken}", headers=headers)


async def test_a_connection_is_nobody_else_s(stand: RealStand) -> None:
    alice, mallory = [await stand.live.connection(user) for user in ("alice", "mallory")]
    stolen = next(iter(stand.service.hub("earshot").pending), None)
    assert stolen is None
    address = alice.url.replace("/client/?", "/client/negotiate?") + "&negotiateVersion=1"
    async with stand.session.post(address, headers={"Authorization": f"Bearer {alice.access_token}"}) as answer:
        token = (await answer.json())["connectionToken"]

    headers = {"Authorization": f"Bearer {mallory.access_token}"}
    async with stand.session.get(f"{mallory.url}&id={token}", headers=headers) as answer:
        assert answer.status == 404
    async with stand.session.get(mallory.url, headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (("*",), "http://127.0.0.1:7071", True),
        (("http://127.0.0.1:7071",), "http://127.0.0.1:7071", True),
        (("http://127.0.0.1:7071",), "http://evil.example", False),
    ],
)
async def test_pages_of_the_allowed_origins_may_read_answers_and_no_others(
    origins: tuple[str, ...],
    origin: str,
    allowed: bool,  # noqa: FBT001
) -> None:
    async with real_stand(origins=origins) as stand:
        url = f"{stand.service.url}/client/negotiate?hub=earshot"
        seen = []
        for method in ("OPTIONS", "POST"):
            async with stand.session.request(method, url, headers={"Origin": origin}) as answer:
                seen.append((answer.status, answer.headers.get("Access-Control-Allow-Origin")))

    assert seen == [(204, origin if allowed else None), (401, origin if allowed else None)]


async def test_headers_of_sixteen_kilobytes_are_too_long(stand: RealStand) -> None:
    async def status_of(size: int) -> int:
        async with stand.session.post(
            f"{stand.service.url}/client/negotiate", headers={"X-Long": "x" * size}
        ) as answer:
            return answer.status

    assert await status_of(12_000) == 401
    assert await status_of(17_000) == 400


async def test_a_second_service_on_its_port_is_refused() -> None:
    async with SignalRService() as first:
        with pytest.raises(OSError, match="in use"):
            await SignalRService(port=first.port).__aenter__()


def test_the_command_serves_until_it_is_told_to_stop() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "local", "signalr", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0

    assert ready["ready"] is True
    assert ready["connectionString"] == f"Endpoint={ready['url']};AccessKey={KEY};Version=1.0;"


def test_a_port_that_is_taken_is_one_sentence() -> None:
    async def both() -> subprocess.CompletedProcess[str]:
        async with SignalRService() as first:
            command = [sys.executable, "-m", "local", "signalr", "--port", str(first.port)]
            return await asyncio.to_thread(
                subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False
            )

    done = asyncio.run(both())

    assert done.returncode == 2
    assert done.stderr.startswith("SignalR cannot start: ")
