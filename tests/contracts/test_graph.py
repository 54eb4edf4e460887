"""Port Graph as far as subscriptions go, on the memory twin and on the simulator; then the whole of it on the simulator."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local.graph.simulator import Simulator
from shared.adapters.credential import Credential, graph_scope
from shared.adapters.graph_api import GraphApi
from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import (
    MemoryDeclared,
    MemoryEncryptionKeys,
    MemoryGraph,
    MemorySubscriptionStore,
)
from shared.declaration import read_declaration
from shared.errors import GraphApiError
from shared.graph.encrypted_content import read_encryption_key
from shared.ports import Graph
from shared.settings import Settings
from shared.subscriptions import Subscriptions
from tests.stand import memory_catch_up, memory_silence

APP = "a99e0000-0000-4000-8000-00000000a99e"


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the simulator compares with the real clock


@dataclass
class Receiver:
    """Answers handshakes."""

    url: str = ""
    handshakes: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.handshakes.append(request.path)
        return web.Response(text=request.query["validationToken"])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/api/{name}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    yield made
    await runner.cleanup()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


def _open(simulator: Simulator) -> GraphApi:
    settings = Settings.from_environ({})
    token = simulator.authority.access_token(
        audience="https://graph.microsoft.com", app_id=APP, tenant_id=simulator.tenant_id, roles=[]
    )
    credential = Credential(lambda: lambda _: (token, _now().timestamp() + 3600))
    return GraphApi(endpoint=simulator.http_url, credential=credential, scope=graph_scope(settings))


@pytest.fixture(params=["memory", "simulator"])
async def graph(request: pytest.FixtureRequest, simulator: Simulator) -> AsyncIterator[Graph]:
    if request.param == "memory":
        yield MemoryGraph()
        return
    api = _open(simulator)
    yield api
    api.close()


def _wanted(receiver: Receiver, **changes: Any) -> Mapping[str, Any]:
    return {
        "resource": "teams/getAllMessages",
        "changeType": "created",
        "notificationUrl": f"{receiver.url}/notifications",
        "lifecycleNotificationUrl": f"{receiver.url}/lifecycle",
        "expirationDateTime": (_now() + timedelta(hours=3)).isoformat(),
        "clientState": "state",
    } | changes


async def test_a_subscription_lives_from_post_to_delete(graph: Graph, receiver: Receiver) -> None:
    made = await graph.request("POST", "/subscriptions", body=_wanted(receiver))
    path = f"/subscriptions/{made['id']}"
    later = (_now() + timedelta(hours=9)).replace(microsecond=0)
    renewed = await graph.request("PATCH", path, body={"expirationDateTime": later.isoformat()})
    seen = await graph.request("GET", path)

    assert (seen["resource"], seen["notificationUrl"]) == ("teams/getAllMessages", f"{receiver.url}/notifications")
    assert seen["clientState"] is None
    assert datetime.fromisoformat(renewed["expirationDateTime"]) == later
    assert await graph.request("DELETE", path) == {}


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_what_is_gone_is_404(graph: Graph, receiver: Receiver, method: str) -> None:
    made = await graph.request("POST", "/subscriptions", body=_wanted(receiver))
    path = f"/subscriptions/{made['id']}"
    await graph.request("DELETE", path)

    body = {"expirationDateTime": (_now() + timedelta(hours=1)).isoformat()} if method == "PATCH" else None
    with pytest.raises(GraphApiError) as caught:
        await graph.request(method, path, body=body)

    assert caught.value.status == 404


async def test_a_second_one_of_the_same_kind_is_409_and_names_the_first(graph: Graph, receiver: Receiver) -> None:
    made = await graph.request("POST", "/subscriptions", body=_wanted(receiver))

    with pytest.raises(GraphApiError) as caught:
        await graph.request("POST", "/subscriptions", body=_wanted(receiver))

    assert caught.value.status == 409
    assert made["id"] in caught.value.message


@pytest.fixture(scope="module")
def pem() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "encryption")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_now() - timedelta(days=1))
        .not_valid_after(_now() + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class House:
    """Subscriptions on the simulator, with their table in memory."""

    subscriptions: Subscriptions
    store: MemorySubscriptionStore
    api: GraphApi


@pytest.fixture
async def house(simulator: Simulator, receiver: Receiver, pem: bytes) -> AsyncIterator[House]:
    declared = [
        {"name": "teams", "resource": "/teams/getAllMessages", "changeType": "created", "includeResourceData": True},
        {"name": "chats", "resource": "/chats/getAllMessages", "changeType": "created,updated,deleted"},
    ]
    settings = Settings.from_environ(
        {
            "GRAPH_TENANT_ID": simulator.tenant_id,
            "PUBLIC_BASE_URL": receiver.url,
            "CLIENT_STATE_KEY": "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5",
        }
    )
    store, api = MemorySubscriptionStore(), _open(simulator)
    subscriptions = Subscriptions(
        declared=MemoryDeclared(
            read_declaration(json.dumps({"subscriptions": declared}).encode(), known_handlers=None)
        ),
        settings=settings,
        graph=api,
        store=store,
        work=MemoryQueue(now=_now),
        catch_up=memory_catch_up(api, MemoryQueue(now=_now), _now),
        silence=memory_silence(_now),
        keys=MemoryEncryptionKeys([read_encryption_key(pem, certificate_id="key-1")]),
        now=_now,
    )
    yield House(subscriptions, store, api)
    api.close()


async def test_rich_and_basic_ones_are_made_renewed_and_made_anew(
    house: House, simulator: Simulator, receiver: Receiver
) -> None:
    first = await house.subscriptions.renew()
    assert sorted(each.outcome for each in first.results) == ["created", "created"]
    assert len(receiver.handshakes) == 4
    row = house.store.rows["teams"]
    live = simulator.subscriptions.find(row.subscription_id, now=_now())
    assert live is not None
    assert live.rich

    work = {"earshot": 1, "name": "teams", "subscriptionId": row.subscription_id, "generation": 1}
    await house.subscriptions.work(json.dumps(work | {"lifecycleEvent": "reauthorizationRequired"}).encode())
    assert house.store.rows["teams"].renewed is not None

    await house.subscriptions.work(json.dumps(work | {"lifecycleEvent": "subscriptionRemoved"}).encode())
    assert house.store.rows["teams"].generation == 2
    assert house.store.rows["teams"].subscription_id != row.subscription_id
    assert len(simulator.subscriptions.live(now=_now())) == 2
    assert (await house.subscriptions.renew()).results == ()
