"""What strangers and Graph send to the two routes, through the real host: every answer is one that Graph understands."""

import io
import json
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from yarl import URL

from local.demo.stage import Stage, set_up
from tests.scenarios.acting import (
    KNOWN_CLIENT_STATE_KEY,
    arrival,
    deliver,
    events_of,
    mail_notification,
    say,
    subscription,
)

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

ROUTES = ("notifications", "lifecycle")
LARGEST_BODY = 32 * 1024 * 1024
DEEP = '{"value":' + "[" * 50_000 + "]" * 50_000 + "}"

HOSTILE: tuple[tuple[bytes, int], ...] = (
    (b"", 400),
    (b"\x00", 400),
    (b"\xff\xfe\x00{", 400),
    (b"null", 400),
    (b"[]", 400),
    (b"{}", 400),
    (b'{"value":', 400),
    (b'{"value": null}', 400),
    (b'{"value": 7}', 400),
    (b"NaN", 400),
    (b'"' * 100_000, 400),
    (b"[" * 100_000, 400),
    (DEEP.encode(), 400),
    (b'{"value": []}', 202),
    (b'{"value": [null, 1, "x", [], {}]}', 202),
    (b'{"value": [{"clientState": 7, "tenantId": [], "resource": {}}]}', 202),
    (b'{"value": [{"clientState": "\\ud800", "tenantId": "\\udfff"}], "validationTokens": ["\\ud800"]}', 202),
    (b'{"value": [], "validationTokens": "x"}', 202),
    (b'{"value": [{}], "validationTokens": [null, "", "a.b.c", ".", "\\u0000"]}', 202),
    (b'\xef\xbb\xbf{"value": []}', 202),
)
"""Bodies, and the answer: 400 for what is no collection, 202 for a collection in which nothing is worth keeping."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with set_up(tmp_path_factory.mktemp("stage"), extra=KNOWN_CLIENT_STATE_KEY) as made:
        yield made


async def post(stage: Stage, route: str, body: bytes) -> tuple[int, bytes]:
    async with stage.http.post(f"{stage.host_url}/api/{route}", data=io.BytesIO(body)) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "token",
    ["Validation: Testing client application reachability for subscription Request-Id: 1", "ü & <b> +%", "a" * 4096],
)
async def test_a_handshake_repeats_the_decoded_token_and_nothing_else(stage: Stage, route: str, token: str) -> None:
    url = f"{stage.host_url}/api/{route}?validationToken={quote(token)}"
    async with stage.http.post(URL(url, encoded=True)) as answer:
        assert (answer.status, await answer.text()) == (200, token)
        assert answer.content_type == "text/plain"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("token", ["", "a" * 4097, "%0D%0ASet-Cookie:%20a=b", "%00", "%7F"])
async def test_a_handshake_with_what_must_not_be_repeated_is_refused(stage: Stage, route: str, token: str) -> None:
    url = f"{stage.host_url}/api/{route}?validationToken={token}"
    async with stage.http.post(URL(url, encoded=True)) as answer:
        assert answer.status == 400
        assert token[:20].encode() not in await answer.read() or not token


@pytest.mark.parametrize("route", ROUTES)
async def test_no_body_makes_the_app_fail(stage: Stage, route: str) -> None:
    answers = [(body[:60], *await post(stage, route, body)) for body, _ in HOSTILE]

    assert [(body, status) for body, status, _ in answers] == [(body[:60], status) for body, status in HOSTILE]
    assert {said for _, _, said in answers} == {b""}, "nobody learns from the answer what was wrong"


async def test_whatever_bytes_arrive_there_is_an_answer(stage: Stage) -> None:
    """A good body with random damage: never a 5xx, which would have Graph send it for four hours."""
    dice = random.Random(11)  # noqa: S311 - damage, not secrets
    row = await subscription(stage, "mailbox-1")
    good = json.dumps({"value": [mail_notification(stage, row, "damaged")], "validationTokens": ["a.b.c"]}).encode()
    statuses = set()
    for _ in range(150):
        damaged = bytearray(good)
        for _ in range(dice.randint(1, 6)):
            place = dice.randrange(len(damaged))
            damaged[place : place + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
        statuses.add((await post(stage, dice.choice(ROUTES), bytes(damaged)))[0])

    assert statuses <= {202, 400}


async def test_one_bad_item_does_not_cost_its_sibling(stage: Stage) -> None:
    row = await subscription(stage, "mailbox-1")
    good = mail_notification(stage, row, "good")
    forged = mail_notification(stage, row, "forged") | {"clientState": good["clientState"][:-1] + "_"}
    assert (await deliver(stage, {"value": [None, forged, good]}))["status"] == 202
    await arrival(stage, good["resource"])

    assert events_of(stage, forged["resource"]) == []


async def test_notifications_are_taken_on_the_lifecycle_route_too(stage: Stage) -> None:
    row = await subscription(stage, "mailbox-1")
    notification = mail_notification(stage, row, "by-the-other-door")
    assert (await deliver(stage, {"value": [notification]}, "lifecycle"))["status"] == 202
    await arrival(stage, notification["resource"])


async def test_a_rich_message_too_large_for_the_queue_arrives_by_claim_check(stage: Stage) -> None:
    text = "x" * 300_000 + " the end"
    event = await arrival(stage, (await say(stage, text))["resource"])

    assert event["data"]["content"]["body"]["content"] == f"<p>{text}</p>"


async def test_thirty_two_megabytes_are_taken_and_one_byte_more_is_413(stage: Stage) -> None:
    row = await subscription(stage, "mailbox-1")
    notification: dict[str, Any] = mail_notification(stage, row, "large")
    body = json.dumps({"value": [notification]}).encode()
    padded = body + b" " * (LARGEST_BODY - len(body))

    assert (await post(stage, "notifications", padded))[0] == 202
    await arrival(stage, notification["resource"])
    assert (await post(stage, "notifications", padded + b" "))[0] == 413
    assert len(events_of(stage, notification["resource"])) == 1
