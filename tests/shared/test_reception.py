"""Receiving deliveries: handshakes, storage that is away, signing keys that are new, and the one line in the log."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.storage_health import StorageHealth
from shared.token_check import IN_REQUEST_BUDGET
from tests import builders
from tests.builders import AUTHORITY, NOW, Authority, lifecycle_notification, notification, rich_notification
from tests.stand import Stand

MakeStand = Callable[..., Stand]
NEWER = Authority(kids=("kid-1", "kid-2"))


def test_a_handshake_is_repeated(stand: MakeStand) -> None:
    reply = stand().reception.shake_hands("a token: with spaces & <tags>")

    assert (reply.status, reply.body) == (200, "a token: with spaces & <tags>")


@pytest.mark.parametrize("token", ["", "x" * 4097, "a\nb"])
def test_a_handshake_that_is_none_is_a_bad_request_and_is_not_repeated(stand: MakeStand, token: str) -> None:
    reply = stand().reception.shake_hands(token)

    assert reply.status == 400
    assert not token or token not in reply.body


async def test_a_delivery_is_answered_with_what_has_to_be_kept(stand: MakeStand) -> None:
    app = stand()
    reply = await app.reception.receive(builders.body(notification(), lifecycle_notification(), None))

    assert (reply.status, reply.body, len(reply.envelopes), len(reply.work)) == (202, "", 1, 1)


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"{}", 400), (b'{"value":[]}', 202), (b" " * 1001, 413)])
async def test_a_body_that_is_none_has_its_status(stand: MakeStand, body: bytes, status: int) -> None:
    app = stand(policy=builders.policy(max_body_bytes=1000))

    assert (await app.reception.receive(body)).status == status


async def test_while_storage_is_away_deliveries_are_turned_away_at_once(stand: MakeStand) -> None:
    app = stand()
    app.storage_health.note_failure(NOW)

    assert (await app.reception.receive(builders.body(notification()))).status == 503
    app.now += timedelta(seconds=4)
    assert (await app.reception.receive(builders.body(notification()))).status == 202


async def test_a_payload_that_cannot_be_kept_turns_the_delivery_away_whole(stand: MakeStand) -> None:
    app = stand()
    app.outage.away = True
    reply = await app.reception.receive(builders.body(notification(), notification(odd="x" * 70_000)))

    assert (reply.status, reply.envelopes) == (503, ())


async def test_payloads_are_kept_before_the_answer(stand: MakeStand) -> None:
    app = stand()
    reply = await app.reception.receive(builders.body(notification(odd="x" * 70_000)))
    [item] = json.loads(reply.envelopes[0])["items"]

    assert json.loads(app.payloads.blobs[item["payload"]])["odd"] == "x" * 70_000


async def test_an_unknown_signing_key_is_fetched_within_the_request(stand: MakeStand) -> None:
    app = stand()
    app.now += timedelta(seconds=1)
    app.signing_keys.keys = NEWER.keys(fetched=app.now)
    reply = await app.receive(rich_notification(), tokens=[NEWER.token(kid="kid-2")])

    assert '"checked":true' in reply.envelopes[0]
    assert app.signing_keys.fetches == 1
    assert timedelta(milliseconds=500) == IN_REQUEST_BUDGET


async def test_keys_that_cannot_be_had_leave_the_item_unchecked(stand: MakeStand) -> None:
    app = stand(authority=None)
    reply = await app.receive(rich_notification(), tokens=[AUTHORITY.token()])

    assert (reply.status, '"checked":false' in reply.envelopes[0]) == (202, True)


async def test_keys_are_fetched_for_nobody_who_does_not_know_a_client_state(stand: MakeStand) -> None:
    app = stand(authority=None)
    await app.receive(rich_notification(clientState="forged"), tokens=[AUTHORITY.token()])

    assert app.signing_keys.fetches == 0


async def test_keys_that_nobody_confirmed_for_a_day_are_not_trusted(stand: MakeStand) -> None:
    app = stand()
    app.now += timedelta(hours=24, seconds=1)
    reply = await app.receive(rich_notification(), tokens=[AUTHORITY.token(exp=app.now.timestamp() + 3600)])

    assert app.signing_keys.fetches == 1
    assert '"checked":false' in reply.envelopes[0]


async def test_a_delivery_is_one_line(stand: MakeStand, caplog: pytest.LogCaptureFixture) -> None:
    app = stand()
    with caplog.at_level(logging.INFO):
        await app.receive(notification(), lifecycle_notification(), None, notification(clientState="forged"))

    size = len(builders.body(notification(), lifecycle_notification(), None, notification(clientState="forged")))
    assert caplog.messages == [
        (
            f"delivery id=id1 status=202 bytes={size} accepted=2 lifecycle=1 unchecked=0 envelopes=1 "
            "refused=clientState:1,malformed:1"
        )
    ]
    assert caplog.records[0].levelname == "WARNING"


@pytest.mark.parametrize(("items", "level"), [([notification()], "INFO"), ([None], "WARNING"), (["x" * 5000], "ERROR")])
async def test_a_loss_is_an_error_and_a_refusal_a_warning(
    stand: MakeStand, caplog: pytest.LogCaptureFixture, items: list[object], level: str
) -> None:
    app = stand(policy=builders.policy(max_body_bytes=4000))
    with caplog.at_level(logging.INFO):
        await app.receive(*items)

    assert [record.levelname for record in caplog.records] == [level]


def test_storage_is_taken_for_away_for_a_few_seconds_after_a_failure() -> None:
    health = StorageHealth()
    assert not health.is_failing(NOW)
    health.note_failure(NOW)
    assert health.is_failing(NOW + timedelta(seconds=2))
    assert not health.is_failing(NOW + timedelta(seconds=3))
    health.note_failure(NOW)
    health.note_success()
    assert not health.is_failing(NOW)
