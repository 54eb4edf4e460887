"""What the SignalR adapter does beside its contract: it signs in both ways, is refused in words, and tries again where that helps."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from local.graph.simulator import Simulator
from local.signalr.service import KEY
from shared.adapters.credential import own_identity
from shared.adapters.signalr import SignalR, _read_wait
from shared.adapters.signalr_access import SCOPE, AccessKey, Identity, read_access
from shared.errors import LiveUnavailable, SettingsError, SignInError
from shared.settings import Settings
from tests.contracts.live_stand import heard, real_stand
from tests.contracts.twins import present

ALICE = "a11ce000-0000-4000-8000-000000000001"
APP = "a99e0000-0000-4000-8000-00000000a99e"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


# -- signing in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["managed-identity", "federated", "client-secret"])
async def test_without_a_key_the_app_s_identity_signs_in_and_everything_works(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{simulator.http_url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    environ = {
        "GRAPH_TENANT_ID": simulator.tenant_id,
        "GRAPH_CLIENT_ID": APP,
        "GRAPH_CLIENT_SECRET": "any",
        "GRAPH_CREDENTIAL": kind,
        "GRAPH_AUTHORITY": simulator.https_url,
        "REQUESTS_CA_BUNDLE": str(simulator.ca_path),
    }
    options = {"authority": simulator.https_url, "ca": Path(simulator.ca_path), "local_auth": False}

    async with real_stand(**options) as stand:
        settings = Settings.from_environ(environ | {"AzureSignalRConnectionString__serviceUri": stand.service.url})
        endpoint, signer = read_access(settings, own_identity)
        live = SignalR(endpoint, signer, now=present)
        alice = await stand.connect(await live.connection(ALICE))
        await live.join(ALICE, "g~1", ttl=timedelta(minutes=1))
        await live.send_to_group("g~1", "feed", ["by identity"])
        assert await heard(alice, 1) == [("feed", ["by identity"])]

        with pytest.raises(LiveUnavailable, match="the answer was 401"):  # the stand's own adapter has the key
            await stand.live.send_to_group("g~1", "feed", [])
        await live.close()


async def test_a_token_for_something_else_or_of_somebody_else_is_refused(simulator: Simulator) -> None:
    def app_token(audience: str) -> str:
        return simulator.authority.access_token(audience=audience, app_id=APP, tenant_id=simulator.tenant_id, roles=[])

    forged = jwt.encode({"aud": "https://signalr.azure.com", "exp": time.time() + 60}, "x" * 32, "HS256")
    good = app_token("https://signalr.azure.com")
    options = {"authority": simulator.https_url, "ca": Path(simulator.ca_path)}
    async with real_stand(**options) as stand:

        async def status_of(token: str) -> int:
            live = SignalR(stand.service.url, Tokens([token]), now=present)
            try:
                await live.send_to_group("g~1", "mail", [])
            except LiveUnavailable as problem:
                return problem.status
            finally:
                await live.close()
            return 202

        assert await status_of(good) == 202
        for bad in (app_token("https://graph.microsoft.com"), forged, good[:-8] + "AAAAAAAA", "", "not.a.token"):
            assert await status_of(bad) == 401


@dataclass
class Tokens:
    """A signer that gives one token after the other, and the last one for ever."""

    tokens: list[str]
    refused: list[str] = field(default_factory=list)

    async def token(self, url: str, *, refused: str = "") -> str:
        del url
        if refused:
            self.refused.append(refused)
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]


class Source:
    """Where an identity's tokens come from, counting how often it is asked."""

    def __init__(self) -> None:
        self.now, self.asked, self.away, self.made = 1_000.0, 0, False, 0

    def make(self) -> "Source":
        self.made += 1
        return self

    def __call__(self, scope: str, /) -> tuple[str, float]:
        assert scope == SCOPE
        self.asked += 1
        time.sleep(0.01)
        if self.away:
            raise SignInError("token of the managed identity", status=0, message="it does not answer")
        return f"token {self.asked}", self.now + 3_600


