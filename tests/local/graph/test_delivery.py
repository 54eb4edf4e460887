import json
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from local.graph.delivery.tally import Tally
from local.graph.simulator import Simulator
from local.graph.tenant import acts
from tests.local.graph.stand import App, Receiver, Wanted


async def test_a_body_that_was_not_acknowledged_comes_again_whole_and_unchanged(
    app: App, wanted: Wanted, receiver: Receiver
) -> None:
    await app.call("POST", "/v1.0/subscriptions", wanted())
    receiver.answers = [web.Response(status=503), web.Response(status=400), web.Response(status=302), web.Response()]
    await app.control("post", {"where": "General", "text": "persistent"})
    await receiver.until(lambda: len(receiver.bodies) == 4)
    assert len({json.dumps(body) for body in receiver.bodies}) == 1
    attempts = (await app.control("deliveries"))["deliveries"]
    assert [(each["attempt"], each["status"]) for each in attempts] == [(1, 503), (2, 400), (3, 302), (4, 200)]
    assert (await app.control("changes"))["changes"][0]["acknowledged"]
    findings = await app.control("judge")
    assert [finding["rule"] for finding in findings] == ["failed", "good-batch-refused", "redirect"]
    assert all(finding["page"].startswith("https://learn.microsoft.com/") for finding in findings)


async def test_a_receiver_that_is_late_is_counted_and_asked_again(
    app: App, wanted: Wanted, receiver: Receiver, graph: Simulator
) -> None:
    await app.call("POST", "/v1.0/subscriptions", wanted())
    receiver.delay = 3.2
    await app.control("chatter", {"rate": 10, "seconds": 0.1, "mail": 0, "duplicates": 0, "forged": 0})
    await receiver.until(lambda: graph.chatter.tally.late == 1)
    receiver.delay = 0
    await receiver.until(lambda: graph.chatter.tally.pending == 0)
    tally = await app.control("chatter")
    assert (tally["late"], tally["acknowledged"], tally["statuses"]) == (1, 1, {"202": 1, "timeout": 1})
    assert [finding["rule"] for finding in await app.control("judge")] == ["late"]


async def test_an_answer_that_shows_a_secret_is_noticed_but_not_repeated_to_anyone(
    app: App, wanted: Wanted, receiver: Receiver
) -> None:
    await app.call("POST", "/v1.0/subscriptions", wanted())
    receiver.answers = [web.Response(text="I know that it is our secret")]
    await app.control("post", {"where": "General", "text": "x"})
    await receiver.until(lambda: not receiver.answers)
    findings = await app.control("judge")
    assert [finding["rule"] for finding in findings] == ["secret"]
    assert "our secret" not in json.dumps(findings)


async def test_tenants_that_use_one_url_share_a_body_with_a_token_for_each(
    wanted: Wanted, receiver: Receiver, rich: dict[str, Any]
) -> None:
    tenants = ("11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002")
    async with Simulator(tenants=tenants) as graph, aiohttp.ClientSession() as session:
        told = []
        for tenant in tenants:
            token = graph.authority.access_token(audience=graph.http_url, app_id="a", tenant_id=tenant, roles=[])
            status, _ = await App(session, graph.http_url, token).call("POST", "/v1.0/subscriptions", wanted(**rich))
            assert status == 201
            world = graph.worlds[tenant]
            place = world.places[0]
            told += graph.publisher.notices(acts.post(world, place, "x", author=place.people[0]))
        graph.publisher.post(told, Tally())
        await receiver.until(lambda: len(receiver.bodies) == 1)
    (body,) = receiver.bodies
    assert [item["tenantId"] for item in body["value"]] == list(tenants)
    claims = [jwt.decode(token, options={"verify_signature": False}) for token in body["validationTokens"]]
    assert [each["tid"] for each in claims] == list(tenants)


async def test_duplicates_and_forgeries_are_counted_and_never_part_of_the_truth(
    app: App, wanted: Wanted, receiver: Receiver, graph: Simulator, rich: dict[str, Any]
) -> None:
    for changes in ({}, {"resource": f"users/{graph.world.people[0].id}/messages"}):
        assert (await app.call("POST", "/v1.0/subscriptions", wanted(**changes, **({} if changes else rich))))[0] == 201
    plan = {"rate": 400, "seconds": 1, "duplicates": 0.2, "forged": 0.3, "body_max": 10}
    status = await app.control("chatter", plan)
    assert status["running"]
    await receiver.until(lambda: not graph.chatter.tally.running and graph.chatter.tally.pending == 0)
    tally = await app.control("chatter")
    truth = (await app.control("changes"))["changes"]
    assert tally["changes"] == 400
    assert tally["sent"] == tally["acknowledged"] == len(truth)
    assert all(row["acknowledged"] for row in truth)
    assert tally["duplicates"] > 20
    assert len(receiver.items) == tally["sent"] + tally["duplicates"] + sum(tally["forged"].values())
    assert len(receiver.bodies) == tally["bodies"]
    assert set(tally["forged"]) == {
        "foreign-tenant",
        "other-client-state",
        "wrong-mac",
        "tampered",
        "token:audience",
        "token:expired",
        "token:publisher",
        "token:signature",
        "wrong-client-state",
    }
    told = {row["resource"] for row in truth}
    forged = [item for item in receiver.items if "FORGED" in item["resource"]]
    assert len(forged) == sum(tally["forged"].values())
    assert {item["resource"] for item in receiver.items} - {item["resource"] for item in forged} == told
    printed = [json.dumps(item) for item in receiver.items]
    assert len(printed) - len(set(printed)) >= tally["duplicates"]
    assert tally["ack_ms"]["p50"] <= tally["ack_ms"]["p99"] <= tally["ack_ms"]["max"]


async def test_a_senseless_plan_is_refused_and_so_is_a_second_run(app: App) -> None:
    for plan in (
        {"rate": 0},
        {"speed": 1},
        {"rate": "fast"},
        {"edit": 0.8, "delete": 0.3},
        {"body_min": 5, "body_max": 2},
    ):
        assert set(await app.control("chatter", plan)) == {"error"}
    assert (await app.control("chatter", {"rate": 1, "seconds": 60}))["running"]
    assert (await app.control("chatter", {"rate": 1, "seconds": 60})).keys() == {"error"}


async def test_any_body_can_be_delivered_by_hand(app: App, wanted: Wanted, receiver: Receiver) -> None:
    await app.call("POST", "/v1.0/subscriptions", wanted())
    answer = await app.control("deliver", {"body": {"value": []}})
    assert (answer["status"], answer["ms"] > 0) == (202, True)
    answer = await app.control("deliver", {"url": f"{receiver.url}/nowhere", "body": "not json"})
    assert answer["status"] == 404
    assert receiver.bodies == [{"value": []}]
