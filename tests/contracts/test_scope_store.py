"""ports.ScopeStore and ports.GapStore, on the memory twins and on Table Storage."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory_catch_up import MemoryGapStore, MemoryScopeStore
from shared.adapters.scope_table import MOST_GAPS, GapTable, ScopeTable
from shared.adapters.storage import Storage
from shared.ports import CatchUpRun, GapReport, GapStore, Scope, ScopeStore
from tests.contracts.twins import BOTH

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest) -> ScopeStore:
    return MemoryScopeStore() if request.param == "memory" else ScopeTable(request.getfixturevalue("storage"))


@pytest.fixture(params=BOTH)
def gaps(request: pytest.FixtureRequest) -> GapStore:
    return MemoryGapStore() if request.param == "memory" else GapTable(request.getfixturevalue("storage"))


@pytest.fixture
def name(unique: str) -> str:
    return f"{unique}~0123456789abcdef"


def scope(name: str, path: str = "/users/a/messages/delta", **changes: Any) -> Scope:
    valid = Scope(
        name=name,
        path=path,
        root="users/a/messages",
        step=1,
        ids={"user": "a", "folder": "AAMk/+="},
        link="/users/delta?$deltatoken=abc",
        midway=True,
        anew=True,
        mark="mark",
        began=NOW,
        told=NOW - timedelta(days=1),
        since=NOW - timedelta(days=2),
        opened=NOW - timedelta(days=3),
        held_until=NOW + timedelta(minutes=3),
    )
    return replace(valid, **changes)


def run(name: str, **changes: Any) -> CatchUpRun:
    return replace(CatchUpRun(name=name, reason="missed", opened=NOW, began=NOW), **changes)


@pytest.mark.parametrize("length", [0, 10, 30_000, 30_001, 70_000, 100_000])
async def test_a_scope_reads_as_it_was_written(store: ScopeStore, name: str, length: int) -> None:
    saved = await store.save(scope(name, link="x" * length, midway=length > 0))
    assert saved is not None
    assert await store.list(name) == [saved]
    assert saved == scope(name, link="x" * length, midway=length > 0, etag=saved.etag)


@pytest.mark.parametrize("path", ["/a/b?c#d\\e", "/users/'/messages", "/é/\U0001f4e8/%2F", "/" + "x" * 5000, "run"])
async def test_a_path_may_have_any_character(store: ScopeStore, name: str, path: str) -> None:
    await store.save(scope(name, path))
    await store.save(scope(name, path + "x"))
    assert {each.path for each in await store.list(name)} == {path, path + "x"}


async def test_empty_times_stay_empty(store: ScopeStore, name: str) -> None:
    bare = Scope(name=name, path="/p", root="r")
    saved = await store.save(bare)
    assert await store.list(name) == [saved]
    assert saved is not None
    assert replace(saved, etag="") == bare


async def test_a_shorter_link_leaves_nothing_of_the_longer_one(store: ScopeStore, name: str) -> None:
    saved = await store.save(scope(name, link="x" * 70_000))
    assert saved is not None
    await store.save(replace(saved, link="short"))
    assert [each.link for each in await store.list(name)] == ["short"]


async def test_of_two_who_save_one_is_first(store: ScopeStore, name: str) -> None:
    first = await store.save(scope(name))
    assert await store.save(scope(name)) is None
    assert first is not None
    second = await store.save(replace(first, mark="second"))
    assert await store.save(replace(first, mark="late")) is None
    assert [each.mark for each in await store.list(name)] == ["second"]
    assert second is not None
    await store.remove(second)
    assert await store.save(replace(second, mark="gone")) is None


async def test_removing_twice_is_as_good(store: ScopeStore, name: str) -> None:
    saved = await store.save(scope(name))
    assert saved is not None
    for _ in range(2):
        await store.remove(saved)
    assert await store.list(name) == []


async def test_subscriptions_do_not_see_each_others_scopes(store: ScopeStore, name: str) -> None:
    await store.save(scope(name))
    await store.save_run(run(name))
    assert await store.list(name[:-1]) == []
    assert await store.read_run(name[:-1]) is None
    await store.forget(name[:-1])
    assert len(await store.list(name)) == 1


async def test_a_run_lives_beside_the_scopes(store: ScopeStore, name: str) -> None:
    assert await store.read_run(name) is None
    wanted = run(
        name,
        since=NOW - timedelta(hours=1),
        again_at=NOW + timedelta(seconds=45),
        repeated=True,
        found=3,
        dispatched=2,
        unheard=1,
        troubles=4,
        how="full resync",
    )
    saved = await store.save_run(wanted)
    assert saved is not None
    assert await store.read_run(name) == saved
    assert replace(saved, etag="") == wanted
    assert await store.list(name) == []
    assert await store.save_run(wanted) is None


async def test_a_run_ends_only_for_whoever_saw_its_last_state(store: ScopeStore, name: str) -> None:
    first = await store.save_run(run(name))
    assert first is not None
    second = await store.save_run(replace(first, found=1))
    assert second is not None
    assert not await store.end_run(first)
    assert await store.end_run(second)
    assert await store.read_run(name) is None
    assert await store.end_run(second)


async def test_nothing_is_left_of_a_subscription_that_is_forgotten(store: ScopeStore, name: str) -> None:
    await store.save(scope(name))
    await store.save(scope(name, "/other"))
    await store.save_run(run(name))
    for _ in range(2):
        await store.forget(name)
    assert await store.list(name) == []
    assert await store.read_run(name) is None


Spoil = Callable[[dict[str, Any]], None]
SPOILT: dict[str, tuple[Spoil, str]] = {
    "no link": (lambda row: row.pop("link0"), "kept"),
    "half a link": (lambda row: row.update(links=3), "kept"),
    "a number for a link": (lambda row: row.update(link0=5), "kept"),
    "a time that is none": (lambda row: row.update(told="yesterday"), "kept"),
    "a flag that is text": (lambda row: row.update(midway="yes"), "kept"),
    "many links": (lambda row: row.update(links=10**9), "kept"),
    "no path": (lambda row: row.pop("path"), "gone"),
    "another path": (lambda row: row.update(path="/somebody/else"), "gone"),
    "ids that are none": (lambda row: row.update(ids="[1]"), "gone"),
    "a step that is none": (lambda row: row.update(step=-1), "gone"),
    "nothing at all": (lambda row: [row.pop(key) for key in list(row) if not key.endswith("Key")], "gone"),
}


@pytest.mark.azurite
@pytest.mark.parametrize("how", SPOILT)
async def test_a_row_that_was_edited_by_hand_stops_no_other(storage: Storage, name: str, how: str) -> None:
    """What is left without a link begins anew; what names no path goes, and can be made again."""
    store = ScopeTable(storage)
    spoil, becomes = SPOILT[how]
    good, bad = await store.save(scope(name, "/good")), await store.save(scope(name, "/bad"))
    table = await storage.table("subscriptions")
    for row in [row async for row in table.query_entities(f"PartitionKey eq 'scope~{name}'")]:
        if row["path"] == "/bad":
            spoilt = dict(row)
            spoil(spoilt)
            await table.upsert_entity(spoilt, mode="replace")  # type: ignore[arg-type]
    listed = {each.path: each for each in await store.list(name)}

    assert listed.pop("/good") == good
    assert set(listed) == ({"/bad"} if becomes == "kept" else set())
    if becomes == "gone":
        assert await store.save(scope(name, "/bad")) is not None
    else:
        assert bad is not None
        assert await store.save(listed["/bad"]) is not None


@pytest.mark.azurite
async def test_a_run_that_cannot_be_read_makes_way_for_another(storage: Storage, name: str) -> None:
    store = ScopeTable(storage)
    table = await storage.table("subscriptions")
    await table.upsert_entity({"PartitionKey": f"scope~{name}", "RowKey": "run", "began": "never"})
    assert await store.read_run(name) is None
    assert await store.save_run(run(name)) is not None


# -- gaps -----------------------------------------------------------------------------------------------------------------


async def test_the_latest_gaps_come_first_and_read_as_they_were_written(gaps: GapStore, name: str) -> None:
    late = datetime(2200, 1, 1, tzinfo=UTC)  # later than those of other tests
    reports = [
        GapReport(
            name=name,
            reason="missed",
            opened=late + timedelta(microseconds=number),
            since=NOW,
            until=NOW,
            scopes=5,
            found=3,
            dispatched=2,
            how="delta",
            closed=NOW,
            problem="none",
        )
        for number in range(3)
    ]
    for report in reports:
        await gaps.save(report)
    assert [each for each in await gaps.latest(3) if each.name == name] == reports[::-1]
    assert len(await gaps.latest(2)) == 2


async def test_a_gap_is_closed_in_its_place(gaps: GapStore, name: str) -> None:
    opened = GapReport(name=name, reason="gap", opened=datetime(2201, 1, 1, tzinfo=UTC))
    await gaps.save(opened)
    closed = replace(opened, closed=NOW, how="delta")
    await gaps.save(closed)
    assert [each for each in await gaps.latest(50) if each.name == name] == [closed]


async def test_no_more_than_a_few_hundred_gaps_are_kept(gaps: GapStore, name: str) -> None:
    start = datetime(2300, 1, 1, tzinfo=UTC)
    for number in range(MOST_GAPS + 5):
        await gaps.save(GapReport(name=name, reason="gap", opened=start + timedelta(seconds=number)))
    latest = await gaps.latest(1000)
    assert len(latest) <= MOST_GAPS
    assert latest[0].opened == start + timedelta(seconds=MOST_GAPS + 4)


@pytest.mark.azurite
async def test_a_report_that_was_edited_by_hand_is_left_out(storage: Storage, name: str) -> None:
    gaps = GapTable(storage)
    await gaps.save(GapReport(name=name, reason="gap", opened=datetime(2400, 1, 1, tzinfo=UTC)))
    table = await storage.table("subscriptions")
    await table.upsert_entity({"PartitionKey": "gap", "RowKey": f"0~{name}", "name": 5, "opened": "never"})
    assert name in {each.name for each in await gaps.latest(5)}
