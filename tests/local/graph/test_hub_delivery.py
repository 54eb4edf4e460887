"""A subscription whose notifications go into an event hub: the test message, the collections, and what never travels there."""

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.eventhubs.emulator import EventHubs
from local.graph.simulator import Simulator
from tests.local.eventhubs.stand import CLIENT_LEAKS, Hub, Received
from tests.local.graph.conftest import APP_ID
from tests.local.graph.stand import App, Receiver, Wanted

pytestmark = CLIENT_LEAKS

ROOT = Path(__file__).resolve().parents[3]
SCOPE = "https://graph.microsoft.com/.default"
HOST = "contoso.servicebus.windows.net"
URL = f"EventHub:https://{HOST}/eventhubname/notifications?tenantId=contoso.com"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with EventHubs(hubs={"notifications": 2}) as namespace:
        yield Hub(namespace=namespace)
    gc.collect()  # what the client left open is this test's, and not the next one's


@pytest.fixture
async def graph(hub: Hub) -> AsyncIterator[Simulator]:
    async with Simulator(event_hubs={HOST: hub.namespace.connection_string}) as simulator:
        yield simulator


def items_in(received: Received) -> list[dict[str, Any]]:
    return [item for body in received.bodies for item in json.loads(body)["value"]]


@pytest.mark.parametrize("with_data", [False, True])
async def test_a_hub_gets_a_test_message_and_then_the_same_collections_without_tokens(
    app: App, hub: Hub, wanted: Wanted, rich: dict[str, Any], *, with_data: bool
) -> None:
    body = wanted(notificationUrl=URL, **(rich if with_data else {}))
    status, made = await app.call("POST", "/v1.0/subscriptions", body)
    assert status == 201, made
    assert made["notificationUrl"] == URL
    assert made["latestSupportedTlsVersion"] is None
    for text in ("one", "two"):
        await app.control("post", {"where": "General", "text": text})
    async with hub.receiving() as received:
        await received.until(lambda so_far: len(items_in(so_far)) == 3)
    probe = next(item for item in items_in(received) if item["subscriptionId"] == "NA")
    assert probe["changeType"].startswith("Validation: Testing client application reachability")
    assert all(set(json.loads(each)) == {"value"} for each in received.bodies)
    real = [item for item in items_in(received) if item["subscriptionId"] == made["id"]]
    assert len(real) == 2
    assert {item["clientState"] for item in real} == {"our secret"}
    assert all(("encryptedContent" in item) == with_data for item in real)
    assert [row["acknowledged"] is not None for row in (await app.control("changes"))["changes"]] == [True, True]


async def test_what_a_hub_was_away_for_comes_when_it_is_back(
    app: App, hub: Hub, graph: Simulator, wanted: Wanted
) -> None:
    status, _ = await app.call("POST", "/v1.0/subscriptions", wanted(notificationUrl=URL))
    assert status == 201
    await asyncio.to_thread(hub.namespace.stop)
    await app.control("post", {"where": "General", "text": "meanwhile"})
    await asyncio.to_thread(hub.namespace.start)
    graph.clock.time_scale = 50.0  # the pauses between attempts are Graph's, not this test's
    async with hub.receiving() as received:
        await received.until(lambda so_far: any(item["subscriptionId"] != "NA" for item in items_in(so_far)))


