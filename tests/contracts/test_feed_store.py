"""ports.FeedStore, on the memory twin and on Table Storage, also written by several processes at once."""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from local.azurite.request_log import RequestLog
from shared.adapters.feed_table import FeedTable
from shared.adapters.memory import MemoryFeedStore
from shared.adapters.storage import Storage
from shared.errors import StorageError
from shared.ports import FeedEntry, FeedLogRow, FeedStore, FeedSummary
from tests.contracts.twins import BOTH, StorageMaker, present

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest) -> FeedStore:
    if request.param == "memory":
        return MemoryFeedStore(now=present)
    return FeedTable(request.getfixturevalue("storage"), present)


@pytest.fixture(params=BOTH)
def processes(request: pytest.FixtureRequest) -> Sequence[FeedStore]:
    """Three stores over the same feeds, as three processes have them."""
    if request.param == "memory":
        return [MemoryFeedStore(now=present)] * 3
    open_storage: StorageMaker = request.getfixturevalue("open_storage")
    return [FeedTable(open_storage(), present) for _ in range(3)]


@pytest.fixture
def feed(unique: str) -> FeedSummary:
    return FeedSummary(feed=unique, resource=f"teams/t/channels/{unique}", kind="channel")


def message(name: str, *, minute: int = 0, change_type: str = "created", text: str = "hello") -> FeedEntry:
    deleted = change_type == "deleted"
    return FeedEntry(
        item=name,
        resource=f"teams/t/channels/c/messages/{name}",
        change_type=change_type,
        version=f"v{minute}",
        changed=NOON + timedelta(minutes=minute),
        deleted=deleted,
        content=None if deleted else {"id": name, "body": {"content": text}},
    )


async def everything(store: FeedStore, feed: FeedSummary, *, after: int = 0, top: int = 200) -> list[tuple[int, str]]:
    rows = await store.page(feed.feed, after=after, before=None, top=top)
    return [(row.position, row.entry.item) for row in rows]


async def test_a_new_item_is_taken_up_and_reads_as_it_was(store: FeedStore, feed: FeedSummary) -> None:
    entry = message("m1", text='quotes " and \\ and snow ☃ and \ud83d alone')
    before = present() - timedelta(seconds=2)
    assert await store.apply(feed, entry)
    (row,) = await store.page(feed.feed, after=0, before=None, top=10)
    assert (row.position, row.change_type, row.entry) == (1, "created", entry)
    assert before <= row.arrived <= present() + timedelta(seconds=2)


async def test_the_same_state_counts_once(store: FeedStore, feed: FeedSummary) -> None:
    assert await store.apply(feed, message("m1"))
    assert not await store.apply(feed, message("m1"))
    assert not await store.apply(feed, message("m1", change_type="updated"))
    assert await everything(store, feed) == [(1, "m1")]


async def test_who_writes_is_told_what_readers_will_read(store: FeedStore, feed: FeedSummary) -> None:
    for number in range(3):
        written = await store.apply(feed, message(f"m{number}", text='"☃"'))

        assert [written] == list(await store.page(feed.feed, after=number, before=None, top=10))
        assert await store.newest(feed.feed) == number + 1


async def test_a_feed_that_nobody_wrote_has_no_newest_change(store: FeedStore, unique: str) -> None:
    assert await store.newest(f"{unique}none") == 0


async def test_a_newer_state_replaces_an_older_one_and_never_the_other_way_round(
    store: FeedStore, feed: FeedSummary
) -> None:
    newer = message("m1", minute=5, change_type="updated", text="edited")
    assert await store.apply(feed, message("m1", minute=0))
    assert await store.apply(feed, newer)
    assert not await store.apply(feed, message("m1", minute=3, change_type="updated", text="late"))
    rows = await store.page(feed.feed, after=0, before=None, top=10)
    assert [(row.position, row.change_type) for row in rows] == [(1, "created"), (2, "updated")]
    assert [row.entry for row in rows] == [newer, newer]


async def test_a_creation_that_arrives_after_its_update_changes_nothing(store: FeedStore, feed: FeedSummary) -> None:
    assert await store.apply(feed, message("m1", minute=5, change_type="updated"))
    assert not await store.apply(feed, message("m1", minute=0))
    assert await store.apply(feed, message("m2"))
    assert await everything(store, feed) == [(1, "m1"), (2, "m2")]


