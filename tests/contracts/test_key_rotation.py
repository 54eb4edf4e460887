"""CLIENT_STATE_KEY is rotated while mail comes in: the deployed executor against the simulator over HTTP, on a clock that is moved.

What Graph delivers is judged as the webhook judges it, with the keys that are in force at the time.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from local.graph.delivery.tally import Tally
from local.graph.knobs import Knobs
from local.graph.simulator import Simulator
from local.graph.tenant import acts
from local.graph.tenant.population import Size
from shared.adapters.credential import Credential, graph_scope
from shared.adapters.graph_api import GraphApi
from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import MemoryDeclared, MemorySubscriptionStore
from shared.adapters.own_endpoint import OwnWebhook
from shared.declaration import read_declaration
from shared.graph.client_state import key_fingerprint
from shared.intake import Policy, judge
from shared.results import Summary
from shared.settings import Settings
from shared.status import Status
from shared.subscriptions import Subscriptions
from tests.builders import token_judge
from tests.contracts.twins import until
from tests.stand import memory_catch_up, memory_silence

APP = "a99e0000-0000-4000-8000-00000000a99e"
OLD = "b2xkLWtleS1vZi10aGlydHktdHdvLWJ5dGVzLW9sZCE="
NEW = "bmV3LWtleS1vZi10aGlydHktdHdvLWJ5dGVzLW5ldyE="
PEOPLE = 24
TICK = timedelta(hours=1)
LIFETIME = timedelta(days=7)


@dataclass
class House:
    """An app with a mailbox for each person, and the Graph that tells it of mail."""

    simulator: Simulator
    api: GraphApi
    queue: MemoryQueue
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    declared: MemoryDeclared = field(default_factory=lambda: MemoryDeclared(None))
    url: str = ""
    settings: Settings = field(default_factory=Settings)
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    work: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        return self.simulator.clock.now()

    def deploy(self, key: str, previous: str = "") -> None:
        """Start the app with these keys; the table is what it was."""
        self.settings = Settings.from_environ(
            {
                "GRAPH_TENANT_ID": self.simulator.tenant_id,
                "PUBLIC_BASE_URL": self.url,
                "CLIENT_STATE_KEY": key,
                "CLIENT_STATE_KEY_PREVIOUS": previous,
            }
        )
        self.own = OwnWebhook(self.url, now=self.now)
        self.subscriptions = Subscriptions(
            declared=self.declared,
            settings=self.settings,
            graph=self.api,
            store=self.store,
            work=self.queue,
            catch_up=memory_catch_up(self.api, MemoryQueue(now=self.now), self.now),
            silence=memory_silence(self.now),
            keys=None,
            now=self.now,
            own_endpoint=self.own,
            pause=self._pause,
        )

    async def _pause(self, seconds: float) -> None:
        self.simulator.clock.advance(timedelta(seconds=seconds))

    def declare(self, count: int) -> None:
        people = [person.id for person in self.simulator.world.people[:count]]
        entry = {"name": "mail", "resource": "/users/{user}/messages", "changeType": "created"}
        entries = [entry | {"forEach": {"users": people}}]
        self.declared.current = read_declaration(json.dumps({"subscriptions": entries}).encode(), known_handlers=None)

    async def tick(self) -> Summary:
        self.simulator.clock.advance(TICK)
        summary = await self.subscriptions.renew()
        while self.work:
            await self.subscriptions.work(self.work.pop(0).encode())
        return summary

    async def hear_mail(self, number: int) -> None:
        """Send somebody a mail, and wait until the app has judged what Graph says of it."""
        person = self.simulator.world.people[number % PEOPLE]
        change = acts.receive_mail(
            self.simulator.world, person, subject="s", text="t", author=person, recipients=[person]
        )
        before = len(self.accepted) + len(self.refused)
        self.simulator.publisher.announce(change, Tally())

        async def told() -> bool:
            await asyncio.sleep(0)
            return len(self.accepted) + len(self.refused) > before

        await until(told)

    async def answer(self, request: web.Request) -> web.Response:
        if "validationToken" in request.query:
            return web.Response(text=request.query["validationToken"])
        policy = Policy(
            client_state_keys=self.settings.client_state_keys,
            allowed_tenant_ids=self.settings.allowed_tenant_ids,
            max_body_bytes=2**20,
        )
        verdict = judge(
            await request.read(), received=self.now(), delivery_id="d", policy=policy, tokens=token_judge(None)
        )
        self.accepted += verdict.envelopes
        self.refused += verdict.refused
        self.work += verdict.work
        return web.Response(status=verdict.status)

    def older(self) -> int:
        fingerprint = key_fingerprint(self.settings.client_state_key)
        return sum(not row.digest.endswith(f":{fingerprint}") for row in self.store.rows.values())

    async def status(self) -> Any:
        fingerprint = key_fingerprint(self.settings.client_state_key)
        return json.loads(
            (await Status(parts={}, store=self.store, now=self.now, client_state_key=fingerprint).full())[1]
        )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    size = Size(people=PEOPLE, teams=0, chats=0, writers=PEOPLE)
    async with Simulator(size=size, knobs=Knobs(throttling=False, lifecycle_schedule=False)) as simulator:
        token = simulator.authority.access_token(
            audience="https://graph.microsoft.com", app_id=APP, tenant_id=simulator.tenant_id, roles=[]
        )
        scope = graph_scope(Settings.from_environ({}))
        api = GraphApi(endpoint=simulator.http_url, credential=Credential(lambda: lambda _: (token, 1e12)), scope=scope)
        made = House(simulator=simulator, api=api, queue=MemoryQueue(now=simulator.clock.now))
        receiver = web.Application()
        receiver.router.add_post("/api/{name}", made.answer)
        runner = web.AppRunner(receiver, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
        made.deploy(OLD)
        yield made
        made.own.close()
        api.close()
        await runner.cleanup()


async def _settle(house: House) -> None:
    """Live for a while with the old key: people come one after the other, as they do."""
    for count in range(2, PEOPLE + 1, 2):
        house.declare(count)
        for _ in range(6):
            await house.tick()


async def test_a_rotation_is_spread_over_a_lifetime_and_no_mail_goes_unheard(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await _settle(house)
    await house.hear_mail(0)
    assert ((await house.status())["clientState"], house.refused) == ({"olderKey": 0}, [])

    house.deploy(NEW, previous=OLD)
    rotated = house.now()
    recreated: list[int] = []
    heard = len(house.accepted)
    with caplog.at_level(logging.WARNING):
        while house.older() and house.now() - rotated < LIFETIME:
            generations = sum(row.generation for row in house.store.rows.values())
            summary = await house.tick()
            recreated.append(sum(row.generation for row in house.store.rows.values()) - generations)
            assert not summary.problems
            assert len(house.simulator.subscriptions.live(now=house.now())) == PEOPLE
            assert (await house.status())["clientState"] == {"olderKey": house.older()}
            await house.hear_mail(len(recreated))

    assert house.older() == 0
    assert sum(recreated) == PEOPLE
    assert max(recreated) <= PEOPLE // 4
    assert len([count for count in recreated if count]) >= PEOPLE // 3
    assert (len(house.accepted) - heard, house.refused) == (len(recreated), [])
    gaps = [line for line in caplog.messages if line.startswith("subscription gap")]
    assert len(gaps) == PEOPLE
    assert all("its clientState has an older key" in line for line in gaps)

    house.deploy(NEW)
    assert (await house.tick()).problems == {}
    for number in range(PEOPLE):
        await house.hear_mail(number)
    assert house.refused == []


async def test_whoever_takes_the_previous_key_away_too_early_has_all_that_are_left_recreated_at_once(
    house: House,
) -> None:
    """What they bring would be refused until their turn came: better one storm than a week of silence."""
    house.declare(PEOPLE)
    await house.tick()

    house.deploy(NEW)
    await house.hear_mail(0)
    assert house.refused == ["clientState"]
    await house.tick()

    assert house.older() == 0
    await house.hear_mail(1)
    assert house.refused == ["clientState"]
