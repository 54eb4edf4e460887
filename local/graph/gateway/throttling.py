"""429 for calls that come too fast, and now and then a 503: a middleware that counts every Graph call before it is handled.

Not here: the numbers, see `limits`.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from local.graph.clock import Clock
from local.graph.dice import Dice
from local.graph.faults import GraphFault, throttled, unavailable
from local.graph.gateway.calls import Family, Origin, Target, read_origin, read_target
from local.graph.gateway.limits import AT_ONCE_TO_A_MAILBOX, LIMITS, Limit, Scope, Window
from local.graph.gateway.versions import is_graph
from local.graph.judge import Judge
from local.graph.knobs import Knobs

Key = tuple[str, ...]

BUSY_SECONDS = 10.0
CONCURRENCY_SECONDS = 1.0
ON_THE_WAY_SECONDS = 0.25
"""Real seconds after a refusal in which a call may have left before its app could read the refusal."""
SWEEP_EVERY = 10_000
_FAMILY = 2


@dataclass(slots=True)
class _Told:
    """When an app was told to wait, in simulated seconds: from when on it must know, and until when it must not call."""

    known: float
    until: float


@dataclass(slots=True, kw_only=True)
class Throttle:
    """The counters of every app; only the calls of the last minutes are remembered."""

    clock: Clock
    knobs: Knobs
    judge: Judge
    dice: Dice
    _windows: dict[Key, Window] = field(default_factory=dict)
    _told: dict[Key, _Told] = field(default_factory=dict)
    _at_work: Counter[Key] = field(default_factory=Counter)
    _calls: int = 0

    def middleware(self) -> Middleware:
        """Return what stands between the envelope and the handlers."""

        @web.middleware
        async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not is_graph(request.path):
                return await handler(request)
            origin = read_origin(request.headers.get("Authorization", ""))
            target = read_target(request.method, request.path)
            self.admit(origin, target)
            if origin is None or target.family != "outlook" or not self.knobs.throttling:
                return await handler(request)
            return await self._one_of_few(_mailbox(origin, target), request, handler)

        return limit

    def admit(self, origin: Origin | None, target: Target) -> None:
        """Count one call. Raises 503 by chance and 429 when a limit is reached; both say when to come again."""
        self._calls += 1
        share = self.knobs.refuse_share
        if share and self.dice.lot("refuse", self._calls) < share:
            raise unavailable(self._whole_seconds(BUSY_SECONDS))
        if origin is None or not self.knobs.throttling:
            return
        now = self.clock.seconds()
        if self._calls % SWEEP_EVERY == 0:
            self._sweep(now)
        who = (origin.app_id, origin.tenant_id, target.family, target.mailbox)
        if self._told:
            self._compare(who, now)
        left = max(self._count(limit, origin, target, now) for limit in _LIMITS_OF[target.family])
        if left > 0:
            raise self._refuse(who, left, now)

    def _count(self, limit: Limit, origin: Origin, target: Target, now: float) -> float:
        key = (limit.family or "", limit.scope, *_WHOSE[limit.scope](origin, target))
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(limit)
        return window.count(now)

    def _refuse(self, who: Key, left: float, now: float) -> GraphFault:
        seconds = self._whole_seconds(left)
        until = now + seconds * self.clock.time_scale
        told = self._told.get(who)
        if told and now < told.until:
            told.until = until
        else:
            self._told[who] = _Told(now + ON_THE_WAY_SECONDS * self.clock.time_scale, until)
        if who[_FAMILY] == "subscription-list":
            self.judge.object_to("polls-the-list", f"app {who[0]}", at=self.clock.now())
        return throttled(seconds)

    def _compare(self, who: Key, now: float) -> None:
        told = self._told.get(who)
        if told and told.known < now < told.until:
            self.judge.object_to("ignored-retry-after", f"app {who[0]}, {who[_FAMILY]}", at=self.clock.now())

    async def _one_of_few(self, mailbox: Key, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._at_work[mailbox] >= AT_ONCE_TO_A_MAILBOX:
            message = "Application is over its MailboxConcurrency limit."
            headers = {"Retry-After": str(self._whole_seconds(CONCURRENCY_SECONDS))}
            raise GraphFault(429, "ApplicationThrottled", message, headers=headers)
        self._at_work[mailbox] += 1
        try:
            return await handler(request)
        finally:
            self._at_work[mailbox] -= 1
            if not self._at_work[mailbox]:
                del self._at_work[mailbox]

    def _whole_seconds(self, simulated: float) -> int:
        return max(1, math.ceil(self.clock.real_seconds(simulated)))

    def _sweep(self, now: float) -> None:
        self._windows = {key: window for key, window in self._windows.items() if not window.idle(now)}
        self._told = {key: told for key, told in self._told.items() if now < told.until}


def _mailbox(origin: Origin, target: Target) -> Key:
    return origin.app_id, origin.tenant_id, target.mailbox or origin.object_id.lower()


_WHOSE: dict[Scope, Callable[[Origin, Target], Key]] = {
    "tenant": lambda origin, _: (origin.app_id, origin.tenant_id),
    "app": lambda origin, _: (origin.app_id,),
    "mailbox": _mailbox,
}

_FAMILIES: tuple[Family, ...] = (
    "subscription-writes",
    "reauthorize",
    "subscription",
    "subscription-list",
    "outlook",
    "other",
)
_LIMITS_OF = {family: tuple(limit for limit in LIMITS if limit.family in {family, None}) for family in _FAMILIES}
