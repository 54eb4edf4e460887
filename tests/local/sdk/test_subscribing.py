"""Microsoft's own client keeps subscriptions, and is told what went wrong in its own words."""

import base64
import uuid
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("msgraph", reason="no msgraph-sdk: `make test` installs it")

from msgraph.generated.models.chat_message import ChatMessage
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.subscription import Subscription
from msgraph.graph_service_client import GraphServiceClient

from local.graph.simulator import Simulator
from tests.local.graph.stand import Key, Receiver
from tests.local.sdk.stand import APP_ID, header_of, to_the_end

HOUR = timedelta(hours=1)


def wanted(graph: Simulator, receiver: Receiver, resource: str = "/teams/getAllMessages") -> Subscription:
    return Subscription(
        change_type="created,updated",
        notification_url=f"{receiver.url}/notifications",
        lifecycle_notification_url=f"{receiver.url}/lifecycle",
        resource=resource,
        expiration_date_time=graph.clock.now() + 2 * HOUR,
        client_state="our secret",
    )


async def test_a_subscription_is_created_found_renewed_reauthorized_and_deleted(
    graph: Simulator, client: GraphServiceClient, receiver: Receiver
) -> None:
    asked = wanted(graph, receiver)
    made = await client.subscriptions.post(asked)
    assert made is not None
    assert uuid.UUID(made.id)
    assert (made.application_id, made.client_state, made.resource) == (APP_ID, "our secret", asked.resource)
    assert asked.expiration_date_time is not None
    assert made.expiration_date_time == asked.expiration_date_time.astimezone(UTC)
    listed = await client.subscriptions.get()
    assert listed is not None
    assert [(each.id, each.client_state) for each in listed.value or []] == [(made.id, None)]
    own = client.subscriptions.by_subscription_id(str(made.id))
    later = graph.clock.now() + 3 * HOUR
    renewed = await own.patch(Subscription(expiration_date_time=later))
    assert renewed is not None
    read = await own.get()
    assert read is not None
    assert read.expiration_date_time == renewed.expiration_date_time == later
    await own.reauthorize.post()
    await own.delete()
    with pytest.raises(ODataError) as caught:
        await own.get()
    assert caught.value.response_status_code == 404


async def test_a_rich_subscription_is_told_what_somebody_said(
    graph: Simulator, client: GraphServiceClient, adele: GraphServiceClient, receiver: Receiver, key: Key
) -> None:
    asked = wanted(graph, receiver)
    asked.include_resource_data, asked.encryption_certificate_id = True, "key-1"
    asked.encryption_certificate = key.text
    made = await client.subscriptions.post(asked)
    assert made is not None
    assert (made.include_resource_data, made.encryption_certificate_id) == (True, "key-1")
    ids = graph.world.places[0].ids
    channel = adele.teams.by_team_id(ids["team"]).channels.by_channel_id(ids["channel"])
    said = await channel.messages.post(ChatMessage(body=ItemBody(content="hello")))
    assert said is not None
    await receiver.until(lambda: bool(receiver.bodies))
    (item,) = receiver.items
    encrypted = {name.lower(): value for name, value in item.items()}["encryptedcontent"]
    assert (item["subscriptionId"], item["resourceData"]["id"]) == (made.id, said.id)
    assert encrypted["encryptionCertificateId"] == "key-1"
    assert base64.b64decode(encrypted["dataKey"])
    fresh = Subscription(
        expiration_date_time=graph.clock.now() + HOUR,
        encryption_certificate=key.text,
        encryption_certificate_id="key-2",
    )
    rotated = await client.subscriptions.by_subscription_id(str(made.id)).patch(fresh)
    assert rotated is not None
    assert rotated.encryption_certificate_id == "key-2"


async def test_the_list_is_read_to_its_end_even_through_an_empty_page(
    graph: Simulator, client: GraphServiceClient, receiver: Receiver
) -> None:
    graph.knobs.turn({"empty_pages": True, "subscription_page": 2})
    resources = [f"/users/{person.id}/messages" for person in graph.world.people[:5]]
    for resource in resources:
        await client.subscriptions.post(wanted(graph, receiver, resource))
    first = await client.subscriptions.get()
    assert first is not None
    assert first.value == []
    found, _ = await to_the_end(client.subscriptions, first)
    assert [each.resource for each in found] == resources


async def test_a_refusal_has_a_code_a_message_and_an_id_to_ask_after(
    graph: Simulator, client: GraphServiceClient, receiver: Receiver
) -> None:
    asked = wanted(graph, receiver)
    asked.expiration_date_time = graph.clock.now() + timedelta(days=30)
    with pytest.raises(ODataError) as caught:
        await client.subscriptions.post(asked)
    refused = caught.value.error
    assert refused is not None
    assert refused.inner_error is not None
    assert (caught.value.response_status_code, refused.code) == (400, "InvalidRequest")
    assert "Subscription expiration can only be" in str(refused.message)
    assert uuid.UUID(refused.inner_error.request_id)
    assert isinstance(refused.inner_error.date, datetime)
    assert header_of(caught.value, "request-id") == refused.inner_error.request_id
    receiver.url = "http://127.0.0.1:1"
    with pytest.raises(ODataError, match="validation request") as deaf:
        await client.subscriptions.post(wanted(graph, receiver))
    assert deaf.value.response_status_code == 400
