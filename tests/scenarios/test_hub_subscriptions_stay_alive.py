"""Subscriptions into an event hub through all that happens to one, on a compressed clock: made, renewed, reauthorized, removed, moved.

The hub is a real namespace, the simulator writes into it through Microsoft's client; nothing of the app reads it here, so that what
arrives at the sink has come to the webhook or was looked up.
"""

import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from local.eventhubs.emulator import EventHubs
from local.graph.simulator import Simulator
from local.graph.subscribing.subscription import Subscription
from shared.graph.client_state import read_client_state
from shared.graph.subscription import LiveSubscription
from tests.local.eventhubs.stand import CLIENT_LEAKS, Hub, Received
from tests.scenarios.living import Life, a_life

pytestmark = [pytest.mark.scenario, CLIENT_LEAKS]

HOST = "contoso.servicebus.windows.net"
HUB = f"EventHub:https://{HOST}/eventhubname/notifications?tenantId=contoso.com"
SETTINGS = {
    "EVENT_HUB_NOTIFICATION_URL": HUB,
    "EventHubConnection__fullyQualifiedNamespace": HOST,
    "EVENT_HUB_NAME": "notifications",
    "EVENT_HUB_CONSUMER_GROUP": "$Default",
}
ENTRY = {
    "name": "channels",
    "resource": "/teams/getAllMessages",
    "changeType": "created,updated,deleted",
    "includeResourceData": True,
    "lifetimeMinutes": 180,
    "delivery": "eventhub",
    "handlers": [{"forward": {"to": "https://sink.example/changes"}}],
}
MAIL = {
    "name": "mailbox",
    "changeType": "created,updated,deleted",
    "lifetimeMinutes": 180,
    "delivery": "eventhub",
    "lifecycle": "eventhub",
    "handlers": [{"forward": {"to": "https://sink.example/changes"}}],
}


def declare(simulator: Simulator) -> Sequence[Mapping[str, Any]]:
    owner = next(place.people[0] for place in simulator.world.places if place.workload == "mail")
    return [ENTRY, MAIL | {"resource": f"/users/{owner.id}/messages"}]


@dataclass
class Stage:
    """A life, and the hub that Graph fills."""

    life: Life
    hub: Hub

    @property
    def row(self) -> LiveSubscription:
        return self.row_of("channels")

    def row_of(self, name: str) -> LiveSubscription:
        return self.life.kept.subscriptions.rows[name]

    def at_graph(self, name: str = "channels") -> Subscription:
        found = self.life.simulator.subscriptions.find(self.row_of(name).subscription_id, now=self.life.now())
        assert found is not None, self.life.around(self.life.now())
        return found

    async def say(self, text: str) -> str:
        """Have somebody write into a channel; the message's path."""
        asked = {"where": "General", "text": text}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.life.simulator.http_url}/_sim/post", json=asked) as answer,
        ):
            resource: str = (await answer.json())["resource"]
        await self.life.calm()
        return resource

    def heard(self, resource: str) -> list[bool]:
        """Tell for each arrival of a resource whether it was looked up."""
        return [
            each.looked_up for each in self.life.sink.arrivals if _same(str(each.event["data"]["resource"]), resource)
        ]

    async def settle(self) -> None:
        """Let the app do what it has to do by now, catch-ups included."""
        for _ in range(3):
            await self.life.tick()


def _same(one: str, other: str) -> bool:
    return _ids(one) == _ids(other)


def _ids(resource: str) -> str:
    return resource.replace("('", "/").replace("')", "").lower()


def _changes(received: Received, subscription_id: str) -> list[dict[str, Any]]:
    """What has come of one subscription's changes; lifecycle events of another come over the hub, too."""
    items = [item for body in received.bodies for item in json.loads(body)["value"]]
    return [each for each in items if each["subscriptionId"] == subscription_id and "changeType" in each]


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    """What the client leaves open is the test's that used it, and not the next one's."""
    yield
    gc.collect()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with EventHubs(hubs={"notifications": 2}) as namespace:
        hubs = {HOST: namespace.connection_string}
        async with a_life(declare, settings=SETTINGS, event_hubs=hubs) as life:
            made = Stage(life=life, hub=Hub(namespace=namespace))
            await made.settle()
            yield made


