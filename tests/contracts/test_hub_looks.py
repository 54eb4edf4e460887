"""HubLooks on real parts: an Event Hubs namespace, Azurite, and the simulator's authority; and each mistake made there once."""

import asyncio
import gc
import re
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Self

import pytest
from azure.core.credentials import AccessToken
from azure.eventhub.exceptions import EventHubError
from azure.storage.blob import ContainerClient

from local.azurite.emulator import Azurite
from local.eventhubs.emulator import EventHubs
from local.graph.simulator import Simulator
from shared.adapters.hub_looks import AzureHubLooks, _read_problem
from shared.adapters.memory_hub_looks import MemoryHubLooks
from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.adapters.storage import Patience, Storage
from shared.graph.additional_payload import CONTAINER
from shared.hub_check import HubCheck
from shared.hub_diagnosis import Finding, Look, Reader
from shared.ports import HubLooks
from shared.settings import Settings
from shared.storage_health import StorageHealth
from tests.contracts.twins import StorageMaker, present
from tests.local.eventhubs.stand import CLIENT_LEAKS, Hub

pytestmark = [pytest.mark.azurite, CLIENT_LEAKS]

HURRIED = Patience(retries=0, backoff=0, connect=5, read=5)
HOST = "contoso.servicebus.windows.net"
TOLD = f"EventHub:https://{HOST}/eventhubname/notifications?tenantId=contoso.com"
STORE = "https://contoso.vault.azure.net/secrets/store?tenantId=contoso.com"


