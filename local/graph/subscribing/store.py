"""The subscriptions that exist: kept, found, counted against quotas, and forgotten when they expire.

An index by reach makes finding who hears a change independent of how many subscriptions there are. Not here: what a request may
contain, see `rules`; the numbers of the quotas, see `catalogue.quota`.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.graph.clock import Clock, later
from local.graph.faults import GraphFault, not_found
from local.graph.knobs import Knobs
from local.graph.subscribing.counting import Counts
from local.graph.subscribing.rules import Amendment, Request
from local.graph.subscribing.saving import restore, save
from local.graph.subscribing.subscription import Subscription
from local.graph.tenant.entity import Reach

__all__ = ["Owner", "Subscription", "Subscriptions"]

Combination = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose subscriptions are meant: an app's in a tenant, or only those that it made for one user."""

    app_id: str
    tenant_id: str
    creator_id: str
    delegated: bool = False

    def owns(self, subscription: Subscription) -> bool:
        """Return whether a subscription can be seen.

        https://learn.microsoft.com/en-us/graph/api/subscription-list
        """
        same_app = (subscription.app_id, subscription.tenant_id) == (self.app_id, self.tenant_id)
        return same_app and (not self.delegated or subscription.creator_id == self.creator_id)

    def as_counted(self) -> dict[str, str]:
        """Return the owner as quotas count."""
        own = {"app": self.app_id, "tenant": self.tenant_id}
        return own | {"creator": self.creator_id} if self.delegated else own


