"""Who is a member of a team, a channel, a chat or a group, and what follows from it: whose chats and teams they are.

https://learn.microsoft.com/en-us/graph/api/resources/conversationmember
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from local.graph.content.bodies import Asked, Done, texts
from local.graph.content.flavours import DIRECTORY
from local.graph.content.reading import need_entity
from local.graph.faults import GraphFault, bad_request
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from local.graph.tenant.places import Person
from local.graph.tenant.shapes import teams
from local.graph.tenant.world import World

LISTED_AS: Mapping[str, str] = {"chat": "chats", "team": "joinedteams"}
"""Where a person finds what they are a member of; a channel is found in its team."""

ROLES = frozenset({"owner", "guest"})
ALREADY = "One or more added object references already exist for the following modified properties: 'members'."
_BOUND_USER = re.compile(r"users(?:\('|/)([^')/]+)(?:'\))?/?$", re.IGNORECASE)


def add(asked: Asked, home_key: str) -> Done:
    """Let somebody into a team, a channel or a chat."""
    home, body = need_entity(asked.world, home_key), asked.body()
    bound, roles = body.get("user@odata.bind"), body.get("roles", [])
    found = _BOUND_USER.search(bound) if isinstance(bound, str) else None
    person = asked.world.person(found[1]) if found else None
    if home.content.get("membershipType") == "standard":
        raise bad_request("Members of a standard channel are those of its team.")
    if person is None or not texts(roles) or not set(roles) <= ROLES:
        raise bad_request("Invalid member: a user has to be bound, and roles can be empty, owner or guest.")
    if _membership(asked.world, home, person):
        raise bad_request(f"The user '{person.id}' is a member already.")
    change = acts.add_member(asked.world, home, person, owner="owner" in roles)
    _seat(asked.world, home)
    return Done(status=201, changes=[change], entity=change.entity)


def remove(asked: Asked, home_key: str, member_id: str) -> Done:
    """Let somebody out of a team, a channel or a chat."""
    home, member = need_entity(asked.world, home_key), need_entity(asked.world, f"{home_key}/members/{member_id}")
    return _removed(asked.world, home, member)


def add_to_group(asked: Asked, group_id: str) -> Done:
    """Let somebody into a group, which is being in its team."""
    team, reference = need_entity(asked.world, f"teams/{group_id}"), asked.body().get("@odata.id")
    person = asked.world.person(str(reference).rstrip("/").rpartition("/")[2])
    if person is None:
        raise DIRECTORY.not_found(str(reference))
    if _membership(asked.world, team, person):
        raise GraphFault(400, "Request_BadRequest", ALREADY)
    change = acts.add_member(asked.world, team, person)
    _seat(asked.world, team)
    return Done(status=204, changes=[change])


def remove_from_group(asked: Asked, group_id: str, user_id: str) -> Done:
    """Let somebody out of a group."""
    team, person = need_entity(asked.world, f"teams/{group_id}"), asked.world.person(user_id)
    member = _membership(asked.world, team, person) if person else None
    if member is None:
        raise DIRECTORY.not_found(user_id)
    return replace(_removed(asked.world, team, member), status=204)


def _removed(world: World, home: Entity, member: Entity) -> Done:
    if len(world.collections[f"{home.key}/members"].members) == 1:
        raise bad_request("The last member cannot be removed.")
    change = world.delete(member)
    _seat(world, home)
    return Done(status=204, changes=[change])


def _membership(world: World, home: Entity, person: Person) -> Entity | None:
    key = f"{home.key}/members/{teams.member_id(person, home.id)}"
    listed = world.collections.get(f"{home.key}/members")
    return world.entities[key] if listed and key in listed.members else None


def _seat(world: World, home: Entity) -> None:
    """Let those who are members now be the ones who write there, hear of it, and find it among theirs."""
    members = world.members(world.collections[f"{home.key}/members"])
    people = tuple(person for each in members if (person := world.person(each.content["userId"])))
    for index, place in enumerate(world.places):
        within = place.key.startswith(f"{home.key}/") and not world.collections[f"{place.key}/members"].members
        if place.key == home.key or within:
            world.places[index] = replace(place, people=people)
    listed_as = LISTED_AS.get(home.row.key)
    if listed_as is None:
        return
    others = [key for key in home.collections if not key.startswith("users/")]
    also = dict(world.also(home) or {})
    if home.row.key == "chat":
        also["user"] = [person.id for person in people]
    world.join(home, [*others, *(f"users/{person.id}/{listed_as}" for person in people)], also)
