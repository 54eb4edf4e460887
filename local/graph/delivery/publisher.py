"""Who hears of a change, in which body, with which tokens.

One body may mix subscriptions; everything that goes to one URL at one moment goes in one. Not here: the sending, see `delivery`.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from local.graph.clock import Clock
from local.graph.delivery.courier import Delivery
from local.graph.delivery.notices import Notice, Truth, Writer, write_lifecycle
from local.graph.delivery.tally import Tally
from local.graph.identity.tokens import Authority, TokenVersion
from local.graph.subscribing.store import Subscription, Subscriptions
from local.graph.tenant.world import Change

Issuers = Literal["v1", "v2", "mixed"]


class Publisher:
    """Turns changes into notices, keeps the truth about them, and hands bodies to delivery."""

    def __init__(
        self,
        *,
        subscriptions: Subscriptions,
        authority: Authority,
        delivery: Delivery,
        writer: Writer,
        clock: Clock,
        dice: random.Random,
        issuers: Issuers = "mixed",
    ) -> None:
        self._subscriptions = subscriptions
        self._authority = authority
        self._delivery = delivery
        self.clock = clock
        self._dice = dice
        self._issuers = issuers
        self.writer = writer
        self.truths: list[Truth] = []

    def notices(self, change: Change) -> list[Notice]:
        """Write the notification of a change for each subscription that hears it, and note the truth."""
        place, now = change.item.place, self.clock.now()
        return [
            self._notice(change, subscription)
            for subscription in self._subscriptions.hearing(place.reaches, change.change_type, now=now)
        ]

    def post(self, notices: Iterable[Notice], tally: Tally) -> None:
        """Send notices, one body for each URL, with a token for each app and tenant that has encrypted items in it."""
        bodies: dict[str, list[Notice]] = {}
        for notice in notices:
            bodies.setdefault(notice.subscription.notification_url, []).append(notice)
            self._count(notice, tally)
        for url, together in bodies.items():
            self._delivery.send(url, together, self._tokens(together), tally)

    def post_with(self, notices: Sequence[Notice], tokens: Sequence[str], tally: Tally) -> None:
        """Send notices for one URL in a body of their own with these tokens, whatever they are worth."""
        for notice in notices:
            self._count(notice, tally)
        self._delivery.send(notices[0].subscription.notification_url, notices, tokens, tally)

    def announce(self, change: Change, tally: Tally) -> list[Notice]:
        """Tell everyone of one change at once, and return what they were told."""
        notices = self.notices(change)
        tally.changes += 1
        self.post(notices, tally)
        return notices

    def announce_lifecycle(self, subscription: Subscription, event: str, tally: Tally) -> None:
        """Send a lifecycle notification to where this subscription wants them, which must not be nowhere."""
        url = subscription.asked.lifecycle_notification_url or subscription.notification_url
        notice = Notice(subscription=subscription, notification=write_lifecycle(subscription, event))
        self._delivery.send(url, [notice], [], tally)

    def _notice(self, change: Change, subscription: Subscription) -> Notice:
        notification = self.writer.write(change, subscription)
        truth = Truth(number=len(self.truths) + 1, change=change, subscription_id=subscription.id, rich=False)
        notice = Notice(subscription=subscription, notification=notification, truth=truth)
        truth.rich = notice.encrypted
        self.truths.append(truth)
        return notice

    def _count(self, notice: Notice, tally: Tally) -> None:
        if notice.forged:
            tally.forged[notice.forged] += 1
        elif notice.duplicate:
            tally.duplicates += 1
        else:
            tally.sent += 1

    def _tokens(self, notices: Iterable[Notice]) -> list[str]:
        covered = {
            (notice.subscription.app_id, notice.subscription.tenant_id): None for notice in notices if notice.encrypted
        }
        return [
            self._authority.validation_token(self._version(), app_id=app_id, tenant_id=tenant_id)
            for app_id, tenant_id in covered
        ]

    def _version(self) -> TokenVersion:
        return self._dice.choice(("v1", "v2")) if self._issuers == "mixed" else self._issuers


def again(notice: Notice) -> Notice:
    """Return the same notification, to be sent once more."""
    return replace(notice, duplicate=True)
