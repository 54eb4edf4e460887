"""Receives one delivery: has it judged, keeps large payloads, and says what the trigger must keep before it answers.

No call to Graph, Key Vault or a table happens here. The one thing that may be waited for are signing keys, half a
second at most.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.errors import StorageError
from shared.graph.handshake import is_acceptable
from shared.intake import Policy, Verdict, judge
from shared.ports import Clock, Payloads
from shared.storage_health import StorageHealth
from shared.telemetry import log_line, write_counts
from shared.token_check import IN_REQUEST_BUDGET, TokenCheck

_LOGGER = logging.getLogger(__name__)
_UNAVAILABLE = 503
_OK = 200
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How Graph is answered, and what has to be on which queue before the answer leaves."""

    status: int
    body: str = field(default="", repr=False)
    envelopes: tuple[str, ...] = field(default=(), repr=False)
    work: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What it takes to receive deliveries on both routes."""

    policy: Policy
    tokens: TokenCheck
    payloads: Payloads
    storage_health: StorageHealth
    now: Clock
    new_id: Callable[[], str]

    def shake_hands(self, validation_token: str) -> Reply:
        """Answer Graph's validation request."""
        if not is_acceptable(validation_token):
            return Reply(status=_BAD_REQUEST, body="the validationToken is empty, too long or has control characters")
        return Reply(status=_OK, body=validation_token)

    async def receive(self, body: bytes) -> Reply:
        """Judge one body. Never raises for anything in it; storage that is away is answered 503 at once."""
        received = self.now()
        if self.storage_health.is_failing(received):
            log_line(
                _LOGGER, logging.ERROR, "delivery turned away", {"status": _UNAVAILABLE, "reason": "storage is away"}
            )
            return Reply(status=_UNAVAILABLE)
        delivery_id = self.new_id()
        tokens = self.tokens.current_judge()
        verdict = judge(body, received=received, delivery_id=delivery_id, policy=self.policy, tokens=tokens)
        if verdict.wants_keys and await self.tokens.refresh(IN_REQUEST_BUDGET):
            verdict = judge(body, received=received, delivery_id=delivery_id, policy=self.policy, tokens=tokens)
        if verdict.payloads and not await self._keep_payloads(verdict):
            return Reply(status=_UNAVAILABLE)
        _report(verdict, delivery_id, len(body))
        return Reply(status=verdict.status, envelopes=verdict.envelopes, work=verdict.work)

    async def _keep_payloads(self, verdict: Verdict) -> bool:
        try:
            for name, data in verdict.payloads:
                await self.payloads.put(name, data)
        except StorageError as problem:
            log_line(_LOGGER, logging.ERROR, "delivery turned away", {"status": _UNAVAILABLE, "reason": problem})
            return False
        return True


def _report(verdict: Verdict, delivery_id: str, size: int) -> None:
    level = logging.INFO if not verdict.refused else logging.ERROR if verdict.status == 413 else logging.WARNING  # noqa: PLR2004
    # not `log_line`: this line is written for every body, and has nothing in it that needs care
    _LOGGER.log(
        level,
        "delivery id=%s status=%d bytes=%d accepted=%d lifecycle=%d unchecked=%d envelopes=%d refused=%s",
        delivery_id,
        verdict.status,
        size,
        verdict.accepted,
        verdict.lifecycle,
        verdict.unchecked,
        len(verdict.envelopes),
        write_counts(verdict.refused),
    )
