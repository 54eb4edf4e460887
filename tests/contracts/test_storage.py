"""The storage account: what goes wrong there has one name, is noted, and passes without a restart."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from local.azurite.emulator import Azurite, free_ports
from shared.adapters.payload_blobs import PayloadBlobs
from shared.adapters.storage import PATIENT, PROMPT, Patience, Storage
from shared.adapters.storage_queue import StorageQueue
from shared.errors import StorageError
from shared.settings import Settings
from shared.storage_health import StorageHealth
from tests.contracts.twins import StorageMaker, present

pytestmark = pytest.mark.azurite
LATEST_ANSWER_SECONDS = 3.0


@pytest.fixture(scope="module")
def fragile() -> Iterator[Azurite]:
    """An Azurite that may be paused: nobody else uses it."""
    with Azurite() as emulator:
        yield emulator


@pytest.fixture
def paused(fragile: Azurite) -> Iterator[Azurite]:
    fragile.pause()
    yield fragile
    fragile.resume()


async def test_storage_that_hangs_is_answered_for_promptly_and_noted(
    open_storage: StorageMaker, paused: Azurite
) -> None:
    health = StorageHealth()
    storage = open_storage(PROMPT, connection=paused.connection_string, health=health)
    operations: list[Callable[[], Awaitable[object]]] = [
        lambda: PayloadBlobs(storage).put("live/a", b"{}"),
        lambda: StorageQueue(storage, "abc").put("a"),
    ]
    for operation in operations:
        began = time.monotonic()
        with pytest.raises(StorageError, match="did not answer"):
            await operation()
        assert time.monotonic() - began < LATEST_ANSWER_SECONDS
    assert health.is_failing(present())


async def test_storage_that_comes_back_is_used_again_without_a_restart(
    open_storage: StorageMaker, fragile: Azurite, unique: str
) -> None:
    health = StorageHealth()
    storage = open_storage(PROMPT, connection=fragile.connection_string, health=health)
    queue, payloads = StorageQueue(storage, unique), PayloadBlobs(storage)
    await payloads.put("live/a", b"{}")
    fragile.pause()
    try:
        with pytest.raises(StorageError):
            await payloads.put("live/a", b"{}")
        with pytest.raises(StorageError):
            await queue.put("never seen before")
    finally:
        fragile.resume()
    await payloads.put("live/a", b"{}")
    assert not health.is_failing(present())
    await queue.put("a")
    assert len(await queue.take(1)) == 1


async def test_many_who_ask_while_storage_hangs_wait_for_one_attempt(
    open_storage: StorageMaker, paused: Azurite, unique: str
) -> None:
    storage = open_storage(PROMPT, connection=paused.connection_string)
    began = time.monotonic()
    outcomes = await asyncio.gather(*(storage.queue(unique) for _ in range(20)), return_exceptions=True)
    assert time.monotonic() - began < LATEST_ANSWER_SECONDS
    assert {type(outcome) for outcome in outcomes} == {StorageError}


@pytest.mark.parametrize("patience", [PROMPT, PATIENT], ids=["prompt", "patient"])
async def test_storage_that_refuses_connections(open_storage: StorageMaker, patience: Patience) -> None:
    nobody, *_ = free_ports(1)
    connection = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;"
        f"BlobEndpoint=http://127.0.0.1:{nobody}/devstoreaccount1;"
        f"QueueEndpoint=http://127.0.0.1:{nobody}/devstoreaccount1;"
        f"TableEndpoint=http://127.0.0.1:{nobody}/devstoreaccount1;"
    )
    health = StorageHealth()
    storage = open_storage(patience, connection=connection, health=health)
    for make in (storage.queue, storage.table, storage.container):
        began = time.monotonic()
        with pytest.raises(StorageError):
            await make("abc")
        assert time.monotonic() - began < LATEST_ANSWER_SECONDS
    assert health.is_failing(present())


async def test_a_refusal_says_nothing_about_whether_storage_is_there(
    open_storage: StorageMaker, azurite: Azurite
) -> None:
    health = StorageHealth()
    wrong_key = azurite.connection_string.replace("AccountKey=Eby8", "AccountKey=AAAA")
    storage = open_storage(PROMPT, connection=wrong_key, health=health)
    with pytest.raises(StorageError, match="403"):
        await storage.queue("abc")
    assert not health.is_failing(present())


async def test_no_error_quotes_the_account_key(open_storage: StorageMaker, azurite: Azurite) -> None:
    wrong_key = azurite.connection_string.replace("AccountKey=Eby8", "AccountKey=AAAA")
    storage = open_storage(PROMPT, connection=wrong_key)
    with pytest.raises(StorageError) as refused:
        await storage.container("abc")
    assert "uSRZ6IFsuFq2UVErCz4I6tq" not in f"{refused.value!r}{storage!r}"


async def test_a_queue_that_somebody_deleted_is_made_again(storage: Storage, unique: str) -> None:
    queue = StorageQueue(storage, unique)
    await queue.put("a")
    await (await storage.queue(unique)).delete_queue()
    with pytest.raises(StorageError, match="404"):
        await queue.put("b")
    await queue.put("c")
    assert [each.text for each in await queue.take(32)] == ["c"]


async def test_tables_are_listed_by_prefix_and_dropped_more_than_once(storage: Storage, unique: str) -> None:
    for end in ("20260101", "20260109"):
        await storage.table(unique + end)
    await storage.table("other" + unique)
    assert await storage.table_names(unique) == [unique + "20260101", unique + "20260109"]
    for _ in range(2):
        await storage.drop_table(unique + "20260101")
    assert await storage.table_names(unique) == [unique + "20260109"]


async def test_development_storage_is_the_emulator_on_its_usual_ports() -> None:
    settings = Settings.from_environ({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    storage = Storage(settings=settings, patience=PROMPT, health=StorageHealth(), now=present)
    urls = [storage._blob_service().url, storage._queue_service().url, storage._table_service().url]
    await storage.close()
    assert [url.rstrip("/") for url in urls] == [
        f"http://127.0.0.1:{port}/devstoreaccount1" for port in (10000, 10001, 10002)
    ]


def test_an_outage_is_remembered_for_seconds_only() -> None:
    health = StorageHealth()
    now = present()
    assert not health.is_failing(now)
    health.note_failure(now)
    assert health.is_failing(now + timedelta(seconds=2))
    assert not health.is_failing(now + timedelta(seconds=4))
    health.note_success()
    assert not health.is_failing(now)
