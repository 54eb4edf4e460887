"""Anything that can be subscribed to, made to happen by hand: by the tenant's own people where it has them, else as a sample.

Not here: talking, see `acting`; the samples themselves, see `samples.toml`.
"""

import functools
import json
import random
import re
import tomllib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.graph.catalogue.find import CATALOGUE, by_key
from local.graph.catalogue.row import Row
from local.graph.clock import milliseconds
from local.graph.control.asking import wrong
from local.graph.tenant import acts
from local.graph.tenant.entity import Change, Entity
from local.graph.tenant.names import drive_of
from local.graph.tenant.paths import names_in, spell
from local.graph.tenant.places import Person
from local.graph.tenant.shapes import directory, teams
from local.graph.tenant.world import World

SAMPLES = Path(__file__).with_name("samples.toml")
TALK = frozenset({"channel-message", "chat-message", "message"})
"""What `post` is for."""

_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to happen: to a thing of which kind, named by which ids, with which content besides the sample's."""

    row: Row
    ids: Mapping[str, str]
    change_type: str
    content: Mapping[str, Any]
    dice: random.Random


def read_wish(body: Mapping[str, Any], dice: random.Random) -> Wish:
    """Read what is wished for; ids that are not given are those of the tenant's first, or new. Raises 400."""
    kinds = sorted(row.key for row in CATALOGUE if row.paths and row.key not in TALK)
    if body.get("kind") not in kinds:
        raise wrong(f"kind must be one of {', '.join(kinds)}; messages are written with post")
    row = by_key(body["kind"])
    types = [each for each in ("created", "updated", "deleted") if each in row.change_types]
    change_type = body.get("changeType", types[0])
    if change_type not in types:
        raise wrong(f"changeType of {row.key} must be one of {', '.join(types)}")
    ids, content = body.get("ids", {}), body.get("content", {})
    if not isinstance(ids, dict) or not all(isinstance(value, str) and value for value in ids.values()):
        raise wrong('ids must be an object of texts, for example {"user": "<id>"}')
    if not isinstance(content, dict):
        raise wrong("content must be an object: properties of the resource that replace the sample's")
    if strange := sorted(set(ids) - _names_of(row)):
        raise wrong(f"unknown ids: {', '.join(strange)}; known: {', '.join(sorted(_names_of(row)))}")
    return Wish(row=row, ids=ids, change_type=change_type, content=content, dice=dice)


def happen(world: World, wish: Wish) -> list[Change]:
    """Let it happen; what is updated or deleted is the latest of its kind, made without a word if there is none."""
    if wish.change_type == "created":
        return [_create(world, wish)]
    entity = _latest(world, wish) or _create(world, wish).entity
    if wish.change_type == "deleted":
        return [acts.delete(world, entity)]
    return [world.update(entity, wish.content or _touch(world, entity))]


def _create(world: World, wish: Wish) -> Change:
    make = _MAKERS.get(wish.row.key)
    if make is None:
        return _sample(world, wish)
    change = make(world, wish, _person(world, wish))
    return world.update(change.entity, wish.content) if wish.content else change


def _sample(world: World, wish: Wish) -> Change:
    person = _person(world, wish)
    ids = {name: wish.ids.get(name) or _usual(world, name, person, wish.dice) for name in sorted(_names_of(wish.row))}
    needed = {name for text in _texts(samples()[wish.row.key]) for name in _NAME.findall(text)}
    told = {name: ids.get(name) or _usual(world, name, person, wish.dice) for name in sorted(needed)}
    told |= {
        "now": milliseconds(world.clock.now()),
        "person": person.name,
        "address": person.address,
        "tenant": world.tenant_id,
    }
    content = {**_filled(samples()[wish.row.key], told), **wish.content}
    return acts.sample(world, wish.row.key, ids, content, spell(wish.row.item, ids))


@functools.cache
def samples() -> Mapping[str, Mapping[str, Any]]:
    """Return the samples, by row."""
    return tomllib.loads(SAMPLES.read_text(encoding="utf-8"))


def _latest(world: World, wish: Wish) -> Entity | None:
    wanted = {name: value.lower() for name, value in wish.ids.items()}
    found = [
        entity
        for entity in world.entities.values()
        if entity.row.key == wish.row.key
        and not entity.deleted
        and entity.id != "root"
        and all(entity.ids.get(name, value).lower() == value for name, value in wanted.items())
    ]
    return found[-1] if found else None


