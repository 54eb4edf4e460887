"""Judgement of one delivery: which items are kept, which are dropped and why, and how Graph is answered.

Pure: the caller brings the body, the time and the keys, and does what the verdict says. Cheapest checks first: size,
JSON, clientState, tenant, tokens. One bad item never costs its siblings, and nobody learns from the answer which
check failed: a body with anything readable in it is answered 202.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from shared.envelope import LIVE_PAYLOADS, Item, fits, pack, write_item, write_json, write_new_item
from shared.errors import EnvelopeError, GraphProtocolError
from shared.graph.client_state import ClientState, ClientStateReader, Delivery
from shared.graph.notification import (
    ChangeNotification,
    LifecycleNotification,
    Malformed,
    read_collection,
)
from shared.graph.signed_token import UnknownSigningKey
from shared.graph.timestamp import write_timestamp
from shared.graph.validation_token import TokenJudge, claimed_tenant

_MOST_TOKEN_BYTES = 24 * 1024
"""What an unchecked item may carry along in tokens; Graph sends one of 1-2 KiB for each app and tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may come in: whose clientState, which tenants, how large a body, by which delivery.

    ``home_tenant_id`` is the tenant of subscriptions that name none; empty where nobody asks for it.
    """

    client_state_keys: tuple[bytes, ...] = field(repr=False)
    allowed_tenant_ids: frozenset[str]
    max_body_bytes: int
    delivery: Delivery = "webhook"
    home_tenant_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement of one delivery: accepted + refused = every item that was read.

    ``envelopes`` go to queue ``notifications``, ``work`` to ``subscription-work``, ``payloads`` (name, bytes) to blobs,
    all before the answer. ``wants_keys``: newer signing keys would tell more; judging again with them is harmless.
    """

    status: int
    accepted: int = 0
    lifecycle: int = 0
    unchecked: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    envelopes: tuple[str, ...] = field(default=(), repr=False)
    work: tuple[str, ...] = field(default=(), repr=False)
    payloads: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    wants_keys: bool = False


class _Covered(NamedTuple):
    """Tenants whose tokens were found genuine, and those whose tokens name a key that we do not have."""

    genuine: frozenset[str]
    unknown: Mapping[str, tuple[str, ...]]


_NOTHING_COVERED = _Covered(frozenset(), {})


class States:
    """Reads the clientStates of one body as this way of delivery allows.

    A lifecycle event at the webhook may be that of a subscription whose changes go into the hub, and has its clientState. Nothing
    else that was read from a hub opens anything here.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._changes = ClientStateReader(policy.client_state_keys, policy.delivery)
        self._hub_s: ClientStateReader | None = None

    def read(self, item: ChangeNotification | LifecycleNotification) -> ClientState | None:
        """Verify an item's clientState; None if it is not ours."""
        state = self._changes.read(item.client_state, item.tenant_id)
        if state is None and self._policy.delivery == "webhook" and isinstance(item, LifecycleNotification):
            self._hub_s = self._hub_s or ClientStateReader(self._policy.client_state_keys, "eventhub")
            state = self._hub_s.read(item.client_state, item.tenant_id)
        return state


def judge(body: bytes, *, received: datetime, delivery_id: str, policy: Policy, tokens: TokenJudge) -> Verdict:
    """Judge the body of one delivery. Never raises.

    Args:
        body: the bytes of the request.
        received: when they came; a token's lifetime is judged as of then.
        delivery_id: minted by the caller, unique; item ids begin with it.
        policy: what may come in.
        tokens: checks validation tokens with the signing keys at hand.
    """
    if len(body) > policy.max_body_bytes:
        return Verdict(status=413, refused={"too large": 1})
    try:
        collection = read_collection(body)
    except GraphProtocolError:
        return Verdict(status=400, refused={"not a collection": 1})
    states = States(policy)
    refused: Counter[str] = Counter()
    changes: list[ChangeNotification] = []
    work: list[str] = []
    encrypted = False
    for item in collection.items:
        state = find_state(item, policy, states, refused)
        if state is None:
            continue
        if isinstance(item, LifecycleNotification):
            work.append(write_lifecycle(item, state, received))
        elif isinstance(item, ChangeNotification):
            changes.append(item)
            encrypted = encrypted or item.encrypted
    covered = _check_tokens(collection.validation_tokens, received, tokens) if encrypted else _NOTHING_COVERED
    return _keep(changes, work, covered, refused, received=received, delivery_id=delivery_id)


