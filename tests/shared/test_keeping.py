"""Keeping what is left: delays with jitter, attempts that end, dead letters that can be redriven."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.envelope import Envelope, Item, write_envelope
from shared.work import Dead, Dropped, Ending, Retry, Work
from tests.builders import NOW, notification
from tests.stand import Stand

MakeStand = Callable[..., Stand]
ITEM = Item(item_id="i", notification=notification())
RETRY = Retry(error="e", owed=("feed",))


async def keep(app: Stand, item: Item, *endings: Ending) -> Work:
    work = Work(item=item, endings=list(endings))
    await app.keeping.keep(work, Envelope(via="eventhub", received=NOW - timedelta(hours=1), items=(item,)))
    return work


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 4), (0.5, 5), (1.0, 6)])
async def test_an_item_goes_back_with_jitter(stand: MakeStand, chance: float, seconds: int) -> None:
    app = stand(chance=chance)
    await keep(app, ITEM, RETRY)

    assert app.waiting() == [(timedelta(seconds=seconds), replace(ITEM, attempt=2, owed=("feed",)))]


async def test_when_it_was_received_never_changes(stand: MakeStand) -> None:
    app = stand()
    await keep(app, ITEM, RETRY)

    assert json.loads(app.queue.texts[0])["received"] == "2026-11-20T11:00:00Z"
    assert json.loads(app.queue.texts[0])["via"] == "eventhub"


async def test_waiting_for_another_spends_no_attempt_however_often(stand: MakeStand) -> None:
    app = stand()
    await keep(app, replace(ITEM, attempt=12), replace(RETRY, spends=False, after=timedelta(seconds=9)))

    assert app.waiting() == [(timedelta(seconds=9), replace(ITEM, attempt=12, owed=("feed",)))]


async def test_the_last_attempt_ends_among_the_dead_letters(stand: MakeStand) -> None:
    app = stand()
    work = await keep(app, replace(ITEM, attempt=12), RETRY)

    assert work.endings == [Dead(reason="attempts exhausted", error="e", owed=("feed",))]
    assert (app.waiting(), len(app.dead_letters.texts)) == ([], 1)


async def test_an_item_may_go_both_ways(stand: MakeStand) -> None:
    app = stand()
    await keep(app, ITEM, Dead(reason="dlp gave up", error="e", owed=("dlp",)), RETRY)

    assert [item.owed for _, item in app.waiting()] == [("feed",)]
    assert [json.loads(text)["items"][0]["owed"] for text in app.dead_letters.texts] == [["dlp"]]


async def test_what_ended_well_is_kept_nowhere(stand: MakeStand) -> None:
    app = stand()
    await keep(app, ITEM, Dropped(why="handled"))

    assert (app.queue.texts, app.dead_letters.texts) == ([], [])


async def test_a_split_message_keeps_everything_but_its_company(stand: MakeStand) -> None:
    app = stand()
    envelope = Envelope(via="delta", received=NOW, items=(ITEM, replace(ITEM, item_id="j", attempt=3)))
    await app.keeping.split(envelope)

    assert app.queue.texts == [write_envelope(replace(envelope, items=(item,))) for item in envelope.items]
