"""ports.OversizePayloads, on the memory twin and on blob storage: only ever read."""

import uuid
from collections.abc import Awaitable, Callable

import pytest

from shared.adapters.memory_pull import MemoryOversizePayloads
from shared.adapters.oversize_blobs import OversizeBlobs
from shared.adapters.storage import Storage
from shared.graph.additional_payload import CONTAINER
from shared.ports import OversizePayloads
from tests.contracts.twins import BOTH

Write = Callable[[str, bytes], Awaitable[None]]


@pytest.fixture(params=BOTH)
def payloads(request: pytest.FixtureRequest) -> OversizePayloads:
    if request.param == "memory":
        return MemoryOversizePayloads()
    return OversizeBlobs(request.getfixturevalue("storage"))


@pytest.fixture
def write(payloads: OversizePayloads, request: pytest.FixtureRequest) -> Write:
    """Write a blob, as Graph does."""

    async def into_memory(name: str, data: bytes) -> None:
        assert isinstance(payloads, MemoryOversizePayloads)
        payloads.blobs[name] = data

    async def into_storage(name: str, data: bytes) -> None:
        container = await request.getfixturevalue("storage").container(CONTAINER)
        await container.upload_blob(name, data)

    return into_memory if isinstance(payloads, MemoryOversizePayloads) else into_storage


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00\xff" * 500_000], ids=["empty", "small", "1 MB"])
async def test_a_blob_reads_as_it_was_written(payloads: OversizePayloads, write: Write, data: bytes) -> None:
    name = str(uuid.uuid4())
    await write(name, data)

    assert await payloads.get(name, at_most=10_000_000) == data


async def test_no_more_is_read_than_asked_for(payloads: OversizePayloads, write: Write) -> None:
    name = str(uuid.uuid4())
    await write(name, b"0123456789")

    assert await payloads.get(name, at_most=4) == b"0123"
    assert await payloads.get(name, at_most=10) == b"0123456789"


async def test_a_blob_that_is_not_there_is_none(payloads: OversizePayloads, write: Write) -> None:
    await write(str(uuid.uuid4()), b"{}")

    assert await payloads.get(str(uuid.uuid4()), at_most=10) is None


@pytest.mark.azurite
async def test_a_container_that_is_not_there_is_none_and_is_not_made(storage: Storage) -> None:
    """Making it would take a right that reading does not need; Graph has to be shown the one that is there."""
    container = await storage.container(CONTAINER)
    await container.delete_container()
    assert await OversizeBlobs(storage).get("a", at_most=10) is None
    found = await storage.container("payloads")
    assert await found.exists()
    assert not await storage.found_container(CONTAINER).exists()


@pytest.mark.azurite
@pytest.mark.parametrize("name", ["ä.json", "a b", "%2e%2e", "a'b"])
async def test_odd_names_are_looked_up_as_they_are(payloads: OversizePayloads, write: Write, name: str) -> None:
    name = uuid.uuid4().hex + name
    await write(name, b"{}")

    assert await payloads.get(name, at_most=10) == b"{}"
