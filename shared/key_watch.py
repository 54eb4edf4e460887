"""Watches that the certificate of rich notifications does not run out unnoticed: in the log once a day, and for the status.

It stands before the port `EncryptionKeys` and is one. Not here: making the next certificate, which is the vault's or a person's
business; taking it up, which the renewal does by itself (`shared.reconcile`).
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.graph.encrypted_content import EncryptionKey
from shared.graph.timestamp import write_timestamp
from shared.ports import Clock, EncryptionKeys
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
EARLY: Final = timedelta(days=30)
"""A warning's lead: a vault that renews by itself does so long before, at 80 % of a year."""
_ONCE_A: Final = timedelta(days=1)


class KeyWatch:
    """Port ``EncryptionKeys``, whose current key is looked at whenever somebody asks for it."""

    def __init__(self, keys: EncryptionKeys, now: Clock) -> None:
        self._keys = keys
        self._now = now
        self._warned: datetime | None = None

    async def find(self, certificate_id: str) -> EncryptionKey | None:
        """Find a key."""
        return await self._keys.find(certificate_id)

    async def current(self) -> EncryptionKey | None:
        """Find the key that new subscriptions use; what is wrong with it is in the log, at most once a day."""
        key = await self._keys.current()
        problem = key_problem(key, self._now())
        if not problem:
            self._warned = None
        elif self._warned is None or self._now() - self._warned >= _ONCE_A:
            self._warned = self._now()
            fields = {"certificateId": key.certificate_id if key else "", "problem": problem}
            log_line(_LOGGER, logging.WARNING, "encryption certificate", fields)
        return key

    async def report(self) -> Mapping[str, Any]:
        """Tell the current key's id, when its certificate expires, and what is wrong with that."""
        key = await self.current()
        return {
            "certificateId": key.certificate_id if key else None,
            "expires": write_timestamp(_expiry(key)) if key else None,
            "problem": key_problem(key, self._now()),
        }


def key_problem(key: EncryptionKey | None, now: datetime) -> str:
    """Say what is wrong with the current key; empty if nothing is."""
    if key is None:
        return "there is no certificate that is valid now: subscriptions with resource data cannot be created"
    left = _expiry(key) - now
    if left > EARLY:
        return ""
    return f"its certificate expires in {left.days} days: make a new version, the renewal takes it up by itself"


def _expiry(key: EncryptionKey) -> datetime:
    return datetime.fromtimestamp(key.not_after, UTC)
