"""Hands out connections to live updates: to people who signed in, and for the feeds that they may see.

A caller who is let out of a feed keeps what was granted for at most `membership.REMEMBERED` and `live.LONGEST_ACCESS`
together: eleven minutes. Nobody has to look for their connections.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from shared.answers import Answer, answer_json, answer_problem
from shared.caller import Caller
from shared.callers import Callers
from shared.errors import BadRequest, EarshotError, NotNow
from shared.feeds import is_feed_id
from shared.graph.timestamp import write_timestamp
from shared.live import groups_to_join, own_feed, renew_after
from shared.membership import Membership
from shared.ports import Clock, FeedStore, FeedSummary, Live

MOST_FEEDS: Final = 100
LONGEST_ID: Final = 64
_LARGEST_BODY: Final = 65_536
_AT_ONCE: Final = 16
_NOT_KEPT: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}
"""The answer lets its holder in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiation:
    """Answers `POST /api/negotiate`. ``chance`` in [0, 1) keeps callers from renewing all at once."""

    callers: Callers
    membership: Membership
    store: FeedStore
    live: Live
    now: Clock
    chance: Callable[[], float]

    async def negotiate(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Grant what the caller may hear, and a connection to hear it with.

        ``refused`` are feeds that do not exist for the caller; ``untold`` those of which that cannot be told right now.
        """
        try:
            caller = await self.callers.recognise(headers)
            wanted = read_wanted(body)
            found = await self._find(wanted)
            visible, untold = await self.membership.choose(caller, list(found.values()))
            if untold and not visible:
                raise NotNow("which feeds you may hear cannot be told right now: try again in a minute")
            granted = [each.feed for each in visible]
            now = self.now()
            await self._join(caller, granted, now)
            connection = await self.live.connection(caller.user_id)
        except EarshotError as problem:
            return answer_problem(problem)
        later = {each.feed for each in untold}
        answer: dict[str, Any] = {
            "url": connection.url,
            "accessToken": connection.access_token,
            "expires": write_timestamp(connection.expires),
            "renewAfter": int(renew_after(now, chance=self.chance()).total_seconds()),
            "feeds": granted,
            "refused": [each for each in wanted if each not in later and each not in set(granted)],
        }
        return answer_json(200, answer | ({"untold": sorted(later)} if later else {}), _NOT_KEPT)

    async def _find(self, wanted: Sequence[str]) -> dict[str, FeedSummary]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def find(feed: str) -> FeedSummary | None:
            async with gate:
                return await self.store.find(feed)

        found = await asyncio.gather(*(find(feed) for feed in wanted if is_feed_id(feed)))
        return {each.feed: each for each in found if each is not None}

    async def _join(self, caller: Caller, granted: Sequence[str], now: datetime) -> None:
        """Put the caller's connections, those to come as well, into the groups; each of these is one request."""
        gate = asyncio.Semaphore(_AT_ONCE)
        heard = [own_feed(caller.user_id), *granted]
        groups = [group for feed in heard for group in groups_to_join(feed, now)]

        async def join(group: str, ttl: timedelta) -> None:
            async with gate:
                await self.live.join(caller.user_id, group, ttl=ttl)

        await asyncio.gather(*(join(group, ttl) for group, ttl in groups))


def read_wanted(body: bytes) -> Sequence[str]:
    """Read which feeds are asked for, each once; none without a body. Raises BadRequest."""
    if not body.strip():
        return ()
    if len(body) > _LARGEST_BODY:
        raise BadRequest(f"the body is larger than {_LARGEST_BODY} bytes")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise BadRequest("the body is not JSON") from problem
    feeds = asked.get("feeds", []) if isinstance(asked, dict) else None
    if not isinstance(feeds, list) or not all(isinstance(each, str) and len(each) <= LONGEST_ID for each in feeds):
        raise BadRequest("the body is an object whose 'feeds' are ids of feeds")
    if len(feeds) > MOST_FEEDS:
        raise BadRequest(f"'feeds' are at most {MOST_FEEDS}")
    return list(dict.fromkeys(feeds))
