"""ports.HubMarks, on the memory twin and on table storage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.azurite.request_log import RequestLog
from shared.adapters.hub_mark_table import HubMarkTable
from shared.adapters.memory_pull import MemoryHubMarks
from shared.adapters.storage import Storage
from shared.adapters.subscription_table import SubscriptionTable
from shared.ports import HubMark, HubMarks
from tests.contracts.twins import BOTH

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=BOTH)
def marks(request: pytest.FixtureRequest) -> HubMarks:
    return MemoryHubMarks() if request.param == "memory" else HubMarkTable(request.getfixturevalue("storage"))


def mark(hub: str, **changes: Any) -> HubMark:
    valid = HubMark(hub=hub, consumer_group="$Default", partition="3", first=7, last=2**62, at=NOW)
    return replace(valid, **changes)


async def test_a_mark_reads_as_it_was_saved(marks: HubMarks, unique: str) -> None:
    saved = await marks.save(mark(unique))

    assert saved is not None
    assert replace(saved, etag="") == mark(unique)
    assert await marks.read(unique, "$Default", "3") == saved


async def test_there_is_none_before_one_was_saved(marks: HubMarks, unique: str) -> None:
    await marks.save(mark(unique))

    assert await marks.read(unique, "$Default", "4") is None
    assert await marks.read(unique, "other", "3") is None
    assert await marks.read(unique + "b", "$Default", "3") is None


async def test_whoever_is_slower_is_told(marks: HubMarks, unique: str) -> None:
    first = await marks.save(mark(unique))
    assert first is not None
    second = await marks.save(replace(first, first=8, last=9))

    assert second is not None
    assert await marks.save(mark(unique)) is None
    assert await marks.save(replace(first, first=10, last=11)) is None
    assert await marks.save(replace(second, at=NOW + timedelta(minutes=1))) is not None


async def test_all_are_listed_by_their_partitions(marks: HubMarks, unique: str) -> None:
    for partition in ("10", "2", "0"):
        await marks.save(mark(unique, partition=partition))
    listed = [each.partition for each in await marks.list() if each.hub == unique]

    assert sorted(listed, key=int) == ["0", "2", "10"]


@pytest.mark.azurite
@pytest.mark.parametrize("name", ["$Default", "a group/of#odd?signs", "ä" * 50, "g" * 300])
async def test_any_name_makes_a_row(storage: Storage, unique: str, name: str) -> None:
    marks = HubMarkTable(storage)
    await marks.save(mark(unique, consumer_group=name, partition="un/known"))
    found = await marks.read(unique, name, "un/known")

    assert found is not None
    assert (found.consumer_group, found.partition) == (name, "un/known")


@pytest.mark.azurite
@pytest.mark.parametrize(
    "spoilt", [{"first": "x"}, {"last": -1}, {"at": "soon"}, {"partition": 3}, {"first": "9" * 40}]
)
async def test_a_row_that_was_edited_by_hand_covers_nothing_and_is_written_over(
    storage: Storage, unique: str, spoilt: dict[str, Any]
) -> None:
    marks = HubMarkTable(storage)
    await marks.save(mark(unique))
    table = await storage.table("subscriptions")
    row = dict(await table.get_entity("hub", f"{unique}~$Default~0003"))
    await table.upsert_entity(row | spoilt, mode="replace")
    found = await marks.read(unique, "$Default", "3")

    assert found is not None
    assert found.last < found.first
    assert unique not in {each.hub for each in await marks.list()}
    assert await marks.save(mark(unique, etag=found.etag)) is not None


@pytest.mark.azurite
async def test_marks_are_no_subscriptions(storage: Storage, unique: str) -> None:
    await HubMarkTable(storage).save(mark(unique))

    assert unique not in {row.name for row in await SubscriptionTable(storage).list()}


@pytest.mark.azurite
async def test_a_batch_costs_one_request(storage: Storage, unique: str, request_log: RequestLog) -> None:
    marks = HubMarkTable(storage)
    saved = await marks.save(mark(unique))
    assert saved is not None
    before = len(request_log.read())
    await marks.save(replace(saved, first=8, last=9))

    assert len(request_log.read()) - before == 1
