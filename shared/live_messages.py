"""Tells connected clients what has been written down already. Best effort: nothing is kept for them, and nothing fails here.

A client finds what it missed by itself: positions of a feed have no holes, and a mailbox has its delta. So a message that does
not go out within two seconds is let go, and while the service is away nobody waits for it.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.errors import LiveUnavailable
from shared.live import FEED_TARGET, MAIL_TARGET, feed_message, group_now, own_feed
from shared.ports import Clock, Live

_LOGGER = logging.getLogger(__name__)

BUDGET: Final = timedelta(seconds=2)
"""How long a handler may be held up by one message."""

PAUSE: Final = timedelta(seconds=5)
"""How long nothing is tried after a failure; then one message is, and the others wait for what becomes of it."""


_OF_ONE: Final = frozenset({400, 413})
"""Refusals that say something of the message and nothing of the service: the next one is sent as if nothing had been."""


class LiveMessages:
    """Sends through a service, or where there is none does nothing."""

    def __init__(self, live: Live | None, now: Clock, *, budget: timedelta = BUDGET, pause: timedelta = PAUSE) -> None:
        self._live = live
        self._now = now
        self._budget = budget
        self._pause = pause
        self._again: datetime | None = None
        self._let_go = 0

    async def to_feed(self, feed: str, position: int, change: Mapping[str, Any]) -> None:
        """Tell a feed's clients of a change that has taken a position. ``change`` is as a page of the feed has it."""
        if self._live is not None and self._may_try():
            group = group_now(feed, self._now())
            await self._try(self._live, group, FEED_TARGET, feed_message(feed, position, change))

    async def to_owner(self, user_id: str, message: Mapping[str, Any]) -> None:
        """Tell the owner of a mailbox what `shared.live.mail_message` made."""
        if self._live is not None and self._may_try():
            await self._try(self._live, group_now(own_feed(user_id), self._now()), MAIL_TARGET, message)

    def _may_try(self) -> bool:
        if self._again is None:
            return True
        now = self._now()
        if now < self._again:
            self._let_go += 1
            return False
        self._again = now + self._pause  # for the others, until this one is through
        return True

    async def _try(self, live: Live, group: str, target: str, message: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._budget.total_seconds()):
                await live.send_to_group(group, target, [message])
        except (LiveUnavailable, TimeoutError) as problem:
            self._note_failure(problem)
        else:
            self._note_success()

    def _note_failure(self, problem: LiveUnavailable | TimeoutError) -> None:
        if isinstance(problem, LiveUnavailable) and problem.status in _OF_ONE:
            _LOGGER.warning("one live message was not taken, and will be fetched: %s", problem)
            return
        self._let_go += 1
        if self._again is None:  # one line for an outage, however many messages
            why = str(problem) or f"no answer within {self._budget.total_seconds():g} s"
            _LOGGER.warning("live clients are not told for now, and will fetch: %s", why)
        after = problem.after if isinstance(problem, LiveUnavailable) else None
        self._again = self._now() + max(self._pause, after or self._pause)

    def _note_success(self) -> None:
        if self._again is not None:
            _LOGGER.warning("live clients are told again; %d messages were let go", self._let_go)
            self._again, self._let_go = None, 0
