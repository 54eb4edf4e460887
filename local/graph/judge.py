"""What the receiver did wrong, each with the page of Graph's documentation that says so.

A judge only listens: nothing that it finds changes what is sent.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.graph.clock import microseconds

DELIVERY = "https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks"
LIFECYCLE = "https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events"
UPDATE = "https://learn.microsoft.com/en-us/graph/api/subscription-update"

RULES = {
    "late": ("the first attempt must be answered within 3 seconds", DELIVERY),
    "late-again": ("a repeated attempt must be answered within 10 seconds", DELIVERY),
    "unreachable": ("the endpoint must accept connections", DELIVERY),
    "refused": (
        "a notification that was received must be answered 2xx; a 4xx makes Graph repeat the whole body",
        DELIVERY,
    ),
    "failed": ("5xx says that it could not be kept and must come again", DELIVERY),
    "redirect": ("redirects are not documented as followed", DELIVERY),
    "handshake-status": ("the handshake is answered with 200", DELIVERY),
    "handshake-type": ("the handshake is answered as text/plain", DELIVERY),
    "handshake-body": ("the handshake's answer is the decoded token and nothing else", DELIVERY),
    "handshake-late": ("the handshake must be answered within 10 seconds", DELIVERY),
    "secret": ("clientState and tokens are secrets and must not be echoed", DELIVERY),
    "both-renewals": ("reauthorize and PATCH must not come within 10 minutes of each other", LIFECYCLE),
    "patch-gone": ("a PATCH that was answered 404 must not be repeated: create a new subscription", UPDATE),
}


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
        """Count one breach of a rule."""
        known = self._findings.get(rule)
        if known:
            known.count, known.last = known.count + 1, at
        else:
            self._findings[rule] = Finding(rule, example, at, at)

    def printed(self) -> list[dict[str, Any]]:
        """Return what was found, in order of first appearance."""
        return [finding.printed() for finding in self._findings.values()]
