import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.graph.clock import read_time
from local.graph.lifecycle.payload import EVENTS
from local.graph.simulator import Simulator
from local.graph.subscribing.store import Subscription
from tests.local.graph.conftest import APP_ID
from tests.local.graph.stand import App, Receiver, Wanted

QUARTER = timedelta(minutes=15)
MAIL = "users/adele@contoso.com/messages"
REAL = {
    "lifecycleEvent",
    "subscriptionId",
    "resource",
    "resourceChangeType",
    "sequence",
    "clientState",
    "resourceData",
    "encryptedContent",
    "organizationId",
    "subscriptionExpirationDateTime",
}
DOCUMENTED = {"subscriptionId", "subscriptionExpirationDateTime", "tenantId", "clientState", "lifecycleEvent"}

Made = Callable[..., Any]


@pytest.fixture
async def graph() -> AsyncIterator[Simulator]:
    """Time goes at its usual pace and is moved on by hand."""
    async with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture
def made(app: App, graph: Simulator, wanted: Wanted) -> Made:
    async def make(minutes: float = 600, **changes: Any) -> Subscription:
        ends = graph.clock.now() + timedelta(minutes=minutes)
        changes.setdefault("resource", f"users/{graph.world.people[0].id}/messages")
        body = wanted(expirationDateTime=ends.strftime("%Y-%m-%dT%H:%M:%SZ"), **changes)
        status, answer = await app.call("POST", "/v1.0/subscriptions", body)
        assert status == 201, answer
        subscription = graph.subscriptions.find(answer["id"], now=graph.clock.now())
        assert subscription
        return subscription

    return make


def events(receiver: Receiver) -> list[tuple[str, str]]:
    return [(item["subscriptionId"], item["lifecycleEvent"]) for item in receiver.items]


async def pass_time(graph: Simulator, receiver: Receiver, by: timedelta, expected: int) -> None:
    """Move on, and wait until the receiver has had as many items as expected, and no more."""
    graph.clock.advance(by)
    await receiver.until(lambda: len(receiver.items) >= expected)
    assert len(receiver.items) == expected


async def test_an_hour_in_the_life_of_a_subscription_that_nobody_renews(
    graph: Simulator, receiver: Receiver, made: Made
) -> None:
    subscription = await made()
    for expected in (1, 2, 3):
        await pass_time(graph, receiver, QUARTER, expected)
    assert events(receiver) == [(subscription.id, "reauthorizationRequired")] * 3
    assert graph.authorizations.open(subscription, graph.clock.now())
    graph.clock.advance(QUARTER)
    await receiver.until(lambda: bool(graph.judge.printed()))
    assert not graph.authorizations.open(subscription, graph.clock.now())
    assert [(each["rule"], each["example"]) for each in graph.judge.printed()] == [("lapsed", subscription.id)]


