"""What travels on our queue: envelopes of items, and the dead letters that some of them become.

Plain ASCII JSON without a top-level property that is named like a queue message's metadata: a Functions host would take
it for metadata. Keeping and moving messages is done elsewhere.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, Literal, cast, get_args

from shared.errors import EnvelopeError, GraphProtocolError
from shared.graph.timestamp import read_timestamp, write_timestamp

Via = Literal["webhook", "eventhub", "delta", "redrive"]

LARGEST_ENVELOPE = 60 * 1024
"""Bytes. A queue message holds 64 KiB as it is (``messageEncoding`` none); the rest is left to the service."""

LIVE_PAYLOADS = "live/"
"""Where claim checks begin in container ``payloads``; a lifecycle rule ages them out."""

DEAD_PAYLOADS = "dead/"
"""Where the payloads of dead letters are; no rule touches them until somebody discards the letter."""

_VERSION = 1
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
_FRAME = 128  # an envelope's own braces, version, via and time; measured generously
_LONGEST_ID = 128
_LONGEST_ERROR = 2000  # as written: a dead letter's text must fit beside an item that all but fills a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One notification under way.

    ``item_id`` is minted once and survives splitting and re-queueing. A claim check has ``payload`` (a blob's name)
    instead of ``notification``. ``owed`` names the handlers still to run, None for all. An item that is not ``checked``
    carries the tokens to check before it is ever decrypted.
    """

    item_id: str
    notification: Mapping[str, Any] | None = field(default=None, repr=False)
    payload: str | None = None
    checked: bool = True
    validation_tokens: tuple[str, ...] = field(default=(), repr=False)
    attempt: int = 1
    owed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Items that came one way at one time. ``received`` never changes, however often an item is tried again."""

    via: Via
    received: datetime
    items: tuple[Item, ...]


def write_json(value: object) -> str:
    """Write compact ASCII JSON. Raises EnvelopeError for what is nested too deep to be written."""
    try:
        return _ENCODER.encode(value)
    except (RecursionError, ValueError) as problem:
        raise EnvelopeError("the notification cannot be written as JSON: it is nested too deep") from problem


def write_item(item: Item, *, notification: str | None = None) -> str:
    """Write one item; ``notification`` may be given as the JSON text that was written for it before."""
    parts = [f'"itemId":{write_json(item.item_id)}']
    if item.payload is not None:
        parts.append(f'"payload":{write_json(item.payload)}')
    else:
        parts.append(f'"notification":{write_json(item.notification) if notification is None else notification}')
    parts.append('"checked":true' if item.checked else '"checked":false')
    if not item.checked:
        parts.append(f'"validationTokens":{write_json(item.validation_tokens)}')
    parts.append(f'"attempt":{item.attempt}')
    if item.owed is not None:
        parts.append(f'"owed":{write_json(item.owed)}')
    return "{" + ",".join(parts) + "}"


def write_new_item(item_id: str, notification: str) -> str:
    """Write an item on its first way, checked and with every handler still to run: what nearly all are at the webhook.

    Both texts are ours: an id that needs no escapes, and JSON.
    """
    return f'{{"itemId":"{item_id}","notification":{notification},"checked":true,"attempt":1}}'


def fits(written_item: str) -> bool:
    """Tell whether one written item can travel in an envelope, or needs a claim check."""
    return len(written_item) <= LARGEST_ENVELOPE - _FRAME


def pack(written_items: Iterable[str], *, via: Via, received: datetime) -> list[str]:
    """Pack written items into as few envelopes as hold them, in their order."""
    frame = f'{{"earshot":{_VERSION},"via":"{via}","received":"{write_timestamp(received)}","items":['
    envelopes: list[str] = []
    together: list[str] = []
    size = 0
    for item in written_items:
        if together and size + len(item) + 1 > LARGEST_ENVELOPE - _FRAME:
            envelopes.append(frame + ",".join(together) + "]}")
            together, size = [], 0
        together.append(item)
        size += len(item) + 1
    if together:
        envelopes.append(frame + ",".join(together) + "]}")
    return envelopes


def write_envelope(envelope: Envelope) -> str:
    """Write one envelope, whatever its size."""
    items = ",".join(write_item(item) for item in envelope.items)
    received = write_timestamp(envelope.received)
    return f'{{"earshot":{_VERSION},"via":"{envelope.via}","received":"{received}","items":[{items}]}}'


def read_envelope(message: bytes) -> Envelope:
    """Read a message of our queue. Raises EnvelopeError, and nothing else, for whatever is no envelope."""
    try:
        document = json.loads(message, parse_constant=_number, parse_float=_number)
    except (ValueError, RecursionError) as problem:
        raise EnvelopeError("the message is not JSON") from problem
    if not isinstance(document, dict) or document.get("earshot") != _VERSION:
        raise EnvelopeError("the message is not an envelope of version 1")
    via, items = document.get("via"), document.get("items")
    if via not in get_args(Via) or not isinstance(items, list):
        raise EnvelopeError("the envelope lacks its items or says not which way they came")
    try:
        received = read_timestamp(document.get("received"))
    except GraphProtocolError as problem:
        raise EnvelopeError("the envelope says not when its items were received") from problem
    return Envelope(via=cast("Via", via), received=received, items=tuple(_read_item(item) for item in items))


def read_payload(data: bytes) -> Mapping[str, Any]:
    """Read a claim check's payload: one notification as Graph sent it. Raises EnvelopeError."""
    try:
        notification = json.loads(data, parse_constant=_number, parse_float=_number)
    except (ValueError, RecursionError) as problem:
        raise EnvelopeError("the payload is not JSON") from problem
    if not isinstance(notification, dict):
        raise EnvelopeError("the payload is not a notification")
    return notification


