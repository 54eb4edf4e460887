"""What every contract suite is run on, and the clock that real storage goes by."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from shared.adapters.storage import Storage

T = TypeVar("T")

BOTH = ["memory", pytest.param("azurite", marks=pytest.mark.azurite)]

StorageMaker = Callable[..., Storage]


def present() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - storage goes by a clock of its own


async def until(look: Callable[[], Awaitable[T]], *, within: float = 10) -> T:
    """Look again and again until there is something, or the deadline has passed."""
    deadline = time.monotonic() + within
    while not (found := await look()):
        assert time.monotonic() < deadline, "waited in vain"
    return found
