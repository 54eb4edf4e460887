"""Every way of signing in, in every cloud, under the cloud's own names: authority, scope, audience, and nobody else is asked.

A proxy leads each of Microsoft's names to a server of ours whose certificate is for them all; the authority behind it is the
simulator's. So the addresses are those that the app uses in Azure, and TLS is real.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from local.graph.identity.entra import Entra
from local.graph.identity.tokens import Authority, SigningKey
from shared.adapters.credential import graph_scope, make_credential
from shared.adapters.graph_api import GraphApi
from shared.settings import CLOUDS, CREDENTIALS, Settings
from tests.builders import pem_of, rsa_key, self_signed
from tests.contracts.twins import present

APP = "a99e0000-0000-4000-8000-00000000a99e"
TENANT = "7e4a0000-0000-4000-8000-000000007e4a"
OTHER = "bbbbbbbb-0000-4000-8000-00000000000b"
HOSTS = {
    "global": ("login.microsoftonline.com", "graph.microsoft.com", "api://AzureADTokenExchange"),
    "usgov": ("login.microsoftonline.us", "graph.microsoft.us", "api://AzureADTokenExchangeUSGov"),
    "usgov-dod": ("login.microsoftonline.us", "dod-graph.microsoft.us", "api://AzureADTokenExchangeUSGov"),
    "china": ("login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn", "api://AzureADTokenExchangeChina"),
}
"""https://learn.microsoft.com/graph/deployments and
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity (2026-02)"""


@dataclass
class Internet:
    """All of Microsoft's hosts in one: who was asked for what."""

    identity_url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    @web.middleware
    async def note(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path == "/msi/token":
            self.identities.append(request.query["resource"])
        else:
            self.asked.append((request.host, request.path))
        return await handler(request)

    async def graph(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.json_response({"value": []})


def _certificate(folder: Path) -> Path:
    """Write a certificate for every name, which is its own authority, and its key."""
    key, names = rsa_key("microsoft"), sorted({name for hosts in HOSTS.values() for name in hosts[:2]})
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "everybody")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(present() - timedelta(days=1))
        .not_valid_after(present() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "microsoft.pem"
    path.write_bytes(pem_of(key) + certificate.public_bytes(serialization.Encoding.PEM))
    return path


async def _tunnel(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer CONNECT to whatever name with a way to our server."""
    await reader.readuntil(b"\r\n\r\n")
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))


@pytest.fixture(params=HOSTS)
def cloud(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def internet(cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Internet]:
    path = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    made = Internet()
    domains = {TENANT: "contoso.com", OTHER: "fabrikam.com"}
    authority = Authority(https_base=f"https://{HOSTS[cloud][0]}", tenants=domains, keys=[_signing_key()])
    app = web.Application(middlewares=[made.note])
    app.router.add_get("/v1.0/{path:.*}", made.graph)
    app.add_routes(Entra(authority, people=lambda _tenant: (), client_secret="right").routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    plain, secure = (address[1] for address in runner.addresses)
    proxy = await asyncio.start_server(lambda reader, writer: _tunnel(secure, reader, writer), "127.0.0.1", 0)
    for name in (
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NO_PROXY",
        "no_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "https_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{plain}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    yield made
    proxy.close()
    await runner.cleanup()


def _signing_key() -> SigningKey:
    return SigningKey(kid="kid-1", private=rsa_key("kid-1"))


def _settings(cloud: str, kind: str, folder: Path) -> Settings:
    key = rsa_key("app")
    path = folder / "app.pem"
    path.write_bytes(pem_of(key) + self_signed(key).public_bytes(serialization.Encoding.PEM))
    return Settings.from_environ(
        {
            "GRAPH_CLOUD": cloud,
            "GRAPH_TENANT_ID": TENANT,
            "GRAPH_CLIENT_ID": APP,
            "GRAPH_CREDENTIAL": kind,
            "GRAPH_CLIENT_SECRET": "right",
            "GRAPH_CLIENT_CERTIFICATE_PATH": str(path),
            "SSL_CERT_FILE": str(folder / "microsoft.pem"),
        }
    )


@pytest.mark.parametrize("kind", CREDENTIALS)
async def test_a_token_is_had_from_the_clouds_own_authority_for_the_clouds_own_graph(
    cloud: str, kind: str, internet: Internet, tmp_path: Path
) -> None:
    login, graph_host, exchange = HOSTS[cloud]
    settings = _settings(cloud, kind, tmp_path)
    graph = GraphApi(
        endpoint=settings.graph_endpoint,
        credential=make_credential(settings),
        scope=graph_scope(settings),
        verify=str(tmp_path / "microsoft.pem"),
    )

    assert await graph.request("GET", "/subscriptions") == {"value": []}
    if kind != "managed-identity":
        await graph.request("GET", "/subscriptions", tenant_id=OTHER)
    graph.close()

    claims = [jwt.decode(token, options={"verify_signature": False}) for token in internet.tokens]
    assert {each["aud"] for each in claims} == {f"https://{graph_host}"} == {CLOUDS[cloud].endpoint}
    asked = [(host, path) for host, path in internet.asked if not path.startswith("/v1.0/")]
    if kind == "managed-identity":
        assert (asked, internet.identities) == ([], [f"https://{graph_host}"])
        return
    assert [each["tid"] for each in claims] == [TENANT, OTHER]
    assert {each["azp"] for each in claims} == {APP}
    assert {host for host, _ in asked} == {login}
    assert [path for _, path in asked if path.endswith("/token")] == [
        f"/{tenant}/oauth2/v2.0/token" for tenant in (TENANT, OTHER)
    ]
    assert internet.identities == ([exchange, exchange] if kind == "federated" else [])
