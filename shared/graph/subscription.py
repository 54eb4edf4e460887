"""Subscriptions as values: what Graph is asked for, what it answers, and what we keep about one.

Not here: when something is asked (`shared.reconcile`), and the asking (`shared.executor`).
https://learn.microsoft.com/graph/api/resources/subscription (2026-09)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from shared.errors import GraphProtocolError
from shared.graph.catalogue import longest_lifetime
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.timestamp import read_timestamp, write_timestamp

_IMMUTABLE: Final[Mapping[str, str]] = {"Prefer": 'IdType="ImmutableId"'}

_CLOCK_SKEW = timedelta(minutes=2)
"""Graph compares an expiry with its own clock and refuses a second too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRequest:
    """What a new subscription asks for. ``key`` is given for a rich one, and makes it one; ``blob_store_url`` is a hub's."""

    resource: str
    change_type: str
    notification_url: str
    lifecycle_notification_url: str
    blob_store_url: str = ""
    client_state: str = field(repr=False)
    expires: datetime
    key: EncryptionKey | None = None
    notification_query_options: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSubscription:
    """What Graph says about a subscription that exists."""

    subscription_id: str
    resource: str
    change_type: str = ""
    notification_url: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSubscription:
    """One row of table ``subscriptions``: what we intended and what Graph answered.

    The intent is written before the POST, so ``subscription_id`` is empty until Graph's 201 was seen. ``generation``
    counts recreations and is part of the clientState; ``refused`` says that Graph's last answer to a creation was a
    definite no, so that its generation was never used. Until ``not_before`` nobody touches the subscription: somebody is
    at it (``problem`` is empty), or it waits after a failure. ``lifetime_minutes`` is what was declared when it was last
    made or renewed, 0 for the longest. ``lifecycle`` is where its lifecycle events come, empty for the webhook. ``tenant_id`` is
    empty for our own tenant. ``actor`` is as whom Graph is asked, ``user:<object id>``, empty for the app; ``leaving`` says that this
    person does not want it any more, or lets us act for them no longer. ``former_id`` is the subscription that this one takes over from, still to be
    deleted; until this one exists, ``expires`` is the former one's. ``owed`` is why a catch-up has still to be ordered, for
    what changed after ``owed_since``; ``swept`` is when one was last ordered. ``indexed`` is the store's: for when its index
    has the row looked at next.
    """

    name: str
    generation: int
    resource: str
    change_type: str
    include_resource_data: bool
    delivery: str
    lifecycle: str = ""
    subscription_id: str = ""
    expires: datetime | None = None
    created: datetime | None = None
    renewed: datetime | None = None
    certificate_id: str = ""
    immutable_ids: bool = False
    notification_query_options: str = ""
    lifetime_minutes: int = 0
    tenant_id: str = ""
    actor: str = ""
    leaving: bool = False
    former_id: str = ""
    digest: str = ""
    problem: str = ""
    refused: bool = False
    attempts: int = 0
    not_before: datetime | None = None
    owed: str = ""
    owed_since: datetime | None = None
    swept: datetime | None = None
    indexed: datetime | None = None
    etag: str = ""


def expiry_to_ask(
    resource: str, *, include_resource_data: bool, now: datetime, lifetime: timedelta | None = None
) -> datetime:
    """Return the expiry to ask for: that of the declared lifetime, else the latest that Graph grants for the resource.

    The latest is asked for less what two clocks may differ. More than the catalogue has is asked for as it is: whoever
    declares that has declared the entry unchecked.
    """
    longest = longest_lifetime(resource, include_resource_data=include_resource_data)
    safest = longest - _CLOCK_SKEW
    if lifetime is None or safest < lifetime <= longest:
        return now + safest
    return now + lifetime


def creation_body(request: SubscriptionRequest) -> dict[str, Any]:
    """Write the body of ``POST /subscriptions``.

    The lifecycle URL is always sent: it cannot be added later, and Graph insists on it for Teams. A blob store is for event hubs
    only.
    """
    body: dict[str, Any] = {
        "resource": request.resource,
        "changeType": request.change_type,
        "notificationUrl": request.notification_url,
        "lifecycleNotificationUrl": request.lifecycle_notification_url,
        "expirationDateTime": write_timestamp(request.expires),
        "clientState": request.client_state,
    }
    if request.blob_store_url:
        body["blobStoreUrl"] = request.blob_store_url
    if request.notification_query_options:
        body["notificationQueryOptions"] = request.notification_query_options
    if request.key is not None:
        body |= {"includeResourceData": True} | _certificate(request.key)
    return body


def id_headers(*, immutable_ids: bool) -> Mapping[str, str]:
    """Give the headers that ask for ids which survive a move; for ``POST /subscriptions`` and for reading an item.

    https://learn.microsoft.com/graph/outlook-immutable-id (2026-03)
    """
    return _IMMUTABLE if immutable_ids else {}


def renewal_body(*, expires: datetime, key: EncryptionKey | None) -> dict[str, Any]:
    """Write the body of ``PATCH /subscriptions/{id}``; a key, which only a rich subscription has, becomes its new one."""
    return {"expirationDateTime": write_timestamp(expires)} | (_certificate(key) if key else {})


def read_subscription(answer: Mapping[str, Any]) -> GraphSubscription:
    """Read a subscription as Graph answers it. Raises GraphProtocolError if it has no id or no expiry."""
    subscription_id = answer.get("id")
    if not isinstance(subscription_id, str) or not subscription_id:
        raise GraphProtocolError("Graph's answer is no subscription: it has no id")
    return GraphSubscription(
        subscription_id=subscription_id,
        resource=str(answer.get("resource") or ""),
        change_type=str(answer.get("changeType") or ""),
        notification_url=str(answer.get("notificationUrl") or ""),
        expires=read_timestamp(answer.get("expirationDateTime")),
    )


def _certificate(key: EncryptionKey) -> dict[str, str]:
    return {"encryptionCertificate": key.certificate, "encryptionCertificateId": key.certificate_id}
