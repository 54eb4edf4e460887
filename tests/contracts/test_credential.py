"""Tokens in each way of signing in, from the simulator's authority over https; and how long they are kept."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local.graph.simulator import Simulator
from shared.adapters.credential import Credential, TokenSource, graph_scope, make_credential
from shared.adapters.graph_api import GraphApi
from shared.adapters.trust import ca_bundle, verify
from shared.errors import GraphApiError, SettingsError
from shared.settings import Settings

APP = "a99e0000-0000-4000-8000-00000000a99e"
SCOPE = "https://graph.microsoft.com/.default"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(client_secret="right") as running:
        yield running


def _settings(simulator: Simulator, kind: str, **more: str) -> Settings:
    return Settings.from_environ(
        {
            "GRAPH_TENANT_ID": simulator.tenant_id,
            "GRAPH_CLIENT_ID": APP,
            "GRAPH_CREDENTIAL": kind,
            "GRAPH_ENDPOINT": simulator.http_url,
            "GRAPH_AUTHORITY": simulator.https_url,
            "SSL_CERT_FILE": str(simulator.ca_path),
        }
        | more
    )


def _write_certificate(path: Path) -> str:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate for now
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.mark.parametrize("kind", ["client-secret", "client-certificate", "federated", "managed-identity"])
async def test_graph_takes_the_token_of_each_way_of_signing_in(
    simulator: Simulator, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{simulator.http_url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    certificate = _write_certificate(tmp_path / "app.pem")
    settings = _settings(simulator, kind, GRAPH_CLIENT_SECRET="right", GRAPH_CLIENT_CERTIFICATE_PATH=certificate)
    graph = GraphApi(
        endpoint=settings.graph_endpoint, credential=make_credential(settings), scope=graph_scope(settings)
    )

    answer = await graph.request("GET", "/subscriptions")
    graph.close()

    assert answer["value"] == []


async def test_a_managed_identity_is_chosen_by_its_client_id(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{simulator.http_url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    credential = make_credential(_settings(simulator, "managed-identity", AZURE_CLIENT_ID=APP))

    token = await asyncio.to_thread(credential.token, SCOPE)

    assert jwt.decode(token, options={"verify_signature": False})["azp"] == APP


async def test_a_wrong_secret_is_said_without_repeating_it(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    settings = _settings(simulator, "client-secret", GRAPH_CLIENT_SECRET="wrong-one")
    graph = GraphApi(
        endpoint=settings.graph_endpoint, credential=make_credential(settings), scope=graph_scope(settings)
    )

    with pytest.raises(GraphApiError) as caught:
        await graph.request("GET", "/subscriptions")
    graph.close()

    assert caught.value.status == 401
    assert "invalid_client" in str(caught.value)
    assert "wrong-one" not in str(caught.value)


@pytest.mark.parametrize("kind", ["client-secret", "client-certificate"])
def test_what_a_way_of_signing_in_lacks_is_said_at_once(kind: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_credential(Settings.from_environ({"GRAPH_CREDENTIAL": kind}))

    assert len(caught.value.problems) == 3


def test_a_certificate_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    missing = {
        "GRAPH_TENANT_ID": APP,
        "GRAPH_CLIENT_ID": APP,
        "GRAPH_CLIENT_CERTIFICATE_PATH": str(tmp_path / "no.pem"),
    }

    with pytest.raises(SettingsError, match="not a file"):
        make_credential(Settings.from_environ(missing | {"GRAPH_CREDENTIAL": "client-certificate"}))


class Mint:
    """Mints numbered tokens, and counts how often it was set up."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self.made = 0
        self.minted = 0
        self.now = 1000.0

    def make(self) -> TokenSource:
        self.made += 1
        return self.mint

    def mint(self, scope: str) -> tuple[str, float]:
        self.minted += 1
        return f"{scope}-{self.minted}", self.now + self.lifetime


def test_a_token_is_kept_until_five_minutes_before_it_expires() -> None:
    mint = Mint(3600)
    credential = Credential(mint.make, now=lambda: mint.now)

    assert credential.token("a") == credential.token("a") == "a-1"
    mint.now += 3299
    assert credential.token("a") == "a-1"
    mint.now += 1
    assert credential.token("a") == "a-2"
    assert mint.made == 1


def test_a_token_that_was_refused_is_replaced_once_for_all_who_had_it() -> None:
    mint = Mint(3600)
    credential = Credential(mint.make, now=lambda: mint.now)
    old = credential.token("a")

    assert credential.token("a", refused=old) == credential.token("a", refused=old) == "a-2"
    assert mint.made == 2


def test_every_client_is_given_the_same_bundle() -> None:
    both = {"REQUESTS_CA_BUNDLE": "r.pem", "SSL_CERT_FILE": "s.pem"}

    assert (ca_bundle(both), verify(both)) == ("r.pem", "r.pem")
    assert (ca_bundle({"SSL_CERT_FILE": "s.pem"}), verify({"SSL_CERT_FILE": "s.pem"})) == ("s.pem", "s.pem")
    assert (ca_bundle({}), verify({})) == (None, True)
