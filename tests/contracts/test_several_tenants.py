"""One app in two tenants, in each way of signing in: every request carries the token of the tenant that it is made in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from local.graph.knobs import Knobs
from local.graph.simulator import Simulator
from shared.adapters.credential import graph_scope, make_credential, only_home
from shared.adapters.graph_api import GraphApi
from shared.adapters.memory_subscriptions import MemoryGraph
from shared.errors import GraphApiError
from shared.ports import Graph
from shared.settings import Settings
from tests.builders import pem_of, rsa_key, self_signed

APP = "a99e0000-0000-4000-8000-00000000a99e"
HOME = "7e4a0000-0000-4000-8000-000000007e4a"
OTHER = "bbbbbbbb-0000-4000-8000-00000000000b"
ELSEWHERE = ["client-secret", "client-certificate", "federated"]


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    async with Simulator(client_secret="right", tenants=(HOME, OTHER), knobs=Knobs(handshake="skip")) as running:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{running.http_url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        yield running


@pytest.fixture
def settings(simulator: Simulator, tmp_path: Path) -> Callable[[str], Settings]:
    path = tmp_path / "app.pem"

    def make(kind: str) -> Settings:
        if kind == "client-certificate":
            key = rsa_key("app")
            path.write_bytes(pem_of(key) + certificate_bytes())
        return Settings.from_environ(
            {
                "GRAPH_TENANT_ID": HOME,
                "ALLOWED_TENANT_IDS": f"{HOME},{OTHER}",
                "GRAPH_CLIENT_ID": APP,
                "GRAPH_CREDENTIAL": kind,
                "GRAPH_CLIENT_SECRET": "right",
                "GRAPH_CLIENT_CERTIFICATE_PATH": str(path),
                "GRAPH_ENDPOINT": simulator.http_url,
                "GRAPH_AUTHORITY": simulator.https_url,
                "SSL_CERT_FILE": str(simulator.ca_path),
            }
        )

    return make


def certificate_bytes() -> bytes:
    return self_signed(rsa_key("app")).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(params=["memory", *ELSEWHERE])
async def graph(request: pytest.FixtureRequest, settings: Callable[[str], Settings]) -> AsyncIterator[Graph]:
    if request.param == "memory":
        yield MemoryGraph()
        return
    chosen = settings(request.param)
    api = GraphApi(endpoint=chosen.graph_endpoint, credential=make_credential(chosen), scope=graph_scope(chosen))
    yield api
    api.close()


def _wanted() -> dict[str, str]:
    expires = datetime.now(UTC) + timedelta(minutes=50)  # noqa: TID251 - the simulator compares with the real clock
    return {
        "resource": "teams/getAllMessages",
        "changeType": "created",
        "notificationUrl": "http://127.0.0.1:9/api/notifications",
        "lifecycleNotificationUrl": "http://127.0.0.1:9/api/lifecycle",
        "expirationDateTime": expires.isoformat(),
        "clientState": "state",
    }


async def test_a_subscription_is_there_in_the_tenant_in_which_it_was_made(graph: Graph) -> None:
    made = await graph.request("POST", "/subscriptions", body=_wanted(), tenant_id=OTHER)
    path = f"/subscriptions/{made['id']}"

    assert (await graph.request("GET", path, tenant_id=OTHER))["id"] == made["id"]
    with pytest.raises(GraphApiError) as caught:
        await graph.request("GET", path)
    assert caught.value.status == 404
    beside = await graph.request("POST", "/subscriptions", body=_wanted())
    assert beside["id"] != made["id"]
    assert await graph.request("DELETE", path, tenant_id=OTHER) == {}


@pytest.mark.parametrize("kind", ELSEWHERE)
async def test_each_tenant_has_a_token_of_its_own_which_is_kept(kind: str, settings: Callable[[str], Settings]) -> None:
    chosen = settings(kind)
    credential = make_credential(chosen)
    scope = graph_scope(chosen)

    def issued_for(tenant_id: str) -> str:
        return str(jwt.decode(credential.of(tenant_id).token(scope), options={"verify_signature": False})["tid"])

    assert [await asyncio.to_thread(issued_for, each) for each in ("", HOME, OTHER)] == [HOME, HOME, OTHER]
    assert credential.of(HOME) is credential.of("") is credential
    assert credential.of(OTHER) is credential.of(OTHER)
    assert only_home(chosen) == ""


async def test_a_managed_identity_stays_at_home_and_says_so(settings: Callable[[str], Settings]) -> None:
    chosen = settings("managed-identity")
    api = GraphApi(endpoint=chosen.graph_endpoint, credential=make_credential(chosen), scope=graph_scope(chosen))

    assert (await api.request("GET", "/subscriptions", tenant_id=HOME))["value"] == []
    with pytest.raises(GraphApiError, match="managed identity can sign in to its own tenant only") as caught:
        await api.request("GET", "/subscriptions", tenant_id=OTHER)
    api.close()

    assert caught.value.status == 401
