"""What an operator may order, asked for as the host asks."""

import json
from typing import Any

import pytest

from blueprints import manage
from shared.adapters.memory_hub_looks import MemoryHubLooks
from shared.hub_check import HubCheck
from shared.settings import Settings
from shared.subscription_work import CatchUpWork, read_work
from tests.blueprints.registered import registered, request, trigger
from tests.builders import NOW
from tests.keeper import TEAMS, World, mail_of


@pytest.fixture
async def world() -> World:
    made = World(entries=[TEAMS, mail_of(3)])
    await made.tick()
    made.queue.messages.clear()
    return made


async def ask(world: World, **params: str) -> tuple[int, Any]:
    functions = registered(manage.build(world.subscriptions))
    answer = await functions["manage_catch_up"].get_user_function()(request("POST", params=params))
    return answer.status_code, json.loads(answer.get_body())


def orders(world: World) -> list[Any]:
    return [read_work(text.encode()) for text in world.queue.texts]


def test_the_route_wants_a_key(world: World) -> None:
    [function] = map(trigger, registered(manage.build(world.subscriptions)).values())

    assert (function["route"], function["methods"], function["authLevel"]) == ("manage/catch-up", ["POST"], "FUNCTION")


async def test_a_catch_up_can_be_ordered_since_a_time_or_the_last_look(world: World) -> None:
    assert await ask(world, name="teams") == (202, {"ordered": ["teams"], "count": 1})
    assert (await ask(world, name="teams", since="2026-11-20T12:00:00Z"))[0] == 202

    assert orders(world) == [
        CatchUpWork(name="teams", reason="request"),
        CatchUpWork(name="teams", reason="request", since=NOW),
    ]


async def test_an_entry_for_many_means_all_of_them_one_after_the_other(world: World) -> None:
    status, answer = await ask(world, name="mail")

    assert (status, answer["count"]) == (202, 3)
    assert sorted(answer["ordered"]) == sorted(name for name in world.store.rows if name != "teams")
    moments = sorted(message.visible for message in world.queue.messages.values())
    assert [(moment - moments[0]).total_seconds() for moment in moments] == [0, 1, 2]


@pytest.mark.parametrize(
    ("params", "status"), [({"name": "nobody"}, 404), ({}, 404), ({"name": "teams", "since": "yesterday"}, 400)]
)
async def test_what_cannot_be_ordered_is_answered_with_the_reason(
    world: World, params: dict[str, str], status: int
) -> None:
    code, answer = await ask(world, **params)

    assert (code, list(answer)) == (status, ["problem"])
    assert orders(world) == []


HUB = {
    "EVENT_HUB_NOTIFICATION_URL": "EventHub:https://c.servicebus.windows.net/eventhubname/notifications?tenantId=c.com",
    "EventHubConnection__fullyQualifiedNamespace": "c.servicebus.windows.net",
    "EVENT_HUB_NAME": "notifications",
    "EVENT_HUB_CONSUMER_GROUP": "$Default",
}


async def ask_of_the_hub(environ: dict[str, str]) -> tuple[int, Any]:
    looks = MemoryHubLooks(tenants={"c.com": "7e4a0000-0000-4000-8000-000000007e4a"})
    check = HubCheck(settings=Settings.from_environ(environ), looks=looks, store=None)
    [function] = registered(manage.build_event_hub(check)).values()
    assert trigger(function) | {"name": "req"} == {
        "type": "httpTrigger",
        "direction": "IN",
        "name": "req",
        "route": "manage/event-hub",
        "methods": ["GET"],
        "authLevel": "FUNCTION",
    }
    answer = await function.get_user_function()(request("GET"))
    return answer.status_code, json.loads(answer.get_body())


async def test_the_hub_is_checked_when_somebody_asks() -> None:
    code, answer = await ask_of_the_hub(HUB)

    assert (code, answer["ok"]) == (200, True)
    assert {"about": "hub", "verdict": "ok"}.items() <= answer["findings"][2].items()
    assert any("az role assignment create" in each for found in answer["findings"] for each in found.get("mend", ()))


async def test_without_pull_mode_there_is_no_hub_to_check() -> None:
    assert (await ask_of_the_hub({}))[0] == 404
