"""What a subscription asks of an item beside its place: filters and searches, and what was preferred when it was created.

Not here: what a filter or a search means, see `content.odata`.
https://learn.microsoft.com/en-us/graph/outlook-change-notifications-overview
"""

import functools
import logging
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from local.graph.content.odata.filtering import predicate
from local.graph.content.odata.searching import search
from local.graph.faults import GraphFault
from local.graph.subscribing.preferences import IMMUTABLE_IDS, SECURITY_WEBHOOKS
from local.graph.subscribing.store import Subscription
from local.graph.tenant.entity import Change, Entity

Condition = Callable[[Mapping[str, Any]], bool]

log = logging.getLogger(__name__)


def told_as(change: Change, change_type: str, subscription: Subscription) -> str | None:
    """Return what a subscription is told that happened, None for nothing.

    Outlook's items come and go with their filter: what stops matching is told as deleted, what starts as created. Elsewhere an
    item is heard of while it matches, or did before it was deleted.
    """
    if change.only_permissions and SECURITY_WEBHOOKS not in subscription.preferences:
        return None
    before_it = change.before
    if change.other_end and _stays(change.other_end, subscription):
        # Graph's pages do not say what is told of a move under immutable ids. "Deleted" and "created" with the same id, in whichever
        # order they come, would make a receiver lose the item; only its folder has changed: so that is what is told, once
        if change.change_type == "deleted":
            return None
        change_type, before_it = "updated", change.other_end
    condition = condition_of(subscription.asked.match.query, subscription.asked.query_options or "")
    if condition is None:
        return change_type
    before, now = _holds(condition, before_it), _holds(condition, change.entity)
    if change.entity.row.family != "outlook":
        return change_type if now or (before and change.entity.deleted) else None
    return _AS_TOLD[before, now] if before != now else change_type if now else None


@functools.lru_cache(maxsize=4096)
def condition_of(query: str, options: str) -> Condition | None:
    """Return what a resource's query and the query options ask of an item, None for nothing.

    One that cannot be read lets nothing through: Graph accepts more than it ever notifies of.
    """
    parts = [part for text in (query, options) for part in text.split("&")]
    asked = [(name.strip().lower(), value) for name, _, value in (part.partition("=") for part in parts)]
    try:
        found = [_READERS[name](urllib.parse.unquote(value)) for name, value in asked if name in _READERS]
    except GraphFault as wrong:
        log.warning("a subscription's condition cannot be read, nothing will match it", extra={"why": wrong.message})
        return _never
    return functools.partial(_all, tuple(found)) if found else None


def _stays(other_end: Entity, subscription: Subscription) -> bool:
    """Say whether a move ends, for a subscription, where it began: in the same place, under the same id."""
    return IMMUTABLE_IDS in subscription.preferences and subscription.reach in other_end.reaches


def _holds(condition: Condition, entity: Entity | None) -> bool:
    return entity is not None and not entity.deleted and condition(entity.content)


def _all(conditions: tuple[Condition, ...], content: Mapping[str, Any]) -> bool:
    return all(condition(content) for condition in conditions)


def _never(_content: Mapping[str, Any]) -> bool:
    return False


_READERS: Mapping[str, Callable[[str], Condition]] = {"$filter": predicate, "$search": search}
_AS_TOLD = {(True, False): "deleted", (False, True): "created"}
