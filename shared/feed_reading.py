"""Reads feeds for callers: lists them, and pages through one in order of arrival or backwards.

A reader that was away asks for what came ``after`` the last position it saw, and misses nothing: positions have no holes,
and a late arrival, an edit or a deletion takes the next one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import StorageError
from shared.feeds import is_feed_id
from shared.graph.timestamp import write_timestamp
from shared.ports import FeedLogRow, FeedStore

_DEFAULT_TOP = 50
_LARGEST_TOP = 200
_LARGEST_POSITION = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReading:
    """Answers of the feed API, as status and JSON text."""

    store: FeedStore

    async def feeds(self) -> tuple[int, str]:
        """List every feed."""
        try:
            found = await self.store.feeds()
        except StorageError as problem:
            return _unavailable(problem)
        return 200, json.dumps(
            {"feeds": [{"id": each.feed, "resource": each.resource, "kind": each.kind} for each in found]}
        )

    async def page(self, feed: str, query: Mapping[str, str]) -> tuple[int, str]:
        """Read one page: without a position the latest changes, newest first."""
        try:
            top = min(_number(query, "top") or _DEFAULT_TOP, _LARGEST_TOP)
            after, before = _number(query, "after"), _number(query, "before")
        except ValueError as problem:
            return 400, _error("BadRequest", str(problem))
        if after is not None and before is not None:
            return 400, _error("BadRequest", "give either 'after' or 'before'")
        try:
            if not is_feed_id(feed) or await self.store.find(feed) is None:
                return 404, _error("NotFound", "there is no feed of this id; GET /api/feeds lists them")
            rows = await self.store.page(feed, after=after, before=before, top=top)
        except StorageError as problem:
            return _unavailable(problem)
        return 200, json.dumps(_page(rows, forwards=after is not None))


def _page(rows: Sequence[FeedLogRow], *, forwards: bool) -> dict[str, Any]:
    page: dict[str, Any] = {"changes": [_change(row) for row in rows]}
    positions = [row.position for row in rows]
    if positions and forwards:
        page["after"] = max(positions)
    elif positions and min(positions) > 1:  # they have no holes: there is more behind
        page["before"] = min(positions)
    return page


def _change(row: FeedLogRow) -> dict[str, Any]:
    entry = row.entry
    return {
        "position": row.position,
        "arrived": write_timestamp(row.arrived),
        "changeType": row.change_type,
        "id": entry.item,
        "resource": entry.resource,
        "version": entry.version,
        "changed": write_timestamp(entry.changed) if entry.changed else None,
        "deleted": entry.deleted,
        "content": entry.content,
    }


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or int(text[:20]) > _LARGEST_POSITION:
        raise ValueError(f"'{name}' is not a whole number")
    return int(text)


def _error(code: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}})


def _unavailable(problem: StorageError) -> tuple[int, str]:
    return 503, _error("ServiceUnavailable", str(problem))
