"""What is remembered, how long, and how much of it. That one asks for many is in test_membership.py."""

import asyncio
from datetime import datetime, timedelta

import pytest

from shared.remembering import Remembered
from tests.builders import NOW


class Memory:
    """Remembers numbers for as many minutes, up to ten of them together."""

    def __init__(self) -> None:
        self.now: datetime = NOW
        self.asked = 0
        self.kept = Remembered[int](
            lambda: self.now, most=10, weigh=lambda number: number, lasts=lambda number: timedelta(minutes=number)
        )

    async def get(self, key: str, number: int) -> int:
        async def ask() -> int:
            self.asked += 1
            return number

        return await self.kept.get(key, ask)


@pytest.fixture
def memory() -> Memory:
    return Memory()


async def test_an_answer_says_itself_how_long_it_is_believed(memory: Memory) -> None:
    await memory.get("one", 1)
    await memory.get("five", 5)
    memory.now += timedelta(minutes=1)

    assert (memory.kept.is_believed("one"), memory.kept.is_believed("five")) == (False, True)
    assert (await memory.get("one", 2), await memory.get("five", 2)) == (2, 5)
    assert memory.asked == 3


async def test_the_last_answer_is_there_when_nobody_believes_it_any_more(memory: Memory) -> None:
    assert memory.kept.last("one") is None
    await memory.get("one", 1)
    memory.now += timedelta(days=1)

    assert memory.kept.last("one") == 1


async def test_what_is_looked_at_is_forgotten_last(memory: Memory) -> None:
    await memory.get("old", 4)
    await memory.get("new", 5)
    memory.kept.last("old")
    await memory.get("newest", 5)

    assert [memory.kept.last(key) for key in ("old", "new", "newest")] == [4, None, 5]


async def test_a_failure_is_the_askers_and_is_not_kept(memory: Memory) -> None:
    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await memory.kept.get("one", fail)
    assert await memory.get("one", 1) == 1
