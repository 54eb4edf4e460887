"""The sink takes what is signed as the Standard Webhooks page says, and nothing else."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from local.demo.sink import Sink
from local.keys.material import make_signing_key

BODY = json.dumps({"id": "1", "type": "Microsoft.Graph.ChatMessage.created", "data": {}}).encode()
ALERT = json.dumps({"id": "2", "type": "Earshot.Dlp.Finding", "data": {}}).encode()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    made = Sink(secret=make_signing_key())
    await made.start()
    yield made
    await made.stop()


def signed(sink: Sink, body: bytes = BODY, *, seconds_ago: int = 0) -> dict[str, str]:
    stamp = str(int(time.time()) - seconds_ago)
    key = base64.b64decode(sink.secret.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.digest(key, b"msg." + stamp.encode() + b"." + body, hashlib.sha256)).decode()
    return {"webhook-id": "msg", "webhook-timestamp": stamp, "webhook-signature": f"v1,AAAA v1,{mac}"}


async def post(sink: Sink, headers: Mapping[str, str], body: bytes = BODY) -> int:
    async with aiohttp.ClientSession() as session, session.post(sink.url, data=body, headers=headers) as answer:
        return answer.status


async def test_what_is_signed_is_kept_with_the_time_it_came(sink: Sink) -> None:
    assert await post(sink, signed(sink)) == 204
    [received] = sink.received
    assert received.event == json.loads(BODY)
    assert abs(received.at - time.time()) < 5


async def test_what_tells_of_no_change_is_kept_apart(sink: Sink) -> None:
    for body in (ALERT, BODY):
        assert await post(sink, signed(sink, body), body) == 204

    assert [each.event["id"] for each in sink.alerts] == ["2"]
    assert [each.event["id"] for each in sink.received] == ["1"]


async def test_what_is_not_signed_by_this_key_now_for_this_body_is_refused(sink: Sink) -> None:
    stranger = Sink(secret=make_signing_key())

    assert await post(sink, {}) == 401
    assert await post(sink, signed(stranger)) == 401
    assert await post(sink, signed(sink, b"another")) == 401
    assert await post(sink, signed(sink, seconds_ago=400)) == 401
    assert (sink.received, sink.refused) == ([], 4)
