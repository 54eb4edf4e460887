"""Reads feeds for operators: lists them all, and pages through any one in order of arrival or backwards.

A reader that was away asks for what came ``after`` the last position it saw, and misses nothing: positions have no holes,
and a late arrival, an edit or a deletion takes the next one.

Not here: what people may read who sign in, which is theirs alone (`shared.user_feeds`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.answers import Answer, answer_error, answer_json, answer_problem
from shared.errors import BadRequest, StorageError
from shared.feed_titles import FeedTitles
from shared.feeds import NAMELESS, is_feed_id, print_change, print_feed
from shared.ports import FeedLogRow, FeedStore

DEFAULT_TOP: Final = 50
LARGEST_TOP: Final = 200
LARGEST_POSITION: Final = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """Which changes are asked for: behind a position, before one, between two, or the newest."""

    top: int = DEFAULT_TOP
    after: int | None = None
    before: int | None = None


def read_page_query(query: Mapping[str, str]) -> PageQuery:
    """Read a query. Raises BadRequest; other parameters are passed over."""
    top = _number(query, "top")
    top = DEFAULT_TOP if not top else min(top, LARGEST_TOP)
    return PageQuery(top=top, after=_number(query, "after"), before=_number(query, "before"))


async def read_rows(store: FeedStore, feed: str, query: PageQuery) -> Sequence[FeedLogRow]:
    """Read the rows of a page: oldest first behind a position, else newest first."""
    before = None if query.after is not None else query.before
    rows = await store.page(feed, after=query.after, before=before, top=query.top)
    return [row for row in rows if query.before is None or row.position < query.before]


def print_page(rows: Sequence[FeedLogRow], query: PageQuery) -> dict[str, Any]:
    """Print a page, with where to go on if there is more."""
    page: dict[str, Any] = {"changes": [print_change(row) for row in rows]}
    positions = [row.position for row in rows]
    if positions and query.after is not None:
        page["after"] = max(positions)
    elif positions and min(positions) > 1:  # they have no holes: there is more behind
        page["before"] = min(positions)
    return page


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReading:
    """Answers of the operators' view. Without ``titles`` no feed has a name: where people sign in, Graph tells them."""

    store: FeedStore
    titles: FeedTitles | None = None

    async def feeds(self) -> Answer:
        """List every feed."""
        try:
            feeds = await self.store.feeds()
        except StorageError as problem:
            return answer_problem(problem)
        called = await self.titles.find(feeds) if self.titles else {}
        return answer_json(200, {"feeds": [print_feed(each, called.get(each.feed, NAMELESS)) for each in feeds]})

    async def page(self, feed: str, query: Mapping[str, str]) -> Answer:
        """Read one page: without a position the latest changes, newest first."""
        try:
            asked = read_page_query(query)
            if not is_feed_id(feed) or await self.store.find(feed) is None:
                return answer_error(404, "NotFound", "there is no feed of this id; GET /api/manage/feeds lists them")
            rows = await read_rows(self.store, feed, asked)
        except (BadRequest, StorageError) as problem:
            return answer_problem(problem)
        return answer_json(200, print_page(rows, asked))


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or int(text[:20]) > LARGEST_POSITION:
        raise BadRequest(f"'{name}' is not a whole number")
    return int(text[:20])
