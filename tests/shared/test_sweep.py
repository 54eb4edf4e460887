"""The sweep: poison of the host becomes dead letters of ours, old periods go, and nothing is done twice."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.envelope import Envelope, Item, write_dead_letter, write_envelope
from shared.errors import StorageError
from tests.builders import NOW, notification
from tests.stand import Stand

MakeStand = Callable[..., Stand]
ITEMS = tuple(Item(item_id=f"i-{number}", notification=notification(str(number)), attempt=4) for number in range(2))
POISON = write_envelope(Envelope(via="webhook", received=NOW - timedelta(hours=2), items=ITEMS))
OURS = write_dead_letter(ITEMS[0], via="webhook", reason="r", error="e", first_seen=NOW, last_tried=NOW)


async def test_a_poisoned_envelope_becomes_one_dead_letter_an_item(stand: MakeStand) -> None:
    app = stand()
    await app.dead_letters.put(POISON)
    await app.sweep.sweep()
    letters = [json.loads(text) for text in app.dead_letters.texts]

    assert [letter["items"][0]["itemId"] for letter in letters] == ["i-0", "i-1"]
    assert {(letter["reason"], letter["via"], letter["attempts"]) for letter in letters} == {
        ("host poison", "webhook", 4)
    }
    assert {letter["firstSeen"] for letter in letters} == {"2026-11-20T10:00:00Z"}


async def test_dead_letters_of_ours_are_left_alone(stand: MakeStand) -> None:
    app = stand()
    await app.dead_letters.put(OURS)
    await app.sweep.sweep()

    assert app.dead_letters.texts == [OURS]


@pytest.mark.parametrize("text", ["", "garbage", '{"earshot":1,"via":"webhook","items":[{"itemId":"a"}]}', "ünlesbar"])
async def test_poison_that_is_no_envelope_is_kept_as_unreadable(stand: MakeStand, text: str) -> None:
    app = stand()
    await app.dead_letters.put(text)
    await app.sweep.sweep()
    [letter] = [json.loads(each) for each in app.dead_letters.texts]

    assert (letter["reason"], letter["attempts"]) == ("unreadable", 1)


async def test_a_long_queue_is_swept_in_one_go(stand: MakeStand) -> None:
    app = stand()
    for _ in range(100):
        await app.dead_letters.put(POISON)
    await app.sweep.sweep()

    assert len(app.dead_letters.texts) == 200


async def test_sweeping_again_finds_nothing_to_do(stand: MakeStand) -> None:
    app = stand()
    await app.dead_letters.put(POISON)
    await app.sweep.sweep()
    before = app.dead_letters.texts
    app.now += timedelta(minutes=10)
    await app.sweep.sweep()

    assert app.dead_letters.texts == before


async def test_old_periods_of_the_ledger_are_dropped(stand: MakeStand) -> None:
    app = stand()
    for days in (0, 8, 16, 24):
        period = app.ledger.period(NOW + timedelta(days=days))
        await app.ledger_store.put(period, "p", ())
    app.now += timedelta(days=24)
    await app.sweep.sweep()

    assert len(app.ledger_store.periods) == 2


async def test_a_sweep_without_storage_fails_and_loses_nothing(stand: MakeStand) -> None:
    app = stand()
    await app.dead_letters.put(POISON)
    app.outage.away = True
    with pytest.raises(StorageError):
        await app.sweep.sweep()
    app.outage.away = False

    assert app.dead_letters.texts == [POISON]
