"""The handshake: Graph asks an endpoint to echo a token before it trusts it with notifications.

Not here: what the token looks like, see `echo_tokens`; when endpoints are asked, see `routes`.
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
"""

import itertools
import logging
import re
import time
from dataclasses import dataclass

import aiohttp

from local.graph.clock import Clock
from local.graph.dice import Dice
from local.graph.faults import GraphFault, validation_failed
from local.graph.judge import Judge
from local.graph.knobs import Knobs
from local.graph.subscribing.channels import place_of
from local.graph.subscribing.echo_tokens import make_token, write_url

ANSWER_SECONDS = 10.0
"""Real seconds for an answer, times the clock's patience; no page says that they can be changed."""
LONGEST_ANSWER = 64 * 1024
TIMES = {"once": 1, "twice": 2, "skip": 0}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    reason: str
    kind: str
    body: bytes


class Handshake:
    """Asks endpoints, one after the other, and tells the judge how they answered."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        judge: Judge,
        clock: Clock,
        knobs: Knobs | None = None,
        dice: Dice | None = None,
    ) -> None:
        self._session = session
        self._judge = judge
        self._clock = clock
        self._knobs = knobs or Knobs()
        self._dice = dice or Dice(1)
        self._numbers = itertools.count(1)
        self._remarked: set[str] = set()

    async def ask(self, url: str) -> None:
        """Return if the endpoint echoed every token. Raises the 400 that POST and PATCH answer otherwise."""
        self._remark_on_http(url)
        if self._dice.lot("handshake", next(self._numbers)) < self._knobs.handshake_failures:
            raise _failed(
                "HTTP request failed."
            )  # with nobody asked, and nobody to blame: msgraph-sdk-dotnet issue 2805
        for _ in range(TIMES[self._knobs.handshake]):
            if self._knobs.handshake_delay:
                await self._clock.pause(self._knobs.handshake_delay)
            await self._ask_once(url)

    async def _ask_once(self, url: str) -> None:
        token, started = make_token(self._knobs.handshake_token), time.monotonic()
        try:
            answer = await self._post(url, token)
        except TimeoutError as late:
            self._object_to("handshake-late", url)
            raise validation_failed("Subscription validation request timed out.") from late
        except (aiohttp.ClientError, ValueError, OSError) as unreachable:
            # ValueError: a host name that cannot be written in ASCII, an answer that is no HTTP
            self._object_to("unreachable", url)
            raise _failed("HTTP request failed.") from unreachable
        took = round((time.monotonic() - started) * 1000)
        log.info("handshake answered", extra={"status": answer.status, "ms": took})
        self._check(url, token, answer)

    async def _post(self, url: str, token: str) -> _Answer:
        seconds = ANSWER_SECONDS * self._clock.patience
        async with self._session.post(
            write_url(url, token),
            headers={"Content-Type": "text/plain; charset=utf-8"},
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            timeout=aiohttp.ClientTimeout(total=seconds, ceil_threshold=seconds + 1),
            allow_redirects=False,
        ) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    break
            return _Answer(status=answer.status, reason=answer.reason or "", kind=answer.content_type, body=bytes(body))

    def _check(self, url: str, token: str, answer: _Answer) -> None:
        if answer.status != 200:  # noqa: PLR2004 - the only status that Graph's page names
            self._object_to("handshake-status", url)
            reason = re.sub("[^A-Za-z]", "", answer.reason)
            raise _failed(f"HTTP status code is '{reason or answer.status}'.")
        if answer.kind != "text/plain":
            self._object_to("handshake-type", url)
            raise _failed("The content type of the answer is not 'text/plain'.")
        if answer.body != token.encode():
            self._object_to("handshake-body", url)
            raise _failed("The answer is not the validation token.")

    def _remark_on_http(self, url: str) -> None:
        place = place_of(url)
        if place.startswith("http:") and place not in self._remarked:
            self._remarked.add(place)
            log.warning("http notification URL accepted, real Graph would refuse it", extra={"url": place})

    def _object_to(self, rule: str, url: str) -> None:
        self._judge.object_to(rule, place_of(url), at=self._clock.now())


def _failed(why: str) -> GraphFault:
    asked = "Notification endpoint must respond with 200 OK to validation request."
    return validation_failed(f"Subscription validation request failed. {asked} {why}")
