"""A tick looks at what is due; everything is compared when something has changed, and shared out where it is much."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import GraphApiError, StorageError
from shared.fan_out import instance_name
from shared.results import Summary
from shared.subscription_work import UnknownWork, read_work
from tests.builders import NOW
from tests.keeper import BASE_URL, TEAMS, World, mail_of


async def test_a_tick_with_nothing_due_reads_one_mark_and_no_row() -> None:
    world = World(entries=[mail_of(201)])
    await world.tick()
    await world.work_off()
    world.store.reads = 0
    world.graph.requests.clear()

    summary = await world.tick()

    assert summary.results == ()
    assert world.store.reads == 0
    assert world.graph.requests == []


async def test_a_tick_reads_as_many_rows_as_are_due() -> None:
    world = World(entries=[mail_of(201)])
    await world.tick()
    await world.work_off()
    for name in list(world.store.rows)[:3]:
        row = replace(world.store.rows[name], created=NOW - timedelta(days=6), expires=NOW + timedelta(days=1))
        world.store.rows[name] = replace(row, indexed=NOW)
    world.store.reads = 0

    summary = await world.tick()

    assert sorted(each.outcome for each in summary.results) == ["renewed"] * 3
    assert world.store.reads == 3


async def test_where_there_are_few_what_was_changed_by_hand_is_seen_at_the_next_tick() -> None:
    world = World(entries=[TEAMS, mail_of(3)])
    await world.tick()
    world.store.rows["teams"] = replace(world.store.rows["teams"], expires=NOW - timedelta(minutes=1))
    [lost, *_] = [name for name in world.store.rows if name != "teams"]
    del world.store.rows[lost]
    world.graph.subscriptions.clear()

    summary = await world.tick()

    assert {each.name: each.outcome for each in summary.results} == {"teams": "recreated", lost: "created"}


async def test_everything_is_compared_when_the_declaration_changes_and_once_a_day() -> None:
    world = World()
    await world.tick()
    comparisons = [world.store.comparison]
    world.declare(TEAMS, {"name": "chats", "resource": "/chats/getAllMessages", "changeType": "created"})
    await world.tick()
    comparisons.append(world.store.comparison)
    assert world.heard == {"teams/getAllMessages", "chats/getAllMessages"}

    assert len({each.digest for each in comparisons if each}) == 2
    assert all(each and each.done for each in comparisons)


async def test_once_a_day_everything_is_compared_although_nothing_has_changed() -> None:
    world = World(entries=[mail_of(201)])
    await world.tick()
    await world.work_off()
    world.graph.subscriptions.clear()
    world.store.rows.clear()  # somebody has emptied the table: no index says so
    began = world.now

    while not world.store.rows and world.now < began + timedelta(days=2):
        await world.tick()
        await world.work_off()

    assert len(world.heard) == 201
    assert world.now - began <= timedelta(days=1, minutes=5)


async def test_what_is_declared_no_more_goes_although_it_is_not_due() -> None:
    world = World(entries=[TEAMS, mail_of(2)])
    await world.tick()
    world.declare(TEAMS)

    await world.tick()

    assert world.heard == {"teams/getAllMessages"}
    assert list(world.store.rows) == ["teams"]


async def test_much_is_shared_out_over_time_and_done() -> None:
    world = World(entries=[mail_of(420)])
    summary = await world.tick()
    assert summary.results == ()
    assert world.graph.subscriptions == {}
    shares = [each for each in world.queue.messages.values() if '"reconcile"' in each.text]
    assert [(each.visible - world.now).total_seconds() for each in shares] == [2.5 * number for number in range(9)]

    await world.work_off()

    assert len(world.heard) == len(world.store.rows) == 420
    world.graph.requests.clear()
    await world.tick()
    assert world.graph.requests == []

    world.declare(mail_of(20))
    await world.tick()
    await world.work_off()
    assert len(world.heard) == len(world.store.rows) == 20


async def test_a_share_of_an_older_comparison_is_not_done_any_more() -> None:
    world = World(entries=[mail_of(150)])
    await world.tick()
    late = [each.text for each in world.queue.messages.values()]
    world.declare(TEAMS)
    await world.tick()

    for text in late:
        await world.subscriptions.work(text.encode())

    assert world.heard == {"teams/getAllMessages"}


async def test_a_share_that_comes_twice_is_done_once() -> None:
    world = World(entries=[mail_of(150)])
    await world.tick()
    for text in [each.text for each in world.queue.messages.values()] * 2:
        await world.subscriptions.work(text.encode())

    assert len(world.graph.subscriptions) == 150
    assert sum(method == "POST" for method, _, _ in world.graph.requests) == 150


async def test_a_comparison_whose_process_died_is_made_again() -> None:
    world = World(entries=[mail_of(150)])
    world.queue.outage.away = True
    with pytest.raises(StorageError):
        await world.tick()
    world.queue.outage.away = False
    world.start()
    await world.tick()
    assert world.queue.messages == {}, "another process may still be at it"

    for _ in range(3):
        await world.tick()
    await world.work_off()

    assert len(world.heard) == 150


async def test_another_certificate_or_address_is_a_reason_to_compare() -> None:
    world = World()
    await world.tick()
    world.environ = {"PUBLIC_BASE_URL": "https://b.example/api"}
    world.start()

    await world.tick()

    [only] = world.graph.subscriptions.values()
    assert only["notificationUrl"] == "https://b.example/api/notifications"


class TestUnknown:
    """Subscriptions at Graph that are in no row."""

    def strange(self, world: World, number: int, **properties: Any) -> str:
        subscription_id = f"51000000-0000-4000-8000-{number:012d}"
        world.graph.subscriptions[subscription_id] = {
            "id": subscription_id,
            "resource": f"chats/{number}/messages",
            "changeType": "created",
            "notificationUrl": f"{BASE_URL}/notifications",
            "expirationDateTime": "2027-01-01T00:00:00Z",
        } | properties
        return subscription_id

    def list_in_pages(self, world: World, size: int) -> None:
        there = list(world.graph.subscriptions.values())
        for start in range(0, max(len(there), 1), size):
            path = "/subscriptions" if not start else f"/subscriptions?$skiptoken={start}"
            world.graph.pages[path] = {"value": there[start : start + size]}
            if start + size < len(there):
                link = f"https://graph.microsoft.com/v1.0/subscriptions?$skiptoken={start + size}"
                world.graph.pages[path] = {**world.graph.pages[path], "@odata.nextLink": link}

    async def look(self, world: World, *, size: int = 100) -> None:
        self.list_in_pages(world, size)
        await world.work_off()

    @pytest.mark.parametrize(
        ("policy", "left"),
        [("report", {"elsewhere", "heir", "other"}), ("replace", {"elsewhere", "other"}), ("delete", {"elsewhere"})],
    )
    async def test_they_are_shown_and_by_choice_deleted(self, policy: str, left: set[str]) -> None:
        world = World(environ={"UNKNOWN_SUBSCRIPTIONS": policy})
        await world.tick()
        strangers = {
            "elsewhere": self.strange(world, 1, notificationUrl="https://a.example.evil/api/notifications"),
            "heir": self.strange(world, 2, resource="/Teams/getAllMessages"),
            "other": self.strange(world, 3),
        }
        await self.look(world)

        there = world.graph.subscriptions.keys()
        assert {kind for kind, subscription_id in strangers.items() if subscription_id in there} == left
        assert world.store.comparison is not None
        assert set(world.store.comparison.unknown) == {strangers[kind] for kind in left}
        assert world.store.rows["teams"].subscription_id in there

    async def test_one_that_an_unfinished_row_may_have_made_is_left_to_it(self) -> None:
        world = World(environ={"UNKNOWN_SUBSCRIPTIONS": "delete"})
        world.graph.lost_answers["POST"] = 1
        await world.tick()
        assert len(world.graph.subscriptions) == 1

        await self.look(world)

        assert len(world.graph.subscriptions) == 1
        await world.tick()
        assert world.store.rows["teams"].subscription_id in world.graph.subscriptions

    async def test_a_long_list_is_read_in_parts_with_pauses(self) -> None:
        world = World()
        await world.tick()
        strangers = {self.strange(world, number) for number in range(50)}
        began = world.now

        world.queue.messages.clear()

        self.list_in_pages(world, 1)
        await world.subscriptions.work(b'{"earshot":1,"unknown":"/subscriptions"}')
        await world.work_off()

        assert world.store.comparison is not None
        assert set(world.store.comparison.unknown) == strangers
        assert world.now - began == timedelta(seconds=40)

    async def test_a_list_that_is_none_is_graphs_fault_and_deletes_nothing(self) -> None:
        world = World(environ={"UNKNOWN_SUBSCRIPTIONS": "delete"})
        await world.tick()
        world.graph.pages["/subscriptions"] = {"value": None}

        with pytest.raises(Exception, match="no value"):
            await world.subscriptions.work(b'{"earshot":1,"unknown":"/subscriptions"}')
        assert len(world.graph.subscriptions) == 1

    async def test_they_are_looked_for_after_every_comparison(self) -> None:
        world = World()
        await world.tick()

        assert UnknownWork(path="/subscriptions") in [read_work(text.encode()) for text in world.queue.texts]


def test_names_of_instances_are_those_of_shares() -> None:
    assert instance_name("mail", "A") == instance_name("mail", "a")


# -- what is said to be removed -----------------------------------------------------------------------------------------

HUB_URL = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
HUB = TEAMS | {"delivery": "eventhub"}


async def _hear(world: World, event: str) -> Summary:
    [row] = world.store.rows.values()
    told = {"lifecycleEvent": event, "name": row.name, "generation": row.generation}
    told |= {"subscriptionId": row.subscription_id, "received": "2026-11-20T12:00:00Z"}
    return await world.subscriptions.work(json.dumps({"earshot": 1} | told).encode())


@pytest.fixture
async def hub() -> World:
    world = World(environ={"EVENT_HUB_NOTIFICATION_URL": HUB_URL}, entries=(HUB,))
    await world.tick()
    return world


async def test_a_removal_that_graph_contradicts_recreates_nothing(hub: World) -> None:
    """Who may read the hub can forge it at the webhook, and would drive generations on faster than messages are handled."""
    [before] = hub.graph.subscriptions
    hub.now += timedelta(hours=1)

    outcomes = [each.outcome for _ in range(5) for each in (await _hear(hub, "subscriptionRemoved")).results]

    assert outcomes == ["renewed"]
    assert list(hub.graph.subscriptions) == [before]


async def test_a_removal_that_graph_confirms_recreates_it(hub: World) -> None:
    hub.graph.subscriptions.clear()

    summary = await _hear(hub, "subscriptionRemoved")

    assert [each.outcome for each in summary.results] == ["recreated"]
    [row] = hub.store.rows.values()
    assert (row.generation, row.subscription_id in hub.graph.subscriptions) == (2, True)


@pytest.mark.parametrize("status", [0, 429])
async def test_while_graph_says_nothing_a_removal_waits(hub: World, status: int) -> None:
    hub.graph.troubles["GET"] = [GraphApiError("GET /subscriptions", status=status)]

    with pytest.raises(GraphApiError):
        await _hear(hub, "subscriptionRemoved")

    assert len(hub.graph.subscriptions) == 1


async def test_a_removal_that_only_graph_can_tell_of_is_taken_at_its_word() -> None:
    world = World()
    await world.tick()

    summary = await _hear(world, "subscriptionRemoved")

    assert [each.outcome for each in summary.results] == ["recreated"]
