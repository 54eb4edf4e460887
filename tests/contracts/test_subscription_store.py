"""Port SubscriptionStore, on the memory twin and on Azurite's tables."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.adapters.storage import PATIENT, PROMPT, Patience, Storage
from shared.adapters.subscription_table import SubscriptionTable
from shared.errors import StorageError
from shared.graph.subscription import LiveSubscription
from shared.ports import SubscriptionStore
from shared.settings import Settings
from shared.storage_health import StorageHealth

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
    former_id="s-0",
    digest="abc:def",
    problem="it said 'no'",
    refused=True,
    attempts=4,
    not_before=NOW,
)


@pytest.fixture(params=["memory", pytest.param("table", marks=pytest.mark.azurite)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SubscriptionStore]:
    if request.param == "memory":
        yield MemorySubscriptionStore()
        return
    storage = _storage(request.getfixturevalue("azurite").connection_string)
    table = SubscriptionTable(storage)
    for row in await table.list():
        await table.remove(row)
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
    assert saved == replace(ROW, etag=saved.etag)
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
    assert await store.read("bare~1a2b") == replace(bare, etag=saved.etag)


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


async def test_storage_that_is_away_is_an_error_of_storage() -> None:
    nowhere = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:9/a;"
    storage = _storage(nowhere, PROMPT)
    table = SubscriptionTable(storage)

    with pytest.raises(StorageError):
        await table.list()
    with pytest.raises(StorageError):
        await table.save(ROW)
    await storage.close()
