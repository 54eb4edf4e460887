"""The subscriptions that exist: kept, found, counted against quotas, and forgotten when they expire.

An index by resource makes finding who hears a change independent of how many subscriptions there are. Not here: what a request
may contain, see `subscription_rules`.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.graph.catalogue.table import TEAMS_QUOTA, Match
from local.graph.clock import seven_digits
from local.graph.delivery.encryption import EncryptionCertificate
from local.graph.faults import GraphFault, not_found
from local.graph.subscribing.rules import Amendment, Request

Reach = tuple[str, frozenset[tuple[str, str]]]
"""A workload and the ids that a path names, lower-cased: what a change is looked up by."""


@dataclass(slots=True, kw_only=True, eq=False)
class Subscription:
    """A live subscription; PATCH changes it in place, so that deliveries under way see the new values."""

    id: str
    app_id: str
    tenant_id: str
    creator_id: str
    asked: Request
    notification_url: str
    expiration_date_time: datetime
    certificate: EncryptionCertificate | None
    certificate_text: str | None
    patched_at: datetime | None = None
    reauthorized_at: datetime | None = None
    client_state: str | None = field(repr=False)

    @property
    def rich(self) -> bool:
        """Whether items carry the resource, encrypted."""
        return self.certificate is not None

    @property
    def selected(self) -> frozenset[str]:
        """The properties that `$select` names, lower-cased; none means all."""
        _, found, names = self.asked.match.query.partition("$select=")
        return frozenset(name.strip().lower() for name in names.partition("&")[0].split(",")) if found else frozenset()

    def printed(self, *, with_client_state: bool) -> dict[str, Any]:
        """Return the subscription as Graph answers it; reading one never shows its clientState."""
        return {
            "id": self.id,
            "resource": self.asked.resource,
            "applicationId": self.app_id,
            "changeType": self.asked.change_type,
            "clientState": self.client_state if with_client_state else None,
            "notificationUrl": self.notification_url,
            "notificationQueryOptions": self.asked.query_options,
            "lifecycleNotificationUrl": self.asked.lifecycle_notification_url,
            "expirationDateTime": seven_digits(self.expiration_date_time),
            "creatorId": self.creator_id,
            "includeResourceData": self.rich,
            "latestSupportedTlsVersion": self.asked.latest_tls,
            "encryptionCertificate": self.certificate_text,
            "encryptionCertificateId": self.certificate.id if self.certificate else None,
            "notificationUrlAppId": None,
        }


@dataclass(slots=True)
class Subscriptions:
    """All live subscriptions, with the quotas and the one rule about duplicates that Graph states."""

    _by_id: dict[str, Subscription] = field(default_factory=dict)
    _by_reach: dict[Reach, dict[str, Subscription]] = field(default_factory=dict)
    _by_combination: dict[tuple[str, ...], str] = field(default_factory=dict)
    _used: Counter[str] = field(default_factory=Counter)

    def check_room(self, asked: Request, *, app_id: str, tenant_id: str, now: datetime) -> None:
        """Raise 409 for a combination that exists and 403 for a quota that is used up."""
        twin = self._by_combination.get(_combination(asked, app_id, tenant_id))
        if twin and self.find(twin, now=now):
            message = f"Subscription Id {twin} already exists for the requested combination"
            raise GraphFault(409, "ObjectIdentifierInUse", message)
        for name, limit in _quotas(asked, app_id, tenant_id):
            if self._used[name] >= limit:
                self._forget_expired(now)
            if self._used[name] >= limit:
                kind = asked.match.resource.name.upper()
                message = f"App '{app_id}' has reached its limit of '{limit}' '{kind}' subscription on {name}."
                raise GraphFault(403, "Forbidden", message)

    def add(self, asked: Request, *, app_id: str, tenant_id: str, creator_id: str) -> Subscription:
        """Keep a subscription whose endpoints have answered, and return it with its id."""
        subscription = Subscription(
            id=str(uuid.uuid4()),
            app_id=app_id,
            tenant_id=tenant_id,
            creator_id=creator_id,
            asked=asked,
            notification_url=asked.notification_url,
            expiration_date_time=asked.expiration_date_time,
            certificate=asked.certificate,
            certificate_text=asked.certificate_text,
            client_state=asked.client_state,
        )
        self._by_id[subscription.id] = subscription
        self._by_reach.setdefault(reach_of(asked.match), {})[subscription.id] = subscription
        self._by_combination[_combination(asked, app_id, tenant_id)] = subscription.id
        self._used.update(name for name, _ in _quotas(asked, app_id, tenant_id))
        return subscription

    def find(self, subscription_id: str, *, now: datetime) -> Subscription | None:
        """Return a live subscription; one that has expired is gone from here on."""
        subscription = self._by_id.get(subscription_id.lower())
        if subscription and subscription.expiration_date_time <= now:
            self.remove(subscription)
            return None
        return subscription

    def get(self, subscription_id: str, *, app_id: str, tenant_id: str, now: datetime) -> Subscription:
        """Return an app's own live subscription, or raise 404."""
        subscription = self.find(subscription_id, now=now)
        if subscription is None or (subscription.app_id, subscription.tenant_id) != (app_id, tenant_id):
            raise not_found()
        return subscription

    def amend(self, subscription: Subscription, amendment: Amendment, *, now: datetime) -> None:
        """Apply a PATCH that has passed every check."""
        subscription.patched_at = now
        subscription.expiration_date_time = amendment.expiration_date_time or subscription.expiration_date_time
        subscription.notification_url = amendment.notification_url or subscription.notification_url
        subscription.certificate = amendment.certificate or subscription.certificate
        subscription.certificate_text = amendment.certificate_text or subscription.certificate_text

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription and give its quota back at once."""
        asked = subscription.asked
        self._by_id.pop(subscription.id, None)
        self._by_reach.get(reach_of(asked.match), {}).pop(subscription.id, None)
        combination = _combination(asked, subscription.app_id, subscription.tenant_id)
        if self._by_combination.get(combination) == subscription.id:
            del self._by_combination[combination]
        self._used.subtract(name for name, _ in _quotas(asked, subscription.app_id, subscription.tenant_id))

    def hearing(self, reaches: Iterable[Reach], change_type: str, *, now: datetime) -> Iterator[Subscription]:
        """Yield the live subscriptions that hear a change, in order of creation within each reach."""
        for reach in reaches:
            for subscription_id, subscription in tuple(self._by_reach.get(reach, {}).items()):
                if change_type in subscription.asked.change_types and self.find(subscription_id, now=now):
                    yield subscription

    def live(self, *, now: datetime) -> list[Subscription]:
        """Return every live subscription, oldest first."""
        self._forget_expired(now)
        return list(self._by_id.values())

    def _forget_expired(self, now: datetime) -> None:
        for subscription in [each for each in self._by_id.values() if each.expiration_date_time <= now]:
            self.remove(subscription)


def reach_of(match: Match) -> Reach:
    """Return what a subscription is indexed by."""
    return match.resource.workload, frozenset((name, value.lower()) for name, value in match.ids.items())


def _combination(asked: Request, app_id: str, tenant_id: str) -> tuple[str, ...]:
    resource = asked.resource.strip("/").lower()
    return app_id, tenant_id, resource, *sorted(asked.change_types)


def _quotas(asked: Request, app_id: str, tenant_id: str) -> list[tuple[str, int]]:
    """Return the name and limit of each quota that a subscription counts against.

    https://learn.microsoft.com/en-us/graph/change-notifications-overview
    """
    row, place = asked.match.resource, asked.resource.partition("?")[0].strip("/").lower()
    found = []
    if row.one_per_resource:
        found.append((f"app '{app_id}' and '{place}'", 1))
    if row.teams:
        found.append((f"tenant '{tenant_id}', Teams", TEAMS_QUOTA))
    if row.outlook:
        found.append((f"mailbox '{asked.match.ids['user'].lower()}'", row.quota or 0))
    elif row.quota:
        found.append((f"app '{app_id}' and tenant '{tenant_id}', {row.name}", row.quota))
    return found