def _read_item(raw: object) -> Item:
    if not isinstance(raw, dict):
        raise EnvelopeError("an item of the envelope is not an object")
    item_id, notification, payload = raw.get("itemId"), raw.get("notification"), raw.get("payload")
    if not isinstance(item_id, str) or not 0 < len(item_id) <= _LONGEST_ID:
        raise EnvelopeError("an item of the envelope has no itemId")
    if isinstance(payload, str) == isinstance(notification, dict):
        raise EnvelopeError(f"item {item_id!r} must have either a notification or a payload")
    attempt = raw.get("attempt", 1)
    return Item(
        item_id=item_id,
        notification=notification if isinstance(notification, dict) else None,
        payload=payload if isinstance(payload, str) else None,
        checked=raw.get("checked") is True,
        validation_tokens=tuple(_texts(raw.get("validationTokens")) or ()),
        attempt=attempt if type(attempt) is int and attempt > 0 else 1,
        owed=_texts(raw.get("owed")),
    )


def _number(text: str) -> float:
    """Read a number that can be written again: what could not would come back for ever."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:20]} is no JSON number that can be kept")
    return number


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else None


def write_dead_letter(
    item: Item, *, via: str, reason: str, error: str, first_seen: datetime, last_tried: datetime
) -> str:
    """Write a dead letter: why it died, and enough to redrive it."""
    head = {
        "earshot": _VERSION,
        "via": via,
        "reason": reason,
        "error": _shortened(error),
        "attempts": item.attempt,
        "firstSeen": write_timestamp(first_seen),
        "lastTried": write_timestamp(last_tried),
    }
    return write_json(head)[:-1] + f',"items":[{write_item(item)}]}}'


def write_unreadable(
    message: str,
    *,
    encoding: str,
    error: str,
    attempts: int,
    now: datetime,
    event: Mapping[str, object] | None = None,
) -> str:
    """Write the dead letter of what holds no items that can be read: what it was, kept as it came.

    ``encoding`` says what ``message`` is: ``none`` its text, ``base64`` its bytes, ``payload`` a blob's name. ``event`` says
    where an event stood in its hub; without it, it was a message on one of our queues.
    """
    head: dict[str, object] = {
        "earshot": _VERSION,
        "via": "unknown" if event is None else "eventhub",
        "reason": "unreadable",
        "error": error,
        "attempts": attempts,
        "firstSeen": write_timestamp(now),
        "lastTried": write_timestamp(now),
        "items": [],
        "message": message,
        "messageEncoding": encoding,
    }
    return write_json(head if event is None else head | {"event": event})


def _shortened(error: str) -> str:
    while len(json.dumps(error)) > _LONGEST_ERROR:
        error = error[: len(error) * 3 // 4]
    return error


def is_dead_letter(text: str) -> bool:
    """Tell whether a message among the dead letters is one of ours already, rather than the host's copy."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(document, dict) and document.get("earshot") == _VERSION and isinstance(document.get("reason"), str)
    )


def owed_names(handlers: Sequence[str]) -> tuple[str, ...]:
    """Order handler names as an item's ``owed`` carries them."""
    return tuple(sorted(set(handlers)))
