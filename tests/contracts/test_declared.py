"""What the subscriptions file says of one subscription, as the simulator's Graph has it afterwards."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from local.graph.simulator import Simulator
from shared.adapters.credential import Credential, graph_scope
from shared.adapters.graph_api import GraphApi
from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import MemoryDeclared, MemorySubscriptionStore
from shared.declaration import read_declaration
from shared.fan_out import instance_name
from shared.results import Summary
from shared.settings import Settings
from shared.subscriptions import Subscriptions
from tests.stand import memory_catch_up, memory_silence

APP = "a99e0000-0000-4000-8000-00000000a99e"
ANN, BOB, CID, DAN = (f"{number}0000000-0000-4000-8000-000000000000" for number in "1234")


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the simulator compares with the real clock


@dataclass
class App:
    """Subscriptions on the simulator, with their table in memory."""

    simulator: Simulator
    api: GraphApi
    store: MemorySubscriptionStore
    declared: MemoryDeclared
    subscriptions: Subscriptions

    async def declare(self, **entry: Any) -> Summary:
        mail = {"name": "mail", "resource": "/users/{user}/messages", "changeType": "created"}
        text = json.dumps({"subscriptions": [mail | entry]}).encode()
        self.declared.current = read_declaration(text, known_handlers=None)
        return await self.subscriptions.renew()

    def live(self, user: str) -> Any:
        row = self.store.rows[instance_name("mail", user)]
        found = self.simulator.subscriptions.find(row.subscription_id, now=_now())
        assert found, row
        return found

    @property
    def heard(self) -> set[str]:
        return {each.asked.resource.strip("/").split("/")[1] for each in self.simulator.subscriptions.live(now=_now())}


async def _shake_hands(request: web.Request) -> web.Response:
    return web.Response(text=request.query["validationToken"])


@pytest.fixture
async def app() -> AsyncIterator[App]:
    receiver = web.Application()
    receiver.router.add_post("/api/{name}", _shake_hands)
    runner = web.AppRunner(receiver, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Simulator() as simulator:
        settings = Settings.from_environ(
            {
                "GRAPH_TENANT_ID": simulator.tenant_id,
                "PUBLIC_BASE_URL": f"http://127.0.0.1:{runner.addresses[0][1]}/api",
                "CLIENT_STATE_KEY": "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5",
            }
        )
        token = simulator.authority.access_token(
            audience="https://graph.microsoft.com", app_id=APP, tenant_id=simulator.tenant_id, roles=[]
        )
        credential = Credential(lambda: lambda _: (token, _now().timestamp() + 3600))
        api = GraphApi(endpoint=simulator.http_url, credential=credential, scope=graph_scope(settings))
        store, declared = MemorySubscriptionStore(), MemoryDeclared(None)
        subscriptions = Subscriptions(
            declared=declared,
            settings=settings,
            graph=api,
            store=store,
            work=MemoryQueue(now=_now),
            catch_up=memory_catch_up(api, MemoryQueue(now=_now), _now),
            silence=memory_silence(_now),
            keys=None,
            now=_now,
        )
        yield App(simulator, api, store, declared, subscriptions)
        api.close()
    await runner.cleanup()


async def test_of_three_users_one_goes_and_another_comes(app: App) -> None:
    await app.declare(forEach={"users": [ANN, BOB, CID]})
    assert app.heard == {ANN, BOB, CID}
    kept = app.live(ANN).id

    summary = await app.declare(forEach={"users": [ANN, BOB, DAN]})

    assert sorted(each.outcome for each in summary.results) == ["created", "deleted"]
    assert app.heard == {ANN, BOB, DAN}
    assert app.live(ANN).id == kept
    assert (await app.subscriptions.renew()).results == ()


async def test_immutable_ids_are_on_by_default_and_a_changed_flag_recreates(app: App) -> None:
    await app.declare(forEach={"users": [ANN]})
    first = app.live(ANN)
    await app.declare(forEach={"users": [ANN]}, immutableIds=False)
    second = app.live(ANN)

    assert [bool(each.preferences) for each in (first, second)] == [True, False]
    assert first.id != second.id
    assert app.heard == {ANN}


async def test_a_lifetime_is_asked_for_and_patched(app: App) -> None:
    await app.declare(forEach={"users": [ANN]}, lifetimeMinutes=120)
    first = app.live(ANN)
    assert abs(first.expiration_date_time - _now() - timedelta(hours=2)) < timedelta(minutes=1)

    await app.declare(forEach={"users": [ANN]}, lifetimeMinutes=240)

    assert app.live(ANN).id == first.id
    assert app.live(ANN).expiration_date_time - _now() > timedelta(hours=3)


async def test_other_change_types_are_made_before_the_old_ones_go(app: App) -> None:
    await app.declare(forEach={"users": [ANN]})
    [result] = (await app.declare(forEach={"users": [ANN]}, changeType="created,deleted")).results

    assert result.outcome == "recreated"
    assert app.store.rows[instance_name("mail", ANN)].former_id == ""
    assert len(app.simulator.subscriptions.live(now=_now())) == 1