def _touch(world: World, entity: Entity) -> dict[str, Any]:
    """Return a small change that suits the thing."""
    if entity.row.key == "presence":
        mood = "Busy" if entity.content["availability"] != "Busy" else "Available"
        return {"availability": mood, "activity": mood}
    if entity.row.key == "drive-item":
        return {"size": int(entity.content.get("size", 0)) + 1}
    if entity.row.has_versions:
        return {"version": entity.content["version"] + 1, "lastModifiedDateTime": milliseconds(world.clock.now())}
    name = next((name for name in ("displayName", "subject", "topic", "title") if entity.content.get(name)), None)
    return (
        {name: f"{entity.content[name]} (changed)"}
        if name
        else {"lastModifiedDateTime": milliseconds(world.clock.now())}
    )


def _person(world: World, wish: Wish) -> Person:
    called = wish.ids.get("user")
    person = world.person(called) if called else world.people[0]
    if person is None:
        raise wrong(f"there is nobody called {called}; see GET /_sim/world")
    return person


def _names_of(row: Row) -> set[str]:
    return {name for path in (row.item, *row.paths) for name in names_in(path)}


def _usual(world: World, name: str, person: Person, dice: random.Random) -> str:
    """Return an id that the tenant has, or a new one."""
    places = {place.workload: place.ids for place in reversed(world.places)}
    known: dict[str, str | None] = {
        "user": person.id,
        "drive": drive_of(person.id),
        "team": places.get("channel", {}).get("team"),
        "channel": places.get("channel", {}).get("channel"),
        "chat": places.get("chat", {}).get("chat"),
        "group": places.get("channel", {}).get("team"),
        "policy": "EmergencyPolicy",
        "message": str(world.mint.moment()),
    }
    return known.get(name) or str(uuid.UUID(int=dice.getrandbits(128), version=4))


def _filled(value: Any, told: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _NAME.sub(lambda found: told[found[1]], value)
    if isinstance(value, Mapping):
        return {name: _filled(each, told) for name, each in value.items()}
    return [_filled(each, told) for each in value] if isinstance(value, list) else value


def _texts(sample: Mapping[str, Any]) -> list[str]:
    return [json.dumps(sample, ensure_ascii=False)]


def _add_user(world: World, _wish: Wish, _person: Person) -> Change:
    number = len(world.people) + 1
    person = Person(id=world.mint.guid(), name=f"New Person {number}", address=f"new.person.{number}@{world.domain}")
    world.names.know_user(person.id, person.address)
    return world.create("user", ids={"user": person.id}, content=directory.user(person), collections=("users",))


def _add_group(world: World, _wish: Wish, _person: Person) -> Change:
    group_id = world.mint.guid()
    content = directory.group(group_id, "A new group", f"group-{group_id[:8]}@{world.domain}")
    return world.create("group", ids={"group": group_id}, content=content, collections=("groups",))


def _add_team(world: World, _wish: Wish, _person: Person) -> Change:
    team_id = world.mint.guid()
    content = teams.team(team_id, "A new team", world.tenant_id)
    return world.create("team", ids={"team": team_id}, content=content, collections=("teams",))


def _add_member(world: World, home: Entity) -> Change:
    guest_id = world.mint.guid()
    newcomer = Person(id=guest_id, name="A guest", address=f"guest-{guest_id[:8]}@{world.domain}")
    return acts.add_member(world, home, newcomer)


def _home(world: World, kind: str) -> Entity:
    home = next((each for each in world.entities.values() if each.row.key == kind and not each.deleted), None)
    if home is None:
        raise wrong(f"there is no {kind} in this tenant; start the simulator with --teams and --chats of 1 or more")
    return home


_MAKERS: dict[str, Callable[[World, Wish, Person], Change]] = {
    "event": lambda world, _wish, person: acts.add_event(world, person, "Planning", guests=world.people[1:2]),
    "contact": lambda world, _wish, person: acts.add_contact(world, person, "Kim Akers"),
    "drive-item": lambda world, wish, person: acts.upload(
        world, person, f"Report {wish.dice.getrandbits(24):06x}.docx", 1 + wish.dice.randrange(90_000)
    ),
    "user": _add_user,
    "group": _add_group,
    "team": _add_team,
    "channel": lambda world, wish, _person: acts.add_channel(
        world, _home(world, "team"), f"Project {wish.dice.getrandbits(16):04x}", world.people
    ),
    "chat": lambda world, _wish, _person: acts.open_chat(world, world.people[:3], "A plan", name="A plan")[0],
    "team-member": lambda world, _wish, _person: _add_member(world, _home(world, "team")),
    "channel-member": lambda world, _wish, _person: _add_member(world, _home(world, "channel")),
    "chat-member": lambda world, _wish, _person: _add_member(world, _home(world, "chat")),
}
"""What the tenant makes itself, by row. Presences are there from the start and are only ever updated."""
