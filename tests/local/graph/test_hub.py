"""Delivery into event hubs: which URLs lead to one, what arrives there, and what becomes of what is too large."""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from hypothesis import given, settings
from hypothesis import strategies as st

from local.azurite.emulator import Azurite
from local.eventhubs.emulator import EventHubs
from local.graph.delivery.hub import HubRefused, HubSender, write_hub_bodies
from local.graph.delivery.hub_bodies import LARGEST_BODY
from local.graph.faults import GraphFault
from tests.local.eventhubs.stand import CLIENT_LEAKS, Hub

pytestmark = CLIENT_LEAKS

ROOT = Path(__file__).resolve().parents[3]
DOMAINS = {"contoso.com", "contoso.onmicrosoft.com"}
URL = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
SECRET_URL = "EventHub:https://contoso.vault.azure.net/secrets/hub?tenantId=contoso.onmicrosoft.com"
STORE_URL = "https://contoso.vault.azure.net/secrets/store?tenantId=contoso.com"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with EventHubs(hubs={"notifications": 2}) as namespace:
        yield Hub(namespace=namespace)
    gc.collect()  # what the client left open is this test's, and not the next one's


@pytest.fixture
async def sender(hub: Hub) -> AsyncIterator[HubSender]:
    made = make_sender(hub)
    yield made
    await made.close()


def make_sender(hub: Hub, **settings: Any) -> HubSender:
    reached = hub.namespace.connection_string
    secrets = {"hub": f"{reached};EntityPath=notifications", "nameless": reached, "nonsense": "nonsense"}
    given: dict[str, Any] = {"secrets": secrets} | settings
    return HubSender({"contoso.servicebus.windows.net": reached}, domains=DOMAINS, **given)


def item(number: int, size: int = 0) -> dict[str, Any]:
    return {
        "subscriptionId": "5b5c0000-0000-4000-8000-000000000001",
        "changeType": "created",
        "clientState": "our secret",
        "resource": f"chats('{number}')/messages('1')",
        "resourceData": {"id": "1"},
        "encryptedContent": {"data": "x" * size},
        "tenantId": "7e4a0000-0000-4000-8000-000000007e4a",
    }


@settings(max_examples=20)
@given(st.lists(st.integers(0, LARGEST_BODY), max_size=8))
def test_bodies_hold_everything_in_its_order_and_fit_into_an_event(sizes: list[int]) -> None:
    items = [item(number, size) for number, size in enumerate(sizes)]

    bodies = write_hub_bodies(items)

    read = [json.loads(body) for body in bodies]
    assert [each for body in read for each in body["value"]] == items
    assert all(set(body) == {"value"} for body in read)
    assert all(len(body) < LARGEST_BODY or len(read[at]["value"]) == 1 for at, body in enumerate(bodies))


def test_bodies_may_hold_what_a_forger_puts_there() -> None:
    assert write_hub_bodies([None, {"text": "ü"}]) == ['{"value":[null,{"text":"ü"}]}'.encode()]


@pytest.mark.parametrize("url", [URL, SECRET_URL, URL.lower().replace("tenantid", "tenantId")])
async def test_both_spellings_of_a_hub_lead_there_and_the_probe_says_nothing(
    hub: Hub, sender: HubSender, url: str
) -> None:
    await sender.probe(url)
    await sender.send(url, write_hub_bodies([item(1)])[0])

    collections = [json.loads(event.body_as_str()) for event in await hub.read(2)]
    probe, real = sorted(collections, key=lambda collection: collection["value"][0]["subscriptionId"], reverse=True)
    (only,) = probe["value"]
    testing, _, request_id = only.pop("changeType").rpartition(" ")
    assert testing == "Validation: Testing client application reachability for subscription Request-Id:"
    assert len(request_id) == 36
    assert only.pop("resourceData") == {"@odata.type": "NA", "@odata.id": "NA", "id": "NA"}
    assert only == dict.fromkeys(["subscriptionId", "subscriptionExpirationDateTime", "clientState", "resource"], "NA")
    assert real == {"value": [item(1)]}


@pytest.mark.parametrize(
    "wrong",
    [
        URL.replace("/eventhubname", ""),
        URL.replace("eventhubname", "eventHubName"),
        URL.replace("/notifications", "/"),
        URL.replace("https", "sb"),
        URL.replace("windows.net", "windows.net:5671"),
        URL.replace("windows.net", "example.com"),
        URL.replace("contoso.servicebus", "fabrikam.servicebus"),
        URL.partition("?")[0],
        URL.replace("tenantId", "tenant"),
        URL.replace("=contoso.com", "=fabrikam.com"),
        URL.replace("=contoso.com", "=7e4a0000-0000-4000-8000-000000007e4a"),
        URL + "&more=1",
        URL + "#fragment",
        "EventHub:",
        "EventHub:https://[",
        SECRET_URL.replace("secrets", "keys"),
        SECRET_URL.replace("/hub", "/other"),
        SECRET_URL.replace("/hub", "/nonsense"),
        SECRET_URL.replace("/hub", "/nameless"),
    ],
)
async def test_a_url_that_leads_to_no_hub_is_refused_in_graph_s_words(sender: HubSender, wrong: str) -> None:
    with pytest.raises(GraphFault) as refused:
        await sender.probe(wrong)
    with pytest.raises(HubRefused):
        await sender.send(wrong, b"{}")

    fault = refused.value
    assert (fault.status, fault.code) == (400, "InvalidRequest")
    assert fault.message == f"Invalid event hub notification url='{wrong}'."


