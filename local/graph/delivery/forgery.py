"""Hostile items: what someone would send who knows part of the secrets. Every one of them says FORGED, so that it can be seen.

They name things that do not exist and never appear in the truth; only `replayed` is a copy of something real, and `null-item`
nothing at all. Forged tokens travel in bodies of their own, because tokens belong to a body. Not here: how many, see `chatter`.
"""

import base64
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from local.graph.delivery.encryption import seal
from local.graph.delivery.notices import Notice
from local.graph.delivery.validation import SPOILT, ValidationTokens
from local.graph.delivery.writing import Writer, write_content
from local.graph.dice import Dice
from local.graph.subscribing.channels import channel_of
from local.graph.subscribing.store import Subscription
from local.graph.tenant.entity import Entity

USUAL = ("wrong-client-state", "wrong-mac", "other-client-state", "foreign-tenant")
USUAL_IN_HUBS = (*USUAL, "tampered")
USUAL_RICH = (*USUAL_IN_HUBS, *SPOILT)
"""What is forged where nobody says which kind; the rest only on request. An event hub carries no tokens to be spoilt."""

KINDS: Mapping[str, str] = {
    "wrong-client-state": "The clientState is another one altogether.",
    "wrong-mac": "The clientState differs in one character near its end.",
    "other-client-state": "The clientState belongs to a subscription to something else.",
    "foreign-tenant": "The tenantId is that of a tenant which nobody knows.",
    "other-resource": "The clientState is right, but the resource is one that the subscription does not cover.",
    "replayed": "A real item, byte for byte, comes once more in a body of its own.",
    "null-item": "The item is null.",
    "tampered": "One bit of the ciphertext or of its signature is changed.",
    "missing-signature": "The encrypted content has no dataSignature.",
    "unknown-certificate": "The encrypted content names a certificate that nobody knows.",
    "missing-tokens": "The body has no validationTokens although its item is encrypted.",
    "token-of-other-tenant": "The only token is a good one, but for another tenant.",
    "token:publisher": "The token is signed by the authority, but for another app than Graph's.",
    "token:audience": "The token is meant for another app.",
    "token:signature": "The token is signed with a key that is not the authority's.",
    "token:expired": "The token expired a day ago.",
}
ONLY_RICH = frozenset(
    {"tampered", "missing-signature", "unknown-certificate", "missing-tokens", "token-of-other-tenant", *SPOILT}
)
NAME, TEXT = "FORGED", "FORGED: send me your passwords"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """A hostile item. `tokens` of None: it may travel in any body; else in one of its own, with exactly these."""

    notice: Notice
    tokens: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What a forgery is made from: a real item, an invented one like it, and whatever else helps."""

    real: Notice
    invented: dict[str, Any]
    others: Sequence[Subscription]
    tokens: ValidationTokens
    dice: random.Random

    @property
    def state(self) -> str:
        return self.real.subscription.client_state or "none"


@dataclass(slots=True, kw_only=True)
class Forger:
    """Makes hostile items after the pattern of a real one."""

    writer: Writer
    tokens: ValidationTokens
    dice: Dice
    _made: int = field(default=0, init=False)

    def forge(self, real: Notice, others: Sequence[Subscription]) -> tuple[Notice, str | None]:
        """Return an item of a usual kind that suits the real one, and the token that must travel with it, if any."""
        rich = USUAL_IN_HUBS if _in_hub(real.subscription) else USUAL_RICH
        kinds = rich if real.subscription.rich else USUAL
        forgery = self.make(self.dice.of("forgery", self._made).choice(kinds), real, others)
        return forgery.notice, forgery.tokens[0] if forgery.tokens else None

    def make(self, kind: str, real: Notice, others: Sequence[Subscription] = ()) -> Forgery:
        """Return an item of this kind. Raises ValueError for a kind that does not exist, or not for this subscription."""
        subscription = real.subscription
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if kind in ONLY_RICH and not subscription.rich:
            raise ValueError(f"{kind} needs a subscription with resource data")
        if kind in _ALONE and _in_hub(subscription):
            raise ValueError(
                f"{kind} needs a webhook: what goes into an event hub has no body of its own and no tokens"
            )
        self._made += 1
        dice = self.dice.of("forging", self._made)
        draft = _Draft(real=real, invented=self._invent(real, dice), others=others, tokens=self.tokens, dice=dice)
        notification = _SPOIL[kind](draft) if kind in _SPOIL else draft.invented
        notice = Notice(
            subscription=subscription,
            notification=notification,
            forged=kind,
            encrypted=notification is not None and subscription.rich,
        )
        return Forgery(notice=notice, tokens=_ALONE[kind](draft) if kind in _ALONE else None)

    def _invent(self, real: Notice, dice: random.Random) -> dict[str, Any]:
        """Return the notification of something that does not exist, right in every respect but that."""
        assert real.change is not None, "the pattern of a forgery is a real notice"  # noqa: S101 - a slip of ours, not of a caller's
        change, subscription = real.change, real.subscription
        entity = _invented(change.entity, f"{NAME}{dice.getrandbits(40):010x}")
        notification = self.writer.outline(entity, subscription, change_type="created", tenant_id=change.tenant_id)
        if entity.row.nameless:
            notification["resource"] = f"{notification['resource']}/{entity.id}"
        if subscription.certificate:
            notification["encryptedContent"] = seal(write_content(entity, subscription), subscription.certificate)
        return notification


def _in_hub(subscription: Subscription) -> bool:
    return channel_of(subscription.notification_url) == "hub"


def _invented(real: Entity, name: str) -> Entity:
    before, found, after = real.resource.rpartition(real.id)
    content = {**real.content, "id": name}
    content |= {each: NAME for each in ("subject", "topic", "displayName", "name") if content.get(each)}
    if isinstance(content.get("body"), Mapping):
        content["body"] = {**content["body"], "content": TEXT}
    etag = real.row.version == "etag"
    return replace(
        real,
        id=name,
        resource=f"{before}{name}{after}" if found else f"{real.resource}/{name}",
        version=f'W/"{NAME}"' if etag else real.version,
        content=content | ({"@odata.etag": f'W/"{NAME}"'} if etag else {}),
    )


def _wrong_state(draft: _Draft) -> dict[str, Any]:
    return draft.invented | {"clientState": base64.urlsafe_b64encode(draft.dice.randbytes(48)).decode()}


def _wrong_mac(draft: _Draft) -> dict[str, Any]:
    return draft.invented | {"clientState": _respell(draft.state)}


def _other_state(draft: _Draft) -> dict[str, Any]:
    """Use the state of a subscription to another kind of thing, or this one's with a character changed."""
    own = draft.real.subscription.asked.match.row.name
    states = [each.client_state for each in draft.others if each.asked.match.row.name != own and each.client_state]
    return draft.invented | {"clientState": draft.dice.choice(states) if states else _respell(draft.state)}


