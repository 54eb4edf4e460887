"""The stand-in through Microsoft's own client: every transport, outages, and what a client may not do."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from local.signalr.clients import Pace
from shared.adapters.signalr import SignalR
from shared.adapters.signalr_access import AccessKey
from tests.contracts.live_stand import RealStand, heard, real_stand, tell
from tests.contracts.twins import present, until
from tests.local.signalr.stand import EVENTS, POLLING, WEBSOCKETS, needs_node, official_client

pytestmark = needs_node

ALICE, BOB = "a11ce000-0000-4000-8000-000000000001", "b0b00000-0000-4000-8000-000000000002"
MINUTE = timedelta(minutes=1)
TRANSPORTS = pytest.mark.parametrize(
    "transport", [WEBSOCKETS, EVENTS, POLLING], ids=["websockets", "server-sent events", "long polling"]
)


@pytest.fixture
async def stand() -> AsyncIterator[RealStand]:
    async with real_stand() as running:
        yield running


@TRANSPORTS
async def test_every_message_arrives_once_and_in_order(stand: RealStand, transport: int) -> None:
    await stand.live.join(ALICE, "f~1", ttl=MINUTE)
    async with official_client(await stand.live.connection(ALICE), transport=transport) as client:
        await client.sees("connected")
        for position in range(300):
            await stand.live.send_to_group("f~1", "feed", [{"position": position, "text": "☃ \u2028 \x1e"}])
        await tell(stand.live, ALICE, "two", {"arguments": None})

        received = await client.hears(301)

    assert [arguments[0]["position"] for _, arguments in received[:300]] == list(range(300))
    assert received[0] == ("feed", [{"position": 0, "text": "☃ \u2028 \x1e"}])
    assert received[300] == ("mail", ["two", {"arguments": None}])


@TRANSPORTS
async def test_a_client_that_goes_is_gone(stand: RealStand, transport: int) -> None:
    hub = stand.service.hub("earshot")
    async with official_client(await stand.live.connection(ALICE), transport=transport) as client:
        await client.sees("connected")
        assert len(hub.connections) == 1
        client.do("stop")
        assert (await client.sees("closed"))["error"] is None

        async def gone() -> bool:
            await asyncio.sleep(0.01)
            return not hub.connections and not hub.pending

        await until(gone, within=30)


@TRANSPORTS
async def test_what_a_client_invokes_ends_its_connection(stand: RealStand, transport: int) -> None:
    async with official_client(await stand.live.connection(ALICE), transport=transport) as client:
        await client.sees("connected")
        client.do("invoke")

        assert "serverless mode" in (await client.sees("closed"))["error"]

    assert "reconnecting" not in [each["event"] for each in client.events]


@TRANSPORTS
async def test_after_a_cut_a_client_is_back_in_its_groups(stand: RealStand, transport: int) -> None:
    await stand.live.join(ALICE, "f~1", ttl=MINUTE)
    async with official_client(await stand.live.connection(ALICE), transport=transport) as client:
        await client.sees("connected")
        stand.service.drop_everybody()
        await client.sees("reconnected")

        await stand.live.send_to_group("f~1", "feed", ["back"])

        assert await client.hears(1) == [("feed", ["back"])]


async def test_a_client_outlives_a_restart_of_the_service_and_hears_again_once_it_has_joined(stand: RealStand) -> None:
    async with official_client(await stand.live.connection(ALICE)) as client:
        await client.sees("connected")
        port = stand.service.port
        await stand.service.__aexit__(None, None, None)
        await client.sees("reconnecting")
        stand.service.hubs.clear()
        stand.service.port = port
        await stand.service.__aenter__()
        await client.sees("reconnected")

        await stand.live.join(ALICE, "f~1", ttl=MINUTE)
        await stand.live.send_to_group("f~1", "feed", ["again"])

        assert await client.hears(1) == [("feed", ["again"])]


async def test_a_service_that_ends_a_connection_is_not_called_again(stand: RealStand) -> None:
    async with official_client(await stand.live.connection(ALICE)) as client:
        await client.sees("connected")
        url = f"{stand.service.url}/api/hubs/earshot/users/{ALICE}/:closeConnections"
        key = stand.service.connection_string.partition("AccessKey=")[2].partition(";")[0]
        headers = {"Authorization": f"Bearer {await AccessKey(key).token(url)}"}
        async with stand.session.post(f"{url}?api-version=2024-12-01&reason=Enough.", headers=headers) as answer:
            assert answer.status == 204

        assert "Enough." in (await client.sees("closed"))["error"]


async def test_a_token_that_is_not_good_gets_nobody_in(stand: RealStand) -> None:
    good = await stand.live.connection(ALICE)
    for spoiled in (
        replace(good, access_token=good.access_token[:-6] + "AAAAAA"),
        replace(good, access_token="nonsense"),
        replace(good, url=good.url.replace("hub=earshot", "hub=another")),
    ):
        async with official_client(spoiled) as client:
            assert "401" in (await client.sees("failed"))["error"]


async def test_pings_keep_a_quiet_connection_and_without_them_it_ends() -> None:
    clock = [0.0]
    async with real_stand(pace=Pace(keep_alive=0.1, timeout=50), now=lambda: clock[0]) as stand:
        hub = stand.service.hub("earshot")
        async with (
            official_client(await stand.live.connection(ALICE), keep_alive=100) as pinging,
            official_client(await stand.live.connection(BOB), keep_alive=3_600_000) as silent,
        ):
            await pinging.sees("connected")
            await silent.sees("connected")
            clock[0] = 40.0

            async def pinged() -> bool:
                await asyncio.sleep(0.01)
                return [each.heard for each in hub.of_user(ALICE)] == [40.0]

            await until(pinged, within=30)
            assert [each.heard for each in hub.of_user(BOB)] == [0.0]
            clock[0] = 80.0
            assert "timed out" in (await silent.sees("reconnecting"))["error"]
            await tell(stand.live, ALICE, "still there")
            assert await pinging.hears(1) == [("mail", ["still there"])]

        assert [each["event"] for each in pinging.events] == ["connected", "message"]


async def test_a_client_of_thirty_lines_and_the_official_one_hear_the_same(stand: RealStand) -> None:
    connection = await stand.live.connection(ALICE)
    small = await stand.connect(connection)
    async with official_client(connection) as client:
        await client.sees("connected")
        for number in range(50):
            await tell(stand.live, ALICE, number, "x" * number * 100)

        assert await client.hears(50) == await heard(small, 50)


async def test_one_who_reaches_another_service_with_the_key_is_somebody_else(stand: RealStand) -> None:
    async with real_stand() as other:
        stranger = SignalR(other.service.url, AccessKey("another key, as long as it has to be to be one"), now=present)
        with pytest.raises(Exception, match="401"):
            await stranger.connection(ALICE)
        await stranger.close()
    assert stand.service.hub("earshot").connections == {}
