"""Two entries with the same resource in two tenants, from the subscriptions file to what the webhook makes of Graph's deliveries."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from local.graph.delivery.tally import Tally
from local.graph.simulator import Simulator
from local.graph.tenant import acts
from local.graph.tenant.world import World
from shared.adapters.credential import graph_scope, make_credential
from shared.adapters.graph_api import GraphApi
from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.adapters.own_endpoint import OwnWebhook
from shared.declaration import DeclaredSubscription, read_declaration
from shared.envelope import read_envelope
from shared.executor import Executor
from shared.graph.addresses import Addresses
from shared.graph.client_state import key_fingerprint
from shared.intake import Policy, judge
from shared.reconcile import Circumstances, plan
from shared.results import Summary
from shared.settings import Settings
from shared.tenants import Tenants
from tests.builders import token_judge
from tests.contracts.twins import present, until

APP = "a99e0000-0000-4000-8000-00000000a99e"
HOME = "7e4a0000-0000-4000-8000-000000007e4a"
OTHER = "bbbbbbbb-0000-4000-8000-00000000000b"


@dataclass
class Webhook:
    """Answers handshakes, and judges deliveries as the app does."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    accepted: list[tuple[str, str]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    settings: Settings = field(default_factory=Settings)

    async def answer(self, request: web.Request) -> web.Response:
        if "validationToken" in request.query:
            return web.Response(text=request.query["validationToken"])
        return web.Response(status=self.judge(await request.read()))

    def judge(self, body: bytes) -> int:
        policy = Policy(
            client_state_keys=self.settings.client_state_keys,
            allowed_tenant_ids=self.settings.allowed_tenant_ids,
            max_body_bytes=2**20,
            home_tenant_id=HOME,
        )
        verdict = judge(body, received=present(), delivery_id="d", policy=policy, tokens=token_judge(None))
        self.bodies.append(body)
        self.refused.update(verdict.refused)
        for text in verdict.envelopes:
            raws = [item.notification or {} for item in read_envelope(text.encode()).items]
            self.accepted += [(raw["tenantId"], raw["clientState"].split(".")[1]) for raw in raws]
        return verdict.status


@dataclass
class House:
    """Two tenants, and an app that is known in both."""

    simulator: Simulator
    webhook: Webhook
    executor: Executor
    store: MemorySubscriptionStore
    declared: tuple[DeclaredSubscription, ...]
    here: Circumstances

    async def tick(self, *declared: DeclaredSubscription) -> Summary:
        actions = plan(declared, await self.store.list(), present(), circumstances=self.here)
        return await self.executor.execute(actions, key=None)

    def live_in(self, tenant_id: str) -> list[str]:
        live = self.simulator.subscriptions.live(now=present())
        return [each.asked.resource for each in live if each.tenant_id == tenant_id]

    def send_mail(self, world: World) -> None:
        person = world.people[0]
        told = {"subject": "s", "text": "t", "author": person, "recipients": [person]}
        self.simulator.publisher.announce(acts.receive_mail(world, person, **told), Tally())  # type: ignore[arg-type]


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    webhook = Webhook()
    app = web.Application()
    app.router.add_post("/api/{name}", webhook.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    webhook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    async with Simulator(client_secret="right", tenants=(HOME, OTHER)) as simulator:
        webhook.settings = settings = Settings.from_environ(
            {
                "GRAPH_TENANT_ID": HOME,
                "ALLOWED_TENANT_IDS": f"{HOME},{OTHER}",
                "GRAPH_CLIENT_ID": APP,
                "GRAPH_CREDENTIAL": "client-secret",
                "GRAPH_CLIENT_SECRET": "right",
                "GRAPH_ENDPOINT": simulator.http_url,
                "GRAPH_AUTHORITY": simulator.https_url,
                "SSL_CERT_FILE": str(simulator.ca_path),
                "PUBLIC_BASE_URL": webhook.url,
                "CLIENT_STATE_KEY": "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5",
            }
        )
        # the last two are the same resource, word for word
        people = {tenant_id: world.people[0].id for tenant_id, world in simulator.worlds.items()}
        entry = {"changeType": "created"}
        entries = [
            entry | {"name": "ours", "resource": f"/users/{people[HOME]}/messages"},
            entry | {"name": "theirs", "resource": f"/users/{people[OTHER]}/messages", "tenant": OTHER},
            entry | {"name": "our-people", "resource": "/users"},
            entry | {"name": "their-people", "resource": "/users", "tenant": OTHER},
        ]
        for each in entries[2:]:
            each["changeType"] = "updated,deleted"
        text = json.dumps({"subscriptions": entries}).encode()
        tenants = Tenants(home=HOME, allowed=settings.allowed_tenant_ids)
        graph = GraphApi(
            endpoint=settings.graph_endpoint, credential=make_credential(settings), scope=graph_scope(settings)
        )
        own = OwnWebhook(webhook.url, now=present)
        store = MemorySubscriptionStore()
        executor = Executor(
            graph=graph,
            store=store,
            work=MemoryQueue(now=present),
            addresses=Addresses(base_url=webhook.url),
            tenant_id=HOME,
            client_state_key=settings.client_state_key,
            now=present,
            own_endpoint=own,
        )
        here = Circumstances(
            addresses=Addresses(base_url=webhook.url),
            tenant_id=HOME,
            key_fingerprint=key_fingerprint(settings.client_state_key),
        )
        declared = read_declaration(text, known_handlers=None, tenants=tenants).subscriptions
        yield House(simulator, webhook, executor, store, declared, here)
        graph.close()
        own.close()
    await runner.cleanup()


async def test_each_tenant_is_heard_as_itself_and_not_as_the_other(house: House) -> None:
    assert (await house.tick(*house.declared)).problems == {}
    assert [len(house.live_in(each)) for each in (HOME, OTHER)] == [2, 2]

    for world in house.simulator.worlds.values():
        house.send_mail(world)

    async def heard() -> bool:
        await asyncio.sleep(0)
        return len(house.webhook.accepted) == 2

    await until(heard)
    assert sorted(house.webhook.accepted) == sorted([(HOME, "ours"), (OTHER, "theirs")])
    assert not house.webhook.refused
    for body in list(house.webhook.bodies):
        turned = body.replace(HOME.encode(), b"~").replace(OTHER.encode(), HOME.encode()).replace(b"~", OTHER.encode())
        assert house.webhook.judge(turned) == 202
    assert house.webhook.refused == {"clientState": 2}
    assert len(house.webhook.accepted) == 2


async def test_what_is_declared_no_more_is_deleted_in_its_tenant_alone(house: House) -> None:
    await house.tick(*house.declared)

    summary = await house.tick(*(each for each in house.declared if not each.tenant_id))

    assert {each.outcome for each in summary.results if each.name.startswith("their")} == {"deleted"}
    assert [len(house.live_in(each)) for each in (HOME, OTHER)] == [2, 0]