async def test_what_is_deleted_keeps_no_content_anywhere(store: FeedStore, feed: FeedSummary) -> None:
    await store.apply(feed, message("m1", text="x" * 70_000))
    gone = message("m1", minute=1, change_type="deleted")
    assert await store.apply(feed, gone)
    assert not await store.apply(feed, gone)
    rows = await store.page(feed.feed, after=0, before=None, top=10)
    assert [row.entry for row in rows] == [gone, gone]


async def test_an_item_without_content_or_time_of_change(store: FeedStore, feed: FeedSummary) -> None:
    entry = FeedEntry(
        item="m",
        resource="chats/c/messages/m",
        change_type="updated",
        version="",
        changed=None,
        deleted=False,
        content=None,
    )
    assert await store.apply(feed, entry)
    assert await store.apply(feed, entry)  # nothing tells the two apart
    rows = await store.page(feed.feed, after=0, before=None, top=10)
    assert [row.entry for row in rows] == [entry, entry]


async def test_pages_go_forwards_after_a_position_and_backwards_before_one(store: FeedStore, feed: FeedSummary) -> None:
    for number in range(1, 8):
        await store.apply(feed, message(f"m{number}"))

    async def positions(*, after: int | None = None, before: int | None = None, top: int = 3) -> list[int]:
        return [row.position for row in await store.page(feed.feed, after=after, before=before, top=top)]

    assert await positions() == [7, 6, 5]
    assert await positions(before=5) == [4, 3, 2]
    assert await positions(before=2) == [1]
    assert await positions(before=1) == []
    assert await positions(after=0) == [1, 2, 3]
    assert await positions(after=5) == [6, 7]
    assert await positions(after=7) == []
    assert await positions(top=200) == [7, 6, 5, 4, 3, 2, 1]


async def test_an_unknown_feed_is_empty(store: FeedStore, unique: str) -> None:
    assert await store.page(unique, after=None, before=None, top=10) == []
    assert await store.page(unique, after=0, before=None, top=10) == []


async def test_feeds_are_listed_in_the_order_of_their_ids(store: FeedStore, unique: str) -> None:
    wanted = [FeedSummary(feed=f"{unique}{end}", resource=f"chats/{end}", kind="chat") for end in "bca"]
    for each in wanted:
        await store.apply(each, message("m"))
    listed = [each for each in await store.feeds() if each.feed.startswith(unique)]
    assert listed == sorted(wanted, key=lambda each: each.feed)


async def test_fifty_changes_from_three_processes_get_fifty_positions(
    processes: Sequence[FeedStore], feed: FeedSummary
) -> None:
    applied = await asyncio.gather(*(processes[number % 3].apply(feed, message(f"m{number}")) for number in range(50)))
    assert {row.position for row in applied if row} == set(range(1, 51))
    found = await everything(processes[0], feed)
    assert [position for position, _ in found] == list(range(1, 51))
    assert {item for _, item in found} == {f"m{number}" for number in range(50)}


async def test_three_processes_with_the_same_change_take_it_up_once(
    processes: Sequence[FeedStore], feed: FeedSummary
) -> None:
    entries = [message(f"m{number}") for number in range(5)]
    applied = await asyncio.gather(*(store.apply(feed, entry) for store in processes for entry in entries))
    assert sum(row is not None for row in applied) == 5
    assert [position for position, _ in await everything(processes[1], feed)] == [1, 2, 3, 4, 5]


async def test_however_states_are_shuffled_the_newest_one_stays(
    processes: Sequence[FeedStore], feed: FeedSummary
) -> None:
    states = [
        message(f"m{item}", minute=minute, change_type="updated" if minute else "created", text=str(minute))
        for item in range(4)
        for minute in range(6)
    ] * 2
    random.Random(7).shuffle(states)  # noqa: S311 - an order, no secret
    await asyncio.gather(*(processes[number % 3].apply(feed, state) for number, state in enumerate(states)))
    rows = await processes[2].page(feed.feed, after=0, before=None, top=200)
    assert {row.entry.version for row in rows} == {"v5"}
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))


