"""Storage without a key: the app's identity asks its endpoint for tokens, and a real Azurite takes them over https."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from aiohttp import web

from local.azurite.emulator import Azurite
from local.graph.certificates import make_certificates
from shared.adapters.ledger_table import LedgerTable
from shared.adapters.payload_blobs import PayloadBlobs
from shared.adapters.storage import PATIENT, Storage
from shared.adapters.storage_queue import StorageQueue
from shared.ports import LedgerRow
from shared.settings import Settings
from shared.storage_health import StorageHealth
from tests.contracts.twins import present

pytestmark = pytest.mark.azurite
_TENANT = "7e4a0000-0000-4000-8000-000000007e4a"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificates(tmp_path_factory.mktemp("tls"), now=datetime.now(UTC))  # noqa: TID251


@pytest.fixture(scope="module")
def secure(certificates: tuple[Path, Path]) -> Iterator[Azurite]:
    with Azurite(certificate=certificates[1]) as emulator:
        yield emulator


@pytest.fixture
async def asked() -> AsyncIterator[tuple[str, list[str]]]:
    """An identity endpoint as App Service has it: its address, and the resources that tokens were asked for."""
    resources: list[str] = []

    async def token(request: web.Request) -> web.Response:
        resources.append(request.query["resource"])
        now = int(time.time())
        claims = {"aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{_TENANT}/", "tid": _TENANT}
        claims |= {"iat": now, "nbf": now, "exp": now + 3600, "oid": _TENANT, "sub": "app", "ver": "1.0"}
        text = jwt.encode(claims, "k" * 32, "HS256")
        body = {"access_token": text, "expires_on": str(now + 3600), "resource": resources[-1], "token_type": "Bearer"}
        return web.Response(text=json.dumps(body), content_type="application/json")

    app = web.Application()
    app.router.add_get("/msi/token", token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/msi/token", resources
    await runner.cleanup()


@pytest.fixture
async def storage(
    secure: Azurite,
    certificates: tuple[Path, Path],
    asked: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Storage]:
    monkeypatch.setenv("IDENTITY_ENDPOINT", asked[0])
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    environ = {f"AzureWebJobsStorage__{kind}ServiceUri": secure.address(kind) for kind in ("blob", "queue", "table")}
    settings = Settings.from_environ(environ | {"AzureWebJobsStorage__credential": "managedidentity"})
    opened = Storage(
        settings=settings, patience=PATIENT, health=StorageHealth(), now=present, ca_bundle=str(certificates[0])
    )
    yield opened
    await opened.close()


async def test_every_service_is_reached_with_the_identity(storage: Storage, asked: tuple[str, list[str]]) -> None:
    await StorageQueue(storage, "identity").put("hello")
    [message] = await StorageQueue(storage, "identity").take(1)
    await PayloadBlobs(storage).put("live/a", b"payload")
    rows = [LedgerRow(key=f"k{number}") for number in range(3)]
    etags = await LedgerTable(storage).create("20261120", "p", rows)
    assert message.text == "hello"
    assert await PayloadBlobs(storage).get("live/a") == b"payload"
    assert etags.keys() == {"k0", "k1", "k2"}
    assert (await LedgerTable(storage).read("20261120", "p", "k1")) is not None
    assert {resource.rstrip("/") for resource in asked[1]} == {"https://storage.azure.com"}


async def test_a_signed_url_is_enough_for_transactions(secure: Azurite, certificates: tuple[Path, Path]) -> None:
    from azure.core.credentials import AzureNamedKeyCredential  # noqa: PLC0415
    from azure.data.tables import AccountSasPermissions, ResourceTypes, generate_account_sas  # noqa: PLC0415

    from local.azurite.emulator import ACCOUNT, KEY  # noqa: PLC0415

    signature = generate_account_sas(
        AzureNamedKeyCredential(ACCOUNT, KEY),
        resource_types=ResourceTypes(service=True, object=True, container=True),
        permission=AccountSasPermissions(
            read=True, write=True, delete=True, list=True, add=True, create=True, update=True
        ),
        expiry=datetime.fromtimestamp(time.time() + 3600, UTC),
    )
    connection = f"TableEndpoint={secure.address('table')};SharedAccessSignature={signature}"
    storage = Storage(
        settings=Settings.from_environ({"AzureWebJobsStorage": connection}),
        patience=PATIENT,
        health=StorageHealth(),
        now=present,
        ca_bundle=str(certificates[0]),
    )
    etags = await LedgerTable(storage).create("20261128", "p", [LedgerRow(key="a"), LedgerRow(key="b")])
    await storage.close()
    assert etags.keys() == {"a", "b"}
