"""Push delivery: bodies go out at once, are repeated until they are acknowledged, and given up after four hours.

Any 2xx acknowledges the whole body; anything else repeats the whole body. How Graph spaces its attempts is not published: here
5 seconds, doubled up to 10 minutes, with a fifth of jitter. Not here: what a body says, see `notices`.
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
"""

import asyncio
import json
import logging
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from local.graph.clock import Clock, microseconds
from local.graph.delivery.notices import Notice
from local.graph.delivery.tally import Tally
from local.graph.judge import Judge

FIRST_ATTEMPT_SECONDS, NEXT_ATTEMPT_SECONDS = 3.0, 10.0
HORIZON_SECONDS = 4 * 3600.0
FIRST_PAUSE, LONGEST_PAUSE, JITTER = 5.0, 600.0, 0.2
AT_ONCE = 16
REMEMBERED = 5_000
LONGEST_ANSWER = 64 * 1024
SUCCESS, REDIRECT, REFUSAL, FAILURE = 200, 300, 400, 500
HEADERS = {"Content-Type": "application/json; charset=utf-8"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to a receiver: its answer (or `timeout`, `unreachable`) and how long that took."""

    at: str
    url: str
    number: int
    items: int
    status: str
    ms: float
    echoes: bool = False

    @property
    def acknowledged(self) -> bool:
        """Whether the receiver now has the body."""
        return self.status.isdigit() and SUCCESS <= int(self.status) < REDIRECT

    def printed(self) -> dict[str, Any]:
        """Return the attempt for the control API."""
        return {
            "at": self.at,
            "url": self.url,
            "attempt": self.number,
            "items": self.items,
            "status": int(self.status) if self.status.isdigit() else self.status,
            "ms": self.ms,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What one POST carries, printed once: repetitions are the same bytes."""

    url: str
    raw: bytes
    notices: Sequence[Notice]
    secrets: frozenset[bytes] = field(repr=False)
    tally: Tally


class Delivery:
    """Sends bodies, at most sixteen at once to each URL, over connections that are kept."""

    def __init__(self, session: aiohttp.ClientSession, judge: Judge, clock: Clock, dice: random.Random) -> None:
        self._session = session
        self._judge = judge
        self._clock = clock
        self._dice = dice
        self._rooms: dict[str, asyncio.Semaphore] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self.attempts: deque[Attempt] = deque(maxlen=REMEMBERED)

    def send(self, url: str, notices: Sequence[Notice], tokens: Sequence[str], tally: Tally) -> None:
        """Start delivering a body and return at once; the tally and the truth say what became of it."""
        body = write_body(url, notices, tokens, tally)
        tally.bodies += 1
        tally.pending += 1
        task = asyncio.create_task(self._see_through(body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Abandon whatever is still under way."""
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def post(
        self, url: str, raw: bytes, *, number: int = 1, items: int = 0, secrets: frozenset[bytes] = frozenset()
    ) -> Attempt:
        """Make one attempt and say how it went; never raises for what the receiver does."""
        seconds = FIRST_ATTEMPT_SECONDS if number == 1 else NEXT_ATTEMPT_SECONDS
        timeout = aiohttp.ClientTimeout(total=seconds, ceil_threshold=60)
        at, started, answer = microseconds(self._clock.now()), time.monotonic(), b""
        try:
            async with self._session.post(
                URL(url, encoded=True), data=raw, headers=HEADERS, timeout=timeout, allow_redirects=False
            ) as response:
                status = str(response.status)
                answer = await response.content.read(LONGEST_ANSWER)
        except TimeoutError:
            status = "timeout"
        except (aiohttp.ClientError, ValueError):
            status = "unreachable"
        ms = round((time.monotonic() - started) * 1000, 2)
        place = url.partition("?")[0]
        echoes = any(secret in answer for secret in secrets) if answer else False
        return Attempt(at=at, url=place, number=number, items=items, status=status, ms=ms, echoes=echoes)

    async def _see_through(self, body: Body) -> None:
        started, number, pause = time.monotonic(), 1, FIRST_PAUSE
        while True:
            async with self._rooms.setdefault(body.url, asyncio.Semaphore(AT_ONCE)):
                attempt = await self.post(
                    body.url, body.raw, number=number, items=len(body.notices), secrets=body.secrets
                )
            self._record(body, attempt)
            if attempt.acknowledged:
                break
            if self._clock.simulated_since(started) + pause > HORIZON_SECONDS:
                body.tally.gave_up += 1
                break
            await self._clock.pause(pause * self._dice.uniform(1 - JITTER, 1 + JITTER))
            number, pause = number + 1, min(pause * 2, LONGEST_PAUSE)
        body.tally.pending -= 1

    def _record(self, body: Body, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        log.info("delivered", extra=attempt.printed())
        tally, now = body.tally, self._clock.now()
        tally.statuses[attempt.status] += 1
        tally.late += attempt.number == 1 and attempt.ms >= FIRST_ATTEMPT_SECONDS * 1000
        rule = _rule_broken(attempt)
        if rule:
            self._judge.object_to(rule, f"{attempt.url} answered {attempt.status}", at=now)
        if attempt.echoes:
            self._judge.object_to("secret", attempt.url, at=now)
        if not attempt.acknowledged:
            return
        tally.ack_ms.append(attempt.ms)
        for notice in body.notices:
            if notice.truth and notice.truth.acknowledged is None:
                notice.truth.acknowledged = now
                tally.acknowledged += 1


def write_body(url: str, notices: Sequence[Notice], tokens: Sequence[str], tally: Tally) -> Body:
    """Print a changeNotificationCollection; `validationTokens` appears only where there are some."""
    collection: dict[str, Any] = {"value": [notice.notification for notice in notices]}
    if tokens:
        collection["validationTokens"] = list(tokens)
    raw = json.dumps(collection, ensure_ascii=False, separators=(",", ":")).encode()
    states = (notice.subscription.client_state for notice in notices)
    secrets = frozenset(secret.encode() for secret in (*tokens, *states) if secret)
    return Body(url=url, raw=raw, notices=notices, secrets=secrets, tally=tally)


def _rule_broken(attempt: Attempt) -> str | None:
    if attempt.status == "timeout":
        return "late" if attempt.number == 1 else "late-again"
    if attempt.status == "unreachable":
        return "unreachable"
    return next((rule for floor, rule in _RULES if int(attempt.status) >= floor), None)


_RULES = ((FAILURE, "failed"), (REFUSAL, "refused"), (REDIRECT, "redirect"))
