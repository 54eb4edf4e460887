"""Where notifications are written in tests: a tenant, a publisher and a courier, and subscriptions that nobody shook hands for."""

import base64
import functools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from local.graph.catalogue.row import Row
from local.graph.clock import Clock
from local.graph.delivery.calling import HubSender
from local.graph.delivery.courier import Courier
from local.graph.delivery.forgery import Forger
from local.graph.delivery.publisher import Publisher
from local.graph.dice import Dice
from local.graph.identity.tokens import Authority, SigningKey
from local.graph.judge import Judge
from local.graph.knobs import Knobs
from local.graph.subscribing.rules import read_request
from local.graph.subscribing.store import Owner, Subscription, Subscriptions
from local.graph.tenant import acts
from local.graph.tenant.entity import Change
from local.graph.tenant.paths import names_in, spell
from local.graph.tenant.population import Size, populate
from local.graph.tenant.world import World
from tests.local.graph.stand import Key

TENANT = "7e4a0000-0000-4000-8000-000000007e4a"
APP = "a99e0000-0000-4000-8000-00000000a99e"


@dataclass(frozen=True, kw_only=True)
class Press:
    """Everything that a notification is written from."""

    world: World
    knobs: Knobs
    clock: Clock
    judge: Judge
    authority: Authority
    subscriptions: Subscriptions
    courier: Courier
    publisher: Publisher
    forger: Forger

    def subscribe(
        self,
        resource: str,
        *,
        preferences: frozenset[str] = frozenset(),
        app: str = APP,
        minutes: int = 50,
        **changes: Any,
    ) -> Subscription:
        """Let somebody subscribe, as POST does once every URL has answered."""
        now = self.clock.now()
        body = {
            "changeType": "created,updated,deleted",
            "resource": resource,
            "notificationUrl": "https://receiver.example/hook",
            "lifecycleNotificationUrl": "https://receiver.example/lifecycle",
            "expirationDateTime": (now + timedelta(minutes=minutes)).isoformat(),
            "clientState": "our secret",
        } | changes
        asked = read_request(body, now=now, user_id=self.world.people[0].id, preferences=preferences)
        reach = (TENANT, asked.match.path, frozenset(self.world.names.canonical_ids(asked.match).items()))
        owner = Owner(app_id=app, tenant_id=TENANT, creator_id="creator")
        return self.subscriptions.add(asked, reach, owner, now=now)

    def told(self, change: Change) -> list[dict[str, Any]]:
        """What is written about a change, one for each who hears of it."""
        return [dict(notice.notification or {}) for notice in self.publisher.notices(change)]

    def say(self, count: int = 1) -> list[Change]:
        """Let somebody write so many messages into the first channel."""
        place = self.world.places[0]
        return [acts.post(self.world, place, f"message {n}", author=place.people[0]) for n in range(count)]

    def create(self, row: Row, **content: Any) -> Change:
        """Let a thing of any kind exist, with made-up ids."""
        ids = {name: f"{name}-1" for path in (row.item, *row.paths) for name in names_in(path)}
        thing = ids[(names_in(row.item) or ("thing",))[-1]]
        return self.world.create(
            row.key, ids=ids, content={"id": thing} | content, collections=(), resource=spell(row.item, ids)
        )


def opened(encrypted: Mapping[str, str], key: Key) -> dict[str, Any]:
    """Decrypt as Microsoft's page tells a receiver to, with nothing of the simulator's."""
    scheme = OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - the scheme
    secret = key.private.decrypt(base64.b64decode(encrypted["dataKey"]), scheme)
    data = base64.b64decode(encrypted["data"])
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(data)
    mac.verify(base64.b64decode(encrypted["dataSignature"]))
    decryptor = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).decryptor()
    plain = decryptor.update(data) + decryptor.finalize()
    assert len(secret) == 32
    content: dict[str, Any] = json.loads(plain[: -plain[-1]])
    return content


@functools.cache
def _key() -> SigningKey:
    return SigningKey.make()


@asynccontextmanager
async def press(
    seed: int = 1,
    turned: Mapping[str, Any] | None = None,
    *,
    clock: Clock | None = None,
    hub: HubSender | None = None,
) -> AsyncIterator[Press]:
    """Set everything up; every odd spelling is off unless it is turned on."""
    clock, knobs, dice, judge = clock or Clock(), Knobs(), Dice(seed), Judge()
    knobs.turn({"casing": 0, "offsets": 0} | dict(turned or {}))
    authority = Authority(https_base="https://login.example", tenants={TENANT: "contoso.com"}, keys=[_key()])
    subscriptions = Subscriptions(clock=clock, knobs=knobs)
    async with aiohttp.ClientSession() as session:
        courier = Courier(session, judge, clock, dice=dice, knobs=knobs, hub=hub)
        publisher = Publisher(
            subscriptions=subscriptions, authority=authority, courier=courier, clock=clock, dice=dice, knobs=knobs
        )
        yield Press(
            world=populate(TENANT, "Contoso", "contoso.com", size=Size(), clock=clock, dice=dice),
            knobs=knobs,
            clock=clock,
            judge=judge,
            authority=authority,
            subscriptions=subscriptions,
            courier=courier,
            publisher=publisher,
            forger=Forger(writer=publisher.writer, tokens=publisher.tokens, dice=dice),
        )
        await publisher.close()
        await courier.close()
