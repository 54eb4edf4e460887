"""What happens to subscriptions as time passes: challenges before an end, lapses, removals, word of what was missed.

Not here: when a challenge is due, see `schedule`; what a notification says, see `payload`; in which body it goes, see `announcer`.
https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from local.graph.clock import Clock
from local.graph.judge import Judge
from local.graph.knobs import Knobs
from local.graph.lifecycle.agenda import Agenda
from local.graph.lifecycle.authorization import Authorizations
from local.graph.lifecycle.payload import EVENTS, Event
from local.graph.lifecycle.schedule import end_in_sight, next_challenge
from local.graph.subscribing.store import Subscription, Subscriptions

MISSED_AFTER = timedelta(minutes=1)
MISSED_APART = timedelta(minutes=10)
"""How long losses are gathered, and how far apart two `missed` of one subscription are; Graph does not say."""

ACTIONS_IN_A_ROW = 500
LOOK_EVERY_SECONDS = 0.1
"""Real seconds after which new subscriptions and turned knobs are seen at the latest."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Watch:
    """The end of which a subscription is warned, the two ends it was chosen from, and whether a warning went out."""

    until: datetime
    expires: datetime
    end: datetime
    told: bool


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Watches over the subscriptions that have a lifecycle URL; `announce` sends, `run` is the task that waits on the clock."""

    clock: Clock
    knobs: Knobs
    judge: Judge
    subscriptions: Subscriptions
    authorizations: Authorizations
    announce: Callable[[Subscription, Event], None]
    _agenda: Agenda = field(default_factory=Agenda)
    _watches: dict[str, _Watch] = field(default_factory=dict)
    _missed_at: dict[str, datetime] = field(default_factory=dict)
    _minutes: float = field(init=False)

    def __post_init__(self) -> None:
        self._minutes = self.knobs.access_token_minutes

    async def run(self) -> None:
        """Do what is due whenever it is due, until cancelled; begins with whatever exists already."""
        self.watch_all(self.subscriptions.live(now=self.clock.now()))
        while True:
            try:
                busy = self.attend()
            except Exception:  # a slip of ours must not end every other subscription's lifecycle
                log.exception("lifecycle failed")
                busy = False
            await (asyncio.sleep(0) if busy else self.clock.pause(self._seconds_to_wait()))

    def attend(self) -> bool:
        """Do what is due now, at most some hundred things in a row; return whether more may be due."""
        now = self.clock.now()
        self._heed_knobs(now)
        for _ in range(ACTIONS_IN_A_ROW):
            action = self._agenda.take(now)
            if action is None:
                return False
            action(now)
        return True

    def watch(self, subscription: Subscription) -> None:
        """Begin to watch over a subscription, or look at it afresh."""
        self._heed_knobs(self.clock.now())
        if subscription.lifecycle_url:
            self._plan(subscription, self.authorizations.renewed(subscription), told=False)

    def watch_all(self, subscriptions: Iterable[Subscription]) -> None:
        """Watch over these; what is watched already is looked at afresh."""
        for subscription in subscriptions:
            self.watch(subscription)

    def note_missed(self, subscription: Subscription) -> None:
        """Take notice that a notification was lost; Outlook's subscribers are told `missed`, once for several losses."""
        if not subscription.lifecycle_url or "missed" not in subscription.asked.match.row.lifecycle:
            return
        now, told = self.clock.now(), self._missed_at.get(subscription.id)
        if told and told > now:
            return  # a `missed` that comes after this loss is on its way already
        moment = max(now + MISSED_AFTER, told + MISSED_APART) if told else now + MISSED_AFTER
        self._missed_at[subscription.id] = moment
        self._agenda.put(moment, partial(self._tell_missed, subscription.id))

    def send(self, subscription: Subscription, event: Event, *, force: bool = False) -> bool:
        """Let an event happen by hand; return whether anybody is told. `subscriptionRemoved` ends the subscription.

        Raises ValueError, saying why, for what Graph would not send, unless forced.
        """
        row = subscription.asked.match.row
        if event not in EVENTS:
            raise ValueError(f"event must be one of {', '.join(EVENTS)}")
        if event not in row.lifecycle and not force:
            raise ValueError(f"Graph sends no {event} for {row.name}, only {', '.join(sorted(row.lifecycle))}")
        told = bool(subscription.lifecycle_url) or force
        if event == "subscriptionRemoved":
            self.subscriptions.remove(subscription)
        elif not told:
            raise ValueError(f"subscription {subscription.id} has no lifecycleNotificationUrl to send {event} to")
        if told:
            self._announce(subscription, event)
        return told

    def revoke(self, app_id: str) -> int:
        """Take an app's permission away and challenge its subscriptions; return how many were told."""
        self.authorizations.revoke(app_id)
        now = self.clock.now()
        mine = [each for each in self.subscriptions.live(now=now) if each.app_id == app_id and each.lifecycle_url]
        for subscription in mine:
            self._announce(subscription, "reauthorizationRequired")
            self._plan(subscription, now, told=True)
        return len(mine)

    def restore(self, app_id: str) -> None:
        """Give an app its permission back: renewing succeeds again."""
        self.authorizations.restore(app_id)

    def _plan(self, subscription: Subscription, since: datetime, *, told: bool) -> None:
        """Plan the next look, reckoned from the latest renewal or warning, however late that is noticed."""
        until, expires = self.authorizations.until(subscription), subscription.expiration_date_time
        end = end_in_sight(since, authorized_until=until, expires=expires)
        watch = _Watch(until, expires, end, told)
        self._watches[subscription.id] = watch
        self._agenda.put(next_challenge(since, end) or end, partial(self._look, subscription.id, watch))

    def _heed_knobs(self, now: datetime) -> None:
        """Plan everything anew if tokens last for another while than they did."""
        if self.knobs.access_token_minutes != self._minutes:
            self._minutes = self.knobs.access_token_minutes
            self.watch_all(self.subscriptions.live(now=now))

    def _look(self, subscription_id: str, watch: _Watch, now: datetime) -> None:
        if self._watches.get(subscription_id) is not watch:
            return  # planned anew since
        subscription = self.subscriptions.find(subscription_id, now=now)
        if subscription is None:
            del self._watches[subscription_id]
            self._missed_at.pop(subscription_id, None)
            return
        until, expires = self.authorizations.until(subscription), subscription.expiration_date_time
        if (until, expires) != (watch.until, watch.expires):
            self.watch(subscription)
        else:
            self._plan(subscription, now, told=self._warn(subscription, watch, now))

    def _warn(self, subscription: Subscription, watch: _Watch, now: datetime) -> bool:
        """Challenge a subscription that nobody has renewed since it was planned, or note that its end has come."""
        if not self.knobs.lifecycle_schedule:
            return False
        if watch.told and watch.end <= now:
            self.judge.object_to("lapsed", subscription.id, at=now)
            return False
        self._announce(subscription, "reauthorizationRequired")
        return True

    def _tell_missed(self, subscription_id: str, now: datetime) -> None:
        subscription = self.subscriptions.find(subscription_id, now=now)
        if subscription:
            self._announce(subscription, "missed")
        else:
            self._missed_at.pop(subscription_id, None)

    def _announce(self, subscription: Subscription, event: Event) -> None:
        log.info("lifecycle", extra={"subscription_id": subscription.id, "event": event})
        self.announce(subscription, event)

    def _seconds_to_wait(self) -> float:
        longest = LOOK_EVERY_SECONDS * self.clock.time_scale
        moment = self._agenda.next_moment
        return min(longest, (moment - self.clock.now()).total_seconds()) if moment else longest