async def test_who_resumes_from_a_position_misses_nothing_while_others_write(
    processes: Sequence[FeedStore], feed: FeedSummary
) -> None:
    *writers, reader = processes
    writing = [asyncio.create_task(writers[number % 2].apply(feed, message(f"m{number}"))) for number in range(60)]
    seen: list[tuple[int, str]] = []
    while not (all(task.done() for task in writing) and len(seen) >= 60):
        written = sum(task.done() for task in writing)
        page = await everything(reader, feed, after=seen[-1][0] if seen else 0, top=7)
        assert page or len(seen) >= written, "a change that was taken up cannot be seen"
        seen += page
        await asyncio.sleep(0)  # the memory twin never waits for anything
    assert [position for position, _ in seen] == list(range(1, 61))
    assert len({item for _, item in seen}) == 60


@pytest.mark.azurite
async def test_content_of_hundreds_of_kilobytes_is_kept_whole(storage: Storage, feed: FeedSummary) -> None:
    store = FeedTable(storage, present)
    large = message("m1", text="x" * 340_000)
    assert await store.apply(feed, large)
    (row,) = await store.page(feed.feed, after=0, before=None, top=1)
    assert row.entry == large


@pytest.mark.parametrize(("name", "size"), [("body", 400_000), ("attachments", 400_000), ("body", 4_000_000)])
@pytest.mark.azurite
async def test_of_content_that_no_row_holds_the_largest_properties_are_left_out(
    storage: Storage, feed: FeedSummary, name: str, size: int
) -> None:
    store = FeedTable(storage, present)
    entry = message("m1")
    content = {"id": "m1", "subject": "kept", name: "☃" * (size // 6)}
    large = FeedEntry(
        item="m1",
        resource=entry.resource,
        change_type="created",
        version="1",
        changed=NOON,
        deleted=False,
        content=content,
    )
    assert await store.apply(feed, large)
    (row,) = await store.page(feed.feed, after=0, before=None, top=1)
    assert row.entry.content == {"id": "m1", "subject": "kept", "omitted": [name]}


@pytest.mark.azurite
async def test_large_changes_that_arrive_together_share_no_transaction_above_four_mebibytes(
    storage: Storage, feed: FeedSummary
) -> None:
    store = FeedTable(storage, present)
    text = json.dumps([{"a": "b"}] * 20_000)  # every quote of it takes two bytes more on the wire
    applied = await asyncio.gather(*(store.apply(feed, message(f"m{number}", text=text)) for number in range(25)))
    assert all(applied)
    assert len(await everything(store, feed)) == 25


@pytest.mark.azurite
async def test_a_change_that_storage_refuses_is_refused_alone(storage: Storage, feed: FeedSummary) -> None:
    store = FeedTable(storage, present)
    bad = FeedEntry(
        item="x" * 70_000, resource="r", change_type="created", version="1", changed=NOON, deleted=False, content=None
    )
    outcomes = await asyncio.gather(
        store.apply(feed, message("m1")),
        store.apply(feed, bad),
        store.apply(feed, message("m2")),
        return_exceptions=True,
    )
    positions = [row.position for row in (outcomes[0], outcomes[2]) if isinstance(row, FeedLogRow)]
    assert sorted(positions) == [1, 2]
    assert isinstance(outcomes[1], StorageError)
    assert len(await everything(store, feed)) == 2


@pytest.mark.azurite
async def test_new_messages_of_one_feed_share_requests(
    storage: Storage, feed: FeedSummary, request_log: RequestLog
) -> None:
    store = FeedTable(storage, present)
    await store.apply(feed, message("first"))
    before = len(request_log.read())
    await asyncio.gather(*(store.apply(feed, message(f"m{number}")) for number in range(40)))
    assert len(request_log.read()) - before == 1


@pytest.mark.azurite
async def test_a_table_that_somebody_deleted_is_made_again(storage: Storage, feed: FeedSummary) -> None:
    store = FeedTable(storage, present)
    await store.apply(feed, message("m1"))
    await storage._table_service().delete_table("feed")
    with pytest.raises(StorageError):
        await store.apply(feed, message("m2"))
    assert await store.apply(feed, message("m3"))
    assert feed in await store.feeds()


async def test_one_feed_is_found_by_its_id(store: FeedStore, feed: FeedSummary) -> None:
    assert await store.find(feed.feed) is None
    await store.apply(feed, message("m1"))
    assert await store.find(feed.feed) == feed
