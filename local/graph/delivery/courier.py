"""Push delivery: bodies go out at once, are repeated until they are acknowledged, and given up after four hours.

Any 2xx acknowledges the whole body; anything else repeats the whole body. How Graph spaces its attempts is not published: here
5 seconds, doubled up to 10 minutes, with a fifth of jitter. Not here: what a body says, see `writing`; one attempt, see
`calling`; which host is slow, see `health`.
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import aiohttp

from local.graph.clock import Clock, utc_now
from local.graph.delivery.attempts import Attempt, Body, make_body, wrap
from local.graph.delivery.calling import Caller, HubSender
from local.graph.delivery.health import HOLD_SECONDS, Admission, Health
from local.graph.delivery.notices import Notice
from local.graph.delivery.tally import Tally
from local.graph.dice import Dice
from local.graph.judge import Judge
from local.graph.knobs import Knobs
from local.graph.subscribing.channels import place_of
from local.graph.subscribing.store import Subscription

HORIZON_SECONDS = 4 * 3600.0
FIRST_PAUSE, LONGEST_PAUSE, JITTER = 5.0, 600.0, 0.2
AT_ONCE, AT_ONCE_ALTOGETHER = 16, 512
REMEMBERED = 5_000
CLOSING_SECONDS = 0.2

__all__ = ["Attempt", "Courier"]

log = logging.getLogger(__name__)


class Courier:
    """Sees bodies through, at most sixteen attempts at once to each URL and some hundred altogether.

    `authorized` says whether a subscription may deliver; `missed` is told of one whose notifications will not arrive any more;
    `on_attempt` holds whoever wants to hear of every attempt.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        judge: Judge,
        clock: Clock,
        *,
        dice: Dice,
        knobs: Knobs,
        hub: HubSender | None = None,
    ) -> None:
        self._caller = Caller(session, clock, hub)
        self._judge = judge
        self._clock = clock
        self._dice = dice
        self._knobs = knobs
        # a URL's room goes with the last delivery that needs it
        self._rooms: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._room = asyncio.Semaphore(AT_ONCE_ALTOGETHER)
        self._under_way: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._silent_until = float("-inf")
        self._silence_loses = False
        self.authorized: Callable[[Subscription], bool] = lambda _: True
        self.missed: Callable[[Subscription], None] = lambda _: None
        self.on_attempt: list[Callable[[Attempt], None]] = []
        self.attempts: deque[Attempt] = deque(maxlen=REMEMBERED)
        self.health = Health()

    def send(self, url: str, notices: Sequence[Notice], tokens: Sequence[str], tally: Tally) -> None:
        """Start delivering a body and return at once; the tally and the truth say what became of it."""
        self._start(make_body(next(self._numbers), url, notices, tokens, tally))

    def send_to_hub(self, url: str, notices: Sequence[Notice], parts: Sequence[bytes], tally: Tally) -> None:
        """Start putting events into an event hub; together they count as one body."""
        self._start(wrap(next(self._numbers), url, tuple(parts), notices, tally))

    async def post(self, url: str, raw: bytes) -> Attempt:
        """Send any bytes once and say how it went; nobody is judged by it."""
        return await self._caller.attempt(wrap(next(self._numbers), url, (raw,), [], Tally()), 1)

    def outage(self, seconds: float, *, lose: bool = False) -> None:
        """Send nothing for so many simulated seconds; then everything that waits, or nothing of it if it is to be lost.

        Nobody is told, as nobody was in March 2026: https://learn.microsoft.com/en-us/answers/questions/5825832
        """
        self._silent_until, self._silence_loses = self._clock.seconds() + seconds, lose

    def printed_health(self) -> Any:
        """Return the state of every host for the control API."""
        return self.health.printed(self._clock.seconds())

    async def close(self) -> None:
        """Abandon whatever is still under way."""
        while self._under_way:
            # more than once: a cancellation that meets a time limit is taken for it and lost
            for task in self._under_way:
                task.cancel()
            await asyncio.wait(self._under_way, timeout=CLOSING_SECONDS)

    def _start(self, body: Body) -> None:
        body.tally.bodies += 1
        body.tally.pending += 1
        task = asyncio.create_task(self._see_through(body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _see_through(self, body: Body) -> None:
        started = self._clock.seconds()
        try:
            admission = await self._admit(body, started)
            if admission is Admission.NEVER:
                self._discard(body)
            else:
                if admission is Admission.LATER:
                    await self._clock.pause(HOLD_SECONDS)
                await self._repeat(body, started, sample=admission is Admission.SAMPLE)
        finally:
            body.tally.pending -= 1

    async def _admit(self, body: Body, started: float) -> Admission:
        """Say when a body may set out; one whose subscription is not authorized waits for as long as one is repeated."""
        pause = FIRST_PAUSE
        while not all(self.authorized(notice.subscription) for notice in body.notices if notice.truth):
            if self._clock.seconds() - started + pause > HORIZON_SECONDS:
                return Admission.NEVER
            await self._clock.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        if not self._is_watched(body):
            return Admission.NOW
        return self.health.admit(self._answering(body), self._clock.seconds())

    async def _repeat(self, body: Body, started: float, *, sample: bool) -> None:
        pause = FIRST_PAUSE
        for number in itertools.count(1):
            if not await self._pass_silence():
                body.tally.lost += _real(body)
                return
            attempt = await self._deliver(body, number, sample=sample and number == 1)
            if attempt.acknowledged:
                return
            if attempt.hopeless or self._clock.seconds() - started + pause > HORIZON_SECONDS:
                body.tally.gave_up += 1
                self._tell_missed(body)
                return
            jitter = self._dice.of("retry", body.number, number).uniform(1 - JITTER, 1 + JITTER)
            await self._clock.pause(pause * jitter)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _pass_silence(self) -> bool:
        """Wait for the end of an outage; False if it swallows what was to be sent."""
        while (left := self._silent_until - self._clock.seconds()) > 0:
            if self._silence_loses:
                return False
            await self._clock.pause(left)
        return True

    async def _deliver(self, body: Body, number: int, *, sample: bool) -> Attempt:
        async with self._rooms.setdefault(body.url, asyncio.Semaphore(AT_ONCE)), self._room:
            attempt = await self._caller.attempt(body, number)
        if self._is_watched(body):
            seconds = attempt.ms / 1000 / self._clock.patience
            self.health.answered(self._answering(body), seconds, self._clock.seconds(), sample=sample)
        self._record(body, attempt)
        return attempt

    def _record(self, body: Body, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        if log.isEnabledFor(logging.INFO):
            log.info("delivered", extra=attempt.printed())
        tally, now = body.tally, self._clock.now()
        tally.statuses[attempt.status] += 1
        tally.late += attempt.rule == "late"
        if attempt.rule:
            self._judge.object_to(attempt.rule, f"{attempt.url} answered {attempt.status}", at=now)
        if attempt.echoes:
            self._judge.object_to("secret", attempt.url, at=now)
        if attempt.acknowledged:
            _acknowledge(body, attempt)
        for listener in self.on_attempt:
            listener(attempt)

    def _discard(self, body: Body) -> None:
        body.tally.discarded += _real(body)
        self._tell_missed(body)

    def _tell_missed(self, body: Body) -> None:
        for subscription in {
            notice.subscription.id: notice.subscription for notice in body.notices if notice.truth
        }.values():
            self.missed(subscription)

    def _answering(self, body: Body) -> str:
        """Return what is slow if an answer is late, under the name that may be shown of it."""
        return body.host if self._knobs.states_per == "host" else place_of(body.url)

    def _is_watched(self, body: Body) -> bool:
        """Say whether slow and drop states are for this receiver; event hubs have none."""
        return self._knobs.states and body.channel == "webhook"


def _acknowledge(body: Body, attempt: Attempt) -> None:
    tally = body.tally
    if body.channel == "webhook":  # what an event hub takes to store a body says nothing of the receiver
        tally.ack_ms.append(attempt.ms)
    for notice in body.notices:
        if notice.truth and notice.truth.acknowledged is None:
            notice.truth.acknowledged = utc_now()
            tally.acknowledged += 1


def _real(body: Body) -> int:
    return sum(notice.truth is not None and not notice.duplicate for notice in body.notices)
