"""Fires one timer function by its schedule, in UTC, never while it still runs.

The real host remembers occurrences in a blob (`useMonitor`) and makes up for one that was missed while it was down;
this one remembers nothing, so nothing is ever past due.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

from local.host.clock import utc_now
from local.host.console import stamped
from local.host.datums import Datum
from local.host.dispatch import Dispatch
from local.host.functions import Function

LONGEST_SLEEP = 3600.0


class TimerListener:
    """One timer trigger at work."""

    def __init__(
        self,
        function: Function,
        following: Callable[[datetime], datetime | None],
        dispatch: Dispatch,
        *,
        at_start: bool,
    ) -> None:
        self._function = function
        self._following = following
        self._dispatch = dispatch
        self._at_start = at_start

    @property
    def name(self) -> str:
        """The function's name."""
        return self._function.name

    async def listen(self) -> NoReturn:
        """Fire at every occurrence until cancelled; one that falls into a run or its retries is left out."""
        if self._at_start:
            await self._fire(f"Timer fired at {stamped(utc_now())} (at start)")
        while True:
            due = self._following(utc_now())
            while due is None or utc_now() < due:
                pause = LONGEST_SLEEP if due is None else (due - utc_now()).total_seconds()
                await asyncio.sleep(min(max(pause, 0.0), LONGEST_SLEEP))
            await self._fire(f"Timer fired at {stamped(utc_now())}")

    async def run_by_hand(self, _text: str) -> None:
        """Run it now, whatever the schedule says."""
        await self._fire("This function was programmatically called via the host APIs.")

    async def _fire(self, reason: str) -> None:
        info = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        inputs = {self._function.trigger.name: Datum("json", json.dumps(info))}
        await self._dispatch.persist(self._function, inputs, {}, reason)  # a failure does not stop the schedule
