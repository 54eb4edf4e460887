"""What `dlp` has Teams do, on the simulator: Graph tells of it as of any other update, and there it ends."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import shared.handlers
from local.graph.simulator import Simulator
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from shared.adapters.credential import Credential, graph_scope
from shared.adapters.graph_api import GraphApi
from shared.dispatch import find_handlers
from shared.dlp.rules import read_rules
from shared.findings import FindingQuery
from shared.ports import Graph
from shared.routing import HandlerChoice
from shared.settings import Settings
from tests import builders
from tests.contracts.twins import present, until
from tests.stand import Stand

APP = "a99e0000-0000-4000-8000-00000000a99e"
RULES = Path(__file__).parents[2] / "dlp_rules.json"
CARD = "Please charge my credit card 4012 8888 8888 1881, CVV 123"


@dataclass
class Counting:
    """A Graph that knows what was said to it."""

    graph: Graph
    said: list[tuple[str, Any]] = field(default_factory=list)

    async def request(self, method: str, path: str, **told: Any) -> Mapping[str, Any]:
        if method == "PATCH":
            self.said.append((path, told["body"]["policyViolation"]["dlpAction"]))
        return await self.graph.request(method, path, **told)


@dataclass
class House:
    """The simulator, and the app that hears it: what Graph posts goes through webhook and processor at once."""

    simulator: Simulator
    stand: Stand
    graph: Counting
    heard: int = 0
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, request: web.Request) -> web.Response:
        if "validationToken" in request.query:
            return web.Response(text=request.query["validationToken"])
        reply = await self.stand.reception.receive(await request.read())
        for text in reply.envelopes:
            await self.stand.queue.put(text)
        async with self.one_at_a_time:  # the stand's clock runs ahead to whatever is due
            await self.stand.run()
        self.heard += 1
        return web.Response(status=reply.status)

    async def subscribe(self, url: str) -> None:
        state = builders.client_state(tenant_id=self.simulator.tenant_id)
        body = {
            "resource": "teams/getAllMessages",
            "changeType": "created,updated,deleted",
            "notificationUrl": f"{url}/notifications",
            "lifecycleNotificationUrl": f"{url}/lifecycle",
            "expirationDateTime": (present() + timedelta(hours=3)).isoformat(),
            "clientState": state,
        }
        await self.graph.request("POST", "/subscriptions", body=body)

    async def happened(self, change: Any, *, heard: int) -> Entity:
        """Let Graph tell of a change, and wait until so many deliveries were heard in all."""
        self.simulator._announce([change])
        await until(self._heard(heard), within=60)
        entity = self.simulator.world.find(change.entity.key)
        assert entity is not None
        return entity

    def _heard(self, number: int) -> Any:
        async def look() -> bool:
            await asyncio.sleep(0.01)
            return self.heard >= number

        return look

    async def statuses(self) -> list[str]:
        found = (await self.stand.findings.page(FindingQuery(), after="", top=100)).findings
        return [f"{each.finding.rule} {each.status}" for each in found]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with Simulator() as simulator:
        token = simulator.authority.access_token(
            audience="https://graph.microsoft.com", app_id=APP, tenant_id=simulator.tenant_id, roles=[]
        )
        credential = Credential(lambda: lambda _: (token, present().timestamp() + 3600))
        api = GraphApi(endpoint=simulator.http_url, credential=credential, scope=graph_scope(Settings.from_environ({})))
        options = {"policyViolation": True, "alert": {"to": "queue:alerts"}}
        stand = Stand(
            registrations=find_handlers(shared.handlers),
            declaration=builders.declaration(
                builders.declared(include_resource_data=False, handlers=(HandlerChoice(name="dlp", options=options),))
            ),
            policy=builders.policy(allowed_tenant_ids=frozenset({simulator.tenant_id})),
            now=present(),
        )
        stand.graph = Counting(api)  # type: ignore[assignment]
        stand.rules["dlp_rules.json"] = read_rules(RULES.read_bytes(), classifiers={})
        made = House(simulator, stand, Counting(api))
        made.graph = stand.graph  # type: ignore[assignment]
        app = web.Application()
        app.router.add_post("/api/{name}", made.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await made.subscribe(f"http://127.0.0.1:{runner.addresses[0][1]}/api")
        yield made
        await runner.cleanup()
        api.close()
        stand.threads.shutdown()


async def test_a_message_is_blocked_once_and_let_go_once_and_graphs_own_updates_change_nothing(house: House) -> None:
    world = house.simulator.world
    place = next(place for place in world.places if place.workload == "channel")
    said = house.graph.said

    # created, and the update that the block is
    message = await house.happened(acts.post(world, place, CARD, author=world.people[0]), heard=2)
    assert [action for _, action in said] == ["blockAccess"]
    assert message.content["policyViolation"]["dlpAction"] == "blockAccess"
    assert await house.statuses() == ["payment-card open"]

    # a reaction is an update of the same text
    message = await house.happened(acts.react(world, message, world.people[1], "👍"), heard=3)
    assert len(said) == 1

    # edited, and the update that letting it go is
    message = await house.happened(acts.edit(world, message, "Please ask me for the card"), heard=5)
    assert [action for _, action in said] == ["blockAccess", "none"]
    assert message.content["policyViolation"]["dlpAction"] == "none"
    assert await house.statuses() == ["payment-card edited-away"]

    # everything above is heard by the time somebody else's message is
    await house.happened(acts.post(world, place, "lunch?", author=world.people[1]), heard=6)
    assert (len(said), house.heard) == (2, 6)
    assert len(house.stand.target.events) == 1
    assert house.stand.dead_letters.texts == []
