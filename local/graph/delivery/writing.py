"""Notifications as Graph writes them: which members each kind of item has, and its content encrypted for those who asked.

https://learn.microsoft.com/en-us/graph/api/resources/changenotification. Not here: rarer spellings, see `oddities`; lifecycle
notifications, see `lifecycle.payload`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from local.graph.clock import seven_digits
from local.graph.delivery.encryption import EncryptionCertificate, seal
from local.graph.delivery.oddities import Lots, Oddities
from local.graph.subscribing.preferences import IMMUTABLE_IDS, UNKNOWN_MEMBERS
from local.graph.subscribing.store import Subscription
from local.graph.tenant.entity import Entity
from local.graph.tenant.immutable_ids import under_immutable_id

METADATA = "https://graph.microsoft.com/v1.0/$metadata"
ALSO_ORGANIZATION = frozenset({"presence", "meeting-call-event", "emergency-call"})
"""What repeats the tenant as `organizationId`; https://learn.microsoft.com/en-us/graph/changenotifications-for-onlinemeeting"""
IN_THE_CLEAR = frozenset({"meeting-call-event"})
"""What a basic notification tells all about."""
WITHOUT_DATA = frozenset({"personal-drive-item"})
"""Whose resourceData is null; OneDrive for Business at least says of what type it is (onedrive-api-docs issue 1214)."""
LATER_MEMBERS: Mapping[str, frozenset[str]] = {"messageType": frozenset({"systemEventMessage"})}
"""Members that came later, hidden without a preference: https://learn.microsoft.com/en-us/graph/api/resources/chatmessage"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes notifications, as the knobs stand."""

    oddities: Oddities

    def write(
        self, entity: Entity, subscription: Subscription, *, change_type: str, tenant_id: str, number: int
    ) -> tuple[dict[str, Any], bool]:
        """Return the notification of a change, and whether it is encrypted; a rich one is, to the subscriber.

        What is gone from Outlook, or from an Outlook subscription's filter, cannot be encrypted any more: its item is a basic one.
        """
        lots, dice = self.oddities.roll(number)
        if IMMUTABLE_IDS in subscription.preferences:
            entity = under_immutable_id(entity)
        notification = self.outline(entity, subscription, change_type=change_type, tenant_id=tenant_id)
        notification["subscriptionExpirationDateTime"] = self.oddities.expiration(
            subscription.expiration_date_time, lots
        )
        gone = change_type == "deleted" and entity.row.family == "outlook"
        certificate = None if gone else self._certificate(subscription, lots)
        if certificate:
            notification["encryptedContent"] = seal(write_content(entity, subscription), certificate)
        return self.oddities.spoil(notification, lots, dice), certificate is not None

    def outline(
        self, entity: Entity, subscription: Subscription, *, change_type: str, tenant_id: str
    ) -> dict[str, Any]:
        """Return a notification without its content, in the usual spelling."""
        row = subscription.asked.match.row
        resource = subscription.asked.resource.partition("?")[0].lstrip("/") if row.nameless else entity.resource
        notification = {
            "subscriptionId": subscription.id,
            "changeType": change_type,
            "clientState": subscription.client_state,
            "subscriptionExpirationDateTime": seven_digits(subscription.expiration_date_time),
            "resource": resource,
            "resourceData": _resource_data(entity, resource, subscription, tenant_id),
            "tenantId": tenant_id,
        }
        if row.key in ALSO_ORGANIZATION:
            notification["organizationId"] = tenant_id
        return notification

    def _certificate(self, subscription: Subscription, lots: Lots) -> EncryptionCertificate | None:
        current, knobs = subscription.certificate, self.oddities.knobs
        if current is None:
            return None
        if lots.stale < knobs.stale_certificates:
            current = subscription.previous_certificate or current
        if lots.strange < knobs.strange_certificate_ids:
            return replace(current, id=f"unknown-{current.thumbprint[:8].lower()}")
        return current


def write_content(entity: Entity, subscription: Subscription) -> dict[str, Any]:
    """Return what is to be encrypted: the resource as GET answers it, as much of it as was selected."""
    content = {"@odata.context": f"{METADATA}#{_collection(entity.resource)}/$entity"}
    content |= _select(entity.content, subscription.selected)
    if UNKNOWN_MEMBERS not in subscription.preferences:
        content |= {name: "unknownFutureValue" for name, later in LATER_MEMBERS.items() if content.get(name) in later}
    return content


def _select(content: Mapping[str, Any], selected: frozenset[str]) -> Mapping[str, Any]:
    if not selected:
        return content
    return {
        name: value
        for name, value in content.items()
        if name == "id" or name.startswith("@odata.") or name.lower() in selected
    }


def _resource_data(entity: Entity, resource: str, subscription: Subscription, tenant_id: str) -> dict[str, Any] | None:
    row = subscription.asked.match.row
    if row.key in WITHOUT_DATA:
        return None
    if row.nameless:
        return {"@odata.type": row.type}
    data = {"@odata.type": entity.row.type, "@odata.id": resource, "id": entity.id}
    if entity.row.version == "etag":
        data["@odata.etag"] = entity.version
    elif entity.row.version == "ticks":
        data |= _directory_data(entity, tenant_id)
    if entity.row.key in IN_THE_CLEAR and not subscription.rich:
        data = {**entity.content, **data}
    return data


def _directory_data(entity: Entity, tenant_id: str) -> dict[str, Any]:
    """Return what Entra adds (microsoft-graph-docs issue 3457); the sequence number is the time in .NET's ticks, beyond 2^53."""
    return {
        "organizationId": tenant_id,
        "eventTime": seven_digits(entity.modified),
        "sequenceNumber": int(entity.version),
    }


def _collection(resource: str) -> str:
    return resource.rpartition("(" if resource.endswith(")") else "/")[0]
