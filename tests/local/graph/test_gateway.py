import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from local.graph.faults import GraphFault, denied, invalid, not_found, throttled, unavailable
from local.graph.gateway.envelope import answer_faults
from local.graph.gateway.versions import and_no_other_method, in_both_versions

GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

RAISED: dict[str, Callable[[], Exception]] = {
    "invalid": lambda: invalid("The 'resource' property is required."),
    "denied": denied,
    "gone": not_found,
    "too-fast": lambda: throttled(7),
    "busy": lambda: unavailable(10),
    "slip": lambda: KeyError("a secret of ours"),
    "big": lambda: web.HTTPRequestEntityTooLarge(max_size=10, actual_size=11),
    "odd": lambda: GraphFault(400, "BadRequest", "lone \ud800 half"),
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def error(self) -> tuple[int, str, str]:
        inner = self.body["error"]["innerError"]
        assert set(self.body) == {"error"}
        assert set(self.body["error"]) == {"code", "message", "innerError"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inner["date"])
        assert inner["request-id"] == self.headers["request-id"]
        assert inner["client-request-id"] == self.headers["client-request-id"]
        assert self.headers["Content-Type"].startswith("application/json")
        return self.status, self.body["error"]["code"], self.body["error"]["message"]


Ask = Callable[..., Any]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    async def thing(request: web.Request) -> web.Response:
        if request.match_info["name"] in RAISED:
            fault = RAISED[request.match_info["name"]]()
            raise fault
        return web.json_response({"asked": str(request.rel_url)})

    async def control(_request: web.Request) -> web.Response:
        raise web.HTTPConflict(text="in words of its own")

    app = web.Application(middlewares=[answer_faults])
    app.router.add_get("/_sim/x", control)
    app.add_routes(in_both_versions(and_no_other_method([web.get("/v1.0/subscriptions/{name}", thing)])))
    app.add_routes(in_both_versions([web.get("/v1.0/things/{name}", thing), web.post("/v1.0/{path:sub.+}", thing)]))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:

        async def call(path: str, method: str = "GET", **headers: str) -> Answer:
            async with session.request(method, base + path, headers=headers) as answer:
                raw = await answer.read()
                is_json = answer.content_type == "application/json"
                return Answer(answer.status, answer.headers.copy(), await answer.json() if is_json else raw.decode())

        yield call
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/v1.0/things/invalid", 400, "InvalidRequest", "The 'resource' property is required."),
        (
            "/v1.0/things/denied",
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        ),
        ("/v1.0/things/gone", 404, "ResourceNotFound", "The object was not found."),
        ("/beta/things/gone", 404, "ResourceNotFound", "The object was not found."),
        ("/v1.0/things/too-fast", 429, "TooManyRequests", "Please retry again later."),
        ("/v1.0/things/busy", 503, "ServiceUnavailable", "The service is temporarily unavailable."),
        ("/v1.0/things/big", 413, "RequestEntityTooLarge", "Request Entity Too Large"),
        ("/v1.0/things/odd", 400, "BadRequest", "lone \ud800 half"),
        ("/v1.0/nonsense", 400, "BadRequest", "Resource not found for the segment 'nonsense'."),
        ("/v1.0/nonsense/of/length", 400, "BadRequest", "Resource not found for the segment 'nonsense'."),
        ("/v1.0/things/one/parts", 400, "BadRequest", "Resource not found for the segment 'parts'."),
        ("/beta/nonsense", 400, "BadRequest", "Resource not found for the segment 'nonsense'."),
        ("/v1.0", 400, "BadRequest", "Resource not found for the segment ''."),
    ],
)
async def test_whatever_goes_wrong_is_told_in_graphs_envelope(
    ask: Ask, path: str, status: int, code: str, message: str
) -> None:
    assert (await ask(path)).error == (status, code, message)


async def test_a_method_that_a_path_does_not_have_is_405_and_says_which_it_has(ask: Ask) -> None:
    answer = await ask("/v1.0/things/one", "DELETE")
    message = "Specified HTTP method is not allowed for the request target."
    assert answer.error == (405, "Request_BadRequest", message)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/v1.0/subscriptions/one", "/beta/subscriptions/one", "/beta/Subscriptions/one"])
async def test_a_method_that_one_of_our_own_paths_lacks_falls_through_to_nobody(
    ask: Ask, method: str, path: str
) -> None:
    answer = await ask(path, method)
    assert answer.error[:2] == (405, "Request_BadRequest")
    assert answer.headers["Allow"] == "GET"


async def test_a_subscription_can_be_read_by_the_name_that_lifecycle_notifications_use(ask: Ask) -> None:
    assert (await ask("/v1.0/Subscriptions/one")).status == (await ask("/v1.0/subscriptions/one")).status == 200


async def test_who_is_throttled_is_told_when_to_come_again(ask: Ask) -> None:
    assert (await ask("/v1.0/things/too-fast")).headers["Retry-After"] == "7"
    assert (await ask("/v1.0/things/busy")).headers["Retry-After"] == "10"


async def test_a_slip_of_ours_is_a_500_without_a_hint_and_logged_once(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask("/v1.0/things/slip")
    assert answer.error == (500, "generalException", "An unspecified error has occurred.")
    assert [record.error for record in caplog.records if record.levelno == logging.ERROR] == ["KeyError"]  # type: ignore[attr-defined]


async def test_every_answer_has_ids_and_the_callers_own_one_comes_back(ask: Ask) -> None:
    plain = await ask("/v1.0/things/one")
    assert re.fullmatch(GUID, plain.headers["request-id"])
    assert plain.headers["client-request-id"] == plain.headers["request-id"]
    for path in ("/v1.0/things/one", "/beta/things/gone", "/v1.0/nonsense"):
        answer = await ask(path, **{"client-request-id": "mine-1"})
        assert answer.headers["client-request-id"] == "mine-1" != answer.headers["request-id"]


@pytest.mark.parametrize("strange", ["x" * 129, "é", "\t"])
async def test_an_id_that_cannot_stand_in_a_header_is_not_echoed(ask: Ask, strange: str) -> None:
    answer = await ask("/v1.0/things/one", **{"client-request-id": strange})
    assert answer.headers["client-request-id"] == answer.headers["request-id"]


async def test_beta_is_served_as_v1_and_stays_beta_for_the_handler(ask: Ask) -> None:
    assert (await ask("/v1.0/things/one?a=b")).body == {"asked": "/v1.0/things/one?a=b"}
    assert (await ask("/beta/things/one?a=b")).body == {"asked": "/beta/things/one?a=b"}


async def test_what_is_not_graphs_answers_in_its_own_words(ask: Ask) -> None:
    answer = await ask("/_sim/x")
    assert (answer.status, answer.body, "request-id" in answer.headers) == (409, "in words of its own", False)
    assert (await ask("/elsewhere")).status == 404
