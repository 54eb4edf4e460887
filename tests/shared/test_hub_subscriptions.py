"""Subscriptions into an event hub: what Graph is asked for, whose they are taken to be, and how they come and go."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_endpoint import MemoryOwnEndpoint
from shared.adapters.memory_subscriptions import MemoryGraph, MemorySubscriptionStore
from shared.declaration import DeclaredSubscription
from shared.errors import GraphApiError
from shared.executor import Executor
from shared.graph.addresses import Addresses
from shared.graph.client_state import read_client_state
from shared.graph.subscription import LiveSubscription
from shared.reconcile import Circumstances, plan
from shared.results import Summary
from shared.subscription_work import CatchUpWork, read_work
from shared.unknown_subscriptions import Listed, UnknownSubscriptions

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
MAC_KEY = b"k" * 32
HUB = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
STORE = "https://contoso.vault.azure.net/secrets/store?tenantId=contoso.com"
WEBHOOK = "https://a.example/api"
ADDRESSES = Addresses(base_url=WEBHOOK, hub_url=HUB)
TEAMS = DeclaredSubscription(
    name="teams", resource="teams/getAllMessages", change_types=("created",), delivery="eventhub"
)
PUSHED = replace(TEAMS, delivery="webhook")
MAIL = DeclaredSubscription(name="mail", resource="users/u/messages", change_types=("created",), delivery="eventhub")


@dataclass
class World:
    """A Graph, a table, a clock, our webhook, and the executor between them."""

    graph: MemoryGraph = field(default_factory=MemoryGraph)
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    own: MemoryOwnEndpoint = field(default_factory=MemoryOwnEndpoint)
    addresses: Addresses = ADDRESSES
    now: datetime = START

    def __post_init__(self) -> None:
        self.work = MemoryQueue(now=lambda: self.now)

    async def tick(self, *declared: DeclaredSubscription, **pointers: Any) -> Summary:
        executor = Executor(
            graph=self.graph,
            store=self.store,
            work=self.work,
            addresses=self.addresses,
            tenant_id="t",
            client_state_key=MAC_KEY,
            now=lambda: self.now,
            own_endpoint=self.own,
        )
        here = Circumstances(addresses=self.addresses, tenant_id="t", key_fingerprint="k1")
        actions = plan(declared, await self.store.list(), self.now, circumstances=here, **pointers)
        return await executor.execute(actions, key=None)

    @property
    def row(self) -> LiveSubscription:
        [row] = self.store.rows.values()
        return row

    def asked(self, method: str = "POST") -> list[dict[str, Any]]:
        return [dict(body) for each, _, body in self.graph.requests if each == method]

    def gaps(self) -> list[CatchUpWork]:
        orders = [read_work(each.text.encode()) for each in self.work.messages.values()]
        return [each for each in orders if isinstance(each, CatchUpWork) and each.reason == "gap"]


@pytest.fixture
def world() -> World:
    return World()


async def test_graph_is_told_of_the_hub_and_its_events_come_to_the_webhook(world: World) -> None:
    await world.tick(TEAMS)

    [asked] = world.asked()
    assert (asked["notificationUrl"], asked["lifecycleNotificationUrl"]) == (HUB, f"{WEBHOOK}/lifecycle")
    assert "blobStoreUrl" not in asked
    state = read_client_state(asked["clientState"], [MAC_KEY], tenant_id="t", delivery="eventhub")
    assert state is not None
    assert (world.row.delivery, state.generation) == ("eventhub", 1)
    assert (await world.tick(TEAMS)).results == ()


async def test_its_events_come_over_the_hub_where_that_is_declared(world: World) -> None:
    await world.tick(replace(MAIL, lifecycle="eventhub"))

    [asked] = world.asked()
    assert (asked["notificationUrl"], asked["lifecycleNotificationUrl"]) == (HUB, HUB)
    assert world.row.lifecycle == "eventhub"


async def test_what_no_event_can_hold_has_a_place_and_a_webhook_has_none(world: World) -> None:
    world.addresses = replace(ADDRESSES, blob_store_url=STORE)

    await world.tick(TEAMS, replace(MAIL, delivery="webhook"))

    assert {each["notificationUrl"]: each.get("blobStoreUrl") for each in world.asked()} == {
        HUB: STORE,
        f"{WEBHOOK}/notifications": None,
    }


@pytest.mark.parametrize(
    ("declared", "routes"),
    [
        (PUSHED, {"notifications", "lifecycle"}),
        (TEAMS, {"lifecycle"}),
        (replace(MAIL, lifecycle="eventhub"), set()),
    ],
)
async def test_only_those_of_our_routes_are_asked_first_that_graph_will_call(
    world: World, declared: DeclaredSubscription, routes: set[str]
) -> None:
    world.own.problem = "our own webhook does not answer"

    summary = await world.tick(declared)

    assert world.own.routes == routes
    assert bool(summary.problems) is bool(routes)


@pytest.mark.parametrize(("before", "after"), [(PUSHED, TEAMS), (TEAMS, PUSHED)])
async def test_moving_to_the_hub_or_back_is_another_subscription_and_the_gap_is_looked_up(
    world: World, before: DeclaredSubscription, after: DeclaredSubscription
) -> None:
    """A clientState cannot be patched, and each way has its own."""
    await world.tick(before)
    [old] = world.graph.subscriptions
    world.now += timedelta(hours=1)

    summary = await world.tick(after)

    assert [each.outcome for each in summary.results] == ["recreated"]
    [(new, made)] = world.graph.subscriptions.items()
    assert (new != old, made["notificationUrl"]) == (True, ADDRESSES.notification_url(after.delivery))
    assert (world.row.generation, world.row.delivery) == (2, after.delivery)
    assert [each.name for each in world.gaps()] == ["teams"]
    assert (await world.tick(after)).results == ()


async def test_what_lies_unread_in_a_hub_that_is_left_is_looked_up_too(world: World) -> None:
    """How far this app has read it nobody knows, so that it is from where Graph last said that the subscription lives."""
    await world.tick(TEAMS)
    world.now += timedelta(hours=1)
    world.addresses = replace(ADDRESSES, hub_url=HUB.replace("/notifications?", "/another?"))

    await world.tick(TEAMS)

    assert [each.since for each in world.gaps()] == [START]
    assert world.asked()[-1]["notificationUrl"] == world.addresses.hub_url


async def test_from_the_webhook_nothing_lies_unread(world: World) -> None:
    await world.tick(PUSHED)
    world.now += timedelta(hours=1)

    await world.tick(TEAMS)

    assert [each.since for each in world.gaps()] == [world.now]


@pytest.mark.parametrize(
    "changed",
    [
        replace(ADDRESSES, blob_store_url=STORE),
        replace(ADDRESSES, base_url="https://b.example/api"),
        replace(ADDRESSES, hub_url=HUB.replace("contoso.com", "contoso.onmicrosoft.com")),
    ],
)
async def test_another_address_is_another_subscription(world: World, changed: Addresses) -> None:
    await world.tick(TEAMS)
    world.addresses = changed

    assert [each.outcome for each in (await world.tick(TEAMS)).results] == ["recreated"]


async def test_the_webhook_does_not_mind_another_hub(world: World) -> None:
    await world.tick(PUSHED)
    world.addresses = Addresses(base_url=WEBHOOK, hub_url=HUB.replace("contoso", "fabrikam"), blob_store_url=STORE)

    assert (await world.tick(PUSHED)).results == ()


async def test_a_creation_whose_answer_was_lost_is_found_by_its_hub(world: World) -> None:
    world.graph.lost_answers["POST"] = 1
    await world.tick(TEAMS)
    [there] = world.graph.subscriptions
    world.graph.subscriptions[there] |= {"notificationUrl": HUB.upper()}  # Graph need not give it back as it got it
    world.now += timedelta(minutes=2)

    summary = await world.tick(TEAMS)

    assert [each.outcome for each in summary.results] == ["adopted"]
    assert world.row.subscription_id == there


async def test_one_that_writes_into_another_hub_is_not_adopted(world: World) -> None:
    world.graph.lost_answers["POST"] = 1
    await world.tick(TEAMS)
    [there] = world.graph.subscriptions
    world.graph.subscriptions[there] |= {"notificationUrl": HUB.replace("contoso.serv", "fabrikam.serv")}
    world.now += timedelta(minutes=2)

    summary = await world.tick(TEAMS)

    assert "teams" in summary.problems
    assert world.row.subscription_id == ""


async def test_what_was_tried_before_it_was_declared_for_the_hub_goes_first(world: World) -> None:
    world.graph.lost_answers["POST"] = 1
    await world.tick(PUSHED)
    [there] = world.graph.subscriptions
    world.now += timedelta(minutes=2)

    await world.tick(TEAMS)

    [(new, made)] = world.graph.subscriptions.items()
    assert (new != there, made["notificationUrl"]) == (True, HUB)


@pytest.mark.parametrize(
    ("url", "deleted"), [(HUB, True), (HUB.lower(), True), (HUB.replace("/notifications?", "/other?"), False)]
)
async def test_an_unknown_one_is_ours_to_delete_if_it_writes_into_our_hub(
    world: World, url: str, *, deleted: bool
) -> None:
    listed = {"id": "s1", "resource": "users", "changeType": "updated", "notificationUrl": url}
    world.graph.subscriptions["s1"] = listed
    search = UnknownSubscriptions(graph=world.graph, store=world.store, addresses=ADDRESSES, policy="delete")

    found = await search.look("/subscriptions", "")

    assert ("s1" not in world.graph.subscriptions) is deleted
    assert found.unknown == (
        ()
        if deleted
        else (Listed(subscription_id="s1", resource="users", change_type="updated", notification_url=url),)
    )


async def test_a_hub_that_graph_cannot_write_into_is_tried_again_for_as_long_as_it_takes(world: World) -> None:
    refused = GraphApiError(
        "POST /subscriptions",
        status=400,
        code="InvalidRequest",
        message="Client EventHubs publishing validation failed",
    )
    pauses: list[timedelta] = []
    for _ in range(8):
        world.graph.troubles["POST"] = [refused]
        summary = await world.tick(TEAMS)
        assert summary.again
        pauses.append(summary.again - world.now)
        world.now = summary.again

    assert "hub-check" in world.row.problem
    assert [each.total_seconds() for each in pauses] == [5, 15, 30, 60, 900, 900, 900, 900]
    assert [each.outcome for each in (await world.tick(TEAMS)).results] == ["created"]


# -- the hub is tried out before what lives has to go -------------------------------------------------------------------

NOT_WRITABLE = GraphApiError(
    "PATCH /subscriptions", status=400, code="InvalidRequest", message="Client EventHubs publishing validation failed"
)


async def test_what_is_heard_goes_only_once_graph_can_write_into_the_hub(world: World) -> None:
    await world.tick(PUSHED)
    [old] = world.graph.subscriptions
    world.now += timedelta(hours=1)
    tried_first = world.now
    for _ in range(3):
        world.graph.troubles["PATCH"] = [NOT_WRITABLE]
        summary = await world.tick(TEAMS)
        assert "hub-check" in summary.problems["teams"]
        assert list(world.graph.subscriptions) == [old]
        assert world.graph.subscriptions[old]["notificationUrl"] == f"{WEBHOOK}/notifications"
        world.now += timedelta(minutes=15)

    summary = await world.tick(TEAMS)

    assert [each.outcome for each in summary.results] == ["recreated"]
    assert [each["notificationUrl"] for each in world.graph.subscriptions.values()] == [HUB]
    assert [each.since for each in world.gaps()] == [tried_first]
    assert (world.row.owed, world.row.problem) == ("", "")


async def test_what_waits_for_the_hub_is_renewed_meanwhile_and_does_not_die(world: World) -> None:
    await world.tick(PUSHED)
    [old] = world.graph.subscriptions
    for _ in range(14 * 4):
        world.now += timedelta(hours=6)
        world.graph.troubles["PATCH"] = [NOT_WRITABLE]
        await world.tick(TEAMS)
        world.graph.expire(world.now)

    assert list(world.graph.subscriptions) == [old]
    assert (world.row.subscription_id, world.row.generation, world.row.delivery) == (old, 1, "webhook")
    assert world.row.expires is not None
    assert world.row.expires > world.now
    assert "Data Sender" in world.row.problem


@pytest.mark.parametrize(
    "other",
    [
        GraphApiError("PATCH", status=400, message="A subscription cannot be moved"),
        GraphApiError("PATCH", status=404, message="The object was not found."),
        GraphApiError("PATCH", status=503),
        GraphApiError("PATCH", status=0, message="ReadTimeout"),
    ],
)
async def test_what_says_nothing_of_the_hub_does_not_keep_it_waiting(world: World, other: GraphApiError) -> None:
    """Nobody has seen every Graph do this: where it will not, the new subscription itself is the trial."""
    await world.tick(PUSHED)
    world.graph.troubles["PATCH"] = [other]

    assert [each.outcome for each in (await world.tick(TEAMS)).results] == ["recreated"]


async def test_a_crash_after_the_trial_forgets_no_gap(world: World) -> None:
    """From then on changes come into the hub with the clientState of before, and are refused."""
    await world.tick(PUSHED)
    world.now += timedelta(hours=1)
    began = world.now

    def crash(method: str, _path: str) -> None:
        if method == "DELETE":
            raise RuntimeError("the process dies")

    world.graph.before = crash
    await world.tick(TEAMS)
    [there] = world.graph.subscriptions.values()
    assert there["notificationUrl"] == HUB
    world.graph.before = lambda _method, _path: None
    world.now += timedelta(hours=2)

    await world.tick(TEAMS)

    assert [each.since for each in world.gaps()] == [began]


async def test_a_trial_of_which_nothing_came_is_undone_when_the_declaration_is_taken_back(world: World) -> None:
    """Else it would write into the hub for ever, where its clientState is refused."""
    await world.tick(PUSHED)
    world.now += timedelta(hours=1)
    world.graph.troubles["DELETE"] = [GraphApiError("DELETE", status=503)]
    await world.tick(TEAMS)
    [there] = world.graph.subscriptions.values()
    assert there["notificationUrl"] == HUB
    world.now += timedelta(hours=1)

    await world.tick(PUSHED)

    [there] = world.graph.subscriptions.values()
    assert there["notificationUrl"] == f"{WEBHOOK}/notifications"
    await world.tick(PUSHED)
    assert len(world.gaps()) == 1
    assert (await world.tick(PUSHED)).results == ()


@pytest.mark.parametrize("removed", [True, False])
async def test_what_is_dead_already_is_not_tried_out(world: World, *, removed: bool) -> None:
    await world.tick(PUSHED)
    world.graph.subscriptions.clear()
    world.now += timedelta(hours=1) if removed else timedelta(days=4)

    await world.tick(TEAMS, removed=frozenset({"teams"} if removed else ()))

    assert world.asked("PATCH") == []
    assert world.row.delivery == "eventhub"


async def test_a_move_to_the_webhook_is_no_trial_of_a_hub(world: World) -> None:
    await world.tick(TEAMS)

    await world.tick(PUSHED)

    assert world.asked("PATCH") == []
