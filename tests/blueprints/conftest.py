"""A receiver on memory adapters for the functions to speak to."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stand import Handler, Stand


@pytest.fixture
def handler() -> Handler:
    return Handler("feed")


@pytest.fixture
def stand(handler: Handler) -> Iterator[Stand]:
    with ThreadPoolExecutor(max_workers=1) as threads:
        yield Stand(registrations=[handler.registration()], threads=threads)
