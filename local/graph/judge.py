"""What the receiver did wrong, each with the page of Graph's documentation that says so.

A judge only listens: nothing that it finds changes what is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.graph.clock import microseconds

_GRAPH = "https://learn.microsoft.com/en-us/graph"
DELIVERY = f"{_GRAPH}/change-notifications-delivery-webhooks"
LIFECYCLE = f"{_GRAPH}/change-notifications-lifecycle-events"
UPDATE = f"{_GRAPH}/api/subscription-update"
THROTTLING = f"{_GRAPH}/throttling"
LIMITS = f"{_GRAPH}/throttling-limits"

RULES: Mapping[str, tuple[str, str]] = {
    "late": ("the first attempt must be answered within 3 seconds", DELIVERY),
    "late-again": ("a repeated attempt must be answered within 10 seconds", DELIVERY),
    "unreachable": ("the endpoint must accept connections", DELIVERY),
    "good-batch-refused": (
        "a body with a genuine notification in it must be answered 2xx; a 4xx makes Graph repeat the whole body",
        DELIVERY,
    ),
    "refused": ("a lifecycle notification that was received must be answered 2xx", LIFECYCLE),
    "failed": ("5xx says that it could not be kept and must come again", DELIVERY),
    "redirect": ("redirects are not documented as followed", DELIVERY),
    "handshake-status": ("the handshake is answered with 200", DELIVERY),
    "handshake-type": ("the handshake is answered as text/plain", DELIVERY),
    "handshake-body": ("the handshake's answer is the decoded token and nothing else", DELIVERY),
    "handshake-late": ("the handshake must be answered within 10 seconds", DELIVERY),
    "secret": (
        "clientState and tokens are secrets and must not be echoed, neither in a body nor in a header",
        DELIVERY,
    ),
    "both-renewals": ("reauthorize and PATCH must not come within 10 minutes of each other", LIFECYCLE),
    "lapsed": ("reauthorizationRequired must be followed by reauthorize or PATCH, or delivery ends", LIFECYCLE),
    "patch-gone": ("a PATCH that was answered 404 must not be repeated: create a new subscription", UPDATE),
    "ignored-retry-after": ("after 429 or 503, wait as long as Retry-After says", THROTTLING),
    "polls-the-list": ("the list of subscriptions must not be asked for more than 25 times in 20 seconds", LIMITS),
}
"""Every rule: what it says, and the page that it is from."""


@dataclass(slots=True)
class Finding:
    """One rule that was broken, how often, and one example."""

    rule: str
    example: str
    first: datetime
    last: datetime
    count: int = 1

    def printed(self) -> dict[str, Any]:
        """Return the finding for the control API."""
        says, page = RULES[self.rule]
        times = {"first": microseconds(self.first), "last": microseconds(self.last)}
        return {"rule": self.rule, "says": says, "page": page, "count": self.count, "example": self.example} | times


@dataclass(slots=True)
class Judge:
    """Findings by rule. Examples name URLs and ids; never a body, a token or a clientState."""

    _findings: dict[str, Finding] = field(default_factory=dict)

    def object_to(self, rule: str, example: str, *, at: datetime) -> None:
        """Count one breach of a rule. Raises KeyError for a rule that is none of ours."""
        if rule not in RULES:
            raise KeyError(rule)
        known = self._findings.get(rule)
        if known:
            known.count, known.last = known.count + 1, at
        else:
            self._findings[rule] = Finding(rule, example, at, at)

    def printed(self) -> list[dict[str, Any]]:
        """Return what was found, in order of first appearance."""
        return [finding.printed() for finding in self._findings.values()]

    def verdict(self) -> dict[str, Any]:
        """Return whether every rule was kept, and what was found if not."""
        return {"ok": not self._findings, "findings": self.printed()}