@pytest.mark.parametrize("way", ["PATCH", "reauthorize"])
async def test_renewing_starts_the_clock_afresh(
    app: App, graph: Simulator, receiver: Receiver, made: Made, way: str
) -> None:
    subscription = await made()
    await pass_time(graph, receiver, QUARTER * 3, 1)
    path = f"/v1.0/subscriptions/{subscription.id}"
    ends = (graph.clock.now() + timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if way == "PATCH":
        assert (await app.call("PATCH", path, {"expirationDateTime": ends}))[0] == 200
    else:
        assert (await app.call("POST", f"{path}/reauthorize"))[0] == 204
    graph.clock.advance(timedelta(minutes=14))
    assert not graph.keeper.attend()
    assert len(receiver.items) == 1
    await pass_time(graph, receiver, timedelta(minutes=31), 2)
    assert graph.authorizations.open(subscription, graph.clock.now())
    assert graph.judge.printed() == []


async def test_a_short_life_is_warned_of_though_its_token_lasts_longer(
    graph: Simulator, receiver: Receiver, made: Made
) -> None:
    graph.knobs.turn({"access_token_minutes": 600})
    subscription = await made(45)
    for expected in (1, 2):
        await pass_time(graph, receiver, QUARTER, expected)
    graph.clock.advance(timedelta(hours=1))
    assert not graph.keeper.attend()
    assert events(receiver) == [(subscription.id, "reauthorizationRequired")] * 2, "normal expiry is not announced"
    assert graph.judge.printed() == []


async def test_the_schedule_can_be_turned_off(graph: Simulator, receiver: Receiver, made: Made) -> None:
    graph.knobs.turn({"lifecycle_schedule": False})
    subscription = await made()
    graph.clock.advance(timedelta(hours=2))
    assert not graph.keeper.attend()
    assert graph.authorizations.open(subscription, graph.clock.now())
    assert (receiver.items, graph.judge.printed()) == ([], [])


async def test_a_turned_knob_is_seen_by_what_exists_already(graph: Simulator, receiver: Receiver, made: Made) -> None:
    graph.knobs.turn({"access_token_minutes": 1_000})
    await made()
    graph.knobs.turn({"access_token_minutes": 60})
    graph.keeper.attend()
    await pass_time(graph, receiver, QUARTER, 1)


async def test_who_gave_no_lifecycle_url_is_told_nothing(graph: Simulator, receiver: Receiver, made: Made) -> None:
    subscription = await made(lifecycleNotificationUrl=None)
    graph.keeper.note_missed(subscription)
    graph.clock.advance(timedelta(hours=1))
    assert not graph.keeper.attend()
    with pytest.raises(ValueError, match="no lifecycleNotificationUrl"):
        graph.keeper.send(subscription, "missed")
    assert not graph.keeper.send(subscription, "subscriptionRemoved")
    assert graph.subscriptions.find(subscription.id, now=graph.clock.now()) is None
    assert (receiver.items, graph.judge.printed()) == ([], [])


async def test_several_losses_are_one_missed_and_the_next_comes_ten_minutes_later(
    graph: Simulator, receiver: Receiver, made: Made
) -> None:
    graph.knobs.turn({"lifecycle_schedule": False})
    subscription = await made()
    for _ in range(100):
        graph.keeper.note_missed(subscription)
    await pass_time(graph, receiver, timedelta(minutes=1), 1)
    graph.keeper.note_missed(subscription)
    graph.clock.advance(timedelta(minutes=8))
    assert not graph.keeper.attend()
    await pass_time(graph, receiver, timedelta(minutes=3), 2)
    assert events(receiver) == [(subscription.id, "missed")] * 2


async def test_only_outlook_is_told_what_was_missed(graph: Simulator, receiver: Receiver, made: Made) -> None:
    subscription = await made(resource="/teams/getAllMessages")
    graph.keeper.note_missed(subscription)
    graph.clock.advance(timedelta(minutes=5))
    assert not graph.keeper.attend()
    assert receiver.items == []


@pytest.mark.parametrize(
    ("resource", "supported"),
    [
        (MAIL, {"reauthorizationRequired", "subscriptionRemoved", "missed"}),
        ("users/adele@contoso.com/events", {"reauthorizationRequired", "subscriptionRemoved", "missed"}),
        ("users/adele@contoso.com/contacts", {"reauthorizationRequired", "subscriptionRemoved", "missed"}),
        ("/teams/getAllMessages", {"reauthorizationRequired", "subscriptionRemoved"}),
        ("/chats/getAllMessages", {"reauthorizationRequired", "subscriptionRemoved"}),
        ("users", {"reauthorizationRequired"}),
        ("groups", {"reauthorizationRequired"}),
    ],
)
async def test_what_is_sent_is_what_graph_sends_for_the_resource_unless_forced(
    graph: Simulator, receiver: Receiver, made: Made, resource: str, supported: set[str]
) -> None:
    change_type = "updated" if resource in {"users", "groups"} else "created"
    for event in EVENTS:
        subscription = await made(100, resource=resource, changeType=change_type)
        if event not in supported:
            with pytest.raises(ValueError, match=f"Graph sends no {event}"):
                graph.keeper.send(subscription, event)
        assert graph.keeper.send(subscription, event, force=event not in supported)
        left = graph.subscriptions.find(subscription.id, now=graph.clock.now())
        assert (left is None) == (event == "subscriptionRemoved")
        if left:
            graph.subscriptions.remove(left)
    await receiver.until(lambda: len(receiver.items) == len(EVENTS))
    assert {event for _, event in events(receiver)} == set(EVENTS)


async def test_the_real_form_has_no_tenant_and_names_the_subscription(
    graph: Simulator, receiver: Receiver, made: Made
) -> None:
    subscription = await made()
    for _ in range(16):
        graph.keeper.send(subscription, "missed")
    await receiver.until(lambda: len(receiver.items) == 16)
    assert len(receiver.bodies) == 1, "events of one moment travel together"
    for item in receiver.items:
        assert set(item) == REAL
        assert item["resource"] == f"Subscriptions/{subscription.id}"
        assert item["organizationId"] == graph.tenant_id
        assert item["clientState"] == "our secret"
        assert item["resourceData"] == {
            "@odata.type": "#microsoft.graph.subscription",
            "@odata.id": f"subscriptions/{subscription.id}",
            "id": subscription.id,
        }
        assert read_time(item["subscriptionExpirationDateTime"]) == subscription.expiration_date_time
    assert {item["subscriptionExpirationDateTime"][27:] for item in receiver.items} == {"Z", "-08:00"}


async def test_the_documented_form_is_what_the_page_shows(graph: Simulator, receiver: Receiver, made: Made) -> None:
    graph.knobs.turn({"lifecycle_form": "documented"})
    graph.keeper.send(await made(), "missed")
    await receiver.until(lambda: len(receiver.items) == 1)
    assert set(receiver.items[0]) == DOCUMENTED
    assert receiver.items[0]["tenantId"] == graph.tenant_id


async def test_what_concerns_a_rich_subscription_carries_a_token(
    graph: Simulator, receiver: Receiver, made: Made, rich: dict[str, Any]
) -> None:
    graph.keeper.send(await made(resource="/teams/getAllMessages", **rich), "reauthorizationRequired")
    await receiver.until(lambda: len(receiver.bodies) == 1)
    (token,) = receiver.bodies[0]["validationTokens"]
    claims = graph.authority.read(token, audiences=frozenset({APP_ID}))
    assert claims["tid"] == graph.tenant_id
    assert receiver.items[0]["encryptedContent"] is None


async def test_bodies_are_no_longer_than_a_body_may_be(graph: Simulator, receiver: Receiver, made: Made) -> None:
    graph.knobs.turn({"batch_max": 10})
    subscription = await made()
    for _ in range(25):
        graph.keeper.send(subscription, "missed")
    await receiver.until(lambda: len(receiver.items) == 25)
    assert sorted(len(body["value"]) for body in receiver.bodies) == [5, 10, 10]


async def test_while_a_permission_is_revoked_nothing_can_be_renewed(
    app: App, graph: Simulator, receiver: Receiver, made: Made, wanted: Wanted
) -> None:
    subscription = await made()
    path = f"/v1.0/subscriptions/{subscription.id}"
    ends = (datetime.now(UTC) + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - Graph's clock starts now
    assert graph.keeper.revoke(APP_ID) == 1
    await receiver.until(lambda: events(receiver) == [(subscription.id, "reauthorizationRequired")])
    calls = [
        ("PATCH", path, {"expirationDateTime": ends}),
        ("POST", f"{path}/reauthorize", None),
        ("POST", "/v1.0/subscriptions", wanted()),
    ]
    for method, where, body in calls:
        status, answer = await app.call(method, where, body)
        assert (status, answer["error"]["code"]) == (403, "Authorization_RequestDenied")
    assert (await app.call("GET", path))[0] == 200
    graph.keeper.restore(APP_ID)
    assert [(await app.call(*call))[0] for call in calls] == [200, 204, 201]


async def test_what_happens_while_authorization_has_lapsed_arrives_after_a_renewal_in_time(
    app: App, graph: Simulator, receiver: Receiver, made: Made
) -> None:
    subscription = await made(lifecycleNotificationUrl=None)
    graph.clock.advance(timedelta(minutes=61))
    await app.control("post", {"where": graph.world.people[0].name, "text": "while you were out", "subject": "Hi"})
    graph.clock.advance(timedelta(minutes=30))
    await app.control("world")
    assert receiver.items == []
    assert (await app.call("POST", f"/v1.0/subscriptions/{subscription.id}/reauthorize"))[0] == 204
    graph.clock.advance(timedelta(minutes=30))
    await receiver.until(lambda: len(receiver.items) >= 1)
    assert "lifecycleEvent" not in json.dumps(receiver.items)


async def test_a_lapsed_subscription_still_hears_about_itself(graph: Simulator, receiver: Receiver, made: Made) -> None:
    subscription = await made()
    graph.clock.advance(timedelta(minutes=90))
    await receiver.until(lambda: len(receiver.items) == 1)
    assert not graph.authorizations.open(subscription, graph.clock.now())
    assert graph.keeper.send(subscription, "missed")
    await receiver.until(lambda: len(receiver.items) == 2)


async def test_what_graph_loses_of_outlooks_is_told_as_missed(
    app: App, graph: Simulator, receiver: Receiver, made: Made
) -> None:
    graph.knobs.turn({"lost": 1.0})
    subscription = await made()
    for number in range(3):
        await app.control("post", {"where": graph.world.people[0].name, "text": f"lost {number}", "subject": "Hi"})
    await pass_time(graph, receiver, timedelta(minutes=2), 1)
    assert events(receiver) == [(subscription.id, "missed")]


async def test_a_subscription_made_in_a_batch_is_watched_over_too(
    app: App, graph: Simulator, receiver: Receiver, wanted: Wanted
) -> None:
    part = {"id": "1", "method": "POST", "url": "/subscriptions", "body": wanted()}
    batch = {"requests": [part | {"headers": {"Content-Type": "application/json"}}]}
    _, answer = await app.call("POST", "/beta/$batch", batch)
    assert answer["responses"][0]["status"] == 201
    await pass_time(graph, receiver, QUARTER, 1)
