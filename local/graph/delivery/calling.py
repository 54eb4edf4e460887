"""One attempt: a POST to a receiver, or events into an event hub, and what came of it.

Nothing here raises for what a receiver does. Not here: when attempts are made, see `courier`.
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
"""

import logging
import time
from collections.abc import Sequence
from typing import Protocol

import aiohttp
from yarl import URL

from local.graph.clock import Clock, microseconds, utc_now
from local.graph.delivery.attempts import NEVER_SENT, NOT_SENT, SENT, TIMEOUT, UNREACHABLE, Attempt, Body, rule_broken
from local.graph.delivery.health import FAR_TOO_LATE_SECONDS, LATE_SECONDS
from local.graph.delivery.hub_producer import HubRefused
from local.graph.subscribing.channels import place_of

FIRST_ATTEMPT_SECONDS, NEXT_ATTEMPT_SECONDS = LATE_SECONDS, FAR_TOO_LATE_SECONDS
LONGEST_ANSWER = 64 * 1024
HEADERS = {"Content-Type": "application/json; charset=utf-8"}
CEILING_SECONDS = 60
"""Above which aiohttp may round a time limit up; ours must be exact."""

log = logging.getLogger(__name__)


class HubSender(Protocol):
    """What puts an event into an event hub."""

    async def send(self, url: str, body: bytes) -> None:
        """Return when the hub has it. Raises HubRefused if it does not take it."""


class Caller:
    """Makes attempts over connections that are kept. How long they may take is real time, stretched by the clock's patience."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock, hub: HubSender | None = None) -> None:
        self._session = session
        self._hub = hub
        self._first, self._next = (
            aiohttp.ClientTimeout(total=seconds * clock.patience, ceil_threshold=CEILING_SECONDS)
            for seconds in (FIRST_ATTEMPT_SECONDS, NEXT_ATTEMPT_SECONDS)
        )

    async def attempt(self, body: Body, number: int) -> Attempt:
        """Deliver a body once, the first time or again, and say how it went."""
        at, started, echoes = microseconds(utc_now()), time.monotonic(), False
        if body.channel == "hub":
            status = await self._put(body)
        else:
            status, echoes = await self._post(body, self._first if number == 1 else self._next)
        return Attempt(
            at=at,
            body=body.number,
            url=place_of(body.url),
            host=body.host,
            number=number,
            items=len(body.notices),
            subscriptions=body.subscriptions,
            status=status,
            ms=round((time.monotonic() - started) * 1000, 2),
            rule=rule_broken(status, number, body),
            echoes=echoes,
        )

    async def _post(self, body: Body, limit: aiohttp.ClientTimeout) -> tuple[str, bool]:
        try:
            async with self._session.post(
                URL(body.url, encoded=True), data=body.parts[0], headers=HEADERS, timeout=limit, allow_redirects=False
            ) as response:
                answer = await _read(response)
                return str(response.status), _shows(body.secrets, answer, response.raw_headers)
        except TimeoutError:
            return TIMEOUT, False
        except (aiohttp.ClientError, OSError, ValueError):
            return UNREACHABLE, False

    async def _put(self, body: Body) -> str:
        if self._hub is None:
            return NOT_SENT
        status = SENT
        for part in body.parts:
            try:
                await self._hub.send(body.url, part)
            except HubRefused as refused:
                log.info("event hub refused", extra={"host": body.host, "why": str(refused)})
                if not refused.final:
                    return NOT_SENT
                status = NEVER_SENT
        return status


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the answer's body, in however many pieces it comes; of a very long one, the beginning."""
    answer = bytearray()
    async for piece in response.content.iter_any():
        answer += piece
        if len(answer) >= LONGEST_ANSWER:
            break
    return bytes(answer)


def _shows(secrets: frozenset[bytes], answer: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Say whether an answer shows a secret, in its body or in its headers."""
    shown = b"\n".join((answer, *(value for _, value in headers)))
    return any(secret in shown for secret in secrets)
