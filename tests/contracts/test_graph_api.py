"""GraphApi against a small server that answers as Graph does, well and badly."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiohttp import web

from shared.adapters.credential import Credential
from shared.adapters.graph_api import GraphApi
from shared.errors import GraphApiError

SCOPE = "https://graph.microsoft.com/.default"


@dataclass
class FakeGraph:
    """Answers every path with what was prepared for it, and remembers who asked."""

    answers: list[web.Response] = field(default_factory=list)
    seen: list[tuple[str, str, str, str]] = field(default_factory=list)
    tokens: int = 0
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        self.seen.append((request.method, request.path_qs, authorization, await request.text()))
        return self.answers.pop(0)

    def fetch(self, _scope: str) -> tuple[str, float]:
        self.tokens += 1
        return f"token-{self.tokens}", 1e12


@pytest.fixture
async def server() -> AsyncIterator[FakeGraph]:
    made = FakeGraph()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def graph(server: FakeGraph) -> Iterator[GraphApi]:
    api = GraphApi(endpoint=server.url, credential=Credential(lambda: server.fetch), scope=SCOPE)
    yield api
    api.close()


async def test_a_request_is_signed_and_its_answer_is_read(server: FakeGraph, graph: GraphApi) -> None:
    server.answers = [web.json_response({"id": "s"}, status=201), web.json_response({"id": "s"})]

    assert await graph.request("POST", "/subscriptions", body={"resource": "r"}) == {"id": "s"}
    assert await graph.request("GET", "users/a@b.c/messages/x%3D?$select=id", headers={"Prefer": "p"}) == {"id": "s"}

    assert server.seen == [
        ("POST", "/v1.0/subscriptions", "Bearer token-1", '{"resource": "r"}'),
        ("GET", "/v1.0/users/a@b.c/messages/x%3D?$select=id", "Bearer token-1", ""),
    ]


async def test_no_content_is_an_empty_object(server: FakeGraph, graph: GraphApi) -> None:
    server.answers = [web.Response(status=204)]

    assert await graph.request("DELETE", "/subscriptions/s") == {}


async def test_a_refusal_says_status_code_request_id_and_how_long_to_wait(server: FakeGraph, graph: GraphApi) -> None:
    envelope = {"error": {"code": "TooManyRequests", "message": "slow down", "innerError": {"date": "x"}}}
    server.answers = [web.json_response(envelope, status=429, headers={"request-id": "r-1", "Retry-After": "7"})]

    with pytest.raises(GraphApiError) as caught:
        await graph.request("PATCH", "/subscriptions/s?secret=1")

    error = caught.value
    assert (error.status, error.code, error.request_id) == (429, "TooManyRequests", "r-1")
    assert error.retry_after == timedelta(seconds=7)
    assert "secret" not in str(error)
    assert "token" not in str(error)


async def test_a_date_to_wait_for_is_compared_with_the_servers_own(server: FakeGraph, graph: GraphApi) -> None:
    headers = {"Date": "Fri, 20 Nov 2026 12:00:00 GMT", "Retry-After": "Fri, 20 Nov 2026 12:01:30 GMT"}
    server.answers = [web.Response(status=503, headers=headers)]

    with pytest.raises(GraphApiError) as caught:
        await graph.request("GET", "/subscriptions/s")

    assert caught.value.retry_after == timedelta(seconds=90)


@pytest.mark.parametrize("text", ["", "soon", "-1", "99999999999", "Fri, 31 Dec 9999 23:59:59"])
async def test_a_hint_that_cannot_be_read_is_none(server: FakeGraph, graph: GraphApi, text: str) -> None:
    server.answers = [web.Response(status=503, headers={"Retry-After": text, "Date": "yesterday"})]

    with pytest.raises(GraphApiError) as caught:
        await graph.request("GET", "/subscriptions/s")

    assert caught.value.retry_after is None


async def test_after_401_one_new_token_is_tried_and_no_more(server: FakeGraph, graph: GraphApi) -> None:
    server.answers = [web.Response(status=401), web.json_response({"id": "s"})]
    server.answers += [web.Response(status=401), web.Response(status=401)]

    assert await graph.request("GET", "/me") == {"id": "s"}
    with pytest.raises(GraphApiError) as caught:
        await graph.request("GET", "/me")

    assert caught.value.status == 401
    assert [token for _, _, token, _ in server.seen] == ["Bearer token-1", *["Bearer token-2"] * 2, "Bearer token-3"]


async def test_a_redirect_is_not_followed(server: FakeGraph, graph: GraphApi) -> None:
    server.answers = [web.Response(status=302, headers={"Location": "http://127.0.0.1:9/steal"})]

    with pytest.raises(GraphApiError) as caught:
        await graph.request("GET", "/me")

    assert caught.value.status == 302


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"<html>", "status": 200},
        {"body": b"[1]", "status": 200},
        {"body": b"[" * 100_000, "status": 200},
        {"body": b"<html>secret</html>", "status": 502},
        {"body": b'{"error": "plain text"}', "status": 500},
    ],
)
async def test_an_answer_that_is_not_graphs_is_a_refusal(
    server: FakeGraph, graph: GraphApi, answer: dict[str, bytes | int]
) -> None:
    server.answers = [web.Response(**answer)]  # type: ignore[arg-type]

    with pytest.raises(GraphApiError) as caught:
        await graph.request("GET", "/me")

    assert caught.value.status == answer["status"]
    assert "secret" not in str(caught.value)


async def test_nobody_there_is_status_0() -> None:
    api = GraphApi(endpoint="http://127.0.0.1:9", credential=Credential(lambda: lambda _: ("t", 1e12)), scope=SCOPE)

    with pytest.raises(GraphApiError) as caught:
        await api.request("GET", "/me")
    api.close()

    assert caught.value.status == 0


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//evil.example/x",
        "///x",
        "https://evil.example/x",
        "users/../../beta/x",
        "..",
        "./x",
        "users/a b",
        "users\\x",
        "users/x#y",
        "users/\nx",
    ],
)
async def test_only_relative_paths_are_taken(server: FakeGraph, graph: GraphApi, path: str) -> None:
    with pytest.raises(ValueError, match="relative"):
        await graph.request("GET", path)

    assert server.seen == []