@dataclass(slots=True, kw_only=True)
class Subscriptions:
    """All live subscriptions, with the quotas and the one rule about duplicates that Graph states."""

    clock: Clock = field(default_factory=Clock)
    knobs: Knobs = field(default_factory=Knobs)
    counts: Counts = field(default_factory=Counts)
    on_kept: list[Callable[[Subscription], None]] = field(default_factory=list)
    """Told of every subscription that begins."""

    _by_id: dict[str, Subscription] = field(default_factory=dict)
    _by_owner: dict[tuple[str, str], dict[str, Subscription]] = field(default_factory=dict)
    _by_reach: dict[Reach, dict[str, Subscription]] = field(default_factory=dict)
    _by_combination: dict[Combination, str] = field(default_factory=dict)
    _last_number: int = 0

    def check_room(self, asked: Request, reach: Reach, owner: Owner, *, now: datetime) -> None:
        """Raise 409 for a combination that exists and the refusal of a quota that is used up."""
        twin = self._by_combination.get(_combination(asked, reach, owner))
        if twin and self.find(twin, now=now) and self.knobs.duplicate_subscriptions == "refuse":
            message = f"Subscription Id {twin} already exists for the requested combination"
            raise GraphFault(409, "ObjectIdentifierInUse", message)
        self.counts.release(now)
        counted = asked.match, dict(reach[2]), owner.as_counted()
        if self.counts.full(*counted):
            self._forget_expired(now)
        refusal = self.counts.full(*counted)
        if refusal:
            raise refusal

    def add(self, asked: Request, reach: Reach, owner: Owner, *, now: datetime) -> Subscription:
        """Keep a subscription whose endpoints have answered, and return it with its id."""
        self._last_number += 1
        subscription = Subscription(
            id=str(uuid.uuid4()),
            number=self._last_number,
            app_id=owner.app_id,
            tenant_id=owner.tenant_id,
            creator_id=owner.creator_id,
            delegated=owner.delegated,
            asked=asked,
            reach=reach,
            heard=asked.match.row.heard(asked.change_types),
            notification_url=asked.notification_url,
            expiration_date_time=asked.expiration_date_time,
            created_at=now,
            current=asked.certificate,
        )
        self._keep(subscription)
        return subscription

    def find(self, subscription_id: str, *, now: datetime) -> Subscription | None:
        """Return a live subscription; one that has expired is gone from here on."""
        subscription = self._by_id.get(subscription_id.lower())
        if subscription and subscription.expiration_date_time <= now:
            self.remove(subscription)
            return None
        return subscription

    def get(self, subscription_id: str, owner: Owner, *, now: datetime) -> Subscription:
        """Return one of the owner's live subscriptions, or raise 404."""
        subscription = self.find(subscription_id, now=now)
        if subscription is None or not owner.owns(subscription):
            raise not_found()
        return subscription

    def of(self, owner: Owner, *, after: int, now: datetime) -> Iterator[Subscription]:
        """Yield the owner's live subscriptions with a higher number, oldest first."""
        for subscription in tuple(self._by_owner.get((owner.app_id, owner.tenant_id), {}).values()):
            if subscription.number > after and owner.owns(subscription) and self.find(subscription.id, now=now):
                yield subscription

    def amend(self, subscription: Subscription, amendment: Amendment, *, now: datetime) -> None:
        """Apply a PATCH that has passed every check."""
        subscription.patched_at = now
        subscription.expiration_date_time = amendment.expiration_date_time or subscription.expiration_date_time
        subscription.notification_url = amendment.notification_url or subscription.notification_url
        if amendment.certificate and amendment.certificate != subscription.current:
            subscription.previous, subscription.current = subscription.current, amendment.certificate

    def delete(self, subscription: Subscription, *, now: datetime) -> None:
        """Forget a subscription as DELETE does: gone for every call, though it may go on delivering for a while.

        Field reports of such orphans: microsoftgraph/msgraph-sdk-php issue 221.
        """
        self._forget(subscription)
        if self.knobs.orphan_seconds:
            subscription.orphaned_until = later(now, self.knobs.orphan_seconds)
        else:
            self._silence(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription altogether: it has expired, or Graph has ended it."""
        self._forget(subscription)
        self._silence(subscription)

    def hearing(self, reaches: Iterable[Reach], change_type: str, *, now: datetime) -> Iterator[Subscription]:
        """Yield the subscriptions that hear a change, in order of creation within each reach."""
        for reach in reaches:
            for subscription in tuple(self._by_reach.get(reach, {}).values()):
                if subscription.ends <= now:
                    self.remove(subscription)
                elif change_type in subscription.heard:
                    yield subscription

    def live(self, *, now: datetime) -> list[Subscription]:
        """Return every live subscription, oldest first."""
        self._forget_expired(now)
        return list(self._by_id.values())

    def saved(self) -> list[dict[str, Any]]:
        """Return every subscription as JSON."""
        return [save(subscription) for subscription in self._by_id.values()]

    def restore(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Keep what was saved; what has expired since then goes as it always does. Raises ValueError for what never was."""
        for row in rows:
            try:
                subscription = restore(row)
            except (LookupError, TypeError, AttributeError, GraphFault) as broken:
                raise ValueError(
                    "the state's subscriptions make no sense: move the file away to start anew"
                ) from broken
            self._last_number = max(self._last_number, subscription.number)
            self._keep(subscription)

    def _keep(self, subscription: Subscription) -> None:
        self._by_id[subscription.id] = subscription
        owner = (subscription.app_id, subscription.tenant_id)
        self._by_owner.setdefault(owner, {})[subscription.id] = subscription
        self._by_reach.setdefault(subscription.reach, {})[subscription.id] = subscription
        self._by_combination[_combination(subscription.asked, subscription.reach, subscription)] = subscription.id
        self.counts.take(subscription.asked.match, subscription.ids, subscription.caller)
        for listener in self.on_kept:
            listener(subscription)

    def _forget(self, subscription: Subscription) -> None:
        """Take a subscription out of what callers can find, once, and give its places back."""
        if self._by_id.pop(subscription.id, None) is None:
            return
        _drop(self._by_owner, (subscription.app_id, subscription.tenant_id), subscription.id)
        combination = _combination(subscription.asked, subscription.reach, subscription)
        if self._by_combination.get(combination) == subscription.id:
            del self._by_combination[combination]
        held = self.knobs.quota_held_seconds
        free_at = later(self.clock.now(), held) if held else None
        self.counts.give_back(subscription.asked.match, subscription.ids, subscription.caller, free_at=free_at)

    def _silence(self, subscription: Subscription) -> None:
        _drop(self._by_reach, subscription.reach, subscription.id)

    def _forget_expired(self, now: datetime) -> None:
        for subscription in [each for each in self._by_id.values() if each.expiration_date_time <= now]:
            self.remove(subscription)


def _combination(asked: Request, reach: Reach, owner: Owner | Subscription) -> Combination:
    """Return what must not exist twice: the same app (and user) asking for the same changes of the same resource."""
    creator = owner.creator_id if owner.delegated else ""
    return owner.app_id, reach, creator, asked.match.query, asked.change_types


def _drop(index: dict[Any, dict[str, Subscription]], key: object, subscription_id: str) -> None:
    """Take one out of an index, and the index's entry with the last one."""
    entry = index.get(key)
    if entry is not None:
        entry.pop(subscription_id, None)
        if not entry:
            del index[key]
