"""Lifecycle notifications as Graph writes them: the form that is really sent, and the one that its page documents.

Not here: when they are sent, see `keeper`; to which body they belong, see `announcer`.
"""

from datetime import UTC, timezone
from typing import Any, Literal

from local.graph.clock import PACIFIC, seven_digits
from local.graph.subscribing.store import Subscription

Event = Literal["reauthorizationRequired", "subscriptionRemoved", "missed"]
Form = Literal["real", "documented"]

EVENTS: tuple[Event, ...] = ("reauthorizationRequired", "subscriptionRemoved", "missed")


def write_lifecycle(
    subscription: Subscription, event: Event, *, form: Form = "real", offset: timezone = PACIFIC
) -> dict[str, Any]:
    """Return one lifecycle notification; what is really sent has no tenantId, and names the subscription as its resource.

    Captures: microsoftgraph/msgraph-sdk-dotnet issue 3103 (2026), msgraph-sdk-java issue 1551, microsoft-graph-docs-contrib
    issue 84. Documented: https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events
    """
    return _documented(subscription, event) if form == "documented" else _real(subscription, event, offset)


def _real(subscription: Subscription, event: Event, offset: timezone) -> dict[str, Any]:
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
        "subscriptionExpirationDateTime": seven_digits(subscription.expiration_date_time, offset=offset),
    }


def _documented(subscription: Subscription, event: Event) -> dict[str, Any]:
    return {
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": seven_digits(subscription.expiration_date_time, offset=UTC),
        "tenantId": subscription.tenant_id,
        "clientState": subscription.client_state,
        "lifecycleEvent": event,
    }
