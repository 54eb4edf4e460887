"""What callers and receivers may do without bringing anything down: no 500, nothing left pending, nothing secret shown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from local.graph.delivery.tally import Tally
from local.graph.knobs import LARGEST
from local.graph.simulator import Simulator
from local.graph.subscribing.channels import place_of
from tests.local.graph.press import opened, press
from tests.local.graph.stand import App, Key, Receiver, Wanted

HALF = "half \ud800 of one"
SECRET = b"our secret"


async def send(app: App, path: str, raw: bytes, **headers: str) -> tuple[int, Any]:
    sent = {"Authorization": f"Bearer {app.token}", "Connection": "close", **headers}
    async with app.session.post(f"{app.base}{path}", data=raw, headers=sent) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("name", ["clientState", "resource", "notificationQueryOptions"])
async def test_half_a_character_which_nobody_could_be_sent_is_refused(app: App, wanted: Wanted, name: str) -> None:
    status, answer = await app.call("POST", "/v1.0/subscriptions", wanted(**{name: HALF}))
    assert (status, answer["error"]["code"]) == (400, "BadRequest")


async def test_content_with_half_a_character_is_delivered_without_it(
    app: App, receiver: Receiver, wanted: Wanted, rich: dict[str, Any], key: Key
) -> None:
    await app.call("POST", "/v1.0/subscriptions", wanted(**rich))
    await app.control("post", {"where": "General", "text": HALF})
    await receiver.until(lambda: bool(receiver.items))
    assert opened(receiver.items[0]["encryptedContent"], key)["body"]["content"] == "<p>half ? of one</p>"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("path", ["/v1.0/subscriptions", "/v1.0/$batch"])
async def test_a_body_that_is_not_what_its_headers_say_is_a_400(app: App, path: str, encoding: str) -> None:
    status, answer = await send(app, path, b"garbage", **{"Content-Encoding": encoding})
    assert (status, answer["error"]["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=no"]
)
async def test_a_form_that_is_none_gets_no_token(app: App, graph: Simulator, kind: str) -> None:
    status, answer = await send(
        app, f"/{graph.tenant_id}/oauth2/v2.0/token", b"--x\r\ngarbage", **{"Content-Type": kind}
    )
    assert (status, answer["error"]) == (400, "invalid_request")


async def test_a_header_that_is_no_text_is_no_token(app: App) -> None:
    port = int(app.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1.0/users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff.x.y\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()
    await writer.wait_closed()


async def test_a_token_that_only_says_who_somebody_is_opens_nothing(graph: Simulator, app: App) -> None:
    token = graph.authority.id_token(
        app_id="https://graph.microsoft.com", tenant_id=graph.tenant_id, claims={"oid": "somebody"}
    )
    status, answer = await App(app.session, app.base, token).call("GET", "/v1.0/subscriptions")
    assert (status, answer["error"]["code"]) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize("url", ["/%24batch", "/./$batch", "/x/../$batch", "/$BATCH?x=y"])
async def test_a_batch_in_a_batch_is_refused_however_it_is_spelt(app: App, url: str) -> None:
    inner = {"requests": [{"id": "1", "method": "GET", "url": "/users"}]}
    part = {"id": "1", "method": "POST", "url": url, "headers": {"Content-Type": "application/json"}, "body": inner}
    _, answer = await app.call("POST", "/v1.0/$batch", {"requests": [part]})
    (made,) = answer["responses"]
    assert made["status"] == 400
    assert "not a batch" in made["body"]["error"]["message"]


@pytest.mark.parametrize(
    "knob", ["orphan_seconds", "quota_held_seconds", "access_token_minutes", "delay_seconds", "delta_token_days"]
)
async def test_a_knob_that_is_turned_as_far_as_it_goes_breaks_nothing(
    graph: Simulator, app: App, wanted: Wanted, knob: str
) -> None:
    with pytest.raises(ValueError, match=knob):
        graph.knobs.turn({knob: 1e300})
    graph.knobs.turn({knob: LARGEST})
    status, made = await app.call("POST", "/v1.0/subscriptions", wanted())
    assert status == 201
    assert "clock" in await app.control("state")
    assert (await app.call("DELETE", f"/v1.0/subscriptions/{made['id']}"))[0] == 204


async def test_a_page_may_be_longer_than_any_number_of_subscriptions(graph: Simulator, app: App) -> None:
    graph.knobs.turn({"subscription_page": LARGEST})
    assert (await app.call("GET", "/v1.0/subscriptions"))[1]["value"] == []


async def test_a_million_years_later_everything_still_answers(graph: Simulator, app: App) -> None:
    for _ in range(9_000):
        graph.clock.advance(graph.clock.now() - graph.clock.now().replace(year=graph.clock.now().year - 1))
    assert (await app.control("clock"))["now"].startswith("9000-01-01")
    for path in ("subscriptions", "users", "users/delta"):
        assert (await app.call("GET", f"/v1.0/{path}"))[0] == 200


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:word@host:8443/a@b?code=key#x", "https://host:8443/a@b"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("https://host#a@b", "https://host"),
        (
            "EventHub:https://ns.servicebus.windows.net/eventhubname/h?tenantId=x",
            "EventHub:https://ns.servicebus.windows.net/eventhubname/h",
        ),
    ],
)
def test_of_a_url_nothing_is_shown_that_may_open_a_door(url: str, shown: str) -> None:
    assert place_of(url) == shown


async def test_a_fragment_is_no_part_of_what_is_asked(app: App, wanted: Wanted, receiver: Receiver) -> None:
    status, _ = await app.call("POST", "/v1.0/subscriptions", wanted(notificationUrl=f"{receiver.url}/notifications#x"))
    assert status == 201


@asynccontextmanager
async def answering(*pieces: bytes) -> AsyncIterator[str]:
    """Serve these bytes, piece by piece, to whoever calls, and hang up."""

    busy: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        busy.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"]}")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    await asyncio.gather(*filter(None, busy))


async def attempted(*pieces: bytes) -> tuple[str, list[str]]:
    """Return the status of the first attempt that is answered so, and the rules that it broke."""
    async with answering(*pieces) as url, press() as desk:
        desk.subscribe("teams/getAllMessages", notificationUrl=url)
        tally = Tally()
        desk.publisher.announce(desk.say()[0], tally)
        async with asyncio.timeout(10):
            while not desk.courier.attempts:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.01)
        return desk.courier.attempts[0].status, [found["rule"] for found in desk.judge.printed()]


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"no HTTP at all\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Ty",),
        (b"HTTP/1.1 999999 OK\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",),
        (b"HTTP/1.1 202 OK\r\nContent-Length: -5\r\n\r\n",),
        (b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",),
        (b"HTTP/1.1 202 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",),
        (b"HTTP/1.1 202 OK\r\nContent-Length: 9\r\n\r\n", b"short"),
    ],
)
async def test_an_answer_that_is_none_is_as_good_as_no_answer(pieces: tuple[bytes, ...]) -> None:
    assert await attempted(*pieces) == ("unreachable", ["unreachable"])


async def test_a_secret_that_is_shown_in_a_later_piece_of_the_answer_is_seen() -> None:
    head = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert await attempted(head + b"3\r\nabc\r\n", b"a\r\n" + SECRET + b"\r\n", b"0\r\n\r\n") == ("202", ["secret"])


async def test_an_answer_without_end_is_read_only_so_far() -> None:
    head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 100000000\r\n\r\n"
    assert await attempted(head, b"x" * 1_000_000) == ("202", [])


async def test_what_the_web_server_cannot_read_is_not_repeated_in_the_log(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(app.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1.0/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOPSECRET\x00\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
    await writer.wait_closed()
    assert "could not read a request" in caplog.text
    assert "TOPSECRET" not in caplog.text


async def test_a_password_in_a_url_is_shown_nowhere(app: App, graph: Simulator, wanted: Wanted) -> None:
    graph.knobs.turn({"handshake": "skip"})
    url = "https://us:hunter2@receiver.example/api?code=k3y"
    status, _ = await app.call("POST", "/v1.0/subscriptions", wanted(notificationUrl=url, lifecycleNotificationUrl=url))
    assert status == 201
    for shown in ("subscriptions", "state", "health"):
        text = str(await app.control(shown))
        assert "hunter2" not in text
        assert "k3y" not in text


@pytest.mark.parametrize("origin", ["http://[", "null", "http://evil.example", "127.0.0.1"])
async def test_another_page_may_not_use_the_controls(app: App, origin: str) -> None:
    async with app.session.get(f"{app.base}/_sim/world", headers={"Origin": origin}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("body", [{"url": "http://[", "body": {}}, {"url": "http://127.0.0.1:9/", "body": HALF}])
async def test_what_cannot_be_sent_is_a_400(app: App, body: dict[str, Any]) -> None:
    async with app.session.post(f"{app.base}/_sim/deliver", json=body) as answer:
        assert answer.status == 400


async def test_many_tenants_have_domains_of_their_own() -> None:
    tenants = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(60)]
    async with Simulator(tenants=tenants) as many:
        assert len({world.domain for world in many.worlds.values()}) == 60
        for world in many.worlds.values():
            assert many.authority.tenant_called(world.domain) == world.tenant_id
