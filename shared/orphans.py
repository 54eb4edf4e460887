"""Finds, in Graph's list of subscriptions, what an earlier try of ours has made without our learning of it.

Asked seldom, because listing is dear: where Graph refuses a second one without naming the first, and where what was tried is
not wanted any more. Not here: a conflict that names it (`shared.executor`), and the regular search for subscriptions that
nobody knows (`shared.unknown_subscriptions`).
"""

from collections.abc import Sequence

from shared.graph.addresses import Addresses
from shared.graph.subscription import GraphSubscription, LiveSubscription, read_subscription
from shared.ports import Graph, SubscriptionStore
from shared.subscription_list import FIRST_PAGE, list_some, terms_of


class Orphans:
    """Subscriptions that reach us, hear what a row says and belong to no row: they have the row's clientState."""

    def __init__(self, *, graph: Graph, store: SubscriptionStore, addresses: Addresses) -> None:
        self._graph = graph
        self._store = store
        self._addresses = addresses

    async def of(self, row: LiveSubscription) -> Sequence[GraphSubscription]:
        """Find what a row may have made; nothing while another unfinished row wants the same, whose it could be.

        Raises GraphApiError, GraphProtocolError and StorageError.
        """
        # the rest is left to the regular search
        page, _ = await list_some(self._graph, FIRST_PAGE, tenant_id=row.tenant_id, actor=row.actor)
        listed = [each for each in map(read_subscription, page) if self.may_be_of(row, each)]
        if not listed:
            return ()
        # the rows after the list: what was made meanwhile is in its row, or its row is unfinished
        rows = [each for each in await self._store.list() if each.name != row.name]
        if any(not each.subscription_id and not each.refused and _same_terms(each, row) for each in rows):
            return ()
        known = {row.former_id, *(id_ for each in rows for id_ in (each.subscription_id, each.former_id))}
        return [each for each in listed if each.subscription_id not in known]

    def may_be_of(self, row: LiveSubscription, listed: GraphSubscription) -> bool:
        """Tell whether a subscription reaches us as a row says, and hears what it says."""
        heard = terms_of(listed.resource, listed.change_type)
        ours = self._addresses.is_for(row.delivery, listed.notification_url)
        return ours and heard == terms_of(row.resource, row.change_type)


def _same_terms(row: LiveSubscription, other: LiveSubscription) -> bool:
    return terms_of(row.resource, row.change_type) == terms_of(other.resource, other.change_type)
