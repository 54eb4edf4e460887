"""Checking validation tokens with keys that may have to be fetched first, at the webhook and after the queue."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.errors import GraphProtocolError
from shared.graph.signed_token import UnknownSigningKey
from shared.graph.validation_token import TokenJudge
from shared.opening import Refused, Unopenable
from shared.ports import Clock, SigningKeys

IN_REQUEST_BUDGET = timedelta(milliseconds=500)
"""What a delivery may wait for signing keys; past it, its items are queued unchecked."""

_LONGEST_TRUST = timedelta(hours=24)
_PATIENCE = timedelta(hours=24)
_FETCH_BUDGET = timedelta(seconds=10)
_LOOK_AGAIN = timedelta(seconds=65)  # refetches are a minute apart


class CheckLater(Exception):  # noqa: N818 - a decision, carried out of a nest of checks
    """The signing keys cannot be had right now; the item waits, and that uses up no attempt."""

    def __init__(self, after: timedelta) -> None:
        super().__init__("the authority's signing keys cannot be had right now")
        self.after = after


class TokenCheck:
    """One process's view of the authority's signing keys, and the tokens they vouch for."""

    def __init__(self, judge: TokenJudge, source: SigningKeys, now: Clock) -> None:
        self.judge = judge
        self._source = source
        self._now = now

    def current_judge(self) -> TokenJudge:
        """Give the judge, without keys that have not been confirmed for a day."""
        keys = self.judge.keys
        if keys is not None and self._now().timestamp() - keys.fetched > _LONGEST_TRUST.total_seconds():
            self.judge.forget_keys()
        return self.judge

    async def refresh(self, budget: timedelta) -> bool:
        """Fetch the keys within a budget; False if they could not be had, or were asked for less than a minute ago."""
        keys = await self._source.fetch(budget=budget)
        if keys is None:
            return False
        if self.judge.keys is None or keys.fetched > self.judge.keys.fetched:
            self.judge.trust(keys)
        return True

    async def warm(self) -> None:
        """Fetch the keys if there are none, so that the first delivery need not wait for them."""
        if self.judge.keys is None:
            await self.refresh(_FETCH_BUDGET)

    async def check(self, validation_tokens: Sequence[str], *, tenant_id: str, received: datetime) -> None:
        """Check the tokens of an item that was queued unchecked; its lifetime is judged as of ``received``.

        Raises Refused if none covers the item, CheckLater while keys cannot be had, Unopenable after a day without.
        """
        if self._covers(validation_tokens, tenant_id, received):
            return
        await self.refresh(_FETCH_BUDGET)
        if self._covers(validation_tokens, tenant_id, received):
            return
        keys = self.judge.keys
        if keys is not None and keys.fetched > received.timestamp():
            raise Refused("validation token")
        if self._now() - received > _PATIENCE:
            raise Unopenable("the authority's signing keys could not be had for 24 hours")
        raise CheckLater(_LOOK_AGAIN)

    def _covers(self, validation_tokens: Sequence[str], tenant_id: str, received: datetime) -> bool:
        at = received.timestamp()
        judge = self.current_judge()
        undecided = False
        for token in validation_tokens:
            try:
                if judge.check(token, at=at).tenant_id == tenant_id:
                    return True
            except GraphProtocolError:
                continue
            except UnknownSigningKey:
                undecided = True
        if not undecided:
            raise Refused("validation token")
        return False
