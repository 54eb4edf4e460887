"""Pages of a delta, or of a list, read as values: what is on them, what is gone, where it goes on, and when to begin anew.

Links are reduced to their path: whatever host they name, only Graph is asked. Not here: what is done with an item.
https://learn.microsoft.com/graph/delta-query-overview (2026-03)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from shared.errors import GraphApiError, GraphProtocolError
from shared.graph.links import relative_path

Gone = Literal["", "changed", "deleted"]
"""``changed``: it left the list, or can still be restored, and its notification says *updated*. ``deleted``: for good."""

_GONE_STATUS: Final = 410
_BAD_REQUEST: Final = 400
_NEW_STATE: Final = frozenset(
    {
        "syncstatenotfound",
        "syncstateinvalid",
        "resyncrequired",
        "resyncchangesapplydifferences",
        "resyncchangesuploaddifferences",
        "invaliddeltatoken",
        "directory_expiredtoken",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaItem:
    """One thing on a page: its id, what is said of it, and whether it is gone."""

    id: str
    content: Mapping[str, Any] = field(repr=False)
    gone: Gone = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaPage:
    """One page. ``following`` leads to the next page, ``ended`` to the next round; a list's last page has neither."""

    items: tuple[DeltaItem, ...]
    following: str = ""
    ended: str = ""


def read_page(answer: Mapping[str, Any], *, delta: bool = True) -> DeltaPage:
    """Read a page. Raises GraphProtocolError, and nothing else, for what is none; a delta's must lead on.

    A page may be empty and still lead on. Of an item that is on it twice, the last counts. What has no id is left out.
    """
    values = answer.get("value")
    if not isinstance(values, list):
        raise GraphProtocolError("a page of changes has no value")
    following, ended = (_link(answer, name) for name in ("@odata.nextLink", "@odata.deltaLink"))
    if delta and not (following or ended):
        raise GraphProtocolError("a page of changes leads neither to the next one nor to the next round")
    items: dict[str, DeltaItem] = {}
    for item in read_items(values):
        items.pop(item.id, None)
        items[item.id] = item
    # never both at once; of the two, the next page loses nothing
    return DeltaPage(items=tuple(items.values()), following=following, ended="" if following else ended)


def read_items(values: object) -> Iterator[DeltaItem]:
    """Read what is listed, and skip what is no item."""
    for value in values if isinstance(values, list) else ():
        if isinstance(value, dict) and isinstance(value.get("id"), str) and value["id"] and value["id"].isprintable():
            yield DeltaItem(id=value["id"], content=value, gone=_gone(value))


def _gone(item: Mapping[str, Any]) -> Gone:
    removed = item.get("@removed")
    if removed is not None:
        reason = removed.get("reason") if isinstance(removed, dict) else None
        return "changed" if reason == "changed" else "deleted"
    # files have a facet, Teams' messages stay and say when
    if isinstance(item.get("deleted"), dict) or item.get("deletedDateTime"):
        return "deleted"
    return ""


def _link(answer: Mapping[str, Any], name: str) -> str:
    return relative_path(answer[name]) if answer.get(name) is not None else ""


def has_lost_its_state(refusal: GraphApiError) -> bool:
    """Tell whether Graph no longer knows a link that it gave out, so that a round must begin anew.

    410, with a place to begin anew or without one; Outlook's codes come with other statuses too. A link that Graph calls
    malformed is as lost.
    """
    return refusal.status in {_GONE_STATUS, _BAD_REQUEST} or refusal.code.lower() in _NEW_STATE
