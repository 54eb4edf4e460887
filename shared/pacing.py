"""Keeps within what Graph allows an app to write: a port ``Graph`` before a port ``Graph``.

500 writes in 20 seconds for an app in a tenant; what is asked for while Graph says *later* counts too, so nothing is asked for
then. Not here: how long one subscription waits after a refusal (`shared.graph.refusal`); other instances of the app, whose share
is kept by spreading the work (`shared.subscriptions`).
https://learn.microsoft.com/graph/throttling-limits (2026-09)
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.errors import GraphApiError
from shared.ports import Clock, Graph

WINDOW: Final = timedelta(seconds=20)
MOST_WRITES: Final = 400
"""In a window. Graph's limit is 500: the rest is for lifecycle events, other instances, and whoever else uses the app's id."""

_LONGEST_WAIT: Final = timedelta(seconds=45)
"""Whoever would wait longer is told so instead: his lease on the row would run out meanwhile."""
_TOO_MANY: Final = 429
_QUOTA: Final = timedelta(hours=1)
"""A longer pause than this is a quota in disguise, and nobody else's concern."""


class PacedGraph:
    """Lets so many writes through in a window, and none while Graph wants to be left alone. Reads pass by the window."""

    def __init__(
        self,
        graph: Graph,
        *,
        now: Clock,
        pause: Callable[[float], Awaitable[None]],
        most: int = MOST_WRITES,
        window: timedelta = WINDOW,
    ) -> None:
        self._graph = graph
        self._now = now
        self._pause = pause
        self._most = most
        self._window = window
        self._taken: deque[datetime] = deque()
        self._held_until: datetime | None = None

    async def request(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        """Make one request, in its turn. Raises GraphApiError as Graph does; 429 if its turn is too far away."""
        await self._wait_for_turn(method, path)
        try:
            return await self._graph.request(method, path, **options)
        except GraphApiError as refusal:
            self._heed(refusal)
            raise

    async def _wait_for_turn(self, method: str, path: str) -> None:
        began = self._now()
        while (until := self._turn(writes=method != "GET")) is not None:
            if until - began > _LONGEST_WAIT:
                message = "not asked: Graph wants to be left alone"
                what = f"{method} {path.partition('?')[0]}"
                raise GraphApiError(what, status=_TOO_MANY, message=message, retry_after=until - self._now())
            await self._pause(max((until - self._now()).total_seconds(), 0.0))

    def _turn(self, *, writes: bool) -> datetime | None:
        """Take a turn, or say when there may be one."""
        now = self._now()
        if self._held_until is not None and now < self._held_until:
            return self._held_until
        if not writes:
            return None
        while self._taken and now - self._taken[0] >= self._window:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return self._taken[0] + self._window
        self._taken.append(now)
        return None

    def _heed(self, refusal: GraphApiError) -> None:
        after = refusal.retry_after
        if refusal.status == _TOO_MANY and after is not None and after <= _QUOTA:
            until = self._now() + after
            self._held_until = max(until, self._held_until or until)
