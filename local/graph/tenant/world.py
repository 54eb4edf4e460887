"""One tenant: its entities, the collections that list them, and the log of every change, from which delta is answered.

Every change goes through `create`, `update`, `delete` or `move`, which return what happened; who is told of it is not decided here,
see `delivery.publisher`. What entities contain: see `shapes`; who lives here at the start: see `population`.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from local.graph.catalogue.find import CATALOGUE, by_key
from local.graph.catalogue.row import Row
from local.graph.clock import Clock, utc_now
from local.graph.dice import Dice
from local.graph.tenant.entity import Change, ChangeType, Entity, Reach, as_one_move
from local.graph.tenant.mint import Mint, time_of
from local.graph.tenant.names import Names
from local.graph.tenant.paths import names_in, spell
from local.graph.tenant.places import Person, Place
from local.graph.tenant.shapes.stamping import stamp

SOFT = frozenset({"channel-message", "chat-message"})
"""What can still be read, and says that it was deleted."""

_HEARD: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    row.item: tuple((path, names_in(path)) for other in CATALOGUE if other.item == row.item for path in other.paths)
    for row in CATALOGUE
}
"""For each way to name an item, the paths by which it can be subscribed to, of whichever rows, with the ids that they need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line in a collection's log: an entity changed here, or left. `gone` says why, in the words of `@removed`."""

    number: int
    moment: float
    key: str
    gone: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Collection:
    """What Graph lists under one path: members in order of arrival, and everything that happened to them."""

    key: str
    members: dict[str, None] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class World:
    """One tenant. Everything but the time of day follows from the seed."""

    tenant_id: str
    name: str
    domain: str
    clock: Clock
    dice: Dice
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    resumed: int = 0
    """Set anew each time a tenant is restored, so that no id is made twice."""
    people: list[Person] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    entities: dict[str, Entity] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    _also: dict[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    permissions: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Who was let in to which file, by its key and the id of the permission; owners need none."""
    names: Names = field(default_factory=Names)
    mint: Mint = field(init=False)

    def __post_init__(self) -> None:
        self.mint = Mint(self.dice.of("ids", self.tenant_id, self.resumed))

    # finding

    def find(self, path: str) -> Entity | None:
        """Return an entity by any of its names, deleted or not."""
        return self.entities.get(self.names.canonical(path))

    def collection(self, path: str) -> Collection | None:
        """Return a collection by any of its names; one that nothing was ever in does not exist unless it was declared."""
        return self.collections.get(self.names.canonical(path))

    def members(self, collection: Collection) -> list[Entity]:
        """Return what a collection lists, in order of arrival."""
        return [self.entities[key] for key in collection.members]

    def person(self, called: str) -> Person | None:
        """Return a person by id, address or name."""
        user_id, low = self.names.user_id(called), called.lower()
        return next((each for each in self.people if each.id == user_id or each.name.lower() == low), None)

    def place(self, called: str) -> Place | None:
        """Return a channel, chat or mailbox by its name, its path, or its owner's address."""
        low = called.lower()
        return next((place for place in self.places if low in {place.name.lower(), place.path.lower()}), None) or next(
            (place for place in self.places if place.workload == "mail" and low == place.people[0].address), None
        )

    def declare(self, *keys: str) -> None:
        """Let collections exist that nothing is in yet."""
        for key in keys:
            self.collections.setdefault(key, Collection(key=key))

    def also(self, entity: Entity) -> Mapping[str, Sequence[str]] | None:
        """Return the ids with several values by which an entity is heard of."""
        return self._also.get(entity.key)

    def keep(self, entity: Entity, also: Mapping[str, Sequence[str]] | None) -> None:
        """Let an entity be as it was elsewhere: no change, nothing logged."""
        if also:
            self._also[entity.key] = also
        self.entities[entity.key] = replace(
            entity,
            reaches=self._reaches(entity.row, entity.ids, also or {}),
            immutable_id=self.names.know_item(entity.row, entity.id, entity.immutable_id),
        )

    # changing

    def create(
        self,
        row_key: str,
        *,
        ids: Mapping[str, str],
        content: Mapping[str, Any],
        collections: Sequence[str],
        resource: str | None = None,
        also: Mapping[str, Sequence[str]] | None = None,
        moment: int | None = None,
        immutable_id: str = "",
    ) -> Change:
        """Let something exist. `also` gives ids with several values, such as the members of a chat.

        `immutable_id` is that of something which was elsewhere before.
        """
        row, moment = by_key(row_key), moment or self.mint.moment()
        spelt = resource or spell(row.item, ids)
        key, at, version = self.names.canonical(spelt), time_of(moment), self.mint.version(row, moment)
        if also:
            self._also[key] = also
        entity = Entity(
            row=row,
            key=key,
            id=str(content["id"]),
            ids=ids,
            resource=spelt,
            version=version,
            content=stamp(row, content, version=version, at=at, first=True),
            collections=tuple(collections),
            reaches=self._reaches(row, ids, also or {}),
            created=at,
            modified=at,
            immutable_id=self.names.know_item(row, str(content["id"]), immutable_id),
        )
        return self._happened("created", entity, None)

    def update(
        self, entity: Entity, patch: Mapping[str, Any], *, change_type: ChangeType = "updated", quietly: bool = False
    ) -> Change:
        """Replace some properties. `quietly` leaves version and times alone, as reading a thing does."""
        moment = self.mint.moment()
        at, version = time_of(moment), entity.version if quietly else self.mint.version(entity.row, moment)
        content = {**entity.content, **patch}
        if not quietly:
            content = stamp(entity.row, content, version=version, at=at, first=False)
        changed = replace(entity, content=content, version=version, sequence=entity.sequence + 1, modified=at)
        return self._happened(change_type, changed, entity)

    def delete(
        self,
        entity: Entity,
        patch: Mapping[str, Any] | None = None,
        *,
        change_type: ChangeType = "deleted",
        gone: str = "deleted",
    ) -> Change:
        """Delete: `patch` says how a thing looks that can still be read; `gone` is the reason that delta gives."""
        moment = self.mint.moment()
        at, version = time_of(moment), self.mint.version(entity.row, moment)
        content = {**entity.content, **(patch or {})}
        deleted = replace(
            entity,
            content=stamp(entity.row, content, version=version, at=at, first=False),
            version=version,
            sequence=entity.sequence + 1,
            modified=at,
            deleted=True,
        )
        return self._happened(change_type, deleted, entity, "" if entity.row.key in SOFT else gone)

    def undelete(self, entity: Entity, patch: Mapping[str, Any]) -> Change:
        """Bring back what was deleted."""
        return self.update(replace(entity, deleted=False), patch)

    def move(
        self, entity: Entity, *, ids: Mapping[str, str], content: Mapping[str, Any], collections: Sequence[str]
    ) -> list[Change]:
        """Move to another place under a new id, as Exchange does: gone in one folder, new in the other."""
        left = self.delete(entity)
        arrived = self.create(
            entity.row.key,
            ids=ids,
            content={**entity.content, **content},
            collections=collections,
            also=self._also.get(entity.key),
            immutable_id=entity.immutable_id,
        )
        return as_one_move(left, arrived)

    def permit(self, file: Entity, permission: Mapping[str, Any]) -> Change:
        """Let somebody see a file. No list's log knows of it, as delta does not tell of it: microsoft-graph-docs issue 7254."""
        self.permissions.setdefault(file.key, {})[permission["id"]] = permission
        shared = replace(file, content={**file.content, "shared": {"scope": "users"}})
        self.entities[file.key] = shared
        return Change(
            number=next(self.numbers),
            tenant_id=self.tenant_id,
            at=utc_now(),
            change_type="updated",
            entity=shared,
            before=file,
            only_permissions=True,
        )

    def join(self, entity: Entity, collections: Sequence[str], also: Mapping[str, Sequence[str]]) -> Entity:
        """List an entity in these collections instead, and let it be heard of by these ids; nobody is told."""
        self._also[entity.key] = also
        moved = replace(entity, collections=tuple(collections), reaches=self._reaches(entity.row, entity.ids, also))
        self.entities[entity.key] = moved
        for key in set(entity.collections) - set(collections):
            self._log(key, entity.key, next(self.numbers), "changed")
        for key in collections:
            if key not in entity.collections:
                self._log(key, entity.key, next(self.numbers), "")
        return moved

    # what follows from a change

    def _happened(self, change_type: ChangeType, entity: Entity, before: Entity | None, gone: str = "") -> Change:
        number = next(self.numbers)
        self.entities[entity.key] = entity
        for collection in entity.collections:
            self._log(collection, entity.key, number, gone)
        return Change(
            number=number,
            tenant_id=self.tenant_id,
            at=utc_now(),
            change_type=change_type,
            entity=entity,
            before=before,
        )

    def _log(self, collection_key: str, key: str, number: int, gone: str) -> None:
        collection = self.collections.setdefault(collection_key, Collection(key=collection_key))
        collection.log.append(Event(number=number, moment=self.clock.seconds(), key=key, gone=gone))
        if gone:
            collection.members.pop(key, None)
        else:
            collection.members[key] = None

    def _reaches(self, row: Row, ids: Mapping[str, str], also: Mapping[str, Sequence[str]]) -> tuple[Reach, ...]:
        found = []
        for path, names in _HEARD.get(row.item, ()):
            if all(name in ids or name in also for name in names):
                choices = [[(name, value.lower()) for value in also.get(name) or (ids[name],)] for name in names]
                found += [(self.tenant_id, path, frozenset(chosen)) for chosen in itertools.product(*choices)]
        return tuple(found)
