"""Judgement of one event of the hub: what it holds, what is refused and why, or what makes it unreadable.

Pure, as `shared.intake` for the webhook, and by the same rules: clientState, then tenant. No tokens come over a hub: there trust is
who may write to it, the clientState, which opens nothing elsewhere, and that the content decrypts. One bad item never costs its
siblings, one bad event never costs its batch. Not here: keeping and handling (`shared.pull`).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from shared.envelope import Item, write_json
from shared.errors import EnvelopeError, GraphProtocolError
from shared.graph.client_state import ClientState
from shared.graph.notification import ChangeNotification, LifecycleNotification, Malformed, read_collection
from shared.intake import Policy, States, find_state, write_lifecycle

UNKNOWN_PARTITION: Final = "unknown"

_PLAIN = re.compile(r"[0-9A-Za-z.]{1,32}")
_PROBED: Final = "NA"
_PROBE: Final = "validation:"
_BROKEN_OFF: Final = "Unterminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubEvent:
    """One event, and where it stood. ``sequence_number`` counts within a partition; None, as all else, if the host did not say."""

    body: bytes = field(repr=False)
    partition: str = UNKNOWN_PARTITION
    offset: str = ""
    sequence_number: int | None = None
    enqueued: datetime | None = None


class Taken(NamedTuple):
    """One accepted change: what travels on, what was read, and whose it is."""

    item: Item
    notification: ChangeNotification
    state: ClientState


@dataclass(frozen=True, slots=True, kw_only=True)
class EventVerdict:
    """The judgement of one event: taken + work + refused + skipped = every item that was read.

    ``unreadable`` says what keeps it from being read at all, empty if nothing does. ``work`` goes to queue ``subscription-work``.
    ``skipped`` are Graph's probes of a new subscription.
    """

    taken: tuple[Taken, ...] = field(default=(), repr=False)
    work: tuple[str, ...] = field(default=(), repr=False)
    refused: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0
    unreadable: str = ""


def judge_event(event: HubEvent, *, policy: Policy, now: datetime) -> EventVerdict:
    """Judge one event. Never raises. Ids of its items are the same whenever it is judged again."""
    if not event.body:
        return EventVerdict(unreadable="the event is empty")
    if len(event.body) > policy.max_body_bytes:
        return EventVerdict(
            unreadable=f"the event has {len(event.body)} bytes, MAX_BODY_BYTES is {policy.max_body_bytes}"
        )
    try:
        collection = read_collection(event.body)
    except GraphProtocolError as problem:
        return EventVerdict(unreadable=_why(problem))
    states = States(policy)
    refused: Counter[str] = Counter()
    taken: list[Taken] = []
    work: list[str] = []
    skipped = 0
    prefix = _item_prefix(event)
    for index, item in enumerate(collection.items):
        if _is_probe(item):
            skipped += 1
            continue
        state = find_state(item, policy, states, refused)
        if state is None:
            continue
        if isinstance(item, LifecycleNotification):
            work.append(write_lifecycle(item, state, event.enqueued or now))
        elif isinstance(item, ChangeNotification) and _can_be_kept(item, refused):
            taken.append(Taken(Item(item_id=f"{prefix}-{index}", notification=item.raw), item, state))
    return EventVerdict(taken=tuple(taken), work=tuple(work), refused=refused, skipped=skipped)


def _is_probe(item: ChangeNotification | LifecycleNotification | Malformed) -> bool:
    """Tell Graph's test of a new subscription; it wants no answer.

    https://learn.microsoft.com/graph/change-notifications-delivery-event-hubs (what happens when a subscription is created, 2026-10)
    """
    return isinstance(item, ChangeNotification) and (
        item.subscription_id == _PROBED or item.change_type.startswith(_PROBE)
    )


def _can_be_kept(item: ChangeNotification, refused: Counter[str]) -> bool:
    """Tell whether an item can be written onto a queue if it has to be; if not, nothing may begin with it."""
    if not item.written:
        try:
            write_json(item.raw)
        except EnvelopeError:
            refused["malformed"] += 1
            return False
    return True


def _item_prefix(event: HubEvent) -> str:
    """Begin the ids of an event's items: its place in the hub, and when it came there, since a new hub counts from 0 again."""
    if event.sequence_number is None or event.sequence_number < 0:
        return f"h-{hashlib.sha256(event.body).hexdigest()[:32]}"
    partition = event.partition
    if not _PLAIN.fullmatch(partition):
        partition = hashlib.sha256(partition.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    enqueued = f"-{int(event.enqueued.timestamp() * 1000):x}" if event.enqueued else ""
    return f"h{partition}-{event.sequence_number}{enqueued}"


def _why(problem: GraphProtocolError) -> str:
    """Say what is wrong with an event in words that quote nothing of it."""
    match problem.__cause__:
        case UnicodeDecodeError(start=start):
            return f"the event is not UTF-8, from byte {start} on"
        case json.JSONDecodeError(msg=msg, pos=pos, doc=doc) if pos >= len(doc) or msg.startswith(_BROKEN_OFF):
            return f"the event breaks off: JSON goes on after its {len(doc)} characters"
        case json.JSONDecodeError(msg=msg, pos=pos):
            return f"the event is not JSON: {msg.rstrip(': ')} at character {pos}"
        case RecursionError():
            return "the event is nested too deep"
        case ValueError():
            return "the event is not JSON"
        case _:
            return "the event is no collection: it has no array named 'value'"
