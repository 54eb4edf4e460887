"""Recognises who calls, with the authority's signing keys that deliveries are checked with too.

Not here: what a caller may see (`shared.membership`).
"""

import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from shared.caller import Caller
from shared.errors import GraphProtocolError, NotNow, Unauthorised
from shared.graph.signed_token import UnknownSigningKey
from shared.graph.user_token import UserTokenJudge
from shared.ports import Clock
from shared.telemetry import log_line
from shared.token_check import TokenCheck

_LOGGER = logging.getLogger(__name__)
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_FETCH_BUDGET: Final = timedelta(seconds=5)


class Callers:
    """One process's view of the people who call. ``keys`` is where signing keys come from, and is asked for newer ones."""

    def __init__(self, judge: UserTokenJudge, keys: TokenCheck, now: Clock) -> None:
        self._judge = judge
        self._keys = keys
        self._now = now

    async def recognise(self, headers: Mapping[str, str]) -> Caller:
        """Say who shows the token in ``Authorization``.

        Raises Unauthorised, whose text never tells which check failed, and NotNow while there are no keys to check with.
        """
        token = self.token(headers)
        at = self._now().timestamp()
        try:
            try:
                return self._check(token, at)
            except UnknownSigningKey:
                await self._keys.refresh(_FETCH_BUDGET)
                return self._check(token, at)
        except UnknownSigningKey:
            if self._judge.keys is None:
                raise NotNow("the authority's signing keys cannot be had right now: try again in a minute") from None
            self._refuse("a user's token names a signing key that the authority does not publish")
        except GraphProtocolError as problem:
            self._refuse(str(problem))
        raise Unauthorised

    def token(self, headers: Mapping[str, str]) -> str:
        """Give the token as it was shown, unchecked. Raises Unauthorised if there is none."""
        shown = next((text for name, text in headers.items() if name.lower() == "authorization"), "")
        bearer = _BEARER.fullmatch(shown.strip())
        if bearer is None:
            raise Unauthorised
        return bearer[1]

    def _check(self, token: str, at: float) -> Caller:
        keys = self._keys.current_judge().keys
        if keys is None:
            self._judge.forget_keys()
        elif keys is not self._judge.keys:
            self._judge.trust(keys)
        return self._judge.check(token, at=at).caller

    def _refuse(self, reason: str) -> None:
        log_line(_LOGGER, logging.INFO, "a caller was not let in", {"reason": reason})
