"""Tokens of people as they lie in storage: encrypted and authenticated, each for one person. Pure: the nonce is the caller's.

``version (1 byte) | nonce (12) | AES-256-GCM of the text``. The person is part of what is authenticated, so that a row that was
copied to somebody else's place does not open there. Whoever has the key before reads what it encrypted; only the current one writes.
https://csrc.nist.gov/pubs/sp/800/38/d/final (a random nonce of 96 bits is good for four billion messages a key)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.errors import SignInError

NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"
_NO_KEY: Final = (
    "what is kept opens with neither TOKEN_CACHE_KEY nor TOKEN_CACHE_KEY_PREVIOUS: put the key back, or connect anew"
)
_ABOUT: Final = "earshot: tokens of a person"


class Unreadable(SignInError):  # noqa: N818 - a state that heals when the key comes back
    """What lies in storage opens with none of the keys. Nothing is thrown away for that: the right key may come back."""

    def __init__(self) -> None:
        super().__init__("token of a person", status=401, code="unreadable", message=_NO_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """An opened text; ``aged`` if it was sealed with the key before, and wants to be sealed anew."""

    text: str = field(repr=False)
    aged: bool


def seal(text: str, *, key: bytes, owner: str, nonce: bytes) -> bytes:
    """Encrypt a text for its owner. The nonce is random, and used once."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - on first use

    return _VERSION + nonce + AESGCM(key).encrypt(nonce, text.encode(), _about(owner))


def unseal(sealed: bytes, *, keys: Sequence[bytes], owner: str) -> Unsealed:
    """Open what was sealed for this owner. Raises Unreadable, and nothing else, whatever the bytes are."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - on first use
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    version, nonce, encrypted = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if version != _VERSION or len(nonce) < NONCE_BYTES:
        raise Unreadable
    for number, key in enumerate(keys):
        try:
            return Unsealed(text=AESGCM(key).decrypt(nonce, encrypted, _about(owner)).decode(), aged=number > 0)
        except (InvalidTag, UnicodeDecodeError):
            continue
    raise Unreadable


def _about(owner: str) -> bytes:
    return f"{_ABOUT}\n{owner}".encode()
