import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.certificates import client_context
from local.graph.faults import GraphFault
from local.graph.gateway.parts import read_batch
from local.graph.simulator import Simulator
from tests.local.graph.stand import App, Wanted

JSON = {"Content-Type": "application/json"}


def part(number: str = "1", **changes: Any) -> dict[str, Any]:
    asked = {"id": number, "method": "GET", "url": "/subscriptions"} | changes
    return {name: value for name, value in asked.items() if value is not None}


async def run(app: App, *parts: Any, version: str = "v1.0") -> dict[str, Any]:
    status, answer = await app.call("POST", f"/{version}/$batch", {"requests": list(parts)})
    assert status == 200, answer
    assert set(answer) == {"responses"}
    found = {each["id"]: each for each in answer["responses"]}
    assert len(found) == len(answer["responses"]) == len(parts)
    return found


async def test_parts_run_through_the_same_handlers_and_answer_for_themselves(app: App, wanted: Wanted) -> None:
    _, made = await app.call("POST", "/v1.0/subscriptions", wanted())
    one = f"subscriptions/{made['id']}"
    answers = await run(
        app,
        part("list"),
        part("one", url=f"/v1.0/{one}"),
        part("beta", url=f"beta/{one}?$select=id"),
        part("made", method="post", url="subscriptions", body=wanted(resource="chats/getAllMessages"), headers=JSON),
        part("wrong", method="POST", url="/subscriptions", body={}, headers=JSON),
        part("gone", url="/subscriptions/00000000-0000-0000-0000-000000000000"),
        part("again", method="POST", url=f"{one}/reauthorize", body={}, headers=JSON),
    )
    statuses = {name: answer["status"] for name, answer in answers.items()}
    assert statuses == {"list": 200, "one": 200, "beta": 200, "made": 201, "wrong": 400, "gone": 404, "again": 204}
    assert answers["one"]["body"]["id"] == made["id"]
    assert answers["wrong"]["body"]["error"]["innerError"]["request-id"]
    assert answers["list"]["headers"]["Content-Type"].startswith("application/json")
    assert "body" not in answers["again"]
    assert all("request-id" in answer["headers"] for answer in answers.values())


async def test_links_name_the_address_that_the_caller_used(app: App, graph: Simulator, wanted: Wanted) -> None:
    graph.knobs.turn({"empty_pages": True})
    await app.call("POST", "/v1.0/subscriptions", wanted())
    context = client_context(graph.ca_path)
    headers = {"Authorization": f"Bearer {app.token}"}
    url = f"{graph.https_url}/beta/$batch"
    async with app.session.post(url, json={"requests": [part()]}, headers=headers, ssl=context) as answer:
        (listed,) = (await answer.json())["responses"]
    assert listed["body"]["@odata.nextLink"].startswith(f"{graph.https_url}/beta/subscriptions?")


async def test_a_part_waits_for_what_it_depends_on_and_fails_with_it(app: App, wanted: Wanted) -> None:
    create = {"method": "POST", "body": wanted(), "headers": JSON}
    answers = await run(
        app,
        part("create", **create),
        part("Read", dependsOn=["CREATE"]),
        part("broken", method="DELETE", url="subscriptions/x", dependsOn=["create"]),
        part("after", dependsOn=["broken"]),
        part("later", dependsOn=["after", "create"]),
    )
    assert len(answers["Read"]["body"]["value"]) == 1
    assert {name: answer["status"] for name, answer in answers.items()} == {
        "Read": 200,
        "create": 201,
        "broken": 404,
        "after": 424,
        "later": 424,
    }


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "requests"),
        ({}, "requests"),
        ({"requests": []}, "at least one"),
        ({"requests": {}}, "requests"),
        ({"requests": [part(str(number)) for number in range(21)]}, "maximum value of 20"),
        ({"requests": [part("A"), part("a")]}, "unique"),
        ({"requests": [part(), {"method": "GET", "url": "/subscriptions"}]}, "an id that is a string"),
        ({"requests": [part(), 7]}, "an id that is a string"),
        (
            {"requests": [part("a", dependsOn=["b"]), part("b", dependsOn=["a"])]},
            "Invalid dependency for request Id 'a'",
        ),
        ({"requests": [part("a", dependsOn=["a"])]}, "Invalid dependency"),
        ({"requests": [part("a"), part("b", dependsOn=["c"])]}, "Invalid dependency for request Id 'b'"),
        ({"requests": [part("a"), part("b", dependsOn="a")]}, "Invalid dependency for request Id 'b'"),
    ],
)
async def test_a_batch_that_cannot_be_answered_part_by_part_is_refused_whole(app: App, body: Any, says: str) -> None:
    status, answer = await app.call("POST", "/v1.0/$batch", body)
    assert (status, answer["error"]["code"]) == (400, "BadRequest")
    assert says in answer["error"]["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": None},
        {"method": "TRACE"},
        {"method": 1},
        {"url": None},
        {"url": "/"},
        {"url": ["subscriptions"]},
        {"url": "https://elsewhere.example/v1.0/subscriptions"},
        {"url": "/../_sim/world"},
        {"url": "/%2e%2e/_sim/world"},
        {"url": "/subscriptions\r\nX: y"},
        {"url": "/$batch", "method": "POST", "body": {}, "headers": JSON},
        {"headers": []},
        {"headers": {"a": 1}},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "line\nbreak"}},
        {"method": "POST", "headers": JSON},
        {"method": "POST", "body": {}},
        {"method": "PATCH", "body": {"a": 1}, "headers": {"Content-Type": "text/plain"}},
        {"method": "PATCH", "body": "no base64", "headers": {"Content-Type": "text/plain"}},
    ],
    ids=lambda wrong: json.dumps(wrong)[:60],
)
async def test_a_part_that_makes_no_sense_is_answered_400_beside_the_others(app: App, wrong: dict[str, Any]) -> None:
    answers = await run(app, part("good"), part("bad", **wrong))
    assert answers["good"]["status"] == 200
    assert answers["bad"]["status"] == 400
    assert answers["bad"]["body"]["error"]["code"] == "BadRequest"


