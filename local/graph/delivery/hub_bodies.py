"""What goes into events: collections that fit, and the message that tries a hub out. Values only; the sending is `hub`'s.

https://learn.microsoft.com/en-us/graph/change-notifications-delivery-event-hubs
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from local.graph.delivery.attempts import write_json

LARGEST_BODY = 1_000_000
"""Bytes, so that a body with what AMQP adds to it stays below a hub's limit of 1 MB."""
_OPENING, _CLOSING = b'{"value":[', b"]}"


def write_hub_bodies(items: Iterable[Mapping[str, Any] | None]) -> list[bytes]:
    """Print items as collections that are each small enough for an event. An item that is too large by itself has one alone."""
    bodies: list[bytes] = []
    together: list[bytes] = []
    size = 0
    for item in items:
        printed = write_json(item)
        if together and size + len(printed) + 1 + len(_OPENING + _CLOSING) >= LARGEST_BODY:
            bodies.append(_collect(together))
            together, size = [], 0
        together.append(printed)
        size += len(printed) + 1
    if together:
        bodies.append(_collect(together))
    return bodies


def write_probe() -> bytes:
    """Print the message that arrives whenever a subscription is created; it has a collection's shape and says nothing."""
    nothing = "NA"
    testing = "Validation: Testing client application reachability for subscription Request-Id"
    item = {
        "subscriptionId": nothing,
        "subscriptionExpirationDateTime": nothing,
        "clientState": nothing,
        "changeType": f"{testing}: {uuid.uuid4()}",
        "resource": nothing,
        "resourceData": {"@odata.type": nothing, "@odata.id": nothing, "id": nothing},
    }
    return write_hub_bodies([item])[0]


def _collect(printed: Iterable[bytes]) -> bytes:
    return _OPENING + b",".join(printed) + _CLOSING
