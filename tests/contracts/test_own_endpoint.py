"""Port OwnEndpoint on the memory twin and on real servers that answer as they should, and in every way that they should not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from local.graph.certificates import make_certificates, server_context
from shared.adapters.memory_endpoint import MemoryOwnEndpoint
from shared.adapters.own_endpoint import OwnWebhook
from shared.ports import OwnEndpoint
from tests.contracts.twins import present

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _echo(request: web.Request) -> web.StreamResponse:
    return web.Response(text=request.query["validationToken"])


@dataclass
class Webhook:
    """A server whose answer is chosen by a test; it remembers what it was asked."""

    url: str = ""
    secure_url: str = ""
    answering: Answering = _echo
    lifecycle: Answering | None = None
    asked: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        chosen = self.lifecycle if self.lifecycle and request.path.endswith("/lifecycle") else self.answering
        return await chosen(request)


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificates(tmp_path, now=present())


@pytest.fixture
async def webhook(certificates: tuple[Path, Path]) -> AsyncIterator[Webhook]:
    made = Webhook()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(certificates[1])).start()
    plain, secure = (address[1] for address in runner.addresses)
    made.url, made.secure_url = f"http://127.0.0.1:{plain}/api", f"https://localhost:{secure}/api"
    yield made
    await runner.cleanup()


@dataclass
class Asker:
    """The adapter, and its clock."""

    now: datetime = START
    opened: list[OwnWebhook] = field(default_factory=list)

    def at(self, url: str, *, verify: str | bool = True, seconds: float = 10.0) -> OwnWebhook:
        self.opened.append(OwnWebhook(url, now=lambda: self.now, verify=verify, seconds=seconds))
        return self.opened[-1]


@pytest.fixture
def asker(monkeypatch: pytest.MonkeyPatch) -> "AsyncIterator[Asker]":
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    made = Asker()
    yield made  # type: ignore[misc]
    for each in made.opened:
        each.close()


# -- both -------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "server"])
def pair(request: pytest.FixtureRequest, webhook: Webhook, asker: Asker) -> tuple[OwnEndpoint, OwnEndpoint]:
    """One that is well, and one that is not."""
    if request.param == "memory":
        return MemoryOwnEndpoint(), MemoryOwnEndpoint("it answers 500")
    return asker.at(webhook.url), asker.at("http://127.0.0.1:9/api")


async def test_who_is_well_has_no_problem_and_who_is_not_has_one(pair: tuple[OwnEndpoint, OwnEndpoint]) -> None:
    well, ill = pair

    assert await well.check() == ""
    assert await ill.check()


# -- as Graph asks ----------------------------------------------------------------------------------------------------


async def test_both_routes_are_asked_as_graph_asks_them(webhook: Webhook, asker: Asker) -> None:
    assert await asker.at(webhook.url).check() == ""

    assert sorted(each.path for each in webhook.asked) == ["/api/lifecycle", "/api/notifications"]
    for each in webhook.asked:
        token = each.query["validationToken"]
        assert (each.method, each.headers["Content-Type"], each.headers["Content-Length"]) == (
            "POST",
            "text/plain; charset=utf-8",
            "0",
        )
        assert "User-Agent" not in each.headers
        assert "Authorization" not in each.headers
        assert " " in token
        assert ":" in token
        assert "+" in each.raw_path
        assert "%3A" in each.raw_path
    assert len({each.query["validationToken"] for each in webhook.asked}) == 2


async def test_a_good_answer_is_remembered_for_five_minutes(webhook: Webhook, asker: Asker) -> None:
    own = asker.at(webhook.url)

    await own.check()
    asker.now += timedelta(minutes=5) - timedelta(seconds=1)
    await own.check()
    assert len(webhook.asked) == 2
    asker.now += timedelta(seconds=1)
    await own.check()
    assert len(webhook.asked) == 4


async def test_a_bad_answer_is_asked_for_again_after_a_few_seconds(webhook: Webhook, asker: Asker) -> None:
    async def fail(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    own = asker.at(webhook.url)
    webhook.answering = fail

    assert await own.check() == await own.check() != ""
    assert len(webhook.asked) == 2
    webhook.answering = _echo
    asker.now += timedelta(seconds=5)
    assert await own.check() == ""


async def test_whoever_comes_meanwhile_gets_the_same_answer(webhook: Webhook, asker: Asker) -> None:
    own = asker.at(webhook.url)

    assert set(await asyncio.gather(*(own.check() for _ in range(20)))) == {""}
    assert len(webhook.asked) == 2


# -- what may be wrong ------------------------------------------------------------------------------------------------


def _answer(status: int = 200, text: str | None = None, kind: str = "text/plain", **headers: str) -> Answering:
    async def answer(request: web.Request) -> web.StreamResponse:
        said = request.query["validationToken"] if text is None else text
        return web.Response(status=status, text=said, content_type=kind, headers=headers)

    return answer


WRONG = {
    "sign-in": (_answer(401), "answers 401; something in front of the app wants people to sign in"),
    "turned away": (_answer(403), "answers 403; something in front of the app turns callers away"),
    "no route": (_answer(404), "answers 404; there is no such route: does PUBLIC_BASE_URL end in /api"),
    "no post": (_answer(405), "answers 405; the route takes no POST"),
    "starting": (_answer(503), "answers 503; the app fails, or is just starting"),
    "accepted": (_answer(202), "answers 202; Graph takes nothing but 200"),
    "redirect": (
        _answer(302, Location="https://www.example.com/api"),
        "redirected to www.example.com; Graph follows no",
    ),
    "relative": (_answer(301, Location="/elsewhere"), "redirected to another path; Graph follows no redirect"),
    "to a sign-in": (
        _answer(302, Location="https://login.microsoftonline.com/t/oauth2"),
        "redirected to login.microsoftonline.com; something in front of the app wants people to sign in",
    ),
    "html": (_answer(kind="text/html"), "answers as text/html, not as text/plain"),
    "another body": (_answer(text="welcome"), "does not repeat the validationToken"),
    "endless body": (_answer(text="x" * 100_000), "does not repeat the validationToken"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_each_wrong_answer_has_a_hint_of_its_own(name: str, webhook: Webhook, asker: Asker) -> None:
    webhook.answering, hint = WRONG[name]

    problem = await asker.at(webhook.url).check()

    assert problem.startswith(f"our own webhook does not answer at {webhook.url}/notifications as Graph wants it: it ")
    assert hint in problem
    assert "Earshot" not in problem


async def test_an_answer_that_breaks_off_is_no_exception(asker: Asker) -> None:
    async def break_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nEar")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    problem = await asker.at(f"http://127.0.0.1:{port}/api").check()
    server.close()
    await server.wait_closed()

    assert "nobody can be reached there" in problem or "does not repeat" in problem


async def test_a_token_that_is_not_decoded_is_noticed(webhook: Webhook, asker: Asker) -> None:
    async def repeat_undecoded(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.raw_path.partition("validationToken=")[2])

    webhook.answering = repeat_undecoded

    assert "does not repeat the validationToken" in await asker.at(webhook.url).check()


async def test_the_lifecycle_route_counts_as_much(webhook: Webhook, asker: Asker) -> None:
    webhook.lifecycle = _answer(404)

    assert f"{webhook.url}/lifecycle" in await asker.at(webhook.url).check()


async def test_who_answers_too_late_has_not_answered(webhook: Webhook, asker: Asker) -> None:
    over = asyncio.Event()

    async def dawdle(_request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    webhook.answering = dawdle

    problem = await asker.at(webhook.url, seconds=0.2).check()
    over.set()

    assert "does not answer within 0.2 seconds" in problem


async def test_nobody_there_is_said(asker: Asker) -> None:
    assert "nobody can be reached there (ConnectionError)" in await asker.at("http://127.0.0.1:9/api").check()


async def test_a_name_that_nobody_knows_is_said(asker: Asker) -> None:
    problem = await asker.at("https://no-such-host.invalid/api").check()

    assert "the name no-such-host.invalid is unknown" in problem


async def test_a_certificate_of_an_authority_that_is_known_is_good(
    webhook: Webhook, asker: Asker, certificates: tuple[Path, Path]
) -> None:
    assert await asker.at(webhook.secure_url, verify=str(certificates[0])).check() == ""


async def test_a_certificate_that_nobody_vouches_for_is_said(webhook: Webhook, asker: Asker) -> None:
    problem = await asker.at(webhook.secure_url).check()

    assert "its certificate is not good (" in problem
    assert "from a public authority" in problem


async def test_a_server_that_speaks_no_tls_is_said(webhook: Webhook, asker: Asker) -> None:
    assert "TLS cannot be agreed upon" in await asker.at(webhook.url.replace("http:", "https:")).check()


def test_requests_failures_are_os_errors() -> None:
    """What `check` catches: were they not, a failure would be an exception instead of a sentence."""
    from requests import RequestException  # noqa: PLC0415

    assert issubclass(RequestException, OSError)
    assert issubclass(ssl.SSLError, OSError)