async def test_a_batch_needs_a_token_and_json(app: App) -> None:
    url = f"{app.base}/v1.0/$batch"
    async with app.session.post(url, json={"requests": [part()]}) as answer:
        assert answer.status == 401
    async with app.session.post(url, data=b"{", headers={"Authorization": f"Bearer {app.token}"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "BadRequest")
    async with app.session.get(url) as answer:
        assert answer.status >= 400


async def test_parts_count_against_limits_one_by_one(app: App) -> None:
    first, second = [await run(app, *(part(str(number)) for number in range(20))) for _ in range(2)]
    assert {answer["status"] for answer in first.values()} == {200}
    refused = [answer for answer in second.values() if answer["status"] == 429]
    assert len(refused) == 15
    assert all(int(answer["headers"]["Retry-After"]) >= 1 for answer in refused)
    assert {answer["body"]["error"]["code"] for answer in refused} == {"TooManyRequests"}


async def test_a_batch_full_of_mail_does_not_throttle_itself(app: App) -> None:
    urls = [f"/users/nobody@contoso.com/messages/{number}" for number in range(20)]
    answers = await run(app, *(part(str(number), url=url) for number, url in enumerate(urls)))
    assert 429 not in {answer["status"] for answer in answers.values()}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["1", "GET", "POST", "/me"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("id", "method", "url", "headers", "body", "dependsOn")
PARTS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON_VALUES))


@given(st.fixed_dictionaries({"requests": st.lists(PARTS | JSON_VALUES, max_size=5)}) | JSON_VALUES)
def test_any_json_is_a_batch_or_a_400(body: Any) -> None:
    try:
        parts = read_batch(body)
    except GraphFault as whole:
        faults = [whole]
    else:
        assert len({each.key for each in parts}) == len(parts)
        faults = [each.fault for each in parts if each.fault]
    assert {fault.status for fault in faults} <= {400}


@pytest.mark.parametrize("write", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_body_that_is_not_json_comes_in_base64(write: Callable[[bytes], bytes]) -> None:
    raw = bytes(range(256))
    asked = part(method="PUT", url="/me/photo/$value", body=write(raw).decode(), headers={"content-type": "image/png"})
    (read,) = read_batch({"requests": [asked]})
    assert (read.fault, read.body, read.url) == (None, raw, "me/photo/$value")


def headers_of(answer: Mapping[str, Any]) -> set[str]:
    return {name.lower() for name in answer["headers"]}


async def test_headers_of_a_part_reach_the_handler_but_never_another_token(app: App) -> None:
    wrong = {"authorization": "Bearer nonsense", "Host": "elsewhere", "client-request-id": "mine"}
    answer = (await run(app, part(headers=wrong)))["1"]
    assert (answer["status"], answer["headers"]["client-request-id"]) == (200, "mine")
    assert not headers_of(answer) & {"connection", "content-length", "transfer-encoding", "server"}