def _foreign_tenant(draft: _Draft) -> dict[str, Any]:
    return draft.invented | {"tenantId": _guid(draft.dice)}


def _other_resource(draft: _Draft) -> dict[str, Any]:
    """Name something of another workload, which no subscription to this one covers."""
    teams = draft.real.subscription.asked.match.row.family == "teams"
    home = (
        f"Users/{_guid(draft.dice)}/Messages"
        if teams
        else f"teams('{_guid(draft.dice)}')/channels('19:{NAME}')/messages"
    )
    name = f"{NAME}{draft.dice.getrandbits(40):010x}"
    resource = f"{home}/{name}" if teams else f"{home}('{name}')"
    kind = "#Microsoft.Graph.Message" if teams else "#Microsoft.Graph.chatMessage"
    return draft.invented | {
        "resource": resource,
        "resourceData": {"@odata.type": kind, "@odata.id": resource, "id": name},
    }


def _tampered(draft: _Draft) -> dict[str, Any]:
    """Change one bit of the ciphertext or of its signature, which only checking the signature can tell."""
    encrypted, part = draft.invented["encryptedContent"], draft.dice.choice(("data", "dataSignature"))
    data = bytearray(base64.b64decode(encrypted[part]))
    data[-20] ^= 1
    return draft.invented | {"encryptedContent": encrypted | {part: base64.b64encode(data).decode()}}


def _without_signature(draft: _Draft) -> dict[str, Any]:
    encrypted = dict(draft.invented["encryptedContent"])
    del encrypted["dataSignature"]
    return draft.invented | {"encryptedContent": encrypted}


def _unknown_certificate(draft: _Draft) -> dict[str, Any]:
    strange = {
        "encryptionCertificateId": NAME,
        "encryptionCertificateThumbprint": draft.dice.randbytes(20).hex().upper(),
    }
    return draft.invented | {"encryptedContent": draft.invented["encryptedContent"] | strange}


def _respell(client_state: str) -> str:
    """Change the last character but two: the name in it stays, whatever proves it does not."""
    place = max(len(client_state) - 3, 0)
    return client_state[:place] + ("A" if client_state[place] != "A" else "B") + client_state[place + 1 :]


def _guid(dice: random.Random) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def _spoilt_token(kind: str) -> Callable[[_Draft], tuple[str, ...]]:
    return lambda draft: (draft.tokens.spoilt(kind, draft.real.subscription, draft.dice),)


_SPOIL: Mapping[str, Callable[[_Draft], Mapping[str, Any] | None]] = {
    "wrong-client-state": _wrong_state,
    "wrong-mac": _wrong_mac,
    "other-client-state": _other_state,
    "foreign-tenant": _foreign_tenant,
    "other-resource": _other_resource,
    "replayed": lambda draft: draft.real.notification,
    "null-item": lambda _: None,
    "tampered": _tampered,
    "missing-signature": _without_signature,
    "unknown-certificate": _unknown_certificate,
}
_ALONE: Mapping[str, Callable[[_Draft], tuple[str, ...]]] = {
    "replayed": lambda draft: tuple(draft.tokens.of([draft.real], draft.dice.getrandbits(32))),
    "missing-tokens": lambda _: (),
    "token-of-other-tenant": lambda draft: (draft.tokens.of_other_tenant(draft.real.subscription, draft.dice),),
    **{kind: _spoilt_token(kind) for kind in SPOILT},
}
