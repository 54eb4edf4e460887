"""clientState that needs no look-up: it names its subscription and proves that we minted it.

``1.<name>.<generation>.<MAC>`` where the MAC is HMAC-SHA256 with CLIENT_STATE_KEY over version, tenant, delivery, name
and generation. Tenant and delivery are proven but not spelled out: a state that was read from an Event Hub opens
nothing at the webhook, and none opens another tenant's items. Whether the name is still declared and the generation
still current is the processor's question, not ours.
"""

import base64
import functools
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Delivery = Literal["webhook", "eventhub"]

LONGEST_CLIENT_STATE = 128
"""https://learn.microsoft.com/graph/api/resources/subscription (2026-09)"""

NAME = re.compile(r"[a-z0-9-]{1,40}(?:~[a-z0-9]{1,16})?")
"""A subscription's name, or one instance of a fanned-out one."""

_VERSION = "1"
_FORM = re.compile(rf"1\.({NAME.pattern})\.(0|[1-9][0-9]{{0,8}})\.([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientState:
    """What a verified clientState says: whose item it is, and which generation of that subscription."""

    name: str
    generation: int


def mint_client_state(key: bytes, *, tenant_id: str, delivery: Delivery, name: str, generation: int) -> str:
    """Make the clientState for one generation of one subscription; at most 128 characters."""
    if not NAME.fullmatch(name) or not 0 <= generation <= 999_999_999:  # noqa: PLR2004 - the nine digits of _FORM
        raise ValueError(f"not a subscription's name and generation: {name!r}, {generation}")
    mac = _mac(key, tenant_id, delivery, name, str(generation))
    return f"{_VERSION}.{name}.{generation}.{mac}"


def read_client_state(text: object, keys: Sequence[bytes], *, tenant_id: str, delivery: Delivery) -> ClientState | None:
    """Verify a clientState in constant time against each key (current and previous); None if it is not ours."""
    if not isinstance(text, str) or len(text) > LONGEST_CLIENT_STATE:
        return None
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    name, generation, mac = form[1], form[2], form[3]
    genuine = False
    for key in keys:
        genuine |= hmac.compare_digest(mac, _mac(key, tenant_id, delivery, name, generation))
    return ClientState(name=name, generation=int(generation)) if genuine else None


def key_fingerprint(key: bytes) -> str:
    """Tell one key from another without being it; empty for none."""
    return hmac.digest(key, b"earshot: which key is this", hashlib.sha256).hex()[:16] if key else ""


class ClientStateReader:
    """Reads the clientStates of one body or envelope, each once: sixty items of one subscription carry the same."""

    def __init__(self, keys: Sequence[bytes], delivery: Delivery) -> None:
        self._keys = keys
        self.delivery: Delivery = delivery
        self._known: dict[tuple[str, str], ClientState | None] = {}

    def read(self, text: str, tenant_id: str) -> ClientState | None:
        """Verify a clientState; None if it is not ours."""
        asked = (text, tenant_id)
        if asked not in self._known:
            self._known[asked] = read_client_state(text, self._keys, tenant_id=tenant_id, delivery=self.delivery)
        return self._known[asked]


@functools.lru_cache(maxsize=4096)
def _mac(key: bytes, tenant_id: str, delivery: Delivery, name: str, generation: str) -> str:
    """Compute the MAC that a genuine clientState has. Remembered, because nearly every body asks for the same few."""
    stated = f"{_VERSION}\n{tenant_id.lower()}\n{delivery}\n{name}\n{generation}".encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(hmac.digest(key, stated, hashlib.sha256)).rstrip(b"=").decode()
