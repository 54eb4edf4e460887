"""Answers that are remembered for a while, asked for once however many wait for them, within a bound.

Not here: what is asked, and what a failure means.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shared.ports import Clock

_Answer = TypeVar("_Answer")


class Remembered(Generic[_Answer]):
    """Answers by a key. ``weigh`` says what one costs, ``most`` what all of them may, and ``lasts`` how long one is believed.

    Those that nobody asked about for longest are forgotten first. Failures are not kept.
    """

    def __init__(
        self,
        now: Clock,
        *,
        most: int,
        weigh: Callable[[_Answer], int],
        lasts: Callable[[_Answer], timedelta],
    ) -> None:
        self._now = now
        self._most = most
        self._weigh = weigh
        self._lasts = lasts
        self._weight = 0
        self._known: OrderedDict[str, tuple[_Answer, datetime]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[_Answer]] = {}

    async def get(self, key: str, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Give the answer that is believed, or ask for one. Raises what asking raises."""
        known = self._known.get(key)
        if known is not None and self._now() < known[1]:
            self._known.move_to_end(key)
            return known[0]
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.ensure_future(self._ask(key, ask))
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)  # whoever gives up waiting leaves it to the others

    def is_believed(self, key: str) -> bool:
        """Tell whether there is an answer that nobody needs to ask for."""
        known = self._known.get(key)
        return known is not None and self._now() < known[1]

    def last(self, key: str) -> _Answer | None:
        """Give the last answer, however old it is; None where there never was one, or where it was forgotten."""
        known = self._known.get(key)
        if known is None:
            return None
        self._known.move_to_end(key)
        return known[0]

    async def _ask(self, key: str, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        begun = self._now()  # what changes while the answer is under way may not be in it
        answer = await ask()
        self._forget(key)
        self._known[key] = (answer, begun + self._lasts(answer))
        self._weight += self._weigh(answer)
        while self._weight > self._most and len(self._known) > 1:
            self._forget(next(iter(self._known)))
        return answer

    def _forget(self, key: str) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._weight -= self._weigh(known[0])

    def _asked(self, key: str, done: "asyncio.Task[_Answer]") -> None:
        del self._asking[key]
        if not done.cancelled():
            done.exception()  # looked at: nobody may be waiting any more
