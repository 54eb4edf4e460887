"""Feeds for the people who are in them: listed, and read page by page, for as long as they are in them.

A feed that somebody may not see is one that does not exist. What a page shows depends on the newest position alone, so that
whoever asks again is told cheaply that nothing has happened.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.answers import (
    PRIVATE,
    Answer,
    answer_error,
    answer_json,
    answer_problem,
    compressed,
    unchanged,
    with_tag,
)
from shared.caller import Caller
from shared.callers import Callers
from shared.errors import EarshotError, NotNow
from shared.feed_reading import PageQuery, print_page, read_page_query, read_rows
from shared.feed_titles import FeedTitles
from shared.feeds import is_feed_id, print_feed
from shared.membership import Membership
from shared.ports import FeedStore, FeedSummary

_FORM: Final = "1"
"""Begins every tag: to be counted up when pages look different for the same changes."""

_AT_ONCE: Final = 256 * 1024
"""Bytes that are compressed in passing; more would hold everybody up, and has a thread of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFeeds:
    """Answers to people. ``headers`` are those of their request, names in any case."""

    callers: Callers
    membership: Membership
    titles: FeedTitles
    store: FeedStore

    async def feeds(self, headers: Mapping[str, str]) -> Answer:
        """List the feeds that the caller may see; ``incomplete`` says that of some it cannot be told right now."""
        asked = _lower(headers)
        try:
            caller = await self.callers.recognise(asked)
            visible, untold = await self.membership.choose(caller, await self.store.feeds())
            if untold and not visible:
                raise NotNow("which feeds you may see cannot be told right now: try again in a minute")
        except EarshotError as problem:
            return answer_problem(problem)
        called = await self.titles.find(visible, caller)
        printed = [print_feed(each, called[each.feed]) for each in visible]
        body = {"feeds": printed} | ({"incomplete": True} if untold else {})
        answer = answer_json(200, body, PRIVATE)
        tag = f"{_FORM}.{hashlib.sha256(answer.body).hexdigest()[:24]}"
        return unchanged(tag, asked.get("if-none-match", ""), PRIVATE) or await _sent(answer, tag, asked)

    async def page(self, feed: str, headers: Mapping[str, str], query: Mapping[str, str]) -> Answer:
        """Read one page of a feed that the caller may see: without a position the latest changes, newest first."""
        asked = _lower(headers)
        try:
            caller = await self.callers.recognise(asked)
            wanted = read_page_query(query)
            if await self._find(caller, feed) is None:
                return answer_error(404, "NotFound", "there is no such feed; GET /api/feeds lists yours")
            return await self._read(feed, wanted, asked)
        except EarshotError as problem:
            return answer_problem(problem)

    async def _find(self, caller: Caller, feed: str) -> FeedSummary | None:
        found = await self.store.find(feed) if is_feed_id(feed) else None
        return found if found is not None and await self.membership.may_see(caller, found) else None

    async def _read(self, feed: str, wanted: PageQuery, asked: Mapping[str, str]) -> Answer:
        newest = await self.store.newest(feed)
        tag = _tag(newest, wanted)
        known = unchanged(tag, asked.get("if-none-match", ""), PRIVATE)
        if known is not None:
            return known
        rows = await read_rows(self.store, feed, wanted)
        answer = answer_json(200, print_page(rows, wanted), PRIVATE)
        # a change that came while the page was read may be on it, or not: then it is nothing to recognise later
        settled = await self.store.newest(feed) == newest
        return await _sent(answer, tag if settled else "", asked)


def _tag(newest: int, wanted: PageQuery) -> str:
    after = "" if wanted.after is None else f"a{wanted.after}"
    before = "" if wanted.before is None else f"b{wanted.before}"
    return f"{_FORM}.{newest}.{wanted.top}{after}{before}"


async def _sent(answer: Answer, tag: str, asked: Mapping[str, str]) -> Answer:
    tagged, accepted = with_tag(answer, tag) if tag else answer, asked.get("accept-encoding", "")
    if len(answer.body) < _AT_ONCE:
        return compressed(tagged, accepted)
    return await asyncio.to_thread(compressed, tagged, accepted)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers.items()}