def find_state(
    item: ChangeNotification | LifecycleNotification | Malformed,
    policy: Policy,
    states: States,
    refused: Counter[str],
) -> ClientState | None:
    """Tell whose an item is; None if it is refused, and counted with the reason."""
    if isinstance(item, Malformed) or (policy.delivery == "webhook" and _is_elsewhere(item)):
        refused["malformed"] += 1
        return None
    state = states.read(item)
    if state is None:
        refused["clientState"] += 1
        return None
    if item.tenant_id not in policy.allowed_tenant_ids:
        refused["tenant"] += 1
        return None
    return state


def _is_elsewhere(item: ChangeNotification | LifecycleNotification) -> bool:
    """Tell whether what an item is about is in a blob: only a hub's items are, and no token would cover what is there."""
    return isinstance(item, ChangeNotification) and not item.resource and item.additional_payload_storage_id != ""


def write_lifecycle(item: LifecycleNotification, state: ClientState, received: datetime) -> str:
    """Write what goes to queue ``subscription-work`` about one lifecycle event."""
    return write_json(
        {
            "earshot": 1,
            "lifecycleEvent": item.lifecycle_event[:64],
            "name": state.name,
            "generation": state.generation,
            "subscriptionId": item.subscription_id[:64],
            "received": write_timestamp(received),
        }
    )


def _check_tokens(validation_tokens: Sequence[str], received: datetime, tokens: TokenJudge) -> _Covered:
    genuine: set[str] = set()
    unknown: dict[str, tuple[str, ...]] = {}
    at = received.timestamp()
    for token in validation_tokens:
        try:
            genuine.add(tokens.check(token, at=at).tenant_id)
        except GraphProtocolError:
            continue  # the items that it should have covered are counted where they are dropped
        except UnknownSigningKey:
            tenant_id = claimed_tenant(token)
            waiting = (*unknown.get(tenant_id, ()), token)
            if tenant_id and sum(map(len, waiting)) <= _MOST_TOKEN_BYTES:
                unknown[tenant_id] = waiting
    return _Covered(frozenset(genuine), unknown)


def _keep(
    changes: Sequence[ChangeNotification],
    work: Sequence[str],
    covered: _Covered,
    refused: Counter[str],
    *,
    received: datetime,
    delivery_id: str,
) -> Verdict:
    written: list[str] = []
    payloads: list[tuple[str, bytes]] = []
    unchecked = 0
    for index, change in enumerate(changes):
        waiting = covered.unknown.get(change.tenant_id) if change.encrypted else None
        if change.encrypted and change.tenant_id not in covered.genuine:
            if waiting is None:
                refused["validation token"] += 1
                continue
        else:
            waiting = None
        try:
            notification = change.written or write_json(change.raw)
        except EnvelopeError:
            refused["malformed"] += 1
            continue
        item_id = f"{delivery_id}-{index}"
        if waiting is None:
            text = write_new_item(item_id, notification)
        else:
            item = Item(item_id=item_id, notification=change.raw, checked=False, validation_tokens=waiting)
            text = write_item(item, notification=notification)
        if not fits(text):
            name = f"{LIVE_PAYLOADS}{received:%Y-%m-%d}/{item_id}.json"
            payloads.append((name, notification.encode("ascii")))
            text = write_item(
                Item(item_id=item_id, payload=name, checked=waiting is None, validation_tokens=waiting or ())
            )
        unchecked += waiting is not None
        written.append(text)
    return Verdict(
        status=202,
        accepted=len(written) + len(work),
        lifecycle=len(work),
        unchecked=unchecked,
        refused=refused,
        envelopes=tuple(pack(written, via="webhook", received=received)),
        work=tuple(work),
        payloads=tuple(payloads),
        wants_keys=bool(covered.unknown),
    )
