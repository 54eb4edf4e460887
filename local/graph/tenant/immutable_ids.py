"""Immutable ids of Outlook's items: what stays the same however often an item moves within its mailbox.

Folders and calendars have none, their ordinary ids never change. Not here: who is shown which kind, see `content` and `delivery`.
https://learn.microsoft.com/en-us/graph/outlook-immutable-id
"""

import base64
import hashlib
from dataclasses import replace

from local.graph.tenant.entity import Entity

ITEMS = frozenset({"message", "event", "contact"})
PREFIX = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A"
"""How Exchange begins every immutable id, and no other."""


def first_immutable_id(row_key: str, item_id: str) -> str:
    """Return the immutable id that goes with the first ordinary id of an item; empty for what has none."""
    if row_key not in ITEMS:
        return ""
    return PREFIX + base64.urlsafe_b64encode(hashlib.sha512(item_id.encode()).digest()[:33]).decode()


def under_immutable_id(entity: Entity) -> Entity:
    """Return an entity as those see it who prefer immutable ids: what has none looks as it always does."""
    if not entity.immutable_id:
        return entity
    before, _, after = entity.resource.rpartition(entity.id)
    return replace(
        entity,
        id=entity.immutable_id,
        resource=f"{before}{entity.immutable_id}{after}",
        content={**entity.content, "id": entity.immutable_id},
    )
