"""One subscription: what was asked for, what became of it, and how Graph answers it.

Not here: keeping many of them, see `store`.
https://learn.microsoft.com/en-us/graph/api/resources/subscription
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.graph.clock import seven_digits
from local.graph.delivery.encryption import EncryptionCertificate
from local.graph.subscribing.resource_data import Certificate
from local.graph.subscribing.rules import Request
from local.graph.tenant.entity import Reach


@dataclass(slots=True, kw_only=True, eq=False)
class Subscription:
    """A live subscription; PATCH changes it in place, so that deliveries under way see the new values.

    `number` counts creations. `reach` is what it hears of: tenant, path and ids, with aliases resolved. `creator_id` is a user's if
    the app acts for one, its own otherwise. `heard` are the change types that are ever told.
    """

    id: str
    number: int
    app_id: str
    tenant_id: str
    creator_id: str
    delegated: bool
    asked: Request
    reach: Reach
    heard: frozenset[str]
    notification_url: str
    expiration_date_time: datetime
    created_at: datetime
    current: Certificate | None = field(repr=False)
    previous: Certificate | None = field(default=None, repr=False)
    patched_at: datetime | None = None
    reauthorized_at: datetime | None = None
    orphaned_until: datetime | None = None
    """Deleted, but goes on delivering until then."""

    @property
    def client_state(self) -> str | None:
        """The secret that is echoed in every item."""
        return self.asked.client_state

    @property
    def lifecycle_url(self) -> str | None:
        """Where lifecycle notifications go; nothing changes it."""
        return self.asked.lifecycle_notification_url

    @property
    def rich(self) -> bool:
        """Whether items carry the resource, encrypted."""
        return self.current is not None

    @property
    def certificate(self) -> EncryptionCertificate | None:
        """What items are encrypted to."""
        return self.current.parsed if self.current else None

    @property
    def previous_certificate(self) -> EncryptionCertificate | None:
        """What items were encrypted to before a PATCH changed it."""
        return self.previous.parsed if self.previous else None

    @property
    def selected(self) -> frozenset[str]:
        """The properties that `$select` names, lower-cased; none means all."""
        return self.asked.selected

    @property
    def preferences(self) -> frozenset[str]:
        """What `Prefer` asked for at its creation."""
        return self.asked.preferences

    @property
    def ids(self) -> Mapping[str, str]:
        """The ids of its reach."""
        return dict(self.reach[2])

    @property
    def caller(self) -> dict[str, str]:
        """Whose it is, as quotas count."""
        own = {"app": self.app_id, "tenant": self.tenant_id}
        return own | {"creator": self.creator_id} if self.delegated else own

    @property
    def ends(self) -> datetime:
        """When it stops delivering."""
        return self.orphaned_until or self.expiration_date_time

    def printed(self, *, with_client_state: bool) -> dict[str, Any]:
        """Return the subscription as Graph answers it; reading one never shows its clientState."""
        asked = self.asked
        answer = {
            "id": self.id,
            "resource": asked.resource,
            "applicationId": self.app_id,
            "changeType": asked.change_type,
            "clientState": self.client_state if with_client_state else None,
            "notificationUrl": self.notification_url,
            "notificationQueryOptions": asked.query_options,
            "lifecycleNotificationUrl": asked.lifecycle_notification_url,
            "expirationDateTime": seven_digits(self.expiration_date_time),
            "creatorId": self.creator_id,
            "includeResourceData": self.rich,
            "latestSupportedTlsVersion": asked.latest_tls,
            "encryptionCertificate": self.current.text if self.current else None,
            "encryptionCertificateId": self.current.parsed.id if self.current else None,
            "notificationUrlAppId": asked.url_app_id,
        }
        if asked.blob_store_url:
            answer["blobStoreUrl"] = asked.blob_store_url
        if asked.push:
            # the secret can only be written
            answer["vapidPublicKey"] = asked.push.vapid_public_key
            answer["webPushEncryptionP256dhPublicKey"] = asked.push.p256dh_public_key
            answer["webPushEncryptionSecret"] = None
        return answer
