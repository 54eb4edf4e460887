"""Finds, in Graph's list of subscriptions, what an earlier try of ours has made without our learning of it.

Asked seldom, because listing is dear: where Graph refuses a second one without naming the first, and where what was tried is
not wanted any more. Not here: a conflict that names it (`shared.executor`), and the regular search for subscriptions that
nobody knows, which looks at everything and only reports.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.errors import GraphProtocolError
from shared.graph.links import relative_path
from shared.graph.subscription import GraphSubscription, LiveSubscription, read_subscription
from shared.ports import Graph, SubscriptionStore

_PAGES: Final = 20
"""An app may list 25 pages in 20 seconds; what stands further behind is left to the regular search.
https://learn.microsoft.com/graph/throttling-limits (2026-09)"""


class Orphans:
    """Subscriptions that call us, hear what a row says and belong to no row: they have the row's clientState."""

    def __init__(self, *, graph: Graph, store: SubscriptionStore, base_url: str) -> None:
        self._graph = graph
        self._store = store
        self._url = f"{base_url}/notifications"

    async def of(self, row: LiveSubscription) -> Sequence[GraphSubscription]:
        """Find what a row may have made; nothing while another unfinished row wants the same, whose it could be.

        Raises GraphApiError, GraphProtocolError and StorageError.
        """
        listed = [each for each in await self._list(row.tenant_id) if self.may_be_of(row, each)]
        if not listed:
            return ()
        # the rows after the list: what was made meanwhile is in its row, or its row is unfinished
        rows = [each for each in await self._store.list() if each.name != row.name]
        if any(not each.subscription_id and not each.refused and _same_terms(each, row) for each in rows):
            return ()
        known = {row.former_id, *(id_ for each in rows for id_ in (each.subscription_id, each.former_id))}
        return [each for each in listed if each.subscription_id not in known]

    def may_be_of(self, row: LiveSubscription, listed: GraphSubscription) -> bool:
        """Tell whether a subscription calls us and hears what a row says."""
        resource, change_types = _terms(row.resource, row.change_type)
        heard = _terms(listed.resource, listed.change_type)
        return listed.notification_url == self._url and heard == (resource, change_types)

    async def _list(self, tenant_id: str) -> Sequence[GraphSubscription]:
        found: list[GraphSubscription] = []
        path = "/subscriptions"
        for _ in range(_PAGES):
            page = await self._graph.request("GET", path, tenant_id=tenant_id)
            found += _read_page(page)
            if not page.get("@odata.nextLink"):
                break
            path = relative_path(page["@odata.nextLink"])
        return found


def _read_page(page: Mapping[str, Any]) -> Sequence[GraphSubscription]:
    listed = page.get("value")
    if not isinstance(listed, list):
        raise GraphProtocolError("a page of the list of subscriptions has no value")
    return [read_subscription(each) for each in listed if isinstance(each, dict)]


def _same_terms(row: LiveSubscription, other: LiveSubscription) -> bool:
    return _terms(row.resource, row.change_type) == _terms(other.resource, other.change_type)


def _terms(resource: str, change_type: str) -> tuple[str, frozenset[str]]:
    return resource.strip("/").lower(), frozenset(change_type.replace(" ", "").lower().split(","))
