"""What is sent and how it went: a body, and each attempt to deliver it. Values only; the sending is `courier`'s."""

import functools
import json
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local.graph.delivery.notices import Notice
from local.graph.delivery.tally import Tally
from local.graph.subscribing.channels import HUB_SCHEME, Channel, channel_of

SUCCESS, REDIRECT, REFUSAL, FAILURE = 200, 300, 400, 500
SHORTEST_SECRET = 6
"""A clientState that is shorter would be found in any answer."""
TIMEOUT, UNREACHABLE = "timeout", "unreachable"
SENT, NOT_SENT, NEVER_SENT = "sent", "not sent", "too large"
"""What an attempt's status is where there is none of HTTP's; these three are an event hub's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Body:
    """What is delivered together, printed once: repetitions are the same bytes. An event hub takes it in several events."""

    number: int
    url: str
    host: str
    channel: Channel
    parts: tuple[bytes, ...]
    notices: Sequence[Notice]
    subscriptions: tuple[str, ...]
    secrets: frozenset[bytes] = field(repr=False)
    tally: Tally

    @property
    def genuine(self) -> bool:
        """Whether there is anything in it that Graph would send."""
        return any(notice.genuine for notice in self.notices)

    @property
    def lifecycle(self) -> bool:
        """Whether it tells of subscriptions instead of changes."""
        return any(notice.lifecycle for notice in self.notices)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """One request to a receiver: what was asked of it, its answer, how long that took, and the rule that it broke, if any."""

    at: str
    body: int
    url: str
    host: str
    number: int
    items: int
    subscriptions: tuple[str, ...]
    status: str
    ms: float
    rule: str | None = None
    echoes: bool = False

    @property
    def acknowledged(self) -> bool:
        """Whether the receiver now has the body."""
        return self.status == SENT or (self.status.isdigit() and SUCCESS <= int(self.status) < REDIRECT)

    @property
    def hopeless(self) -> bool:
        """Whether it would be the same however often it was repeated."""
        return self.status == NEVER_SENT

    def printed(self) -> dict[str, Any]:
        """Return the attempt for the control API."""
        return {
            "at": self.at,
            "url": self.url,
            "host": self.host,
            "body": self.body,
            "attempt": self.number,
            "items": self.items,
            "subscriptions": list(self.subscriptions),
            "status": int(self.status) if self.status.isdigit() else self.status,
            "ms": self.ms,
            "rule": self.rule,
        }


def make_body(number: int, url: str, notices: Sequence[Notice], tokens: Sequence[str], tally: Tally) -> Body:
    """Print a changeNotificationCollection; `validationTokens` appears only where there are some."""
    collection: dict[str, Any] = {"value": [notice.notification for notice in notices]}
    if tokens:
        collection["validationTokens"] = list(tokens)
    return wrap(number, url, (write_json(collection),), notices, tally, tokens=tokens)


def wrap(
    number: int,
    url: str,
    parts: tuple[bytes, ...],
    notices: Sequence[Notice],
    tally: Tally,
    *,
    tokens: Sequence[str] = (),
) -> Body:
    """Return bytes as a body, with what must not be found in the answers to it."""
    states = {notice.subscription.client_state for notice in notices}
    return Body(
        number=number,
        url=url,
        host=host_of(url),
        channel=known_channel(url),
        parts=parts,
        notices=notices,
        subscriptions=tuple(dict.fromkeys(notice.subscription.id for notice in notices)),
        secrets=frozenset(
            secret.encode() for secret in (*tokens, *states) if secret and len(secret) >= SHORTEST_SECRET
        ),
        tally=tally,
    )


def write_json(value: Any) -> bytes:
    """Print JSON as Graph does, without spaces and without escapes; half a character, which has no bytes, becomes `?`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


@functools.lru_cache(maxsize=4096)
def host_of(url: str) -> str:
    """Return the host that a URL names, with its port; the namespace or vault for an event hub."""
    place = url[len(HUB_SCHEME) :] if known_channel(url) == "hub" else url
    return urllib.parse.urlsplit(place).netloc.rpartition("@")[2].lower()


@functools.lru_cache(maxsize=4096)
def known_channel(url: str) -> Channel:
    """Return what kind of place a URL is, looked up once."""
    return channel_of(url)


def rule_broken(status: str, number: int, body: Body) -> str | None:
    """Return which of Graph's rules an answer broke. A body of nothing but forgeries may be refused in any way."""
    if status == TIMEOUT:
        return "late" if number == 1 else "late-again"
    if not status.isdigit():
        return "unreachable" if status == UNREACHABLE else None
    if REFUSAL <= int(status) < FAILURE:
        return "refused" if body.lifecycle else "good-batch-refused" if body.genuine else None
    return next((rule for floor, rule in _RULES if int(status) >= floor), None)


_RULES = ((FAILURE, "failed"), (REDIRECT, "redirect"))
