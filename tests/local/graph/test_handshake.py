import asyncio
import re
import urllib.parse
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from local.graph.faults import invalid
from local.graph.gateway.envelope import answer_faults
from local.graph.identity.callers import Callers
from local.graph.judge import Judge
from local.graph.simulator import Simulator
from local.graph.subscribing.handshake import Handshake
from local.graph.subscribing.routes import SubscriptionRoutes
from local.graph.subscribing.store import Subscriptions
from tests.local.graph.stand import App, Wanted

REQUEST = re.compile(
    rb"POST /hook\?code=x&validationToken=Validation%3a\+Testing\+client\+application\+reachability\+for\+subscription"
    rb"\+Request-Id%3a\+([0-9a-f-]{36}) HTTP/1\.1\r\n"
    rb"Host: 127\.0\.0\.1:\d+\r\n"
    rb"Content-Type: text/plain; charset=utf-8\r\n"
    rb"Content-Length: 0\r\n\r\n"
)


def answering(template: bytes, seen: list[bytes]) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        found = REQUEST.fullmatch(seen[-1])
        guid = found[1] if found else b""
        token = b"Validation: Testing client application reachability for subscription Request-Id: " + guid
        body = token if b"BODY" in template else b""
        writer.write(template.replace(b"LENGTH", str(len(body)).encode()).replace(b"BODY", body))
        await writer.drain()
        writer.close()

    return answer


ONE_HOUR = timedelta(hours=1)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: LENGTH\r\n\r\nBODY"


