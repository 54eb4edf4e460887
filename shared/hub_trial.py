"""Before a subscription goes to make way for one into a hub: can Graph write there? It is asked with the one that lives.

Two on the same terms Graph does not take, so that the old one has to go first; were the role still missing then, nothing would be heard
until somebody grants it. A PATCH of the URL has Graph write its test message, and changes nothing where that fails. Until the old one
is gone its changes may come into the hub with the clientState of before, and be refused: what is owed begins before the trial. Not
here: whether our own webhook answers (`shared.cold_start`).
https://learn.microsoft.com/graph/api/subscription-update (2026-09)
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from shared.declaration import DeclaredSubscription
from shared.errors import GraphApiError, GraphProtocolError
from shared.graph.addresses import Addresses
from shared.graph.refusal import Refusal, read_refusal
from shared.graph.subscription import LiveSubscription, expiry_to_ask, read_subscription, renewal_body
from shared.ports import Clock, Graph
from shared.reconcile import Recreate, renewal_point
from shared.results import GAP


def moves_into_hub(action: Recreate, now: datetime) -> bool:
    """Tell whether what is heard now shall be heard over a hub that Graph may never have written into."""
    alive = action.row.expires is not None and action.row.expires > now
    goes_first = not (action.overlaps or action.removed or action.on_same_terms)
    same_tenant = action.declared.tenant_id == action.row.tenant_id
    return action.declared.delivery == "eventhub" and alive and goes_first and same_tenant


def owing_from(row: LiveSubscription, began: datetime) -> LiveSubscription:
    """Note that from now on changes may be refused, so that no crash forgets it."""
    known = row.owed_since if row.owed == GAP else None
    return replace(row, owed=GAP, owed_since=min(known or began, began))


class HubTrial:
    """Tries the hub out, and keeps alive what has to wait for it."""

    def __init__(self, *, graph: Graph, addresses: Addresses, now: Clock) -> None:
        self._graph = graph
        self._addresses = addresses
        self._now = now

    async def refusal(self, declared: DeclaredSubscription, row: LiveSubscription) -> Refusal | None:
        """Say why Graph cannot write into the hub; None if it can, or says something else, which is no reason to wait."""
        body = {"notificationUrl": self._addresses.notification_url(declared.delivery)}
        try:
            await self._graph.request("PATCH", _path(row), body=body, tenant_id=row.tenant_id)
        except GraphApiError as problem:
            refusal = read_refusal(problem, attempts=row.attempts)
            return refusal if refusal.kind == "event-hub" else None
        return None

    def undone(self, row: LiveSubscription) -> Mapping[str, str]:
        """Give what a renewal has to set right where a trial may have succeeded of which nothing came: the declaration was taken back."""
        return {"notificationUrl": self._addresses.notification_url(row.delivery)} if row.owed == GAP else {}

    async def prolong(self, row: LiveSubscription) -> LiveSubscription:
        """Renew one that waits for its successor, on its own terms and when its time has come; what fails is tried again."""
        point = renewal_point(row)
        if point is None or point > self._now():
            return row
        expires = expiry_to_ask(
            row.resource,
            include_resource_data=row.include_resource_data,
            now=self._now(),
            lifetime=timedelta(minutes=row.lifetime_minutes) if row.lifetime_minutes else None,
        )
        body = renewal_body(expires=expires, key=None)
        try:
            answer = await self._graph.request("PATCH", _path(row), body=body, tenant_id=row.tenant_id)
            return replace(row, expires=read_subscription(answer).expires, renewed=self._now())
        except (GraphApiError, GraphProtocolError):
            return row


def _path(row: LiveSubscription) -> str:
    return f"/subscriptions/{row.subscription_id}"
