"""Batches of events on memory adapters: every item comes to an ending, and no item keeps those behind it waiting."""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory import MemoryQueue, Outage
from shared.change import Change
from shared.envelope import LARGEST_ENVELOPE
from shared.errors import GiveUp, StorageError
from shared.ports import HubMark
from shared.pull import Pull
from shared.pull_intake import HubEvent
from tests.builders import (
    hub_event,
    lifecycle_notification,
    message_content,
    notification,
    probe,
    rich_notification,
)
from tests.stand import Handler, Stand

MakeStand = Callable[..., Stand]


def letters(stand: Stand) -> list[dict[str, Any]]:
    return [json.loads(text) for text in stand.dead_letters.texts]


def versions(handler: Handler) -> list[str]:
    return sorted(change.resource.path.rpartition("/")[2] for change in handler.changes)


def large(message: str, size: int = 70_000) -> dict[str, Any]:
    return notification(message, odd="x" * size)


# -- the good way ------------------------------------------------------------------------------------------------------


async def test_the_changes_of_a_batch_are_handled_here(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.pull.take([hub_event(notification("7"), rich_notification("8")), hub_event(probe(), number=1)])

    assert [change.content for change in feed.changes] == [None, message_content("8")]
    assert {change.via for change in feed.changes} == {"eventhub"}
    assert (app.queue.texts, app.dead_letters.texts, app.work.texts) == ([], [], [])


async def test_a_change_was_received_when_its_oldest_neighbour_reached_the_hub(stand: MakeStand) -> None:
    feed = Handler("feed")
    await stand(feed).pull.take([hub_event(notification(str(n)), number=n) for n in (5, 4, 6)])

    assert {change.received for change in feed.changes} == {hub_event(number=4).enqueued}


async def test_one_change_over_hub_and_webhook_is_handled_once(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.pull.take([hub_event(notification("7"))])
    await app.receive(notification("7"))
    await app.run()

    assert len(feed.changes) == 1


async def test_lifecycle_events_go_to_their_queue(stand: MakeStand) -> None:
    app = stand(Handler("feed"))
    await app.pull.take([hub_event(lifecycle_notification("missed"), notification())])

    assert [json.loads(text)["lifecycleEvent"] for text in app.work.texts] == ["missed"]


async def test_a_batch_of_nothing_asks_nobody_anything(stand: MakeStand) -> None:
    app = stand()
    app.outage.away = True
    await app.pull.take([])

    assert app.marks.asked == {"read": 0, "save": 0}


async def test_the_ledger_is_paid_by_the_hundred(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    events = [hub_event(*(notification(f"{n}-{m}") for m in range(70)), number=n) for n in range(5)]
    claims: list[int] = []
    kept = app.ledger_store

    async def create(period: str, partition: str, rows: Sequence[Any]) -> Any:
        claims.append(len(rows))
        return await kept.create(period, partition, rows)

    app.ledger_store = Wrapped(kept, create=create)  # type: ignore[assignment]
    await app.pull.take(events)

    assert sorted(claims) == [50, 100, 100, 100]
    assert len(feed.changes) == 350


async def test_handling_goes_on_side_by_side_but_not_without_bound(stand: MakeStand) -> None:
    running, most = 0, 0

    async def busy(_change: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= 1

    feed = Handler("feed", troubles=[busy] * 1000)
    await stand(feed).pull.take([hub_event(notification(str(n)), number=n) for n in range(1000)])

    assert len(feed.changes) == 1000
    assert 100 < most <= 300


async def test_an_event_of_a_great_many_items_does_not_hold_up_the_loop(stand: MakeStand) -> None:
    """It is read in a thread: others have their turns meanwhile."""
    app = stand()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.ensure_future(others())
    raw = b'{"value":[' + b",".join([b"0"] * 300_000) + b"]}"
    await app.pull.take([hub_event(raw=raw)])
    waiting.cancel()

    assert turns > 10


# -- failures that cost nobody else ------------------------------------------------------------------------------------


async def test_a_failing_item_goes_alone_to_the_queue(stand: MakeStand) -> None:
    feed = Handler("feed", troubles=[ValueError()])
    app = stand(feed)
    await app.pull.take([hub_event(notification("7"), notification("8")), hub_event(notification("9"), number=1)])
    [(delay, waiting)] = app.waiting()

    assert len(feed.changes) == 2
    assert (delay, waiting.attempt, waiting.owed) == (timedelta(seconds=5), 2, ("feed",))
    await app.run()
    assert versions(feed) == ["7", "8", "9"]
    assert {change.via for change in feed.changes} == {"eventhub"}
    assert {change.received for change in feed.changes} == {hub_event().enqueued}


async def test_a_poison_every_tenth_ends_among_the_dead_letters_and_all_others_are_handled(stand: MakeStand) -> None:
    async def judge(change: Change) -> None:
        if change.resource.path.endswith("0"):
            raise GiveUp("poison")

    feed = Handler("feed", troubles=[judge] * 100)
    app = stand(feed)
    await app.pull.take([hub_event(notification(str(n)), number=n) for n in range(100)])

    assert len(feed.changes) == 90
    assert len(letters(app)) == 10
    assert {letter["via"] for letter in letters(app)} == {"eventhub"}
    assert app.queue.texts == []


@pytest.mark.parametrize("size", [70_000, 900_000])
async def test_a_large_item_that_fails_waits_with_a_claim_check(stand: MakeStand, size: int) -> None:
    feed = Handler("feed", troubles=[ValueError()])
    app = stand(feed)
    await app.pull.take([hub_event(large("7", size))])
    [(_, waiting)] = app.waiting()
    await app.run()

    assert waiting.notification is None
    assert [len(text) < LARGEST_ENVELOPE for text in app.queue.texts] == []
    assert feed.changes[0].notification["odd"] == "x" * size


async def test_a_large_item_that_dies_keeps_its_payload_where_nothing_ages_out(stand: MakeStand) -> None:
    app = stand(Handler("feed", troubles=[GiveUp("no")]))
    await app.pull.take([hub_event(large("7"))])
    [letter] = letters(app)
    name = letter["items"][0]["payload"]

    assert name.startswith("dead/")
    assert json.loads(app.payloads.blobs[name])["odd"] == "x" * 70_000


@pytest.mark.parametrize("raw", [b"", b"\xff\x00", b"no json", b'{"value": [', b"\xff" * 200_000, b"x" * 200_000])
async def test_an_unreadable_event_becomes_a_dead_letter_that_says_where_it_stood(stand: MakeStand, raw: bytes) -> None:
    feed = Handler("feed")
    app = stand(feed)
    events = [
        hub_event(notification("7"), number=1),
        hub_event(raw=raw, number=2),
        hub_event(notification("8"), number=3),
    ]
    await app.pull.take(events)
    [letter] = letters(app)
    kept = {
        "none": lambda text: text.encode(),
        "base64": base64.b64decode,
        "payload": lambda name: app.payloads.blobs[name],
    }[letter["messageEncoding"]](letter["message"])

    assert kept == raw
    assert (letter["reason"], letter["via"]) == ("unreadable", "eventhub")
    assert letter["event"] == {"partition": "0", "offset": "2000", "sequenceNumber": 2}
    assert letter["error"].startswith("the event ")
    assert versions(feed) == ["7", "8"]


# -- batches that were begun before ------------------------------------------------------------------------------------


BATCH = [hub_event(notification(str(n)), number=n) for n in range(20, 30)]


async def die(pull: Pull, events: Sequence[HubEvent], handler: Handler) -> None:
    """Let the worker be killed while it handles a batch: nothing of what it still meant to do is done."""
    started = asyncio.Event()

    async def hang(_change: Change) -> None:
        started.set()
        await asyncio.Event().wait()

    handler.troubles = [hang] * 1000
    task = asyncio.ensure_future(pull.take(events))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    handler.troubles = []


async def test_a_batch_that_killed_its_worker_goes_onto_the_queue(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await die(app.pull, BATCH, feed)
    await app.pull.take(BATCH)

    assert feed.changes == []
    assert [len(app.waiting()), len(app.queue.texts)] == [10, 1]
    app.now += timedelta(minutes=5)
    await app.run()
    assert versions(feed) == [str(n) for n in range(20, 30)]
    assert app.dead_letters.texts == []


async def test_the_killer_is_found_and_dies_alone(stand: MakeStand) -> None:
    """What kills the worker every time ends as one dead letter; everything beside it and behind it is handled."""
    feed = Handler("feed")
    app = stand(feed)

    async def kill(change: Change) -> None:
        if change.resource.path.endswith("/23"):
            raise asyncio.CancelledError

    feed.troubles = [kill] * 1000
    with pytest.raises(asyncio.CancelledError):
        await app.pull.take(BATCH)
    await app.pull.take(BATCH)
    await app.pull.take([hub_event(notification("30"), number=30)])
    for _ in range(200):
        if not app.queue.messages:
            break
        due = min(message.visible for message in app.queue.messages.values())
        app.now = max(app.now, due)
        try:
            await app.process_one()
        except asyncio.CancelledError:
            app.now += timedelta(minutes=10)

    assert set(versions(feed)) == {str(n) for n in range(20, 31) if n != 23}
    [letter] = letters(app)
    assert letter["items"][0]["notification"]["resourceData"]["id"] == "23"
    assert letter["reason"] == "attempts exhausted"


@pytest.mark.parametrize(
    ("numbers", "begun"),
    [
        (range(20, 30), True),
        (range(20, 25), True),  # another size than before
        (range(15, 25), True),  # from a checkpoint before that
        (range(29, 40), True),
        (range(30, 40), False),
        (range(10, 20), False),
    ],
)
async def test_only_events_that_somebody_began_are_kept_from_being_handled(
    stand: MakeStand, numbers: range, *, begun: bool
) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await die(app.pull, BATCH, feed)
    app.now += timedelta(minutes=5)
    await app.pull.take([hub_event(notification(f"n{number}"), number=number) for number in numbers])

    assert bool(app.queue.texts) == begun
    assert bool(feed.changes) != begun


async def test_a_partition_knows_nothing_of_another(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await die(app.pull, BATCH, feed)
    app.now += timedelta(minutes=5)
    await app.pull.take([replace(event, partition="1") for event in BATCH])

    assert (len(feed.changes), app.queue.texts) == (10, [])


async def test_the_hub_is_read_at_the_price_of_one_write_a_batch(stand: MakeStand) -> None:
    app = stand(Handler("feed"))
    pull = app.pull
    for number in range(0, 100, 10):
        await pull.take([hub_event(notification(str(n)), number=n) for n in range(number, number + 10)])

    assert app.marks.asked == {"read": 1, "save": 10}


async def test_a_partition_that_comes_back_after_it_killed_elsewhere_is_recognised(stand: MakeStand) -> None:
    """One process handled up to 19, another died with 20 to 29: the first one's memory is no longer true."""
    feed = Handler("feed")
    app = stand(feed)
    first = app.pull
    await first.take([hub_event(notification("19"), number=19)])
    await die(app.pull, BATCH, feed)
    await first.take(BATCH)

    assert (len(feed.changes), len(app.waiting())) == (1, 10)


async def test_a_mark_that_was_written_although_its_answer_got_lost_is_ones_own(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)

    async def save(mark: HubMark) -> HubMark | None:
        await app.marks.save(mark)
        return None  # as a create that was tried again, and met its own row

    marks = Wrapped(app.marks, save=save)
    await replace(app.pull, marks=marks).take(BATCH)  # type: ignore[arg-type]

    assert len(feed.changes) == 10


async def test_whoever_never_gets_to_write_a_mark_handles_nothing(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)

    async def save(_mark: HubMark) -> None:
        return None

    with pytest.raises(StorageError):
        await replace(app.pull, marks=Wrapped(app.marks, save=save)).take(BATCH)  # type: ignore[arg-type]
    assert feed.changes == []


async def test_events_without_a_place_are_handled_by_way_of_the_queue(stand: MakeStand) -> None:
    """What cannot be written down as begun could kill the worker for ever."""
    feed = Handler("feed")
    app = stand(feed)
    for _ in range(2):
        await app.pull.take([replace(hub_event(notification("7")), sequence_number=None, enqueued=None)])
    await app.run()

    assert len(feed.changes) == 1


async def test_what_goes_onto_the_queue_is_packed_and_large_items_are_checked_in(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    events = [
        hub_event(large("a"), number=50),
        hub_event(*(large(str(n), 2000) for n in range(60)), lifecycle_notification(), number=51),
        hub_event(raw=b"no json", number=52),
    ]
    await die(app.pull, [events[1]], feed)
    app.work.messages.clear()
    app.now += timedelta(minutes=5)
    await app.pull.take(events)

    assert [len(text) for text in app.queue.texts if len(text) > LARGEST_ENVELOPE] == []
    assert len(app.queue.texts) == 4
    assert (len(app.work.texts), len(letters(app))) == (1, 1)
    await app.run()
    assert len(feed.changes) == 61


# -- storage that fails ------------------------------------------------------------------------------------------------


class Wrapped:
    """An adapter of which one method is another."""

    def __init__(self, inner: Any, **methods: Callable[..., Awaitable[Any]]) -> None:
        self._inner = inner
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._inner, name)


@dataclass
class FailingOutage(Outage):
    """Storage that does not answer one request, after so many that it answered."""

    after: int = 0
    asked: int = 0

    def check(self) -> None:
        self.asked += 1
        if self.asked == self.after + 1:
            raise StorageError("storage did not answer")


MIXED = [
    hub_event(notification("1"), lifecycle_notification(), number=1),
    hub_event(raw=b"no json", number=2),
    hub_event(rich_notification("3"), notification("4"), large("5"), number=3),
    hub_event(notification("6") | {"resource": None, "additionalPayloadStorageId": "gone"}, number=4),
]


def requests_of(batch: Sequence[HubEvent]) -> int:
    """How often storage is asked for a batch in which an item fails."""
    outage = FailingOutage(after=10_000)
    with ThreadPoolExecutor(max_workers=1) as threads:
        app = Stand(registrations=[_failing_once().registration()], threads=threads, outage=outage)
        asyncio.run(app.pull.take(batch))
    return outage.asked


def _failing_once() -> Handler:
    return Handler("feed", troubles=[ValueError()])


@pytest.mark.parametrize("after", range(requests_of(MIXED)))
async def test_whichever_request_storage_fails_nothing_is_lost(stand: MakeStand, after: int) -> None:
    """The batch is not taken for done; when it comes again every item is handled, kept or a dead letter."""
    feed = _failing_once()
    app = stand(feed, outage=FailingOutage(after=after))
    with pytest.raises(StorageError):
        await app.pull.take(MIXED)
    app.now += timedelta(minutes=5)
    await app.pull.take(MIXED)
    assert app.work.texts
    await app.run()

    assert {change.resource.path.rpartition("/")[2] for change in feed.changes} == {"1", "3", "4", "5"}
    reasons = {letter["reason"] for letter in letters(app)}
    assert reasons == {"unreadable", "attempts exhausted"}


async def test_a_partition_that_stands_still_says_so_and_that_it_goes_on(
    stand: MakeStand, caplog: pytest.LogCaptureFixture
) -> None:
    app = stand(Handler("feed"))
    pull = app.pull
    app.outage.away = True
    caplog.set_level(logging.WARNING, logger="shared.pull")
    for _ in range(2):
        with pytest.raises(StorageError):
            await pull.take(BATCH)
        app.now += timedelta(minutes=1)
    app.outage.away = False
    await pull.take(BATCH)
    still, again, on = caplog.messages

    for line in (still, again):
        assert line.startswith(
            "partition stands still partition=0 since=2026-11-20T12:00:00Z first=20 events=10 reason="
        )
        assert "storage did not answer" in line
    assert on == "partition goes on partition=0 stood_since=2026-11-20T12:00:00Z"


async def test_a_partition_may_stand_still_while_another_goes_on(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)

    async def put(_text: str, **_: object) -> None:
        raise StorageError("storage did not answer")

    pull = replace(app.pull, work=Wrapped(MemoryQueue(now=app.clock), put=put))  # type: ignore[arg-type]
    taken = await asyncio.gather(
        pull.take([hub_event(lifecycle_notification(), partition="0")]),
        pull.take([hub_event(notification("7"), partition="1")]),
        return_exceptions=True,
    )

    assert [type(each) for each in taken] == [StorageError, type(None)]
    assert len(feed.changes) == 1


# -- anything ----------------------------------------------------------------------------------------------------------


@given(
    batches=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), min_size=1, max_size=6),
    failing=st.sets(st.integers(0, 30), max_size=5),
)
def test_duplicates_and_disorder_change_no_outcome(batches: list[list[int]], failing: set[int]) -> None:
    """Whatever comes how often, in whatever order and company: every change is handled once, or is one dead letter's."""

    async def judge(change: Change) -> None:
        if int(change.resource.path.rpartition("/")[2]) in failing:
            raise GiveUp("poison")

    async def live() -> tuple[list[str], set[str]]:
        app = Stand(registrations=[feed.registration()], threads=threads)
        for batch in batches:
            await app.pull.take([hub_event(notification(str(n)), number=n) for n in batch])
        await app.run()
        dead = {letter["items"][0]["notification"]["resourceData"]["id"] for letter in letters(app)}
        return versions(feed), dead

    with ThreadPoolExecutor(max_workers=1) as threads:
        feed = Handler("feed", troubles=[judge] * 1000)
        handled, dead = asyncio.run(live())
    everything = {n for batch in batches for n in batch}

    assert handled == sorted(str(n) for n in everything - failing)
    assert dead == {str(n) for n in everything & failing}


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_any_events_come_to_an_ending(bodies: list[bytes]) -> None:
    async def live() -> int:
        app = Stand(threads=threads)
        await app.pull.take([hub_event(raw=raw, number=number) for number, raw in enumerate(bodies)])
        return len(app.dead_letters.texts)

    with ThreadPoolExecutor(max_workers=1) as threads:
        assert asyncio.run(live()) <= len(bodies)
