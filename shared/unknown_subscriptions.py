"""Subscriptions at Graph that are ours neither by id nor by table: found, shown, and by choice deleted.

They come from a table that was lost, from an answer that was lost, or from another deployment that uses the same app
registration. The last kind calls somewhere else, or writes into another hub, and is only ever reported. One that reaches us cannot be adopted, because Graph
does not say its clientState: *replace* deletes those in whose place something declared stands, *delete* all of them.
Not here: an earlier try of our own that Graph names in a conflict (`shared.executor`).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.errors import GraphApiError
from shared.graph.addresses import Addresses
from shared.graph.subscription import LiveSubscription
from shared.ports import Graph, SubscriptionStore
from shared.subscription_list import list_some, terms_of
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One subscription as Graph lists it."""

    subscription_id: str
    resource: str
    change_type: str
    notification_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a part of the list had in it; ``following`` is where it goes on, empty at its end."""

    unknown: tuple[Listed, ...]
    following: str = ""


class UnknownSubscriptions:
    """Looks for them, a part of the list at a time, and does what UNKNOWN_SUBSCRIPTIONS says."""

    def __init__(self, *, graph: Graph, store: SubscriptionStore, addresses: Addresses, policy: str) -> None:
        self._graph = graph
        self._store = store
        self._addresses = addresses
        self._policy = policy

    async def look(self, path: str, tenant_id: str) -> Found:
        """Read some pages of a tenant's list, from ``path`` on. Raises GraphApiError, GraphProtocolError and StorageError."""
        page, following = await list_some(self._graph, path, tenant_id=tenant_id)
        listed = [_read(each) for each in page if isinstance(each.get("id"), str)]
        # the rows after the list: what was made meanwhile has its id there, or is still an intent
        rows = await self._store.list() if listed else ()
        strangers = unknown(listed, rows)
        deleted = [each.subscription_id for each in strangers if await self._delete(each, rows, tenant_id)]
        for each in strangers:
            fields = {
                "subscriptionId": each.subscription_id,
                "resource": each.resource,
                "callsUs": self._calls_us(each),
                "outcome": "deleted" if each.subscription_id in deleted else "left alone",
            }
            log_line(_LOGGER, logging.WARNING, "a subscription that nobody knows", fields)
        left = tuple(each for each in strangers if each.subscription_id not in deleted)
        return Found(unknown=left, following=following)

    def _calls_us(self, listed: Listed) -> bool:
        return self._addresses.reaches_us(listed.notification_url)

    async def _delete(self, listed: Listed, rows: Sequence[LiveSubscription], tenant_id: str) -> bool:
        if self._policy == "report" or not self._calls_us(listed):
            return False
        if self._policy == "replace" and not any(_same(listed, row) for row in rows):
            return False
        try:
            await self._graph.request("DELETE", f"/subscriptions/{listed.subscription_id}", tenant_id=tenant_id)
        except GraphApiError as problem:
            return problem.status == _NOT_FOUND
        return True


def unknown(listed: Iterable[Listed], rows: Sequence[LiveSubscription]) -> tuple[Listed, ...]:
    """Pick those that no row has. One that an unfinished row may have made without our learning of it is not among them."""
    ours = {id_.lower() for row in rows for id_ in (row.subscription_id, row.former_id) if id_}
    intents = [row for row in rows if not row.subscription_id and not row.refused]
    return tuple(
        each
        for each in listed
        if each.subscription_id.lower() not in ours and not any(_same(each, row) for row in intents)
    )


def _same(listed: Listed, row: LiveSubscription) -> bool:
    return terms_of(listed.resource, listed.change_type) == terms_of(row.resource, row.change_type)


def _read(listed: Mapping[str, Any]) -> Listed:
    return Listed(
        subscription_id=listed["id"],
        resource=str(listed.get("resource") or ""),
        change_type=str(listed.get("changeType") or ""),
        notification_url=str(listed.get("notificationUrl") or ""),
    )
