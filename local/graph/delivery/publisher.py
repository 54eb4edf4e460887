"""Who hears of a change, in which body, with which tokens, and when; what Graph loses, delays or tells twice is left out or put off.

One body may mix subscriptions, apps and tenants; everything that goes to one URL at one moment goes together. Not here: what a
notification says, see `writing`; what becomes of it, see `fate`; the sending, see `courier`.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from local.graph.clock import Clock
from local.graph.delivery.attempts import known_channel
from local.graph.delivery.conditions import told_as
from local.graph.delivery.courier import Courier
from local.graph.delivery.fate import Fates
from local.graph.delivery.hub import write_hub_bodies
from local.graph.delivery.notices import Notice, Truth, note
from local.graph.delivery.oddities import Oddities
from local.graph.delivery.tally import Tally
from local.graph.delivery.validation import ValidationTokens
from local.graph.delivery.writing import Writer
from local.graph.dice import Dice
from local.graph.identity.tokens import Authority
from local.graph.knobs import Knobs
from local.graph.subscribing.store import Subscription, Subscriptions
from local.graph.tenant.entity import Change

REMEMBERED = 1_000


class Publisher:
    """Turns changes into notices, keeps the truth about them, and hands bodies to the courier."""

    def __init__(
        self,
        *,
        subscriptions: Subscriptions,
        authority: Authority,
        courier: Courier,
        clock: Clock,
        dice: Dice,
        knobs: Knobs,
    ) -> None:
        self._subscriptions = subscriptions
        self._courier = courier
        self._dice = dice
        self._fates = Fates(dice=dice, knobs=knobs, clock=clock)
        self._knobs = knobs
        self._bodies = itertools.count(1)
        self._gathered: dict[tuple[str, bool, int], list[Notice]] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self.clock = clock
        self.writer = Writer(oddities=Oddities(dice=dice, knobs=knobs))
        self.tokens = ValidationTokens(authority, dice, knobs)
        self.truths: list[Truth] = []
        self.recent: deque[Notice] = deque(maxlen=REMEMBERED)

    def notices(self, change: Change) -> list[Notice]:
        """Write the notification of a change for each subscription that hears it, and note the truth."""
        self._fates.note(change)
        return [self._notice(change, subscription, told) for subscription, told in self._hearing(change)]

    def post(self, notices: Iterable[Notice], tally: Tally) -> None:
        """Send notices, one body for each URL, with a token for each app and tenant that has encrypted items in it."""
        stir, going = self._fates.stir, []
        for notice in notices:
            self._count(notice, tally)
            if stir and notice.change and notice.truth and notice.genuine and not notice.duplicate:
                going += self._meddle(notice, notice.change, notice.truth, tally)
            else:
                going.append(notice)
        self._set_out(going, tally)

    def post_with(self, notices: Sequence[Notice], tokens: Sequence[str], tally: Tally) -> None:
        """Send notices for one URL in a body of their own with these tokens, whatever they are worth."""
        for notice in notices:
            self._count(notice, tally)
        self._courier.send(notices[0].subscription.notification_url, notices, tokens, tally)

    def announce(self, change: Change, tally: Tally) -> list[Notice]:
        """Tell everyone of one change at once, and return what they were told."""
        notices = self.notices(change)
        tally.changes += 1
        self.post(notices, tally)
        return notices

    async def close(self) -> None:
        """Forget what waits to be sent."""
        tasks = list(self._waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hearing(self, change: Change) -> Iterator[tuple[Subscription, str]]:
        """Yield who hears of a change, and what as; nothing is ever delivered to a push service of a browser."""
        happened, now = _told_by_default(change), self.clock.now()
        # an update may take an item into a filter of Outlook's or out of it, which those hear who asked for nothing else; either end
        # of a move may be an update
        retold = change.other_end or (happened == "updated" and change.entity.row.family == "outlook")
        asked = _ANY if retold else (happened,)
        heard: dict[str, Subscription] = {
            subscription.id: subscription
            for change_type in asked
            for subscription in self._subscriptions.hearing(change.entity.reaches, change_type, now=now)
        }
        for subscription in heard.values():
            told = told_as(change, happened, subscription)
            if told in subscription.heard and known_channel(subscription.notification_url) != "push":
                yield subscription, told

    def _notice(self, change: Change, subscription: Subscription, told: str) -> Notice:
        number = len(self.truths) + 1
        notification, encrypted = self.writer.write(
            change.entity, subscription, change_type=told, tenant_id=change.tenant_id, number=number
        )
        truth = note(number, change, subscription, told=told, rich=encrypted)
        notice = Notice(
            subscription=subscription, notification=notification, change=change, truth=truth, encrypted=encrypted
        )
        self.truths.append(truth)
        self.recent.append(notice)
        return notice

    def _count(self, notice: Notice, tally: Tally) -> None:
        if notice.forged:
            tally.forged[notice.forged] += 1
        elif notice.duplicate:
            tally.duplicates += 1
        else:
            tally.sent += 1

    def _meddle(self, notice: Notice, change: Change, truth: Truth, tally: Tally) -> list[Notice]:
        """Lose, delay or repeat a notice as its fate is; return what goes out at once."""
        fate = self._fates.of(notice, change, truth)
        if fate.lost:
            tally.sent, tally.lost = tally.sent - 1, tally.lost + 1
            self._courier.missed(notice.subscription)
            return []
        if fate.again_after is not None:
            tally.duplicates += 1
            self._later(fate.again_after, again(notice), tally)
        for seconds in fate.echoes_after:
            tally.duplicates += 1
            self._later(seconds, self._echo(notice, change, truth), tally)
        if fate.late:
            self._later(fate.late, notice, tally)
        return [] if fate.late else [notice]

    def _echo(self, notice: Notice, change: Change, truth: Truth) -> Notice:
        """Tell the same news as an update; what happened, and the truth about it, stays one thing."""
        notification, encrypted = self.writer.write(
            change.entity, notice.subscription, change_type="updated", tenant_id=change.tenant_id, number=truth.number
        )
        return replace(again(notice), notification=notification, encrypted=encrypted)

    def _later(self, seconds: float, notice: Notice, tally: Tally) -> None:
        self._wait(seconds, lambda: self._set_out([notice], tally), tally)

    def _set_out(self, notices: Iterable[Notice], tally: Tally) -> None:
        """Put notices into bodies: by URL, and those apart that may not be delivered yet."""
        bodies: dict[tuple[str, bool], list[Notice]] = {}
        for notice in notices:
            subscription = notice.subscription
            address = (subscription.notification_url, self._courier.authorized(subscription))
            bodies.setdefault(address, []).append(notice)
        for (url, authorized), together in bodies.items():
            if self._knobs.batch_seconds > 0:
                self._gather(url, together, tally, authorized=authorized)
            else:
                self._send(url, together, tally)

    def _gather(self, url: str, notices: list[Notice], tally: Tally, *, authorized: bool) -> None:
        key = (url, authorized, id(tally))
        if key in self._gathered:
            self._gathered[key] += notices
            return
        self._gathered[key] = notices
        self._wait(self._knobs.batch_seconds, lambda: self._send(url, self._gathered.pop(key), tally), tally)

    def _wait(self, seconds: float, then: Callable[[], None], tally: Tally) -> None:
        tally.pending += 1
        task = asyncio.create_task(self._after(seconds, then, tally))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _after(self, seconds: float, then: Callable[[], None], tally: Tally) -> None:
        await self.clock.pause(seconds)
        then()
        tally.pending -= 1

    def _send(self, url: str, notices: Sequence[Notice], tally: Tally) -> None:
        """Send notices in bodies of no more than Graph puts into one. What goes to an event hub has no tokens."""
        largest = self._knobs.batch_max
        for start in range(0, len(notices), largest):
            number, together = next(self._bodies), list(notices[start : start + largest])
            if self._knobs.disorder > 0:
                self._shuffle(together, number)
            if known_channel(url) == "hub":
                self._send_to_hub(url, together, tally)
            else:
                self._courier.send(url, together, self.tokens.of(together, number), tally)

    def _send_to_hub(self, url: str, notices: Sequence[Notice], tally: Tally) -> None:
        """Put notices into one event, or each into its own if they are too large together."""
        parts = write_hub_bodies([notice.notification for notice in notices])
        if len(parts) == 1 or len(notices) == 1:
            self._courier.send_to_hub(url, notices, parts, tally)
            return
        for notice in notices:
            self._courier.send_to_hub(url, [notice], write_hub_bodies([notice.notification]), tally)

    def _shuffle(self, notices: list[Notice], body: int) -> None:
        dice = self._dice.of("disorder", body)
        if dice.random() < self._knobs.disorder:
            dice.shuffle(notices)


def again(notice: Notice) -> Notice:
    """Return the same notification, to be sent once more."""
    return replace(notice, duplicate=True)


def _told_by_default(change: Change) -> str:
    """Return what a change is told as where no filter has a say.

    The directory tells of what is new as updated, and so does everything that only tells that something below has changed.
    """
    row = change.entity.row
    if row.nameless or (row.family == "directory" and change.change_type == "created"):
        return "updated"
    return change.change_type


_ANY = ("created", "updated", "deleted")