async def test_a_token_is_fetched_once_for_everybody_and_again_before_it_expires() -> None:
    source = Source()
    identity = Identity(source.make, now=lambda: source.now)

    assert set(await asyncio.gather(*(identity.token("x") for _ in range(20)))) == {"token 1"}
    source.now += 3_600 - 301
    assert await identity.token("x") == "token 1"
    source.now += 2
    assert await identity.token("x") == "token 2"


async def test_a_token_that_was_refused_is_not_given_again_and_the_sdk_that_keeps_it_is_made_anew() -> None:
    source = Source()
    identity = Identity(source.make, now=lambda: source.now)
    first = await identity.token("x")

    assert set(await asyncio.gather(*(identity.token("x", refused=first) for _ in range(5)))) == {"token 2"}
    assert await identity.token("x", refused=first) == "token 2"
    assert source.made == 2


async def test_an_identity_that_gives_no_token_is_asked_again_after_a_few_seconds_only() -> None:
    source = Source()
    source.away = True
    identity = Identity(source.make, now=lambda: source.now)

    problems = await asyncio.gather(*(identity.token("x") for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in problems} == {LiveUnavailable}
    assert "SignalR, sign in: there was no answer" in str(problems[-1])
    assert source.asked == 1
    source.away = False
    source.now += 5
    assert await identity.token("x") == "token 2"


async def test_a_key_signs_for_one_address_and_for_a_few_minutes() -> None:
    token = await AccessKey(KEY, now=lambda: 1_000.0).token("https://x/api/hubs/earshot/users/u/:send")

    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {"aud": "https://x/api/hubs/earshot/users/u/:send", "exp": 1_300}


# -- where it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("Endpoint=https://c.service.signalr.net;AccessKey=k=;Version=1.0;", "https://c.service.signalr.net"),
        ("endpoint = https://c.service.signalr.net/ ; accesskey=k", "https://c.service.signalr.net"),
        ("Endpoint=http://localhost;Port=8888;AccessKey=k;Version=1.0", "http://localhost:8888"),
        ("Endpoint=http://127.0.0.1:8888;AccessKey=k", "http://127.0.0.1:8888"),
        ("Endpoint=https://c.service.signalr.net;AuthType=azure.msi;Version=1.0", "https://c.service.signalr.net"),
    ],
)
def test_a_connection_string_says_where_the_service_is(text: str, endpoint: str) -> None:
    settings = Settings.from_environ({"AzureSignalRConnectionString": text})

    found, signer = read_access(settings, own_identity)

    assert (found, isinstance(signer, Identity)) == (endpoint, "AuthType" in text)


@pytest.mark.parametrize(
    "text",
    [
        "secret-key",
        "AccessKey=secret-key",
        "Endpoint=http://c.service.signalr.net;AccessKey=secret-key",
        "Endpoint=https://[;AccessKey=secret-key",
        "Endpoint=https://c:x;AccessKey=secret-key",
        "Endpoint=https://c/path;AccessKey=secret-key",
        "Endpoint=https://c.service.signalr.net;Port=x;AccessKey=secret-key",
        "Endpoint=https://c.service.signalr.net;Version=1.0;secret-key",
    ],
)
def test_one_that_is_none_is_not_repeated(text: str) -> None:
    settings = Settings.from_environ({"AzureSignalRConnectionString": text})

    with pytest.raises(SettingsError, match="AzureSignalRConnectionString has ") as caught:
        read_access(settings, own_identity)

    assert "secret-key" not in str(caught.value)


PARTS = st.sampled_from(
    [
        "Endpoint=",
        "https://",
        "http://",
        "localhost",
        "c.service.signalr.net",
        ":8888",
        "AccessKey=",
        "Port=",
        "[",
        ";",
        "=",
    ]
)


@given(st.lists(PARTS | st.text(max_size=8)).map("".join))
def test_whatever_a_connection_string_says_it_is_an_address_or_a_problem_that_does_not_repeat_it(text: str) -> None:
    try:
        endpoint, _ = read_access(replace(Settings(), signalr=text), own_identity)
    except SettingsError as problem:
        [said] = problem.problems
        assert said.startswith("AzureSignalRConnectionString has ")
    else:
        url = urlsplit(endpoint)
        assert url.scheme == "https" or url.hostname in {"localhost", "127.0.0.1", "::1"}


