"""What the tenant is made of: entities, each with the JSON that Graph answers, and the changes that they go through.

Values only. Not here: where they are kept, see `world`; what they contain, see `shapes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from local.graph.catalogue.row import Row

ChangeType = Literal["created", "updated", "deleted"]

Reach = tuple[str, str, frozenset[tuple[str, str]]]
"""A tenant, a path template of the catalogue, and the ids in it, lower-cased: what subscriptions are looked up by."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entity:
    """One thing as it is now; a new value after every change.

    `key` is its canonical path, `resource` the path as notifications spell it, `collections` the canonical paths that list it.
    `sequence` counts its versions from 1; `version` is how Graph tells them apart, empty where it does not. `immutable_id` is the
    other id of Outlook's items, empty elsewhere.
    """

    row: Row
    key: str
    id: str
    ids: Mapping[str, str]
    resource: str
    version: str
    sequence: int = 1
    content: Mapping[str, Any]
    collections: tuple[str, ...]
    reaches: tuple[Reach, ...]
    created: datetime
    modified: datetime
    deleted: bool = False
    immutable_id: str = ""

    @property
    def summary(self) -> str:
        """Return its subject, text or name: enough for a person to know which one it is."""
        body = self.content.get("body")
        text = body.get("content") if isinstance(body, Mapping) else None
        names = ("subject", "topic", "displayName", "name")
        return text or next((str(self.content[name]) for name in names if self.content.get(name)), self.id)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """One thing that happened: the item as it became and as it was before. `at` is the real time, for measuring.

    A move is two changes; `other_end` is the item where it went to, or as it was where it came from. `only_permissions` says that
    nothing has changed but who may see it.
    """

    number: int
    tenant_id: str
    at: datetime
    change_type: ChangeType
    entity: Entity
    before: Entity | None = None
    other_end: Entity | None = None
    only_permissions: bool = False


def as_one_move(left: Change, arrived: Change) -> list[Change]:
    """Return that something is gone in one place and new in another as the two ends of one move."""
    return [replace(left, other_end=arrived.entity), replace(arrived, other_end=left.before)]