@pytest.mark.parametrize(
    "url",
    [
        URL.replace("contoso.com", "fabrikam.com"),
        URL.replace("?tenantId=contoso.com", ""),
        URL.replace(HOST, "elsewhere.servicebus.windows.net"),
        URL.replace("/eventhubname/", "/hub/"),
        URL.replace("/notifications?", "/unknown?"),
        "EventGrid:?azuresubscriptionid=1&resourcegroup=r&partnertopic=t&location=l",
    ],
)
async def test_a_hub_that_graph_cannot_write_to_is_refused(app: App, wanted: Wanted, url: str) -> None:
    status, answer = await app.call("POST", "/v1.0/subscriptions", wanted(notificationUrl=url))
    assert (status, answer["error"]["code"]) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("store", "status"),
    [
        ("https://contoso.vault.azure.net/secrets/store?tenantId=contoso.com", 201),
        ("https://contoso.vault.azure.net/secrets/other?tenantId=contoso.com", 400),
        ("https://contoso.vault.azure.net/secrets/store?tenantId=fabrikam.com", 400),
        ("https://contoso.blob.core.windows.net/store", 400),
    ],
)
async def test_a_blob_store_that_graph_cannot_look_up_is_refused_before_the_hub_is_tried(
    hub: Hub, wanted: Wanted, store: str, status: int
) -> None:
    hubs, vault = {HOST: hub.namespace.connection_string}, {"store": "UseDevelopmentStorage=true"}
    async with Simulator(event_hubs=hubs, vault=vault) as graph, aiohttp.ClientSession() as session:
        token = graph.authority.access_token(
            audience="https://graph.microsoft.com", app_id="an-app", tenant_id=graph.tenant_id, roles=[]
        )
        app = App(session, graph.http_url, token)
        done, answer = await app.call("POST", "/v1.0/subscriptions", wanted(notificationUrl=URL, blobStoreUrl=store))
    assert done == status, answer
    if status == 400:
        assert answer["error"]["message"] == f"Invalid blob store url='{store}'."


async def test_secrets_of_vaults_are_given_on_the_command_line(hub: Hub, wanted: Wanted, tmp_path: Path) -> None:
    secrets = [
        f"hub={hub.namespace.connection_string};EntityPath=notifications",
        "store=UseDevelopmentStorage=true",
    ]
    options = [
        "--port",
        "0",
        "--tls-port",
        "0",
        "--state-dir",
        str(tmp_path),
        "--secret",
        secrets[0],
        "--secret",
        secrets[1],
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local", "graph", *options, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout
    try:
        url = json.loads(await process.stdout.readline())["http"]
        async with aiohttp.ClientSession() as session:
            world = await App(session, url, "").control("world")
            form = {"grant_type": "client_credentials", "client_id": APP_ID, "client_secret": "any", "scope": SCOPE}
            async with session.post(f"{url}/{world['tenant']}/oauth2/v2.0/token", data=form) as answer:
                app = App(session, url, (await answer.json())["access_token"])
            vault = "https://contoso.vault.azure.net/secrets"
            places = {
                "notificationUrl": f"EventHub:{vault}/hub?tenantId=contoso.com",
                "blobStoreUrl": f"{vault}/store?tenantId=contoso.com",
            }
            status, made = await app.call("POST", "/v1.0/subscriptions", wanted(**places))
            assert status == 201, made
            await app.control("post", {"where": "General", "text": "hello"})
            async with hub.receiving() as received:
                await received.until(lambda so_far: len(items_in(so_far)) == 2)
    finally:
        process.terminate()
        await process.wait()


async def test_a_simulator_without_hubs_says_so(wanted: Wanted, receiver: Receiver) -> None:
    async with Simulator() as graph, aiohttp.ClientSession() as session:
        token = graph.authority.access_token(
            audience="https://graph.microsoft.com", app_id="an-app", tenant_id=graph.tenant_id, roles=[]
        )
        app = App(session, graph.http_url, token)
        status, answer = await app.call("POST", "/v1.0/subscriptions", wanted(notificationUrl=URL))
    assert (status, "Invalid event hub notification url" in answer["error"]["message"]) == (400, True)
    assert receiver.bodies == []


@pytest.mark.parametrize("scheme", ["EventHub:", "eventhub:"])
async def test_lifecycle_notifications_reach_a_hub_without_tokens_however_its_scheme_is_spelt(
    app: App, hub: Hub, wanted: Wanted, rich: dict[str, Any], scheme: str
) -> None:
    body = wanted(lifecycleNotificationUrl=URL.replace("EventHub:", scheme), **rich)
    status, made = await app.call("POST", "/v1.0/subscriptions", body)
    assert status == 201, made
    await app.control("lifecycle", {"subscriptionId": made["id"], "event": "reauthorizationRequired"})
    async with hub.receiving() as received:
        await received.until(lambda so_far: any("lifecycleEvent" in item for item in items_in(so_far)))
    assert all(set(json.loads(each)) == {"value"} for each in received.bodies)
