import asyncio
import base64
import json
import time
from collections.abc import Callable
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from local.graph.clock import Clock
from local.graph.dice import Dice
from local.graph.faults import GraphFault
from local.graph.gateway.calls import Origin, Target, read_origin, read_target
from local.graph.gateway.envelope import answer_faults
from local.graph.gateway.throttling import Throttle
from local.graph.judge import Judge
from local.graph.knobs import Knobs

Calls = Callable[[int], tuple[str, str, str, str]]
"""Makes the app, the tenant, the method and the path of a call out of its number."""

ROWS: list[tuple[str, Calls, int, float]] = [
    # what is called, by whom, how often that is allowed, in how many seconds
    ("create, one tenant", lambda _: ("a", "t", "POST", "/v1.0/subscriptions"), 500, 20),
    ("create, many tenants", lambda n: ("a", f"t{n % 9}", "POST", "/v1.0/subscriptions"), 2_000, 20),
    ("renew, one tenant", lambda n: ("a", "t", "PATCH", f"/v1.0/subscriptions/{n}"), 500, 20),
    ("delete, many tenants", lambda n: ("a", f"t{n % 9}", "DELETE", f"/v1.0/subscriptions/{n}"), 2_000, 20),
    ("reauthorize, one tenant", lambda n: ("a", "t", "POST", f"/v1.0/subscriptions/{n}/reauthorize"), 1_000, 20),
    ("reauthorize, many", lambda n: ("a", f"t{n % 9}", "POST", f"/v1.0/subscriptions/{n}/reauthorize"), 4_000, 20),
    ("read, one tenant", lambda n: ("a", "t", "GET", f"/beta/subscriptions/{n}"), 500, 20),
    ("read, many tenants", lambda n: ("a", f"t{n % 9}", "GET", f"/v1.0/subscriptions/{n}"), 2_000, 20),
    ("list, one tenant", lambda _: ("a", "t", "GET", "/v1.0/subscriptions"), 25, 20),
    ("list, many tenants", lambda n: ("a", f"t{n % 9}", "GET", "/v1.0/Subscriptions/"), 40, 20),
    ("one mailbox", lambda n: ("a", "t", "GET", f"/v1.0/users/U/messages/{n}"), 10_000, 600),
    ("one mailbox, spelled twice", lambda n: ("a", "t", "GET", f"/v1.0/users('u')/events/{n}"), 10_000, 600),
    ("my mailbox", lambda _: ("a", "t", "POST", "/v1.0/me/sendMail"), 10_000, 600),
    ("anything", lambda n: ("a", f"t{n % 9}", "GET", f"/v1.0/teams/{n}"), 130_000, 10),
]
FREE: list[tuple[str, Calls, int]] = [
    ("apps do not share", lambda n: (f"a{n % 2}", "t", "GET", "/v1.0/subscriptions"), 50),
    ("mailboxes do not share", lambda n: ("a", "t", "GET", f"/v1.0/users/{n % 2}/messages"), 20_000),
    ("kinds do not share", lambda n: ("a", "t", ("GET", "PATCH")[n % 2], "/v1.0/subscriptions/x"), 1_000),
]


def throttle(*, time_scale: float = 1e-6, **knobs: float) -> Throttle:
    """Time stands all but still, so that a slow machine changes nothing; `advance` moves it."""
    turned = Knobs()
    turned.turn(knobs)
    return Throttle(clock=Clock(time_scale=time_scale), knobs=turned, judge=Judge(), dice=Dice(1))


def refused(limits: Throttle, calls: Calls, number: int) -> GraphFault | None:
    app, tenant, method, path = calls(number)
    try:
        limits.admit(Origin(app, tenant, "o"), read_target(method, path))
    except GraphFault as fault:
        return fault
    return None


