"""The controls: each does one thing, says what became of it, and says what would be right when it is asked for something wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from local.graph.catalogue.find import CATALOGUE, by_key
from local.graph.control.happening import TALK, samples
from local.graph.delivery.forgery import KINDS
from local.graph.simulator import Simulator
from tests.local.graph.conftest import APP_ID
from tests.local.graph.stand import DEADLINE, App, Receiver, Wanted

KINDS_OF_THINGS = sorted(row.key for row in CATALOGUE if row.paths and row.key not in TALK)


@pytest.fixture
async def graph() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture
async def channels(app: App, wanted: Wanted, rich: dict[str, Any]) -> dict[str, Any]:
    return await _subscribe(app, wanted(**rich))


@pytest.fixture
async def mailbox(app: App, wanted: Wanted) -> dict[str, Any]:
    world = await app.control("world")
    return await _subscribe(app, wanted(resource=f"users/{world['mailboxes'][0]['user']}/messages"))


async def _subscribe(app: App, body: dict[str, Any]) -> dict[str, Any]:
    status, answer = await app.call("POST", "/v1.0/subscriptions", body)
    assert status == 201, answer
    made: dict[str, Any] = answer
    return made


async def _refusal(app: App, path: str, body: Any) -> str:
    async with app.session.post(f"{app.base}/_sim/{path}", json=body) as answer:
        said = await answer.json()
        assert answer.status == 400, said
        return str(said["error"])


async def test_a_message_is_posted_edited_liked_and_deleted(
    app: App, channels: dict[str, Any], receiver: Receiver
) -> None:
    posted = await app.control("post", {"where": "general", "text": "hello <you>", "from": "Megan Bowen"})
    assert posted["text"] == "hello <you>"
    assert [row["subscriptionId"] for row in posted["told"]] == [channels["id"]]
    named = {"resource": posted["resource"]}
    edited = await app.control("edit", named | {"text": "hello again"})
    liked = await app.control("react", named | {"reaction": "heart"})
    deleted = await app.control("delete", named)
    assert [each["deleted"] for each in (posted, edited, liked, deleted)] == [False, False, False, True]
    assert len({each["version"] for each in (posted, edited, liked, deleted)}) == 4
    await receiver.until(lambda: len(receiver.items) == 4)
    [item] = (await app.control("items"))["items"]
    assert item.keys() == {"id", "resource", "version", "deleted", "text", "container"}


async def test_a_reply_belongs_to_its_thread(app: App) -> None:
    first = await app.control("post", {"where": "General", "text": "question"})
    reply = await app.control("post", {"where": "General", "text": "answer", "replyTo": first["id"]})
    assert reply["resource"].startswith(f"{first['resource']}/replies(")


async def test_a_mail_is_moved_and_has_another_id_there(app: App, mailbox: dict[str, Any]) -> None:
    mail = await app.control("post", {"where": "adele.vance@contoso.com", "text": "hello", "subject": "Hi"})
    moved = await app.control("move", {"resource": mail["resource"], "folder": "archive"})
    assert moved["resource"] != mail["resource"]
    assert [row["changeType"] for row in moved["told"]] == ["deleted", "created"]
    assert {row["subscriptionId"] for row in moved["told"]} == {mailbox["id"]}


async def test_everything_that_can_be_subscribed_to_can_happen(app: App, graph: Simulator) -> None:
    for kind, change_type in ((name, each) for name in KINDS_OF_THINGS for each in _change_types(name)):
        asked = {"kind": kind, "changeType": change_type}
        async with app.session.post(f"{app.base}/_sim/happen", json=asked) as answer:
            said = await answer.json()
            assert answer.status == 202, (asked, said)
        entity = graph.world.find(said["resource"])
        assert entity is not None, asked
        assert entity.row.key == kind
        assert entity.reaches, f"somebody could have heard of {asked}"


def _change_types(kind: str) -> list[str]:
    return [each for each in ("created", "updated", "deleted") if each in by_key(kind).change_types]


async def test_a_sample_is_heard_with_its_data_and_what_was_asked_for_in_it(
    app: App, wanted: Wanted, rich: dict[str, Any], receiver: Receiver
) -> None:
    resource = "communications/onlineMeetings/getAllRecordings"
    await _subscribe(app, wanted(resource=resource, changeType="created", **rich))
    asked = {"kind": "call-recording", "ids": {"meeting": "a-meeting"}, "content": {"callId": "4711"}}
    happened = await app.control("happen", asked)
    await receiver.until(lambda: len(receiver.items) == 1)
    assert "a-meeting" in happened["resource"]
    assert receiver.items[0]["encryptedContent"]["data"]


def test_a_sample_is_there_for_every_row_that_the_tenant_does_not_make_and_for_no_other() -> None:
    assert set(samples()) <= set(KINDS_OF_THINGS)


async def test_every_forgery_can_be_asked_for(app: App, channels: dict[str, Any], receiver: Receiver) -> None:
    await app.control("post", {"where": "General", "text": "hello"})
    await receiver.until(lambda: len(receiver.bodies) == 1)
    for count, kind in enumerate(KINDS, start=2):
        forged = await app.control("forge", {"kind": kind, "subscriptionId": channels["id"]})
        assert forged == {"kind": kind, "says": KINDS[kind], "subscriptionId": channels["id"]}
        await receiver.until(lambda count=count: len(receiver.bodies) == count)
    assert (await app.control("tally"))["forged"] == dict.fromkeys(KINDS, 1)


async def test_a_forgery_without_a_pattern_says_what_to_do_first(app: App) -> None:
    assert "let something happen first" in await _refusal(app, "forge", {"kind": "tampered"})


async def test_lifecycle_notifications_are_sent_by_hand_even_those_that_graph_would_not_send(
    app: App, channels: dict[str, Any], receiver: Receiver
) -> None:
    named = {"subscriptionId": channels["id"]}
    await app.control("lifecycle", named | {"event": "reauthorizationRequired"})
    assert '"force": true' in await _refusal(app, "lifecycle", named | {"event": "missed"})
    await app.control("lifecycle", named | {"event": "missed", "force": True})
    await app.control("lifecycle", named | {"event": "subscriptionRemoved"})
    await receiver.until(lambda: len(receiver.items) == 3)
    events = {item["lifecycleEvent"] for item in receiver.items}
    assert events == {"reauthorizationRequired", "missed", "subscriptionRemoved"}
    assert (await app.call("GET", f"/v1.0/subscriptions/{channels['id']}"))[0] == 404


async def test_a_subscription_ends_when_it_is_told_to(
    app: App, channels: dict[str, Any], mailbox: dict[str, Any]
) -> None:
    assert await app.control("expire", {"subscriptionId": channels["id"]}) == {"expired": [channels["id"]]}
    assert (await app.call("GET", f"/v1.0/subscriptions/{channels['id']}"))[0] == 404
    assert await app.control("expire", {"all": True}) == {"expired": [mailbox["id"]]}
    assert (await app.control("subscriptions"))["subscriptions"] == []


async def test_endpoints_are_asked_to_echo_a_token_once_more(
    app: App, graph: Simulator, channels: dict[str, Any], wanted: Wanted, receiver: Receiver
) -> None:
    asked = {"subscriptionId": channels["id"]}
    answer = await app.control("handshake", asked)
    assert answer == asked | {"asked": [f"{receiver.url}/notifications", f"{receiver.url}/lifecycle"]}
    graph.knobs.turn({"handshake_failures": 1.0})
    refusal = await _refusal(app, "handshake", asked)
    assert refusal.startswith(f"{receiver.url}/notifications: Subscription validation request failed")
    graph.knobs.turn({"handshake_failures": 0.0, "handshake": "skip"})
    person = graph.world.people[0].id
    nowhere = {"notificationUrl": f"{receiver.url}/nowhere", "lifecycleNotificationUrl": None}
    made = await _subscribe(app, wanted(resource=f"users/{person}/contacts", **nowhere))
    graph.knobs.turn({"handshake": "once"})
    assert "HTTP status code is 'NotFound'" in await _refusal(app, "handshake", {"subscriptionId": made["id"]})
    assert [finding["rule"] for finding in graph.judge.printed()] == ["handshake-status"]


async def test_consent_is_withdrawn_and_given_again(app: App, channels: dict[str, Any]) -> None:
    later = (datetime.now(UTC) + timedelta(hours=3)).isoformat()  # noqa: TID251 - Graph compares with its own clock
    path, renewal = f"/v1.0/subscriptions/{channels['id']}", {"expirationDateTime": later}
    assert await app.control("revoke", {"appId": APP_ID}) == {"appId": APP_ID, "revoked": True, "told": 1}
    assert (await app.call("PATCH", path, renewal))[0] == 403
    await app.control("revoke", {"appId": APP_ID, "restore": True})
    assert (await app.call("PATCH", path, renewal))[0] == 200


async def test_an_outage_holds_everything_back_until_it_is_over(
    app: App, channels: dict[str, Any], receiver: Receiver
) -> None:
    assert channels["id"]
    await app.control("outage", {"seconds": 600})
    await app.control("post", {"where": "General", "text": "hello"})
    assert (await app.control("tally"))["pending"] == 1
    assert receiver.items == []
    await app.control("clock", {"advance": 601})
    await receiver.until(lambda: len(receiver.items) == 1)


async def test_a_storm_makes_as_many_changes_as_were_asked_for_and_not_two_at_once(app: App) -> None:
    await app.control("storm", {"changes": 40, "rate": 100})
    async with app.session.post(f"{app.base}/_sim/storm", json={}) as answer:
        assert answer.status == 409
    async with asyncio.timeout(DEADLINE):
        while (tally := await app.control("chatter"))["running"]:
            pass
    assert tally["changes"] >= 40


async def test_keys_are_rotated_under_both_names(app: App) -> None:
    kids = {(await app.control(path, {}))["kid"] for path in ("rotate-keys", "rotate-signing-keys")}
    assert len(kids) == 2


async def test_the_clock_is_moved_on_and_knobs_are_turned(app: App, graph: Simulator) -> None:
    before = await app.control("clock")
    after = await app.control("clock", {"advance": 3600})
    assert after["seconds"] >= before["seconds"] + 3600
    assert await app.control("knobs", {"duplicates": 0.5, "issuers": "v1"}) == {"duplicates": 0.5, "issuers": "v1"}
    assert (graph.knobs.duplicates, graph.knobs.issuers) == (0.5, "v1")
    rows = {row["name"]: row for row in (await app.control("knobs"))["knobs"]}
    assert rows["duplicates"]["value"] == 0.5
    assert rows["duplicates"]["default"] == 0.0
    assert rows.keys() == graph.knobs.printed().keys()


async def test_the_catalogue_says_of_everything_that_can_be_subscribed_to_what_graph_allows(app: App) -> None:
    told = {row["key"]: row for row in (await app.control("catalogue"))["catalogue"]}
    assert told.keys() == {row.key for row in CATALOGUE if row.paths}
    mail = told["message"]
    assert (mail["change_types"], mail["max_minutes"]) == (["created", "deleted", "updated"], 10_080)
    assert (mail["max_rich_minutes"], mail["latency_seconds"]) == (1_440, [60, 180])
    assert mail["permissions"][0] == "Mail.ReadBasic.All"
    assert all(row["source"].startswith("https://") and row["as_of"] for row in told.values())


WRONG = [
    ("post", {"where": "nowhere", "text": "hello"}, "General"),
    ("post", {"where": "General"}, "text must be a string"),
    ("post", {"where": "General", "text": "x", "wher": "y"}, "unknown: wher"),
    ("post", {"where": "General", "text": "x", "tenant": "nobody's"}, "tenant must be one of"),
    ("post", {"where": "General", "text": "x", "replyTo": "4711"}, "replyTo"),
    ("edit", {"resource": "teams/1", "text": "x"}, "that exists"),
    ("delete", {}, "resource must be a text"),
    ("react", {"resource": "users/adele.vance@contoso.com"}, "mail has no reactions"),
    ("move", {"resource": "users/adele.vance@contoso.com", "folder": "archive"}, "must name a mail"),
    ("happen", {"kind": "miracle"}, "call-recording"),
    ("happen", {"kind": "call-recording", "changeType": "deleted"}, "must be one of created"),
    ("happen", {"kind": "event", "ids": {"user": "nobody"}}, "nobody called nobody"),
    ("happen", {"kind": "event", "ids": {"galaxy": "1"}}, "unknown ids: galaxy"),
    ("happen", {"kind": "event", "ids": "x"}, "ids must be an object"),
    ("happen", {"kind": "event", "content": []}, "content must be an object"),
    ("forge", {"kind": "cheque"}, "wrong-client-state"),
    ("forge", {"kind": "tampered", "subscriptionId": "none"}, "live subscription"),
    ("lifecycle", {"subscriptionId": "none", "event": "missed"}, "live subscription"),
    ("handshake", {}, "live subscription"),
    ("revoke", {}, "appId must be a text"),
    ("expire", {}, '"all": true'),
    ("expire", {"all": "yes"}, "all must be true or false"),
    ("outage", {"seconds": "long"}, "seconds must be a number"),
    ("outage", {"seconds": -1}, "between 0 and"),
    ("storm", {"changes": 0}, "between 1 and"),
    ("clock", {"advance": True}, "advance must be a number"),
    ("clock", {"advance": 1e12}, "between 0 and"),
    ("knobs", {"duplicates": 2}, "between 0 and 1"),
    ("knobs", {"gravity": 1}, "unknown: gravity"),
    ("chatter", {"rate": 0}, "above 0"),
    ("play", {"name": "no such piece"}, "duplicate"),
    ("play", {"name": "edit", "loud": True}, "unknown: loud"),
    ("deliver", {}, "a body"),
    ("rotate-keys", {"forget": 1}, "forget must be true or false"),
    ("post", [], "must be a JSON object"),
]


async def test_a_wrong_request_is_told_what_would_be_right(app: App) -> None:
    for path, body, said in WRONG:
        assert said in await _refusal(app, path, body), (path, body)


async def test_what_is_no_json_is_refused_and_so_are_requests_from_other_web_pages(app: App) -> None:
    async with app.session.post(f"{app.base}/_sim/post", data=b"{" * 5000) as answer:
        assert answer.status == 400
        assert "not JSON" in (await answer.json())["error"]
    for headers in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}):
        async with app.session.get(f"{app.base}/_sim/world", headers=headers) as answer:
            assert answer.status == 403
    async with app.session.get(f"{app.base}/_sim/world", headers={"Origin": app.base}) as answer:
        assert answer.status == 200


async def test_nothing_that_the_controls_show_is_a_secret(
    app: App, wanted: Wanted, rich: dict[str, Any], receiver: Receiver
) -> None:
    url = f"{receiver.url}/notifications?code=a-key-in-the-url"
    await _subscribe(app, wanted(notificationUrl=url, clientState="a-client-state-4711", **rich))
    await app.control("post", {"where": "General", "text": "hello"})
    await receiver.until(lambda: len(receiver.items) == 1)
    paths = ("state", "subscriptions", "deliveries", "changes", "items", "judge", "health", "knobs", "world", "tally")
    shown = json.dumps([await app.control(path) for path in paths])
    for secret in ("a-client-state-4711", "a-key-in-the-url", receiver.bodies[0]["validationTokens"][0]):
        assert secret not in shown


@asynccontextmanager
async def _watching(app: App) -> AsyncIterator[asyncio.Queue[tuple[str, Any]]]:
    """Read the live events of one watcher into a queue."""
    heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def listen(response: aiohttp.ClientResponse) -> None:
        name = ""
        async for line in response.content:
            field, _, value = line.decode().strip().partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                heard.put_nowait((name, json.loads(value)))

    async with app.session.get(f"{app.base}/_sim/live") as response:
        assert response.content_type == "text/event-stream"
        listening = asyncio.create_task(listen(response))
        try:
            yield heard
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _next(heard: "asyncio.Queue[tuple[str, Any]]", name: str) -> Any:
    async with asyncio.timeout(DEADLINE):
        while True:
            found, said = await heard.get()
            if found == name:
                return said


async def test_whoever_watches_hears_what_happens_as_it_happens(
    app: App, channels: dict[str, Any], receiver: Receiver
) -> None:
    async with _watching(app) as heard:
        assert (await _next(heard, "subscriptions"))[0]["id"] == channels["id"]
        await app.control("post", {"where": "General", "text": "hello"})
        assert [row["text"] for row in (await _next(heard, "changes"))["rows"]] == ["hello"]
        attempts = await _next(heard, "attempts")
        assert [(row["status"], row["items"]) for row in attempts["rows"]] == [(202, 1)]
        receiver.bodies.clear()
        await app.control("lifecycle", {"subscriptionId": channels["id"], "event": "reauthorizationRequired"})
        assert [row["event"] for row in (await _next(heard, "lifecycle"))["rows"]] == ["reauthorizationRequired"]
        await app.control("knobs", {"casing": 1.0})
        knobs = {row["name"]: row["value"] for row in await _next(heard, "knobs")}
        assert knobs["casing"] == 1.0
        assert (await _next(heard, "clock"))["scale"] == 1.0


async def test_a_storm_is_told_in_few_events_that_say_how_much_they_leave_out(
    app: App, channels: dict[str, Any], graph: Simulator
) -> None:
    async with _watching(app) as heard:
        assert channels["id"]
        await app.control("storm", {"changes": 600, "rate": 3000})
        told = await _next(heard, "changes")
        while told["count"] < 100:
            told = await _next(heard, "changes")
        assert len(told["rows"]) <= 60
    assert graph.publisher.truths


async def test_nothing_runs_while_nobody_watches_and_watchers_do_not_keep_the_simulator_from_stopping(
    app: App, graph: Simulator
) -> None:
    async with _watching(app) as heard:
        await _next(heard, "clock")
        assert len(graph.courier.on_attempt) == 1
    async with asyncio.timeout(DEADLINE):
        while graph.courier.on_attempt:
            await app.control("clock")
    async with asyncio.timeout(DEADLINE):
        async with Simulator(seed=2) as other, aiohttp.ClientSession() as http:
            response = await http.get(f"{other.http_url}/_sim/live")
            await response.content.readline()
        response.close()


async def test_the_repertoire_is_played_at_the_push_of_a_button(
    app: App, channels: dict[str, Any], receiver: Receiver
) -> None:
    assert channels["id"]
    entries = (await app.control("repertoire"))["repertoire"]
    assert {"name", "title", "why", "source", "good", "judge", "steps", "group"} == entries[0].keys()
    played = await app.control("play", {"name": "edit"})
    assert played["ok"]
    assert [step["status"] for step in played["steps"]] == [202, 202]
    await receiver.until(lambda: len(receiver.items) == 2)
    assert "create one first" in await _refusal(app, "play", {"name": "missed"})


async def test_the_page_and_its_files_are_there(app: App) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/_sim/page.js", "text/javascript"),
        ("/_sim/chart.js", "text/javascript"),
        ("/_sim/page.css", "text/css"),
    ):
        async with app.session.get(f"{app.base}{path}") as answer:
            assert (answer.status, answer.content_type) == (200, kind)
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


async def test_several_tenants_are_shown_apart() -> None:
    async with Simulator(tenants=("one", "two")) as graph, aiohttp.ClientSession() as http:
        async with http.get(f"{graph.http_url}/_sim/world?tenant=two") as answer:
            world = await answer.json()
        assert (world["tenant"], world["tenants"]) == ("two", ["one", "two"])
        body = {"where": "General", "text": "hello", "tenant": "two"}
        async with http.post(f"{graph.http_url}/_sim/post", json=body) as answer:
            assert world["team"] in (await answer.json())["resource"]
        async with http.get(f"{graph.http_url}/_sim/world?tenant=three") as answer:
            assert answer.status == 400
