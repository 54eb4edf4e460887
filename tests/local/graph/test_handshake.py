import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

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