@pytest.mark.parametrize(("calls", "limit", "seconds"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_as_many_calls_as_the_table_says_and_not_one_more(calls: Calls, limit: int, seconds: float) -> None:
    limits = throttle()
    assert not any(refused(limits, calls, number) for number in range(limit))
    fault = refused(limits, calls, limit)
    assert fault
    assert (fault.status, fault.code) == (429, "TooManyRequests")
    limits.clock.advance(timedelta(seconds=seconds - 1))
    assert refused(limits, calls, limit)
    limits.clock.advance(timedelta(seconds=seconds + 1))
    assert not refused(limits, calls, limit)


@pytest.mark.parametrize(("calls", "number"), [row[1:] for row in FREE], ids=[row[0] for row in FREE])
def test_what_is_counted_apart_does_not_add_up(calls: Calls, number: int) -> None:
    limits = throttle()
    assert not any(refused(limits, calls, each) for each in range(number))


def list_call(_number: int) -> tuple[str, str, str, str]:
    return "a", "t", "GET", "/v1.0/subscriptions"


def test_who_waits_as_long_as_told_is_served_again_and_not_blamed() -> None:
    limits = throttle(time_scale=1)
    for _ in range(25):
        assert not refused(limits, list_call, 0)
        limits.clock.advance(timedelta(seconds=0.5))
    fault = refused(limits, list_call, 0)
    assert fault
    assert 7 <= int(fault.headers["Retry-After"]) <= 9
    limits.clock.advance(timedelta(seconds=int(fault.headers["Retry-After"])))
    assert not refused(limits, list_call, 0)
    assert [rule for rule, _ in counted(limits)] == ["polls-the-list"]


def test_calls_made_meanwhile_count_and_are_noticed() -> None:
    limits = throttle()
    for number in range(26):
        fault = refused(limits, list_call, number)
        limits.clock.advance(timedelta(seconds=0.01))
    assert fault
    for _ in range(60):
        limits.clock.advance(timedelta(seconds=0.5))
        assert refused(limits, list_call, 0), "hammering keeps the door shut"
    assert dict(counted(limits))["ignored-retry-after"] > 20


def test_what_was_on_its_way_already_is_not_blamed() -> None:
    limits = throttle()
    for number in range(60):
        refused(limits, list_call, number)
    assert [rule for rule, _ in counted(limits)] == ["polls-the-list"]


@pytest.mark.parametrize(("time_scale", "least", "most"), [(1.0, 19, 20), (10.0, 2, 2), (1_000.0, 1, 1)])
def test_retry_after_is_told_in_whole_seconds_of_the_callers_clock(time_scale: float, least: int, most: int) -> None:
    limits = throttle(time_scale=time_scale)
    faults = [refused(limits, list_call, number) for number in range(26)]
    told = faults[-1]
    assert told
    assert least <= int(told.headers["Retry-After"]) <= most


def test_without_throttling_nothing_is_refused() -> None:
    limits = throttle(throttling=False)
    assert not any(refused(limits, list_call, number) for number in range(1_000))


def test_a_share_of_calls_is_refused_the_same_ones_for_the_same_seed() -> None:
    def story() -> list[int]:
        limits = throttle(refuse_share=0.2, throttling=False)
        return [number for number in range(1_000) if refused(limits, list_call, number)]

    assert 100 < len(story()) < 300
    assert story() == story()
    limits = throttle(refuse_share=1)
    fault = refused(limits, list_call, 0)
    assert fault
    assert (fault.status, fault.code) == (503, "ServiceUnavailable")
    assert int(fault.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/v1.0/subscriptions", Target("subscription-list")),
        ("GET", "/v1.0/subscriptions/x", Target("subscription")),
        ("PUT", "/v1.0/subscriptions/x", Target("subscription-writes")),
        ("POST", "/v1.0/subscriptions/x/reauthorize", Target("reauthorize")),
        ("GET", "/v1.0/subscriptionsX", Target("other")),
        ("GET", "/v1.0/users/Adele@contoso.com/mailFolders('inbox')/messages", Target("outlook", "adele@contoso.com")),
        ("GET", "/v1.0/me/messages", Target("outlook")),
        ("GET", "/v1.0/me/chats", Target("other")),
        ("GET", "/v1.0/users/u/chats/getAllMessages", Target("other")),
        ("GET", "/v1.0/users/u/contacts/delta", Target("outlook", "u")),
        ("POST", "/v1.0/$batch", Target("other")),
    ],
)
def test_a_call_is_put_into_its_family_by_method_and_path(method: str, path: str, target: Target) -> None:
    assert read_target(method, path) == target


def bearer(claims: object) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"Bearer head.{middle}.signature"


@pytest.mark.parametrize(
    "text",
    ["", "Basic x", "Bearer ", "Bearer a.b.c", "Bearer a.!!.c", bearer([]), bearer({}), bearer("x"), bearer(None)],
)
def test_a_token_that_cannot_be_read_is_left_to_those_who_check_it(text: str) -> None:
    assert read_origin(text) is None
    throttle().admit(None, Target("other"))


def test_the_caller_is_read_off_the_token() -> None:
    assert read_origin(bearer({"azp": "a", "tid": "t", "oid": "o", "x": "long" * 20})) == Origin("a", "t", "o")


async def test_an_app_may_make_four_calls_at_once_to_a_mailbox() -> None:
    going, done = 0, asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        nonlocal going
        going += 1
        await done.wait()
        return web.Response()

    limits = throttle(time_scale=1)
    app = web.Application(middlewares=[answer_faults, limits.middleware()])
    app.router.add_get("/v1.0/{path:.+}", slow)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}/v1.0"

    async with aiohttp.ClientSession() as session:

        async def call(app_id: str, path: str) -> tuple[int, str | None]:
            headers = {"Authorization": bearer({"azp": app_id, "tid": "t", "oid": "o"})}
            async with session.get(f"{base}/{path}", headers=headers) as answer:
                return answer.status, answer.headers.get("Retry-After")

        four = [asyncio.create_task(call("a", f"users/u/messages/{number}")) for number in range(4)]
        others = [("b", "users/u/messages/1"), ("a", "users/v/events/1"), ("a", "users/u/chats")]
        tasks = four + [asyncio.create_task(call(*other)) for other in others]
        async with asyncio.timeout(10):
            while going < len(tasks):  # noqa: ASYNC110 - the server counts, nobody announces
                await asyncio.sleep(0.01)
            assert await call("a", "users/u/events/5") == (429, "1")
            done.set()
            assert {status for status, _ in await asyncio.gather(*tasks)} == {200}
            assert await call("a", "users/u/events/5") == (200, None)
    await runner.cleanup()


def test_counting_a_call_takes_microseconds() -> None:
    limits, text = throttle(), bearer({"azp": "a", "tid": "t", "oid": "o"})
    started = time.process_time()
    for number in range(20_000):
        limits.admit(read_origin(text), read_target("GET", f"/v1.0/teams/{number}/channels"))
    assert (time.process_time() - started) / 20_000 < 50e-6


def counted(limits: Throttle) -> list[tuple[str, int]]:
    return [(finding.rule, finding.count) for finding in limits.judge._findings.values()]
