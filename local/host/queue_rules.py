"""What the host decides about a queue message: what the function gets, and what becomes of the message.

Doing it (delete, copy, hide) is the listener's.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from local.host.binding_data import merged
from local.host.datums import Datum

POISON_SUFFIX = "-poison"


class Fate(Enum):
    """What becomes of a message."""

    RUN = "hand it to the function"
    DELETE = "it is done"
    RETRY = "show it again after visibilityTimeout"
    POISON = "copy it to the poison queue and delete it"
    LEAVE = "let it reappear when its invisibility ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it was received."""

    id: str
    text: str
    pop_receipt: str
    dequeue_count: int
    inserted: datetime
    expires: datetime
    next_visible: datetime


def poison_queue(queue: str) -> str | None:
    """Name a queue's poison queue; a poison queue has none."""
    return None if queue.endswith(POISON_SUFFIX) else queue + POISON_SUFFIX


def on_pickup(dequeue_count: int, limit: int, queue: str) -> Fate:
    """Judge a message before it runs: one that was taken too often (its runs crashed the host) is poison."""
    return Fate.POISON if dequeue_count > limit and poison_queue(queue) else Fate.RUN


def after_run(*, succeeded: bool, dequeue_count: int, limit: int, queue: str) -> Fate:
    """Judge a message after its run. Where there is no poison queue a failure just waits: it comes back for ever."""
    if succeeded:
        return Fate.DELETE
    if poison_queue(queue) is None:
        return Fate.LEAVE
    return Fate.POISON if dequeue_count >= limit else Fate.RETRY


def decode(text: str, *, is_base64: bool) -> bytes | None:
    """Decode a message's text; None for one that is not base64 while the host expects that."""
    if not is_base64:
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def encode(body: bytes, *, is_base64: bool) -> str:
    """Encode a message's body as text; UnicodeDecodeError for bytes that are no text when encoding is none."""
    return base64.b64encode(body).decode() if is_base64 else body.decode()


def trigger_input(body: bytes, *, binary: bool) -> Datum:
    """Return what the trigger parameter gets; text that is not UTF-8 is a UnicodeDecodeError, so the run fails."""
    return Datum("bytes", body) if binary else Datum("string", body.decode())


def trigger_metadata(message: Message, given: Datum) -> dict[str, Datum]:
    """Return the trigger metadata; a JSON object given as a string merges its properties, a binary one is left alone."""
    metadata = {
        "Id": Datum("string", message.id),
        "DequeueCount": Datum("json", str(message.dequeue_count)),
        "InsertionTime": Datum("json", json.dumps(_moment(message.inserted))),
        "ExpirationTime": Datum("json", json.dumps(_moment(message.expires))),
        "NextVisibleTime": Datum("json", json.dumps(_moment(message.next_visible))),
        "PopReceipt": Datum("string", message.pop_receipt),
    }
    if given.type != "string":
        return metadata
    return merged({**metadata, "QueueTrigger": given}, given.value)


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")