@given(st.text() | st.integers().map(str))
def test_whatever_a_service_says_of_waiting_it_is_minutes_or_nothing(text: str) -> None:
    waiting = _read_wait(text)

    assert waiting is None or timedelta(0) <= waiting <= timedelta(minutes=5)


# -- refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "retry_after", "words", "after"),
    [
        (403, 0, "the answer was 403 .*SignalR REST API Owner", None),
        (429, 7, "the answer was 429 .*more is sent than the tier allows", timedelta(seconds=7)),
        (503, 86_400, "the answer was 503", timedelta(minutes=5)),
    ],
)
async def test_a_refusal_says_what_to_do_and_when_to_ask_again(
    status: int, retry_after: int, words: str, after: timedelta | None
) -> None:
    async with real_stand() as stand:
        stand.service.moods.status, stand.service.moods.retry_after = status, retry_after
        with pytest.raises(LiveUnavailable, match=words) as caught:
            await stand.live.send_to_group(f"own-{ALICE}~1", "mail", ["body"])

    assert (caught.value.status, caught.value.after) == (status, after)
    assert ALICE not in str(caught.value)


async def test_a_connection_that_stood_idle_and_is_gone_costs_no_message() -> None:
    async with real_stand() as stand:
        alice = await stand.connect(await stand.live.connection(ALICE))
        await stand.live.join(ALICE, "g~1", ttl=timedelta(minutes=1))
        stand.service.moods.lose = 1
        await stand.live.send_to_group("g~1", "mail", [1])
        assert await heard(alice, 1) == [("mail", [1])]

        stand.service.moods.lose = 2
        with pytest.raises(LiveUnavailable, match="there was no answer"):
            await stand.live.send_to_group("g~1", "mail", [2])


Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(answer: Answering) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_refused_token_is_replaced_once() -> None:
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(status=401 if "old" in seen[-1] else 202)

    async with server(answer) as url:
        signer = Tokens(["old", "new"])
        live = SignalR(url, signer, now=present)
        await live.send_to_group("g~1", "mail", [])
        assert (seen, signer.refused) == (["Bearer old", "Bearer new"], ["old"])

        seen.clear()
        stubborn = SignalR(url, Tokens(["old 1", "old 2", "old 3"]), now=present)
        with pytest.raises(LiveUnavailable, match="the answer was 401"):
            await stubborn.send_to_group("g~1", "mail", [])
        assert len(seen) == 2
        await live.close()
        await stubborn.close()


async def test_a_redirect_is_not_followed_with_the_token() -> None:
    followed = []

    async def answer(request: web.Request) -> web.Response:
        followed.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with server(answer) as url:
        live = SignalR(url, Tokens(["t"]), now=present)
        with pytest.raises(LiveUnavailable, match="302"):
            await live.connection(ALICE)
        await live.close()

    assert len(followed) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 7}', b'{"token": ""}', b"[" * 100_000, b"\xff"])
async def test_an_answer_without_a_token_is_no_connection(body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with server(answer) as url:
        live = SignalR(url, Tokens(["t"]), now=present)
        with pytest.raises(LiveUnavailable, match="there is none in it"):
            await live.connection(ALICE)
        await live.close()


async def test_what_is_asked_is_what_the_reference_says() -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.raw_path, await request.text()))
        return web.json_response({"token": "t"})

    async with server(answer) as url:
        live = SignalR(url, Tokens(["t"]), now=present)
        await live.connection("a b")
        await live.join("a/b", "f~1", ttl=timedelta(seconds=0.2))
        await live.join("a/b", "f~1", ttl=timedelta(seconds=330.5))
        await live.send_to_group("f~1", "feed", [{"é": 1}])
        await live.close()

    hub = "/api/hubs/earshot"
    assert asked == [
        ("POST", f"{hub}/:generateToken?userId=a+b&minutesToExpire=60&api-version=2024-12-01", ""),
        ("PUT", f"{hub}/users/a%2Fb/groups/f~1?ttl=1&api-version=2024-12-01", ""),
        ("PUT", f"{hub}/users/a%2Fb/groups/f~1?ttl=331&api-version=2024-12-01", ""),
        ("POST", f"{hub}/groups/f~1/:send?api-version=2024-12-01", '{"target":"feed","arguments":[{"\\u00e9":1}]}'),
    ]
