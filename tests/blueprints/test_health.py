"""Whether the app is well, for anybody and for those with a key."""

import asyncio
import json
from typing import Any

from blueprints import health
from shared.status import Status
from tests.blueprints.registered import registered, request, trigger
from tests.stand import Stand


def functions(stand: Stand, warmed: list[bool], **parts: tuple[str, ...]) -> Any:
    async def warm() -> None:
        warmed.append(True)

    status = Status(parts=parts, store=stand.subscriptions, now=stand.clock)
    return registered(health.build(status, warm=warm))


def test_health_is_for_anybody_and_status_for_those_with_a_key(stand: Stand) -> None:
    found = {function["route"]: function["authLevel"] for function in map(trigger, functions(stand, []).values())}

    assert found == {"health": "ANONYMOUS", "status": "FUNCTION"}


async def test_health_names_what_is_wrong(stand: Stand) -> None:
    found = functions(stand, [], webhook=("CLIENT_STATE_KEY is missing",))
    answer = await found["health"].get_user_function()(request("GET"))

    assert (answer.status_code, answer.mimetype) == (503, "application/json")
    assert json.loads(answer.get_body())["problems"] == {"webhook": ["CLIENT_STATE_KEY is missing"]}


async def test_asking_for_health_warms_the_process_once(stand: Stand) -> None:
    warmed: list[bool] = []
    found = functions(stand, warmed, webhook=())
    for _ in range(3):
        assert (await found["health"].get_user_function()(request("GET"))).status_code == 200
        await asyncio.sleep(0)

    assert warmed == [True]


async def test_status_lists_the_subscriptions(stand: Stand) -> None:
    answer = await functions(stand, [], webhook=())["status"].get_user_function()(request("GET"))

    assert [each["name"] for each in json.loads(answer.get_body())["subscriptions"]] == ["teams-messages"]
