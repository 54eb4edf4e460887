"""Writes to Graph are paced, and Graph is left alone when it wants to be."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import GraphApiError
from shared.pacing import MOST_WRITES, WINDOW, PacedGraph
from tests.builders import NOW


class Recorder:
    """A Graph that notes when it was asked, on a clock that moves when somebody pauses."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: list[tuple[float, str]] = []
        self.troubles: list[GraphApiError] = []

    async def request(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        assert options.keys() <= {"body", "headers", "tenant_id"}
        self.asked.append(((self.now - NOW).total_seconds(), method))
        await asyncio.sleep(0)
        if self.troubles:
            raise self.troubles.pop(0)
        return {"path": path}

    async def pause(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def paced(self, **choices: Any) -> PacedGraph:
        return PacedGraph(self, now=lambda: self.now, pause=self.pause, **choices)


def throttled(seconds: int) -> GraphApiError:
    return GraphApiError("PATCH", status=429, code="TooManyRequests", retry_after=timedelta(seconds=seconds))


async def test_no_window_has_more_writes_than_are_allowed() -> None:
    graph = Recorder()
    paced = graph.paced()

    await asyncio.gather(*(paced.request("PATCH", "/subscriptions/1", body={}) for _ in range(MOST_WRITES * 3)))

    times = [moment for moment, _ in graph.asked]
    assert len(times) == MOST_WRITES * 3
    window = WINDOW.total_seconds()
    assert max(sum(start <= moment < start + window for moment in times) for start in times) == MOST_WRITES


async def test_reads_are_not_counted() -> None:
    graph = Recorder()
    paced = graph.paced(most=1)

    await paced.request("DELETE", "/subscriptions/1")
    for _ in range(5):
        await paced.request("GET", "/subscriptions/1")

    assert graph.now == NOW
    await paced.request("DELETE", "/subscriptions/1")
    assert graph.now == NOW + WINDOW


async def test_after_429_nobody_asks_until_graph_has_had_its_pause() -> None:
    graph = Recorder()
    graph.troubles = [throttled(30)]
    paced = graph.paced()

    with pytest.raises(GraphApiError):
        await paced.request("PATCH", "/subscriptions/1")
    assert await paced.request("GET", "/subscriptions/1") == {"path": "/subscriptions/1"}

    assert graph.asked == [(0.0, "PATCH"), (30.0, "GET")]


async def test_who_would_wait_too_long_is_told_when_to_come_again_and_graph_is_not_asked() -> None:
    graph = Recorder()
    graph.troubles = [throttled(300)]
    paced = graph.paced()

    with pytest.raises(GraphApiError):
        await paced.request("PATCH", "/subscriptions/1")
    with pytest.raises(GraphApiError) as refusal:
        await paced.request("PATCH", "/subscriptions/2?secret=1")

    assert refusal.value.status == 429
    assert refusal.value.retry_after == timedelta(seconds=300)
    assert "secret" not in str(refusal.value)
    assert len(graph.asked) == 1


async def test_a_quota_that_looks_like_throttling_stops_nobody_else() -> None:
    graph = Recorder()
    graph.troubles = [GraphApiError("POST", status=429, retry_after=timedelta(days=365 * 7_000))]
    paced = graph.paced()

    with pytest.raises(GraphApiError):
        await paced.request("POST", "/subscriptions")
    await paced.request("POST", "/subscriptions")

    assert graph.now == NOW