async def test_the_handshake_is_what_graph_puts_on_the_wire_byte_for_byte(app: App, wanted: Wanted) -> None:
    seen: list[bytes] = []
    async with await asyncio.start_server(answering(GOOD, seen), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        body = wanted(notificationUrl=f"http://127.0.0.1:{port}/hook?code=x", lifecycleNotificationUrl=None)
        status, answer = await app.call("POST", "/v1.0/subscriptions", body | {"resource": "/users/u/messages"})
    assert status == 201, answer
    assert REQUEST.fullmatch(seen[0]), seen[0]


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        (
            b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: LENGTH\r\n\r\nBODY",
            "handshake-status",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: LENGTH\r\n\r\nBODY", "handshake-type"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno", "handshake-body"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "handshake-status"),
        (b"nonsense\r\n\r\n", "unreachable"),
    ],
)
async def test_an_endpoint_that_does_not_echo_the_token_gets_no_subscription(
    app: App, wanted: Wanted, template: bytes, rule: str
) -> None:
    async with await asyncio.start_server(answering(template, []), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        body = wanted(notificationUrl=f"http://127.0.0.1:{port}/hook?code=x")
        status, answer = await app.call("POST", "/v1.0/subscriptions", body)
    assert (status, answer["error"]["code"]) == (400, "ValidationError")
    assert "200 OK" in answer["error"]["message"]
    assert [finding["rule"] for finding in await app.control("judge")] == [rule]
    assert (await app.call("GET", "/v1.0/subscriptions"))[1]["value"] == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"403 Forbidden", "Forbidden"),
        (b"404 Not Found", "NotFound"),
        (b"500 Internal Server Error", "InternalServerError"),
        (b"302 Found", "Found"),
        (b"204", "204"),
    ],
)
async def test_the_refusal_names_the_status_that_was_answered(
    app: App, wanted: Wanted, line: bytes, named: str
) -> None:
    template = b"HTTP/1.1 " + line + b"\r\nContent-Length: 0\r\n\r\n"
    async with await asyncio.start_server(answering(template, []), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        body = wanted(notificationUrl=f"http://127.0.0.1:{port}/hook?code=x")
        status, answer = await app.call("POST", "/v1.0/subscriptions", body)
    assert status == 400
    assert f"HTTP status code is '{named}'" in answer["error"]["message"]


async def test_both_urls_are_asked_in_order(app: App, wanted: Wanted) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readuntil(b"\r\n\r\n")
        asked.append(line.split(b"?")[0].decode())
        token = line.split(b"validationToken=")[1].split(b" ")[0].decode()
        text = token.replace("+", " ").replace("%3a", ":")
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        )
        writer.write((head + text).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        body = wanted(notificationUrl=f"{base}/first", lifecycleNotificationUrl=f"{base}/second")
        status, _ = await app.call("POST", "/v1.0/subscriptions", body)
    assert status == 201
    assert asked == ["POST /first", "POST /second"]


class Endpoint:
    """An endpoint that keeps the tokens it was asked to echo; `answer` may be replaced."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.waiting = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.chunks = 1

    async def answer(self, request: web.Request) -> web.StreamResponse:
        token = request.query["validationToken"]
        # form rules by another decoder than the server's own
        (again,) = urllib.parse.parse_qs(request.raw_path.partition("?")[2])["validationToken"]
        assert again == token
        self.tokens.append(token)
        self.waiting.set()
        await self.go.wait()
        answer = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await answer.prepare(request)
        raw, size = token.encode(), max(len(token.encode()) // self.chunks, 1)
        for start in range(0, len(raw), size):
            await answer.write(raw[start : start + size])
            await asyncio.sleep(0)
        await answer.write_eof()
        return answer


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
async def url(endpoint: Endpoint) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/hook", endpoint.answer)
    async with serving(app) as base:
        yield f"{base}/hook"


def basic(wanted: Wanted, url: str, **changes: Any) -> dict[str, Any]:
    return wanted(
        **({"notificationUrl": url, "lifecycleNotificationUrl": None, "resource": "/users/u/messages"} | changes)
    )


@pytest.mark.parametrize(("knob", "times"), [("once", 1), ("twice", 2), ("skip", 0)])
async def test_a_knob_says_how_often_an_endpoint_is_asked(
    graph: Simulator, app: App, wanted: Wanted, endpoint: Endpoint, url: str, knob: str, times: int
) -> None:
    graph.knobs.turn({"handshake": knob})
    assert (await app.call("POST", "/v1.0/subscriptions", basic(wanted, url)))[0] == 201
    assert len(set(endpoint.tokens)) == len(endpoint.tokens) == times


@pytest.mark.parametrize(
    ("kind", "holds"), [("unicode", "漢字"), ("html", "<script>"), ("long", "longlonglong"), ("graph", "Request-Id: ")]
)
@pytest.mark.parametrize("chunks", [1, 7])
async def test_a_token_of_any_kind_can_be_echoed_in_pieces(
    graph: Simulator, app: App, wanted: Wanted, endpoint: Endpoint, url: str, kind: str, holds: str, chunks: int
) -> None:
    graph.knobs.turn({"handshake_token": kind})
    endpoint.chunks = chunks
    status, answer = await app.call("POST", "/v1.0/subscriptions", basic(wanted, url))
    assert status == 201, answer
    assert holds in endpoint.tokens[0]


async def test_a_share_of_handshakes_fails_with_nobody_asked_and_nobody_to_blame(
    graph: Simulator, app: App, wanted: Wanted, endpoint: Endpoint, url: str
) -> None:
    graph.knobs.handshake_failures = 0.5
    tried = []
    for number in range(40):
        body = basic(wanted, url, resource=f"users/{number}/messages")
        tried.append((await app.call("POST", "/v1.0/subscriptions", body))[0])
    assert set(tried) == {201, 400}
    assert 10 < tried.count(201) < 30
    assert len(endpoint.tokens) == tried.count(201)
    assert graph.judge.printed() == []


async def test_a_handshake_can_be_late_by_simulated_time(
    graph: Simulator, app: App, wanted: Wanted, endpoint: Endpoint, url: str
) -> None:
    graph.knobs.handshake_delay = 3600.0
    creating = asyncio.create_task(app.call("POST", "/v1.0/subscriptions", basic(wanted, url)))
    done, _ = await asyncio.wait({creating}, timeout=0.2)
    assert (done, endpoint.tokens) == (set(), [])
    graph.clock.advance(ONE_HOUR)
    assert (await creating)[0] == 201


async def test_no_answer_in_time_is_a_400_and_creates_nothing(
    graph: Simulator, app: App, wanted: Wanted, endpoint: Endpoint, url: str
) -> None:
    graph.clock.patience = 0.02
    endpoint.go.clear()
    status, answer = await app.call("POST", "/v1.0/subscriptions", basic(wanted, url))
    endpoint.go.set()
    assert (status, "timed out" in answer["error"]["message"]) == (400, True)
    assert (await app.call("GET", "/v1.0/subscriptions"))[1]["value"] == []
    assert [finding["rule"] for finding in graph.judge.printed()] == ["handshake-late"]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/hook", "https://no-such-host.invalid/hook", "https://-x-.invalid/"]
)
async def test_where_nobody_answers_nothing_is_created(app: App, wanted: Wanted, address: str) -> None:
    status, answer = await app.call("POST", "/v1.0/subscriptions", basic(wanted, address))
    assert (status, answer["error"]["code"]) == (400, "ValidationError")


async def test_a_new_url_shakes_hands_and_a_renewal_only_if_told_to(
    graph: Simulator, app: App, wanted: Wanted, endpoint: Endpoint, url: str
) -> None:
    body = basic(wanted, url)
    _, made = await app.call("POST", "/v1.0/subscriptions", body)
    path, later = f"/v1.0/subscriptions/{made['id']}", {"expirationDateTime": body["expirationDateTime"]}
    for knob, patch, asked in (
        (False, later, 1),
        (False, {"notificationUrl": url}, 1),
        (False, {"notificationUrl": f"{url}?moved"}, 2),
        (True, later, 3),
    ):
        graph.knobs.handshake_on_renewal = knob
        assert (await app.call("PATCH", path, patch))[0] == 200
        assert len(endpoint.tokens) == asked
    assert (await app.call("POST", f"{path}/reauthorize"))[0] == 204
    assert len(endpoint.tokens) == 4


async def test_a_url_that_does_not_answer_changes_nothing(app: App, wanted: Wanted, url: str) -> None:
    _, made = await app.call("POST", "/v1.0/subscriptions", basic(wanted, url))
    path = f"/v1.0/subscriptions/{made['id']}"
    assert (await app.call("PATCH", path, {"notificationUrl": "http://127.0.0.1:1/"}))[0] == 400
    assert (await app.call("GET", path))[1]["notificationUrl"] == url


async def test_a_subscription_that_is_deleted_during_its_handshake_is_gone(
    app: App, wanted: Wanted, endpoint: Endpoint, url: str
) -> None:
    _, made = await app.call("POST", "/v1.0/subscriptions", basic(wanted, url))
    path = f"/v1.0/subscriptions/{made['id']}"
    endpoint.waiting.clear()
    endpoint.go.clear()
    moving = asyncio.create_task(app.call("PATCH", path, {"notificationUrl": f"{url}?moved"}))
    await endpoint.waiting.wait()
    assert (await app.call("DELETE", path))[0] == 204
    endpoint.go.set()
    assert (await moving)[0] == 404


async def test_of_two_that_are_asked_for_at_once_one_comes_into_being(
    app: App, wanted: Wanted, endpoint: Endpoint, url: str
) -> None:
    endpoint.go.clear()
    body = basic(wanted, url)
    both = [asyncio.create_task(app.call("POST", "/v1.0/subscriptions", body)) for _ in range(2)]
    async with asyncio.timeout(5):
        while len(endpoint.tokens) < 2:  # noqa: ASYNC110 - both must be on their way
            await asyncio.sleep(0.01)
    endpoint.go.set()
    assert sorted(status for status, _ in await asyncio.gather(*both)) == [201, 409]
    assert len((await app.call("GET", "/v1.0/subscriptions"))[1]["value"]) == 1


HUB = "EventHub:https://contoso.servicebus.windows.net/eventhubname/hub?tenantId=contoso.com"


async def test_without_hubs_an_event_hub_cannot_be_reached(app: App, wanted: Wanted, url: str) -> None:
    for body in (basic(wanted, HUB), basic(wanted, url, lifecycleNotificationUrl=HUB)):
        status, answer = await app.call("POST", "/v1.0/subscriptions", body)
        assert status == 400
        assert answer["error"]["message"].startswith("Invalid event hub notification url=EventHub:https://contoso")


async def test_an_event_hub_gets_a_test_message_instead_of_a_handshake(
    graph: Simulator, app: App, wanted: Wanted, endpoint: Endpoint, url: str
) -> None:
    probed: list[str] = []

    async def probe(address: str) -> None:
        probed.append(address)
        await asyncio.sleep(0)
        if "closed" in address:
            raise invalid("Client EventHubs publishing validation failed")

    async with aiohttp.ClientSession() as session:
        routes = SubscriptionRoutes(
            subscriptions=Subscriptions(clock=graph.clock),
            callers=Callers(authority=graph.authority, bases=lambda: frozenset({graph.http_url})),
            handshake=Handshake(session, Judge(), graph.clock),
            judge=Judge(),
            clock=graph.clock,
            probe=probe,
        )
        own = web.Application(middlewares=[answer_faults])
        own.add_routes(routes.routes())
        async with serving(own) as base:
            other = App(app.session, base, app.token)
            status, made = await other.call(
                "POST", "/v1.0/subscriptions", basic(wanted, HUB, lifecycleNotificationUrl=url)
            )
            assert (status, made["latestSupportedTlsVersion"]) == (201, None)
            assert (probed, len(endpoint.tokens)) == ([HUB], 1)
            closed = HUB.replace("contoso.servicebus", "closed.servicebus")
            status, answer = await other.call("PATCH", f"/v1.0/subscriptions/{made['id']}", {"notificationUrl": closed})
            assert (status, "publishing validation failed" in answer["error"]["message"]) == (400, True)
