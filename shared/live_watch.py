"""Remembers whether the service for live clients answered last, for `/api/status`."""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.errors import LiveUnavailable
from shared.graph.timestamp import write_timestamp
from shared.ports import Clock, Live, LiveConnection

T = TypeVar("T")


class LiveWatch:
    """Port ``Live`` around another one."""

    def __init__(self, live: Live, now: Clock) -> None:
        self._live = live
        self._now = now
        self._answered: datetime | None = None
        self._failed: datetime | None = None
        self._problem = ""

    async def connection(self, user_id: str) -> LiveConnection:
        """Ask for a connection."""
        return await self._watch(self._live.connection(user_id))

    async def join(self, user_id: str, group: str, *, ttl: timedelta) -> None:
        """Put a user into a group."""
        await self._watch(self._live.join(user_id, group, ttl=ttl))

    async def send_to_group(self, group: str, target: str, arguments: Sequence[Any]) -> None:
        """Send to a group."""
        await self._watch(self._live.send_to_group(group, target, arguments))

    def report(self) -> Mapping[str, Any]:
        """Say when this process last had an answer, when it last had none, and if that is the latest, why."""
        failing = self._failed is not None and (self._answered is None or self._failed >= self._answered)
        return {
            "answered": write_timestamp(self._answered) if self._answered else None,
            "failed": write_timestamp(self._failed) if self._failed else None,
            "problem": self._problem if failing else "",
        }

    async def _watch(self, asking: Awaitable[T]) -> T:
        try:
            answer = await asking
        except LiveUnavailable as problem:
            self._failed, self._problem = self._now(), str(problem)
            raise
        self._answered = self._now()
        return answer