async def test_it_is_made_and_what_is_said_is_in_the_hub(stage: Stage) -> None:
    channels, mailbox = stage.at_graph(), stage.at_graph("mailbox")
    await stage.say("into the hub")

    assert (channels.notification_url, channels.lifecycle_url) == (HUB, f"{stage.life.base_url}/lifecycle")
    assert (mailbox.notification_url, mailbox.lifecycle_url) == (HUB, HUB)
    async with stage.hub.receiving() as received:
        await received.until(lambda so_far: bool(_changes(so_far, channels.id)))
    [item] = _changes(received, channels.id)
    tenant_id, key = stage.life.simulator.tenant_id, stage.life.app.reception.policy.client_state_keys
    state = read_client_state(item["clientState"], key, tenant_id=tenant_id, delivery="eventhub")
    assert state is not None
    assert (state.name, state.generation) == ("channels", 1)


async def test_it_is_renewed_for_as_long_as_it_is_declared(stage: Stage) -> None:
    before = {name: stage.row_of(name) for name in ("channels", "mailbox")}

    await stage.life.live(timedelta(hours=12))

    for name, row in before.items():
        now = stage.row_of(name)
        assert (now.subscription_id, now.generation) == (row.subscription_id, 1)
        assert now.expires > stage.life.now()
        assert stage.at_graph(name).notification_url == HUB
    assert stage.life.outcomes["renewed"] >= 12


async def test_events_over_https_have_it_reauthorized_once_in_ten_minutes(stage: Stage) -> None:
    async def told(times: int) -> LiveSubscription:
        for _ in range(times):
            stage.life.simulator.keeper.send(stage.at_graph(), "reauthorizationRequired", force=True)
        await stage.life.calm()
        await stage.life.tick()
        return stage.row

    while stage.life.now() - (stage.row.renewed or stage.row.created) < timedelta(minutes=10):
        await stage.life.tick()
    before = stage.row

    first, second = await told(5), await told(5)

    assert before.renewed != first.renewed == second.renewed
    assert first.expires > before.expires
    assert (second.subscription_id, second.generation) == (before.subscription_id, before.generation)


async def test_one_that_graph_has_removed_is_made_anew_and_what_went_unheard_is_looked_up(stage: Stage) -> None:
    before = stage.row
    stage.life.simulator.keeper.send(stage.at_graph(), "subscriptionRemoved")
    unheard = await stage.say("while there was none")

    await stage.settle()

    assert (stage.row.generation, stage.row.subscription_id != before.subscription_id) == (before.generation + 1, True)
    assert stage.at_graph().notification_url == HUB
    assert stage.heard(unheard) == [True]


async def test_who_reads_the_hub_cannot_drive_its_subscription_away(stage: Stage) -> None:
    await stage.say("to be read by somebody else")
    async with stage.hub.receiving() as received:
        await received.until(lambda so_far: bool(_changes(so_far, stage.row.subscription_id)))
    [stolen] = _changes(received, stage.row.subscription_id)
    forged = {
        "subscriptionId": stolen["subscriptionId"],
        "clientState": stolen["clientState"],
        "organizationId": stage.life.simulator.tenant_id,
        "lifecycleEvent": "subscriptionRemoved",
    }
    before = stage.row
    async with aiohttp.ClientSession() as session:
        for _ in range(5):
            async with session.post(f"{stage.life.base_url}/lifecycle", json={"value": [forged]}) as answer:
                assert answer.status == 202
        for _ in range(2):
            await stage.settle()
        async with session.post(f"{stage.life.base_url}/notifications", json={"value": [stolen]}) as answer:
            assert answer.status == 202

    assert (stage.row.subscription_id, stage.row.generation) == (before.subscription_id, before.generation)
    assert stage.life.kept.notifications.texts == []
    assert stage.life.kept.dead_work == []


