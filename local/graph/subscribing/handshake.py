"""The handshake: Graph asks an endpoint to echo a token before it trusts it with notifications.

https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
"""

import logging
import re
import time
import urllib.parse
import uuid

import aiohttp
from yarl import URL

from local.graph.clock import Clock
from local.graph.faults import GraphFault, validation_failed
from local.graph.judge import Judge

ANSWER_SECONDS = 10.0
LONGEST_ANSWER = 64 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=ANSWER_SECONDS, ceil_threshold=60)

log = logging.getLogger(__name__)


class Handshake:
    """Asks endpoints, one after the other, and tells the judge how they answered."""

    def __init__(self, session: aiohttp.ClientSession, judge: Judge, clock: Clock) -> None:
        self._session = session
        self._judge = judge
        self._clock = clock
        self._remarked: set[str] = set()

    async def ask(self, url: str) -> None:
        """Return if the endpoint echoed the token. Raises the 400 that POST and PATCH answer otherwise."""
        self._remark_on_http(url)
        token = f"Validation: Testing client application reachability for subscription Request-Id: {uuid.uuid4()}"
        started = time.monotonic()
        try:
            async with self._session.post(
                write_url(url, token),
                headers={"Content-Type": "text/plain; charset=utf-8"},
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                timeout=TIMEOUT,
                allow_redirects=False,
            ) as answer:
                body = await answer.content.read(LONGEST_ANSWER)
                status, kind, reason = answer.status, answer.content_type, answer.reason
        except TimeoutError as late:
            self._object_to("handshake-late", url)
            raise validation_failed("Subscription validation request timed out.") from late
        except aiohttp.ClientError as unreachable:
            self._object_to("unreachable", url)
            raise _failed("HTTP request failed.") from unreachable
        log.info("handshake answered", extra={"status": status, "ms": round((time.monotonic() - started) * 1000)})
        self._check(url, token, status, kind, body, reason or "")

    def _check(self, url: str, token: str, status: int, kind: str, body: bytes, reason: str) -> None:  # noqa: PLR0917 - an answer's parts
        if status != 200:  # noqa: PLR2004 - the only status that Graph's page names
            self._object_to("handshake-status", url)
            raise _failed(f"HTTP status code is '{re.sub(r'[^A-Za-z]', '', reason) or status}'.")
        if kind != "text/plain":
            self._object_to("handshake-type", url)
            raise _failed("The content type of the answer is not 'text/plain'.")
        if body != token.encode():
            self._object_to("handshake-body", url)
            raise _failed("The answer is not the validation token.")

    def _remark_on_http(self, url: str) -> None:
        place = url.partition("?")[0]
        if place.startswith("http:") and place not in self._remarked:
            self._remarked.add(place)
            log.warning("http notification URL accepted, real Graph would refuse it", extra={"url": place})

    def _object_to(self, rule: str, url: str) -> None:
        self._judge.object_to(rule, url.partition("?")[0], at=self._clock.now())


def write_url(url: str, token: str) -> URL:
    """Append the token as Graph does: lower-case escapes, `+` for spaces, after whatever query the URL has."""
    escaped = re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), urllib.parse.quote_plus(token))
    return URL(f"{url}{'&' if '?' in url else '?'}validationToken={escaped}", encoded=True)


def _failed(why: str) -> GraphFault:
    asked = "Notification endpoint must respond with 200 OK to validation request."
    return validation_failed(f"Subscription validation request failed. {asked} {why}")