async def test_a_hub_that_is_not_in_the_namespace_fails_the_probe(sender: HubSender) -> None:
    with pytest.raises(
        GraphFault, match=r"^400 InvalidRequest: Client EventHubs publishing validation failed "
    ) as fault:
        await sender.probe(URL.replace("/notifications", "/elsewhere"))

    assert "Key" not in fault.value.message


async def test_all_that_is_sent_at_once_arrives_and_a_key_keeps_its_order(hub: Hub, sender: HubSender) -> None:
    bodies = [write_hub_bodies([item(number)])[0] for number in range(1_000)]
    await sender.probe(URL)
    started = time.monotonic()
    await asyncio.gather(*(sender.send(URL, body, partition_key=f"chat {at % 2}") for at, body in enumerate(bodies)))
    seconds = time.monotonic() - started

    events = await hub.read(1_001)
    for key in (b"chat 0", b"chat 1"):
        keyed = [b"".join(event.body) for event in events if event.partition_key == key]
        assert keyed == [body for at, body in enumerate(bodies) if at % 2 == int(key[-1:])]
    assert seconds < 5


async def test_what_is_sent_while_the_hub_is_away_arrives_when_it_is_back(hub: Hub, sender: HubSender) -> None:
    await sender.send(URL, b'"before"')
    hub.namespace.cut()
    await sender.send(URL, b'"cut"')
    hub.namespace.stop()
    with pytest.raises(HubRefused) as refused:
        await sender.send(URL, b'"away"')
    hub.namespace.start()
    await sender.send(URL, b'"back"')

    assert not refused.value.final
    assert {event.body_as_str() for event in await hub.read(1)} == {'"back"'}


async def test_closing_gives_up_what_is_under_way(hub: Hub) -> None:
    sender = make_sender(hub)
    await sender.send(URL, b"{}")
    hub.namespace.pause()
    try:
        sending = [asyncio.create_task(sender.send(URL, b"{}", partition_key=str(key))) for key in range(3)]
        await asyncio.wait(sending, timeout=0.1)
        async with asyncio.timeout(10):
            await sender.close()
            ends = await asyncio.gather(*sending, return_exceptions=True)
    finally:
        hub.namespace.resume()

    assert [type(end) for end in ends] == [HubRefused] * 3


@pytest.mark.azurite
async def test_what_makes_an_item_too_large_is_put_into_a_blob(hub: Hub) -> None:
    with Azurite() as azurite:
        secrets = {"store": azurite.connection_string}
        sender = make_sender(hub, secrets=secrets, blob_store_of={item(1)["subscriptionId"]: STORE_URL}.get)
        sender.check_store(STORE_URL)
        large, small = item(1, LARGEST_BODY), item(2)
        first, second = write_hub_bodies([large, small])
        with pytest.raises(HubRefused, match="cannot store a large payload"):
            await sender.send(URL, first)  # nobody has made the container
        with ContainerClient.from_connection_string(
            azurite.connection_string, "microsoft-graph-change-notifications"
        ) as container:
            container.create_container()

            await sender.send(URL, first)
            await sender.send(URL, second)
            await sender.close()

            events = [json.loads(event.body_as_str())["value"] for event in await hub.read(2)]
            (told,) = next(items for items in events if "additionalPayloadStorageId" in items[0])
            stored = json.loads(container.download_blob(told.pop("additionalPayloadStorageId")).readall())

    assert [small] in events
    assert stored == large
    assert told == {key: large[key] for key in ("subscriptionId", "changeType", "clientState", "tenantId")}


async def test_without_a_blob_store_it_cannot_be_delivered_however_often_it_is_tried(sender: HubSender) -> None:
    (body,) = write_hub_bodies([item(1, LARGEST_BODY)])
    for _ in range(2):
        with pytest.raises(HubRefused) as refused:
            await sender.send(URL, body)

    assert refused.value.final
    assert sender.undeliverable == 1


@pytest.mark.parametrize(
    "wrong", ["http://contoso.vault.azure.net/secrets/hub?tenantId=contoso.com", STORE_URL, SECRET_URL]
)
async def test_a_blob_store_that_is_not_a_known_secret_is_refused(sender: HubSender, wrong: str) -> None:
    with pytest.raises(GraphFault, match=r"^400 InvalidRequest: Invalid blob store url="):
        sender.check_store(wrong)


def test_nothing_of_azure_is_imported_before_there_is_a_hub() -> None:
    asked = (
        "import sys, local.graph.delivery.hub; sys.exit(any(name.partition('.')[0] == 'azure' for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=False)

    assert done.returncode == 0