async def test_it_moves_to_the_webhook_and_back_and_nothing_goes_unheard(stage: Stage) -> None:
    life = stage.life
    hub, mailbox = life.entries
    unread = await stage.say("it lies in a hub that nobody reads")

    life.entries = [{name: value for name, value in hub.items() if name != "delivery"}, mailbox]
    life.restart("declared for the webhook")
    await stage.settle()
    assert stage.at_graph().notification_url == f"{life.base_url}/notifications"
    assert (stage.row.delivery, stage.row.generation) == ("webhook", 2)
    assert stage.heard(unread) == [True]
    heard = await stage.say("it comes to the webhook")
    await stage.settle()
    assert False in stage.heard(heard)

    life.entries = [hub, mailbox]
    life.restart("declared for the hub")
    await stage.settle()
    assert stage.at_graph().notification_url == HUB
    assert (stage.row.delivery, stage.row.generation) == ("eventhub", 3)
    assert len(life.simulator.subscriptions.live(now=life.now())) == 2


async def test_another_key_recreates_it_like_any_other(stage: Stage) -> None:
    stage.life.rotate_client_state_key()

    await stage.life.live(timedelta(hours=4))

    assert (stage.row.generation, stage.row.delivery) == (2, "eventhub")
    assert stage.at_graph().notification_url == HUB


async def test_another_hub_is_another_subscription_and_what_lies_in_the_old_one_is_looked_up(stage: Stage) -> None:
    unread = await stage.say("it lies in the old hub")
    moved = HUB.replace("tenantId=contoso.com", "tenantId=contoso.onmicrosoft.com")
    stage.life.settings = SETTINGS | {"EVENT_HUB_NOTIFICATION_URL": moved}
    stage.life.restart("another hub")

    await stage.settle()

    assert stage.at_graph().notification_url == moved
    assert (stage.row.generation, stage.heard(unread)) == (2, [True])


@asynccontextmanager
async def a_hub_that_refuses(*entries: Mapping[str, Any]) -> AsyncIterator[tuple[Life, Callable[[], None]]]:
    """A life with a hub that Graph may not use, until somebody mends that."""
    async with EventHubs(hubs={"notifications": 2}) as namespace:
        elsewhere = {"fabrikam.servicebus.windows.net": namespace.connection_string}
        async with a_life(lambda _: entries, settings=SETTINGS, event_hubs=elsewhere) as life:

            def mend() -> None:
                graph = life.simulator.hub
                assert graph is not None
                graph._hubs[HOST] = namespace.connection_string

            yield life, mend


async def test_a_hub_that_refuses_graph_is_tried_until_it_takes_it() -> None:
    """Somebody grants the role late: nothing has to be done here then."""
    async with a_hub_that_refuses(ENTRY) as (life, mend):
        await life.live(timedelta(hours=1))
        refused = life.kept.subscriptions.rows["channels"]
        mend()
        await life.live(timedelta(minutes=20))
        made = life.kept.subscriptions.rows["channels"]

    assert (refused.subscription_id, refused.attempts >= 6) == ("", True)
    assert "Azure Event Hubs Data Sender" in refused.problem
    assert "hub-check" in refused.problem
    assert (made.problem, made.subscription_id != "", made.generation) == ("", True, 1)


async def test_what_is_heard_is_not_given_up_for_a_hub_that_refuses_graph() -> None:
    pushed = {name: value for name, value in ENTRY.items() if name != "delivery"}
    async with a_hub_that_refuses(pushed) as (life, mend):
        await life.tick()
        life.entries = [ENTRY]
        life.restart("declared for the hub")
        await life.live(timedelta(hours=4))  # longer than it lives by itself
        stage = Stage(life=life, hub=Hub(namespace=EventHubs()))
        waiting = stage.row
        heard = await stage.say("while it waits")
        await stage.settle()
        assert (stage.row.delivery, stage.row.generation, stage.heard(heard)) == ("webhook", 1, [False])
        assert "Azure Event Hubs Data Sender" in waiting.problem
        mend()
        await stage.settle()
        assert (stage.row.delivery, stage.row.generation) == ("eventhub", 2)
        assert stage.at_graph().notification_url == HUB