@dataclass
class Place:
    """Everything that pull mode depends on, in order; a test spoils one thing."""

    namespace: EventHubs
    graph: Simulator
    azurite: Azurite
    storages: list[Storage] = field(default_factory=list)

    def settings(self, **changes: str) -> Settings:
        environ = {
            "EVENT_HUB_NOTIFICATION_URL": TOLD,
            "EventHubConnection": self.namespace.connection_string,
            "EVENT_HUB_NAME": "notifications",
            "EVENT_HUB_CONSUMER_GROUP": "earshot",
            "EVENT_HUB_BLOB_STORE_URL": STORE,
            "OVERSIZE_STORAGE": self.azurite.connection_string,
            "GRAPH_AUTHORITY": self.graph.https_url,
            "REQUESTS_CA_BUNDLE": str(self.graph.ca_path),
        }
        return Settings.from_environ(environ | changes)

    def looks(self, **changes: str) -> AzureHubLooks:
        settings = self.settings(**changes)
        oversize = None
        if settings.oversize_storage:
            oversize = Storage(
                settings=settings,
                patience=HURRIED,
                health=StorageHealth(),
                now=present,
                connection=settings.oversize_storage,
            )
            self.storages.append(oversize)
        return AzureHubLooks(settings, oversize=oversize)

    async def wrong(self, **changes: str) -> dict[str, str]:
        """Check, and give what is wrong: what it is about, and what is said."""
        settings = self.settings(**changes)
        made = HubCheck(settings=settings, looks=self.looks(**changes), store=MemorySubscriptionStore())
        findings: tuple[Finding, ...] = await made.run()
        return {each.about: each.says for each in findings if each.verdict == "wrong"}


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    """What the client leaves open is the test's that used it, and not the next one's."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def place(azurite: Azurite) -> AsyncIterator[Place]:
    with ContainerClient.from_connection_string(azurite.connection_string, CONTAINER) as container:
        if not container.exists():
            container.create_container()
    async with (
        EventHubs(hubs={"notifications": 2}, consumer_groups=["earshot"]) as namespace,
        Simulator() as graph,
    ):
        made = Place(namespace=namespace, graph=graph, azurite=azurite)
        yield made
        for storage in made.storages:
            await storage.close()


# -- the contract: what is well looks the same in both -----------------------------------------------------------------


@pytest.fixture(params=["memory", "real"])
def looks(request: pytest.FixtureRequest, place: Place) -> HubLooks:
    if request.param == "memory":
        tenant_id = place.graph.tenant_id
        return MemoryHubLooks(of_hub=Look(outcome="ok", detail="2"), tenants={"contoso.com": tenant_id})
    return place.looks()


async def test_what_is_well_is_seen_to_be(looks: HubLooks, place: Place) -> None:
    assert await looks.hub() == Look(outcome="ok", detail="2")
    assert (await looks.consumer_group()).outcome == "ok"
    assert await looks.tenant_of("contoso.com") == Look(outcome="ok", detail=place.graph.tenant_id)
    assert (await looks.tenant_of("nobody.example")).outcome == "absent"
    assert (await looks.container()).outcome == "ok"


async def test_looking_uses_nothing_up_and_takes_nothing_from_who_reads(place: Place) -> None:
    hub = Hub(namespace=place.namespace)
    await hub.send(b"one", partition_id="0")
    async with hub.receiving("earshot") as received:
        await received.until(lambda so_far: len(so_far.events) == 1)
        assert (await place.looks().consumer_group()).outcome == "ok"
        await hub.send(b"two", partition_id="0")
        await received.until(lambda so_far: len(so_far.events) == 2)

    assert received.bodies == [b"one", b"two"]


# -- each mistake, made once ---------------------------------------------------------------------------------------------


def _closed_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


def spoil(place: Place, mistake: str) -> dict[str, str]:
    reached, stored = place.namespace.connection_string, place.azurite.connection_string
    key = "SharedAccessKey="
    return {
        "nothing": {},
        "hub misspelt": {"EVENT_HUB_NAME": "notificatoins"},
        "entity path": {"EventHubConnection": f"{reached};EntityPath=other"},
        "key wrong": {"EventHubConnection": reached.replace(key, f"{key}AAAA")},
        "namespace unknown": {"EventHubConnection": reached.replace("localhost", "no-such-namespace.invalid")},
        "namespace away": {"EventHubConnection": reached.replace(str(place.namespace.port), str(_closed_port()))},
        "no connection string": {"EventHubConnection": "nonsense"},
        "group misspelt": {"EVENT_HUB_CONSUMER_GROUP": "earshto"},
        "domain of nobody": {"EVENT_HUB_NOTIFICATION_URL": TOLD.replace("contoso.com", "nobody.example")},
        "blob store's domain of nobody": {"EVENT_HUB_BLOB_STORE_URL": STORE.replace("contoso.com", "nobody.example")},
        "nobody reads blobs": {"OVERSIZE_STORAGE": ""},
        "Graph is told of no blob store": {"EVENT_HUB_BLOB_STORE_URL": ""},
        "blob key wrong": {"OVERSIZE_STORAGE": stored.replace("AccountKey=", "AccountKey=AAAA")},
    }[mistake]


MISTAKES = {
    "nothing": {},
    "hub misspelt": {"hub": "no hub notificatoins"},
    "entity path": {"one hub for both": "EntityPath"},
    "key wrong": {"hub": "right Listen"},
    "namespace unknown": {"hub": "nobody answers at no-such-namespace.invalid"},
    "namespace away": {"hub": "nobody answers"},
    "no connection string": {"hub": "no connection string"},
    "group misspelt": {"consumer group": "no consumer group earshto"},
    "domain of nobody": {"tenant of the hub": "nobody.example"},
    "blob store's domain of nobody": {"tenant of the blob store": "nobody.example"},
    "nobody reads blobs": {"large changes": "OVERSIZE_STORAGE"},
    "Graph is told of no blob store": {"large changes": "EVENT_HUB_BLOB_STORE_URL"},
    "blob key wrong": {"large changes": "may not be read"},
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_each_mistake_is_named_and_nothing_else_is_called_wrong(place: Place, mistake: str) -> None:
    wrong = await place.wrong(**spoil(place, mistake))

    expected: dict[str, str] = MISTAKES[mistake]
    assert wrong.keys() == expected.keys(), wrong
    for about, words in expected.items():
        assert words in wrong[about]


async def test_a_container_that_nobody_made_is_named_and_not_made_by_looking(azurite: Azurite, place: Place) -> None:
    with ContainerClient.from_connection_string(azurite.connection_string, CONTAINER) as container:
        container.delete_container()
        try:
            for _ in range(2):
                assert "Graph does not make it" in (await place.wrong())["large changes"]
        finally:
            container.create_container()


async def test_a_hub_that_says_nothing_does_not_keep_who_asks_waiting(place: Place) -> None:
    async def swallow(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reached = place.namespace.connection_string.replace(str(place.namespace.port), str(port))
    settings = place.settings(EventHubConnection=reached)
    looks = place.looks(EventHubConnection=reached)
    try:
        async with asyncio.timeout(30):
            findings = await HubCheck(settings=settings, looks=looks, store=None, seconds=1).run()
    finally:
        server.close()

    assert next(each for each in findings if each.about == "hub").verdict == "wrong"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("Ip has been prevented to connect to the endpoint. condition: amqp:unauthorized-access", "closed"),
        ("Unauthorized access. 'Listen' claim(s) are required to perform this operation.", "denied"),
        ("CBS Token authentication failed. Status code: 401", "denied"),
        ("The messaging entity 'sb://c/x' could not be found. condition: amqp:not-found", "absent"),
        ("Receiver 'r' with a higher epoch '0' already exists. condition: amqp:link:stolen", "ok"),
        ("Exceeded the maximum number of allowed receivers per partition in a consumer group which is 5", "crowded"),
        ("[Errno 111] Connect call failed", "unreachable"),
        ("something that nobody has seen yet", "failed"),
    ],
)
def test_what_azure_says_is_told_apart_and_not_repeated(said: str, outcome: str) -> None:
    look = _read_problem(EventHubError(said))

    assert look.outcome == outcome
    assert look.detail in {"", "EventHubError"}


# -- who reads, where that is an identity --------------------------------------------------------------------------------


async def test_an_identity_s_tenant_and_object_are_read_from_its_token(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = f"{place.graph.http_url}/msi/token"
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity)
    monkeypatch.setenv("IDENTITY_HEADER", "any")
    without_key = {
        "EventHubConnection": "",
        "EventHubConnection__fullyQualifiedNamespace": HOST,
        "EventHubConnection__credential": "managedidentity",
    }

    reader = await place.looks(**without_key).reader()

    assert reader.tenant_id == place.graph.tenant_id
    assert len(reader.object_id) == 36


async def test_where_there_is_no_identity_nobody_is_known(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = place.looks()

    class Nobody:
        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def get_token(self, *_: str) -> AccessToken:
            return AccessToken("no token of ours", 0)

    monkeypatch.setattr(looks, "_make_identity", Nobody)

    assert await looks.reader() == Reader()


async def test_storage_that_is_away_is_not_called_a_container_that_is_missing(
    place: Place, open_storage: StorageMaker
) -> None:
    away = re.sub(r":\d+/", f":{_closed_port()}/", place.azurite.connection_string)

    looks = AzureHubLooks(place.settings(), oversize=open_storage(HURRIED, connection=away))

    assert (await looks.container()).outcome == "unreachable"
