"""When there is no token: whose fault it is, what to do, nothing secret in it, and nobody asked a thousand times."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from local.graph.certificates import make_certificates, server_context
from local.graph.simulator import Simulator
from shared.adapters.credential import Credential, TokenSource, make_credential
from shared.adapters.graph_api import GraphApi
from shared.adapters.sign_in import HINTS, read_no
from shared.errors import GraphApiError, SignInError
from shared.settings import Settings
from tests.builders import pem_of, rsa_key
from tests.contracts.twins import present

APP = "a99e0000-0000-4000-8000-00000000a99e"
TENANT = "7e4a0000-0000-4000-8000-000000007e4a"
SCOPE = "https://graph.microsoft.com/.default"
SECRET = "wrong-secret-value"


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def _write_certificate(path: Path, *, until: datetime, key: bool = True, certificate: bool = True) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key("app").public_key())
        .serial_number(1)
        .not_valid_before(until - timedelta(days=365))
        .not_valid_after(until)
        .sign(rsa_key("app"), hashes.SHA256())
    )
    parts = [pem_of(rsa_key("app"))] if key else []
    parts += [made.public_bytes(serialization.Encoding.PEM)] if certificate else []
    path.write_bytes(b"".join(parts))


@dataclass
class Place:
    """An authority and an identity endpoint that answer as a test wants."""

    folder: Path
    authority: str = ""
    identity: str = ""
    status: int = 200
    body: str = ""
    identity_status: int = 500
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path.startswith("/msi"):
            return web.json_response({"statusCode": self.identity_status, "message": "no"}, status=self.identity_status)
        text = self.body or json.dumps(self.metadata())
        return web.Response(status=self.status, text=text, content_type="application/json")

    def metadata(self) -> dict[str, str]:
        own = f"{self.authority}/{TENANT}"
        endpoints = {f"{name}_endpoint": f"{own}/oauth2/v2.0/{name}" for name in ("authorization", "token")}
        return endpoints | {"issuer": f"{own}/v2.0"}

    def settings(self, kind: str, **more: str) -> Settings:
        return Settings.from_environ(
            {
                "GRAPH_TENANT_ID": TENANT,
                "GRAPH_CLIENT_ID": APP,
                "GRAPH_CREDENTIAL": kind,
                "GRAPH_CLIENT_SECRET": SECRET,
                "GRAPH_CLIENT_CERTIFICATE_PATH": str(self.folder / "app.pem"),
                "GRAPH_AUTHORITY": self.authority,
                "SSL_CERT_FILE": str(self.folder / "ca.pem"),
            }
            | more
        )


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(folder=tmp_path)
    _, server = make_certificates(tmp_path, now=present())
    _write_certificate(tmp_path / "app.pem", until=present() + timedelta(days=9))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(server)).start()
    plain, secure = (address[1] for address in runner.addresses)
    made.authority, made.identity = f"https://localhost:{secure}", f"http://127.0.0.1:{plain}/msi/token"
    yield made
    await runner.cleanup()


async def _refusal(credential: Credential) -> SignInError:
    with pytest.raises(SignInError) as caught:
        await asyncio.to_thread(credential.token, SCOPE)
    assert SECRET not in str(caught.value)
    assert "BEGIN" not in str(caught.value)
    return caught.value


async def test_a_refused_secret_says_what_to_do_and_not_the_secret() -> None:
    async with Simulator(client_secret="right") as simulator:
        settings = Settings.from_environ(
            {
                "GRAPH_TENANT_ID": simulator.tenant_id,
                "GRAPH_CLIENT_ID": APP,
                "GRAPH_CREDENTIAL": "client-secret",
                "GRAPH_CLIENT_SECRET": SECRET,
                "GRAPH_AUTHORITY": simulator.https_url,
                "SSL_CERT_FILE": str(simulator.ca_path),
            }
        )
        refusal = await _refusal(make_credential(settings))

    assert (refusal.status, refusal.code) == (401, "invalid_client")
    assert f"token in tenant {simulator.tenant_id}: no token, the answer was 401" in str(refusal)
    assert "AADSTS7000215: the client secret is wrong" in str(refusal)


@pytest.mark.parametrize("kind", ["client-secret", "client-certificate"])
async def test_an_authority_that_is_away_is_nobodys_fault_here(kind: str, place: Place) -> None:
    place.authority = "https://127.0.0.1:9"

    refusal = await _refusal(make_credential(place.settings(kind)))

    assert (refusal.status, refusal.code) == (0, "ConnectionError")
    assert "no token, and no answer" in str(refusal)
    assert "https://127.0.0.1:9 is away, or something stands between: nothing is wrong here" in str(refusal)


async def test_an_authority_that_fails_says_how(place: Place) -> None:
    place.status, place.body = 503, "busy"

    refusal = await _refusal(make_credential(place.settings("client-secret")))

    assert refusal.status == 503
    assert "is away" in str(refusal)


async def test_what_is_no_authority_is_said(place: Place) -> None:
    place.body = "<html>sign in to the hotel's network</html>"

    refusal = await _refusal(make_credential(place.settings("client-secret")))

    assert refusal.status == 0
    assert "answers as no authority does" in str(refusal)
    assert "hotel" not in str(refusal)


async def test_a_certificate_that_nobody_vouches_for_is_an_authority_that_cannot_be_asked(place: Place) -> None:
    refusal = await _refusal(make_credential(place.settings("client-secret", SSL_CERT_FILE="")))

    assert (refusal.status, refusal.code) == (0, "SSLError")
    assert place.asked == []


async def test_an_expired_certificate_is_said_before_anybody_is_asked_and_a_new_one_is_taken(place: Place) -> None:
    path = place.folder / "app.pem"
    _write_certificate(path, until=datetime(2026, 3, 1, tzinfo=UTC))
    seconds = present().timestamp()
    credential = make_credential(place.settings("client-certificate"), now=lambda: seconds)

    refusal = await _refusal(credential)

    assert refusal.status == 401
    assert f"GRAPH_CLIENT_CERTIFICATE_PATH {path}: the certificate expired on 2026-03-01: make another" in str(refusal)
    assert place.asked == []
    _write_certificate(path, until=present() + timedelta(days=9))
    seconds += 6
    place.status = 503
    assert (await _refusal(credential)).status == 503  # it got as far as the authority


@pytest.mark.parametrize(
    ("key", "certificate", "problem"),
    [(False, True, "there is no private key in it"), (True, False, "there is no certificate in it")],
)
async def test_half_a_certificate_is_said(place: Place, problem: str, *, key: bool, certificate: bool) -> None:
    until = present() + timedelta(days=9)
    _write_certificate(place.folder / "app.pem", until=until, key=key, certificate=certificate)

    assert problem in str(await _refusal(make_credential(place.settings("client-certificate"))))


async def test_a_certificate_that_went_away_is_said(place: Place) -> None:
    credential = make_credential(place.settings("client-certificate"))
    (place.folder / "app.pem").unlink()

    assert "it cannot be read (FileNotFoundError)" in str(await _refusal(credential))


@pytest.mark.parametrize("kind", ["managed-identity", "federated"])
@pytest.mark.parametrize(
    ("status", "seen", "hint"),
    [
        (400, 401, "this app has no managed identity, or not the one that AZURE_CLIENT_ID names"),
        (500, 0, "its endpoint on this machine does not answer as it should"),
        (429, 0, "its endpoint on this machine does not answer as it should"),
    ],
)
async def test_an_identity_that_is_not_there_is_told_from_one_that_cannot_be_asked(
    kind: str, status: int, seen: int, hint: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", place.identity)
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    place.identity_status = status

    refusal = await _refusal(make_credential(place.settings(kind)))

    assert refusal.status == seen
    assert hint in str(refusal)
    assert "header" not in str(refusal)


async def test_an_identity_endpoint_that_nobody_listens_at_is_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")

    refusal = await _refusal(make_credential(place.settings("managed-identity")))

    assert (refusal.status, refusal.what) == (0, "token of the managed identity")


# -- words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", HINTS)
def test_each_refusal_that_is_known_says_what_to_do(number: int) -> None:
    by_number = read_no("w", {"error": "invalid_client", "error_codes": [number], "error_description": "secret"})
    by_text = read_no("w", {"error": "invalid_client", "error_description": f"AADSTS{number}: secret. Trace ID: x"})

    assert str(by_number) == str(by_text)
    assert f"AADSTS{number}: {HINTS[number]}" in str(by_number)
    assert "secret." not in str(by_text)
    assert by_number.status == 401


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"error": None, "error_codes": None, "error_description": None},
        {"error": "<script>", "error_codes": ["1"], "error_description": "x" * 9999},
        {"error_codes": [True], "trace_id": "not\none"},
        {"error_codes": [123456789]},
    ],
)
def test_a_refusal_that_is_not_known_repeats_nothing(answer: dict[str, object]) -> None:
    refusal = read_no("w", answer)

    assert refusal.status == 401
    assert "the authority's page of error codes says more" in str(refusal)
    assert not {"<", "x" * 9, "\n"} & set(str(refusal))


def test_an_authority_that_is_busy_is_asked_again() -> None:
    assert read_no("w", {"error": "temporarily_unavailable"}).status == 503


def test_a_trace_id_is_kept_for_microsofts_support() -> None:
    trace = "0f8fad5b-d9cb-469f-a165-70867728950e"

    assert str(read_no("w", {"error": "invalid_client", "trace_id": trace})).endswith(f"; trace id {trace}")


# -- asking -------------------------------------------------------------------------------------------------------------


@dataclass
class Failing:
    """A source that fails as often as it is told to, and counts."""

    fails: int
    made: int = 0
    asked: int = 0

    def make(self) -> TokenSource:
        self.made += 1
        return self.fetch

    def fetch(self, _scope: str) -> tuple[str, float]:
        self.asked += 1
        if self.asked <= self.fails:
            raise SignInError("token", status=0)
        return "token", 1e12


def test_who_waits_for_a_token_that_is_not_to_be_had_does_not_ask_one_by_one() -> None:
    source, seconds = Failing(fails=1), 1000.0
    credential = Credential(source.make, now=lambda: seconds)

    for _ in range(100):
        with pytest.raises(SignInError):
            credential.token(SCOPE)
    assert source.asked == 1
    seconds += 5
    assert credential.token(SCOPE) == "token"
    assert (source.asked, source.made) == (2, 2)  # made anew: what failed may have been a file that is another now


async def test_while_one_tenants_authority_dawdles_the_loop_and_other_tenants_go_on() -> None:
    held, began = threading.Event(), threading.Event()

    def dawdle(_scope: str) -> tuple[str, float]:
        began.set()
        held.wait(10)
        return "home", 1e12

    def elsewhere(_tenant: str) -> TokenSource:
        return lambda _scope: ("away", 1e12)

    credential = Credential(lambda: dawdle, home="h", elsewhere=elsewhere)
    waiting = asyncio.create_task(asyncio.to_thread(credential.token, SCOPE))
    await asyncio.to_thread(began.wait, 10)

    assert credential.of("other").token(SCOPE) == "away"
    held.set()
    assert await waiting == "home"


async def test_a_request_without_a_token_is_a_refusal_like_any_other() -> None:
    source = Failing(fails=1)
    graph = GraphApi(endpoint="http://127.0.0.1:9", credential=Credential(source.make), scope=SCOPE)

    with pytest.raises(GraphApiError, match="no token, and no answer"):
        await graph.request("GET", "/subscriptions")
    graph.close()
