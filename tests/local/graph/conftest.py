"""A running simulator, a receiver, and an app with a key pair that calls Graph."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local.graph.simulator import Simulator
from tests.local.graph.stand import App, Key, Receiver, Wanted

APP_ID = "a99e0000-0000-4000-8000-00000000a99e"


@pytest.fixture(scope="session")
def key() -> Key:
    private = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subscriber")])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate for now
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(private, hashes.SHA256())
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Key(private, certificate, base64.b64encode(der).decode())


@pytest.fixture
async def graph() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1, time_scale=100) as simulator:
        yield simulator


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/api/notifications", made.answer)
    app.router.add_post("/api/lifecycle", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    yield made
    await runner.cleanup()


@pytest.fixture
async def app(graph: Simulator) -> AsyncIterator[App]:
    async with aiohttp.ClientSession() as session:
        token = graph.authority.access_token(
            audience="https://graph.microsoft.com", app_id=APP_ID, tenant_id=graph.tenant_id, roles=[]
        )
        yield App(session, graph.http_url, token)


@pytest.fixture
def wanted(receiver: Receiver) -> Wanted:
    def build(**changes: Any) -> dict[str, Any]:
        soon = datetime.now(UTC) + timedelta(hours=2)  # noqa: TID251 - Graph compares with its own clock
        body = {
            "changeType": "created,updated,deleted",
            "notificationUrl": f"{receiver.url}/notifications",
            "lifecycleNotificationUrl": f"{receiver.url}/lifecycle",
            "resource": "/teams/getAllMessages",
            "expirationDateTime": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "clientState": "our secret",
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    return build


@pytest.fixture
def rich(key: Key) -> dict[str, Any]:
    """The properties that make a subscription a rich one."""
    return {"includeResourceData": True, "encryptionCertificate": key.text, "encryptionCertificateId": "key-1"}
