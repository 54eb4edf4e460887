"""A tenant as JSON and back, so that a simulator can be stopped and go on later as if nothing had happened.

Not here: when, and into which file, see `state`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from local.graph.catalogue.find import by_key
from local.graph.clock import Clock
from local.graph.dice import Dice
from local.graph.tenant.entity import Entity
from local.graph.tenant.places import Person, Place
from local.graph.tenant.world import Collection, Event, World


def save(world: World) -> dict[str, Any]:
    """Return everything that a tenant is."""
    return {
        "tenant": world.tenant_id,
        "name": world.name,
        "domain": world.domain,
        "people": [[person.id, person.name, person.address] for person in world.people],
        "places": [_save_place(place) for place in world.places],
        "entities": [_save_entity(entity) | {"also": world.also(entity)} for entity in world.entities.values()],
        "collections": {each.key: _save_collection(each) for each in world.collections.values()},
        "names": world.names.saved(),
        "permissions": world.permissions,
    }


def restore(saved: Mapping[str, Any], *, clock: Clock, dice: Dice, numbers: Iterator[int]) -> World:
    """Return the tenant that was saved. Raises KeyError, TypeError or ValueError for what `save` never wrote."""
    world = World(
        tenant_id=saved["tenant"],
        name=saved["name"],
        domain=saved["domain"],
        clock=clock,
        dice=dice,
        numbers=numbers,
        resumed=next(numbers),
    )
    world.people.extend(Person(id=each[0], name=each[1], address=each[2]) for each in saved["people"])
    people = {person.id: person for person in world.people}
    world.places.extend(_restore_place(place, people) for place in saved["places"])
    world.names.restore(saved["names"])
    world.permissions |= saved.get("permissions", {})
    for each in saved["entities"]:
        world.keep(_restore_entity(each), each["also"])
    world.collections |= {key: _restore_collection(key, each) for key, each in saved["collections"].items()}
    return world


def _save_place(place: Place) -> dict[str, Any]:
    named = {"name": place.name, "workload": place.workload, "path": place.path, "key": place.key}
    return named | {"ids": dict(place.ids), "people": [person.id for person in place.people]}


def _restore_place(saved: Mapping[str, Any], people: Mapping[str, Person]) -> Place:
    return Place(**{**saved, "people": tuple(people[each] for each in saved["people"])})


def _save_entity(entity: Entity) -> dict[str, Any]:
    return {
        "row": entity.row.key,
        "key": entity.key,
        "id": entity.id,
        "ids": dict(entity.ids),
        "resource": entity.resource,
        "version": entity.version,
        "sequence": entity.sequence,
        "content": entity.content,
        "collections": entity.collections,
        "created": entity.created.isoformat(),
        "modified": entity.modified.isoformat(),
        "deleted": entity.deleted,
        "immutable_id": entity.immutable_id,
    }


def _restore_entity(saved: Mapping[str, Any]) -> Entity:
    values = {name: value for name, value in saved.items() if name not in {"row", "also"}}
    values["collections"] = tuple(saved["collections"])
    values |= {name: datetime.fromisoformat(saved[name]) for name in ("created", "modified")}
    return Entity(row=by_key(saved["row"]), reaches=(), **values)


def _save_collection(collection: Collection) -> dict[str, Any]:
    log = [[event.number, event.moment, event.key, event.gone] for event in collection.log]
    return {"members": list(collection.members), "log": log}


def _restore_collection(key: str, saved: Mapping[str, Any]) -> Collection:
    log = [Event(number=each[0], moment=each[1], key=each[2], gone=each[3]) for each in saved["log"]]
    return Collection(key=key, members=dict.fromkeys(saved["members"]), log=log)
