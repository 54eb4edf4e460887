"""Opaque tokens for links: where a caller has got to, sealed so that only what was written here can be read.

Not here: what is written into them, see `paging` and `delta`.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from local.graph.dice import Dice

MAC_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Seal:
    """Writes and reads tokens with a key that follows from the seed, so that links outlive the simulator as its tenants do."""

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, dice: Dice) -> "Seal":
        """Return the seal of a simulator."""
        return cls(dice.of("links").randbytes(32))

    def close(self, kind: str, content: Any) -> str:
        """Return a token that says this."""
        said = json.dumps(content, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(kind, said) + said).rstrip(b"=").decode()

    def open(self, kind: str, token: str) -> Any | None:
        """Return what a token says, or None if it was not written here or is of another kind."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (UnicodeEncodeError, binascii.Error, ValueError):
            return None
        mac, said = raw[:MAC_LENGTH], raw[MAC_LENGTH:]
        return json.loads(said) if hmac.compare_digest(mac, self._mac(kind, said)) else None

    def _mac(self, kind: str, said: bytes) -> bytes:
        return hmac.digest(self.key, kind.encode() + b"\0" + said, hashlib.sha256)[:MAC_LENGTH]
