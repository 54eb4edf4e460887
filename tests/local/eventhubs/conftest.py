"""A namespace of its own for each test, and its hub `notifications`."""

import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from local.eventhubs.emulator import EventHubs
from tests.local.eventhubs.stand import PARTITIONS, Hub


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    """What the client leaves open is the test's that used it, and not the next one's."""
    yield
    gc.collect()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with EventHubs(hubs={"notifications": PARTITIONS}, consumer_groups=["earshot"]) as namespace:
        yield Hub(namespace=namespace)
