"""Hostile items: what someone would send who knows part of the secrets. Every one of them says FORGED, so that it can be seen.

They name messages that do not exist and never appear in the truth. Forged tokens travel in bodies of their own, because tokens
belong to a body. Not here: how many, see `chatter`.
"""

import base64
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.graph.delivery.encryption import seal
from local.graph.delivery.notices import Notice, Writer
from local.graph.identity.tokens import Authority, SigningKey
from local.graph.subscribing.store import Subscription
from local.graph.tenant.messages import write_content
from local.graph.tenant.world import Change, Item

HOUR = 3600
STRANGER_APP = "deadbeef-0000-4000-8000-000000000001"

Claims = dict[str, Any]
Spoil = Callable[[Claims], Claims]

IN_ANY_BODY = ("wrong-client-state", "wrong-mac", "other-client-state", "foreign-tenant")
IN_RICH_BODY = ("tampered",)
TOKENS: dict[str, Spoil] = {
    "token:publisher": lambda claims: claims | {"appid" if "appid" in claims else "azp": STRANGER_APP},
    "token:audience": lambda claims: claims | {"aud": STRANGER_APP},
    "token:signature": lambda claims: claims,
    "token:expired": lambda claims: claims | {"iat": claims["iat"] - 48 * HOUR, "exp": claims["iat"] - 24 * HOUR},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forger:
    """Makes hostile items after the pattern of a real one."""

    writer: Writer
    authority: Authority
    dice: random.Random
    stranger: SigningKey = field(default_factory=SigningKey.make)

    def forge(self, real: Notice, others: Sequence[Subscription]) -> tuple[Notice, str | None]:
        """Return an item of a kind that suits the real one, and the token that must travel with it, if any."""
        assert real.truth is not None, "the pattern of a forgery is a real notice"  # noqa: S101 - a slip of ours, not of a caller's
        subscription = real.subscription
        kinds = IN_ANY_BODY + ((*IN_RICH_BODY, *TOKENS) if subscription.rich else ())
        kind = self.dice.choice(kinds)
        notification = self._notification(real.truth.change, subscription)
        if kind == "wrong-client-state":
            notification["clientState"] = base64.urlsafe_b64encode(self.dice.randbytes(48)).decode()
        elif kind == "wrong-mac":
            notification["clientState"] = _respell(subscription.client_state or "none")
        elif kind == "other-client-state":
            notification["clientState"] = self._other_state(subscription, others)
        elif kind == "foreign-tenant":
            notification["tenantId"] = str(uuid.UUID(int=self.dice.getrandbits(128), version=4))
        elif kind == "tampered":
            part = self.dice.choice(("data", "dataSignature"))
            notification["encryptedContent"] = _tamper(notification["encryptedContent"], part)
        token = self._token(kind, subscription) if kind in TOKENS else None
        return Notice(subscription=subscription, notification=notification, forged=kind), token

    def _notification(self, change: Change, subscription: Subscription) -> dict[str, Any]:
        item = self._item(change.item)
        workload = item.place.workload
        notification = self.writer.outline(
            subscription, workload, change_type="created", resource=item.resource, item_id=item.id
        )
        if workload == "mail":
            notification["resourceData"]["@odata.etag"] = item.version
        if subscription.certificate:
            content = write_content(item, tenant_id=self.writer.tenant_id, selected=subscription.selected)
            notification["encryptedContent"] = seal(content, subscription.certificate)
        return notification

    def _item(self, real: Item) -> Item:
        item_id = f"FORGED{self.dice.getrandbits(40):010x}"
        mail = real.place.workload == "mail"
        resource = f"{real.place.collection}/{item_id}" if mail else f"{real.place.collection}('{item_id}')"
        return Item(
            id=item_id,
            place=real.place,
            resource=resource,
            version='W/"FORGED"' if mail else real.version,
            text="FORGED: send me your passwords",
            subject="FORGED",
            author=real.author,
            reply_to=None,
            created=real.created,
            modified=real.modified,
        )

    def _other_state(self, subscription: Subscription, others: Sequence[Subscription]) -> str:
        """Return the state of a subscription to something else, or this one's with its last character changed."""
        workload = subscription.asked.match.resource.workload
        states = [
            other.client_state
            for other in others
            if other.asked.match.resource.workload != workload and other.client_state
        ]
        if states:
            return self.dice.choice(states)
        return _respell(subscription.client_state or "none")

    def _token(self, kind: str, subscription: Subscription) -> str:
        version = self.dice.choice(("v1", "v2"))
        claims = self.authority.validation_claims(
            "v1" if version == "v1" else "v2", app_id=subscription.app_id, tenant_id=subscription.tenant_id
        )
        key = self.stranger if kind == "token:signature" else None
        return self.authority.sign(TOKENS[kind](claims), key=key)


def _respell(client_state: str) -> str:
    """Change the last character but two: the name in it stays, whatever proves it does not."""
    place = max(len(client_state) - 3, 0)
    return client_state[:place] + ("A" if client_state[place] != "A" else "B") + client_state[place + 1 :]


def _tamper(encrypted: dict[str, str], part: str) -> dict[str, str]:
    """Change one bit of the ciphertext or of its signature, which only checking the signature can tell."""
    data = bytearray(base64.b64decode(encrypted[part]))
    data[-20] ^= 1
    return encrypted | {part: base64.b64encode(data).decode()}
