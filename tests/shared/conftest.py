"""A receiver for each test that wants one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stand import Handler, Stand


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool


@pytest.fixture
def stand(threads: ThreadPoolExecutor) -> Callable[..., Stand]:
    """Make a receiver with handlers that run for everything."""

    def make(*handlers: Handler, **changes: object) -> Stand:
        return Stand(registrations=[handler.registration() for handler in handlers], threads=threads, **changes)  # type: ignore[arg-type]

    return make
