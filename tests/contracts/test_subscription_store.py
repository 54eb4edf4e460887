"""Port SubscriptionStore, on the memory twin and on Azurite's tables."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.adapters.storage import PATIENT, PROMPT, Patience, Storage
from shared.adapters.subscription_table import SubscriptionTable
from shared.errors import StorageError
from shared.graph.subscription import LiveSubscription
from shared.ports import Comparison, SubscriptionStore
from shared.reconcile import due_at
from shared.settings import Settings
from shared.storage_health import StorageHealth
from tests.contracts.twins import present

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)

ROW = LiveSubscription(
    name="teams",
    generation=3,
    resource="users/a@b.c/messages?$filter=contains(subject,'ü/#')",
    change_type="created,updated",
    include_resource_data=True,
    delivery="webhook",
    subscription_id="s-1",
    expires=NOW,
    created=NOW,
    renewed=NOW,
    certificate_id="key-1",
    immutable_ids=True,
    notification_query_options="$filter = isFetchable eq true",
    lifetime_minutes=120,
    tenant_id="bbbbbbbb-0000-4000-8000-00000000000b",
    actor="user:cccccccc-0000-4000-8000-00000000000c",
    leaving=True,
    former_id="s-0",
    digest="abc:def",
    problem="it said 'no'",
    refused=True,
    attempts=4,
    not_before=NOW,
    owed="gap",
    owed_since=NOW,
    swept=NOW,
)

ALIVE = replace(
    ROW,
    leaving=False,
    former_id="",
    problem="",
    attempts=0,
    not_before=None,
    owed="",
    renewed=None,
    expires=NOW + timedelta(days=3),
    swept=NOW + timedelta(days=30),
)
LATER = timedelta(hours=2)
"""Older than an entry that may be about to be pointed at."""


@pytest.fixture(params=["memory", pytest.param("table", marks=pytest.mark.azurite)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SubscriptionStore]:
    if request.param == "memory":
        yield MemorySubscriptionStore()
        return
    storage = _storage(request.getfixturevalue("azurite").connection_string)
    table = SubscriptionTable(storage)
    async with TableClient.from_connection_string(
        request.getfixturevalue("azurite").connection_string, "subscriptions"
    ) as client:
        with suppress(ResourceNotFoundError):
            async for entity in client.list_entities():
                await client.delete_entity(entity)
    yield table
    await storage.close()


def _storage(connection: str, patience: Patience = PATIENT) -> Storage:
    return Storage(
        settings=Settings(storage=connection),
        patience=patience,
        health=StorageHealth(),
        now=lambda: NOW,
    )


async def test_a_row_is_read_as_it_was_written(store: SubscriptionStore) -> None:
    saved = await store.save(ROW)

    assert saved is not None
    assert saved == replace(ROW, etag=saved.etag, indexed=saved.indexed)
    assert saved.etag
    assert await store.read("teams") == saved
    assert await store.list() == [saved]


async def test_what_is_empty_is_read_as_empty(store: SubscriptionStore) -> None:
    bare = LiveSubscription(
        name="bare~1a2b",
        generation=1,
        resource="r",
        change_type="created",
        include_resource_data=False,
        delivery="webhook",
    )
    saved = await store.save(bare)

    assert saved is not None
    assert await store.read("bare~1a2b") == replace(bare, etag=saved.etag, indexed=saved.indexed)


async def test_an_unknown_name_is_none(store: SubscriptionStore) -> None:
    assert await store.read("nobody") is None
    assert list(await store.list()) == []


async def test_only_one_creates_a_row(store: SubscriptionStore) -> None:
    assert await store.save(ROW) is not None
    assert await store.save(ROW) is None


async def test_only_one_replaces_a_row(store: SubscriptionStore) -> None:
    first = await store.save(ROW)
    assert first is not None

    second = await store.save(replace(first, generation=4, not_before=None, problem=""))
    assert second is not None
    assert await store.save(replace(first, generation=5)) is None

    there = await store.read("teams")
    assert there is not None
    assert (there.generation, there.not_before, there.problem) == (4, None, "")


async def test_a_row_is_removed_only_as_it_was_last_seen(store: SubscriptionStore) -> None:
    first = await store.save(ROW)
    assert first is not None
    second = await store.save(first)
    assert second is not None

    assert not await store.remove(first)
    assert await store.remove(second)
    assert await store.remove(second)
    assert await store.save(second) is None
    assert await store.save(ROW) is not None


async def test_a_row_is_due_when_its_time_has_come_and_not_before(store: SubscriptionStore) -> None:
    point = due_at(ALIVE)
    for number in range(5):
        await store.save(
            replace(ALIVE, name=f"later-{number}", created=NOW + timedelta(days=3), expires=NOW + LATER * 99)
        )
    saved = await store.save(ALIVE)

    assert list(await store.due(point - timedelta(seconds=1), limit=9)) == []
    assert list(await store.due(point, limit=9)) == [saved]


async def test_one_that_is_being_left_is_due_at_once(store: SubscriptionStore) -> None:
    saved = await store.save(ALIVE)
    assert saved is not None
    assert await store.due(NOW, limit=10) == []
    await store.save(replace(saved, leaving=True))

    assert [row.name for row in await store.due(NOW, limit=10)] == [ALIVE.name]


async def test_the_longest_due_come_first_and_no_more_than_asked_for(store: SubscriptionStore) -> None:
    for hours in (3, 1, 2):
        await store.save(replace(ALIVE, name=f"row-{hours}", created=NOW + timedelta(hours=hours)))

    due = await store.due(NOW + timedelta(days=9), limit=2)

    assert [row.name for row in due] == ["row-1", "row-2"]


async def test_who_is_at_a_row_keeps_it_from_the_others_until_the_lease_is_over(store: SubscriptionStore) -> None:
    first = await store.save(ALIVE)
    assert first is not None
    point = due_at(first)
    lease = point + timedelta(minutes=2)
    leased = await store.save(replace(first, not_before=lease, attempts=1))

    assert leased is not None
    assert list(await store.due(point + timedelta(minutes=1), limit=9)) == []
    assert list(await store.due(lease, limit=9)) == [leased]

    done = await store.save(
        replace(leased, not_before=None, attempts=0, renewed=point, expires=point + timedelta(days=3))
    )
    assert done is not None
    assert list(await store.due(lease, limit=9)) == []
    assert list(await store.due(due_at(done), limit=9)) == [done]


async def test_a_row_that_is_gone_is_never_due(store: SubscriptionStore) -> None:
    saved = await store.save(ALIVE)
    assert saved is not None
    await store.remove(saved)

    assert list(await store.due(due_at(saved) + LATER, limit=9)) == []


async def test_what_was_compared_is_remembered(store: SubscriptionStore) -> None:
    for comparison in (
        Comparison(digest="d", at=NOW),
        Comparison(digest="e", at=NOW, done=True, unknown=("s-1", "s-2")),
    ):
        await store.save_comparison(comparison)
        assert await store.last_comparison() == comparison


@pytest.fixture
async def table(azurite: Any) -> AsyncIterator[TableClient]:
    async with TableClient.from_connection_string(azurite.connection_string, "subscriptions") as client:
        yield client


def by_name(rows: Sequence[LiveSubscription]) -> Mapping[str, LiveSubscription]:
    return {row.name: row for row in rows}


@pytest.mark.azurite
@pytest.mark.parametrize("store", ["table"], indirect=True)
class TestInTheTable:
    async def test_a_row_that_an_older_version_wrote_is_indexed(
        self, store: SubscriptionStore, table: TableClient
    ) -> None:
        saved = await store.save(ALIVE)
        assert saved is not None
        entity = await table.get_entity("app", "teams")
        del entity["indexed"]
        await table.update_entity(entity, mode=UpdateMode.REPLACE)
        async for entry in table.query_entities("PartitionKey eq 'due'"):
            await table.delete_entity(entry)
        assert list(await store.due(due_at(saved) + LATER, limit=9)) == []

        assert await store.index(await store.list()) == 1
        assert await store.index(await store.list()) == 0
        assert [row.name for row in await store.due(due_at(saved), limit=9)] == ["teams"]

    async def test_an_entry_that_no_row_points_back_to_is_cleared_once_it_is_old(
        self, store: SubscriptionStore, table: TableClient
    ) -> None:
        await store.save(ALIVE)
        for name in ("teams", "nobody"):
            await table.upsert_entity({"PartitionKey": "due", "RowKey": f"20200101T000000.000000Z~{name}"})

        async def entries() -> int:
            return len([entry async for entry in table.query_entities("PartitionKey eq 'due'")])

        now = present()
        assert list(await store.due(min(now, due_at(ALIVE)) - timedelta(days=1), limit=9)) == []
        assert await entries() == 3
        assert [row.name for row in await store.due(now + LATER + timedelta(days=9), limit=9)] == ["teams"]
        assert await entries() == 1

    @pytest.mark.parametrize(
        "spoiled",
        [
            {"expires": "tomorrow"},
            {"generation": "three"},
            {"subscription_id": 5, "digest": True},
            {"refused": "yes", "attempts": "many"},
            {"created": 12.5},
        ],
    )
    async def test_a_row_that_was_edited_by_hand_is_read_as_far_as_it_can_be_and_stops_nobody(
        self,
        store: SubscriptionStore,
        table: TableClient,
        spoiled: Mapping[str, Any],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await store.save(ALIVE)
        await store.save(replace(ALIVE, name="mail"))
        entity = await table.get_entity("app", "teams")
        await table.update_entity(dict(entity) | spoiled, mode=UpdateMode.REPLACE)

        rows = by_name(await store.list())

        assert rows.keys() == {"teams", "mail"}
        assert rows["teams"].resource == ALIVE.resource
        assert rows["mail"].expires == ALIVE.expires
        assert all(column in caplog.text for column in spoiled)
        assert await store.save(replace(rows["teams"], generation=9)) is not None

    async def test_a_half_written_row_is_one_that_is_still_to_be_made(
        self, store: SubscriptionStore, table: TableClient
    ) -> None:
        await table.upsert_entity({"PartitionKey": "app", "RowKey": "teams"})
        row = await store.read("teams")

        assert row is not None
        assert (row.subscription_id, row.generation, row.expires) == ("", 0, None)


async def test_storage_that_is_away_is_an_error_of_storage() -> None:
    nowhere = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:9/a;"
    storage = _storage(nowhere, PROMPT)
    table = SubscriptionTable(storage)

    with pytest.raises(StorageError):
        await table.list()
    with pytest.raises(StorageError):
        await table.save(ROW)
    await storage.close()
