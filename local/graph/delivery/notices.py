"""Notifications as Graph writes them, and the truth about each: what happened, and when the receiver said that it had it.

https://learn.microsoft.com/en-us/graph/api/resources/changenotification. Not here: sending, see `delivery`.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.graph.catalogue.table import Workload
from local.graph.clock import PACIFIC, microseconds, seven_digits
from local.graph.delivery.encryption import seal
from local.graph.subscribing.store import Subscription
from local.graph.tenant.messages import write_content
from local.graph.tenant.world import Change

TYPES: Mapping[Workload, str] = {
    "channel": "#Microsoft.Graph.chatMessage",
    "chat": "#Microsoft.Graph.chatMessage",
    "mail": "#Microsoft.Graph.Message",
}
SHORT_TEXT = 60


@dataclass(slots=True, kw_only=True)
class Truth:
    """What one subscriber was told of one change; `acknowledged` is set by the first 2xx."""

    number: int
    change: Change
    subscription_id: str
    rich: bool
    acknowledged: datetime | None = None

    def printed(self) -> dict[str, Any]:
        """Return the row for the control API."""
        item = self.change.item
        return {
            "n": self.number,
            "change": self.change.number,
            "at": microseconds(self.change.at),
            "changeType": self.change.change_type,
            "resource": item.resource,
            "version": item.version,
            "deleted": item.deleted is not None,
            "rich": self.rich,
            "subscriptionId": self.subscription_id,
            "acknowledged": microseconds(self.acknowledged) if self.acknowledged else None,
            "text": item.text[:SHORT_TEXT],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One item of a body: for whom, what it says, and whether it is the real thing, a repetition or a forgery."""

    subscription: Subscription
    notification: Mapping[str, Any]
    truth: Truth | None = None
    forged: str | None = None
    duplicate: bool = False

    @property
    def encrypted(self) -> bool:
        """Whether the item carries a resource, and its body therefore a token."""
        return "encryptedContent" in self.notification


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes notifications for one tenant; `oddities` is how often Graph's rarer spellings appear."""

    tenant_id: str
    dice: random.Random
    oddities: float = 0.1

    def write(self, change: Change, subscription: Subscription) -> dict[str, Any]:
        """Return the notification of a change; a rich one is encrypted to the subscriber.

        A deleted mail is gone, so that there is nothing left to encrypt: its item is a basic one.
        """
        item = change.item
        notification = self.outline(
            subscription, item.place.workload, change_type=change.change_type, resource=item.resource, item_id=item.id
        )
        if item.place.workload == "mail":
            notification["resourceData"]["@odata.etag"] = item.version
            if item.deleted:
                return notification
        if subscription.certificate:
            content = write_content(item, tenant_id=self.tenant_id, selected=subscription.selected)
            notification["encryptedContent"] = seal(content, subscription.certificate)
        return notification

    def outline(
        self, subscription: Subscription, workload: Workload, *, change_type: str, resource: str, item_id: str
    ) -> dict[str, Any]:
        """Return a notification without its content. Offsets other than Z do occur; so does `Created`, in Teams only."""
        odd = self.dice.random() < self.oddities
        expires = seven_digits(subscription.expiration_date_time, offset=PACIFIC if odd else UTC)
        capital = workload != "mail" and self.dice.random() < self.oddities
        return {
            "subscriptionId": subscription.id,
            "changeType": change_type.capitalize() if capital else change_type,
            "clientState": subscription.client_state,
            "subscriptionExpirationDateTime": expires,
            "resource": resource,
            "resourceData": {"@odata.type": TYPES[workload], "@odata.id": resource, "id": item_id},
            "tenantId": self.tenant_id,
        }


def write_lifecycle(subscription: Subscription, event: str) -> dict[str, Any]:
    """Return a lifecycle notification as Graph really sends it: `organizationId`, and the subscription as resource.

    Captures: microsoftgraph/msgraph-sdk-dotnet issue 3103 (2026), contrib issue 84. The documented form has `tenantId`.
    """
    named = f"subscriptions/{subscription.id}"
    return {
        "lifecycleEvent": event,
        "subscriptionId": subscription.id,
        "resource": f"Subscriptions/{subscription.id}",
        "resourceChangeType": None,
        "sequence": None,
        "clientState": subscription.client_state,
        "resourceData": {"@odata.type": "#microsoft.graph.subscription", "@odata.id": named, "id": subscription.id},
        "encryptedContent": None,
        "organizationId": subscription.tenant_id,
        "subscriptionExpirationDateTime": seven_digits(subscription.expiration_date_time, offset=PACIFIC),
    }
