"""ports.HeardStore, on the memory twin and on Table Storage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.azurite.request_log import RequestLog
from shared.adapters.heard_table import HeardTable
from shared.adapters.memory_catch_up import MemoryHeardStore
from shared.adapters.storage import Storage
from shared.ports import Heard, HeardStore
from tests.contracts.twins import BOTH

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest) -> HeardStore:
    return MemoryHeardStore() if request.param == "memory" else HeardTable(request.getfixturevalue("storage"))


@pytest.fixture
def name(unique: str) -> str:
    return f"{unique}~0123456789abcdef"


def heard(name: str, **changes: Any) -> Heard:
    valid = Heard(name=name, last=NOW, longest=timedelta(hours=3), samples=7, look_at=NOW + timedelta(days=1))
    return replace(valid, **changes)


async def mine(store: HeardStore, now: datetime, name: str) -> list[Heard]:
    return [row for row in await store.due(now, limit=1000) if row.name.startswith(name)]


async def test_a_row_reads_as_it_was_written(store: HeardStore, name: str) -> None:
    rows = [heard(name), heard(f"{name}b", polled_since=NOW, missed=NOW), Heard(name=f"{name}c")]
    await store.write(rows)
    read = await store.read([name, f"{name}b", f"{name}c", f"{name}absent"])
    assert [replace(row, indexed=None) for row in read] == rows
    assert [row.indexed for row in read] == [row.look_at for row in rows]


async def test_a_row_is_due_when_it_said_and_only_then(store: HeardStore, name: str) -> None:
    await store.write([heard(name)])
    at = NOW + timedelta(days=1)
    assert await mine(store, at - timedelta(seconds=1), name) == []
    [row] = await mine(store, at, name)
    await store.write([replace(row, look_at=at + timedelta(hours=1))])
    assert await mine(store, at, name) == []
    assert len(await mine(store, at + timedelta(hours=1), name)) == 1


async def test_the_longest_due_comes_first_and_no_more_than_asked_for(store: HeardStore, name: str) -> None:
    start = datetime(2001, 1, 1, tzinfo=UTC)  # earlier than anybody else's
    await store.write([heard(f"{name}{number}", look_at=start + timedelta(hours=number)) for number in (3, 1, 2)])
    due = await store.due(NOW, limit=2)
    assert [row.name for row in due] == [f"{name}1", f"{name}2"]
    await store.remove([f"{name}{number}" for number in (1, 2, 3)])


async def test_what_is_polled_is_listed_until_it_is_not(store: HeardStore, name: str) -> None:
    await store.write([heard(name, polled_since=NOW)])
    assert [row.name for row in await store.polled(limit=1000) if row.name == name] == [name]
    [row] = await store.read([name])
    await store.write([replace(row, polled_since=None, look_at=NOW)])
    assert [row.name for row in await store.polled(limit=1000) if row.name == name] == []


async def test_removing_leaves_nothing(store: HeardStore, name: str) -> None:
    await store.write([heard(name, polled_since=NOW)])
    for _ in range(2):
        await store.remove([name, f"{name}absent"])
    assert await store.read([name]) == []
    assert await mine(store, NOW + timedelta(days=9), name) == []
    assert name not in {row.name for row in await store.polled(limit=1000)}


@pytest.mark.azurite
async def test_a_hundred_that_only_were_heard_are_one_transaction(
    storage: Storage, name: str, request_log: RequestLog
) -> None:
    store = HeardTable(storage)
    await store.write([heard(f"{name}{number}") for number in range(100)])
    rows = await store.read([f"{name}{number}" for number in range(100)])
    before = len(request_log.read())
    await store.write([replace(row, samples=row.samples + 1) for row in rows])
    assert len(request_log.read()) - before == 1


@pytest.mark.azurite
@pytest.mark.parametrize("spoilt", [{"last": "never"}, {"samples": "many"}, {"longest": 5.5}, {"look_at": "soon"}])
async def test_a_row_that_was_edited_by_hand_stops_no_other(
    storage: Storage, name: str, spoilt: dict[str, Any]
) -> None:
    store = HeardTable(storage)
    await store.write([heard(f"{name}a"), heard(f"{name}b")])
    table = await storage.table("subscriptions")
    row = dict(await table.get_entity("heard", f"{name}a"))
    await table.upsert_entity(row | spoilt, mode="replace")
    due = {each.name: each for each in await mine(store, NOW + timedelta(days=1), name)}

    assert set(due) == {f"{name}a", f"{name}b"}
    await store.write([replace(each, look_at=NOW + timedelta(days=2)) for each in due.values()])
    assert await mine(store, NOW + timedelta(days=1), name) == []
    assert len(await mine(store, NOW + timedelta(days=2), name)) == 2


@pytest.mark.azurite
async def test_a_leftover_of_the_index_is_cleared_away(storage: Storage, name: str) -> None:
    store = HeardTable(storage)
    await store.write([heard(name)])
    table = await storage.table("subscriptions")
    stale = f"20260101T000000.000000Z~{name}"
    await table.upsert_entity({"PartitionKey": "quiet", "RowKey": stale})
    assert await mine(store, NOW, name) == []
    keys = [row["RowKey"] async for row in table.query_entities("PartitionKey eq 'quiet'")]
    assert stale not in keys
