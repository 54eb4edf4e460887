"""Who may do what with a file: reading permissions, and inviting people.

https://learn.microsoft.com/en-us/graph/api/resources/permission Not here: who is told of it, see `delivery.conditions`.
"""

import re
from collections.abc import Mapping
from typing import Any

from local.graph.content.bodies import Asked, Check, Done, checked, one_of, record, records, text, texts, truth
from local.graph.content.flavours import FILES
from local.graph.content.links import METADATA, list_context
from local.graph.content.odata.query import Query
from local.graph.content.reading import need_entity
from local.graph.faults import GraphFault
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from local.graph.tenant.names import drive_of
from local.graph.tenant.places import Person
from local.graph.tenant.shapes import directory
from local.graph.tenant.world import World

PERMISSIONS = re.compile(r"(drives/.+)/permissions(?:/([^/]+))?")
LONGEST_MESSAGE = 2000
# https://learn.microsoft.com/en-us/graph/api/driveitem-invite
INVITATION: Mapping[str, Check] = {
    "recipients": lambda value: records(value) and bool(value),
    "roles": lambda value: texts(value) and bool(value) and all(map(one_of("read", "write"), value)),
    "requireSignIn": truth,
    "sendInvitation": truth,
    "message": lambda value: text(value) and len(value or "") <= LONGEST_MESSAGE,
    "expirationDateTime": text,
    "password": text,
    "retainInheritedPermissions": truth,
    "inviteEmailCustomization": record,
}
NAMED_BY = ("objectId", "email")


def read_permissions(world: World, key: str, query: Query) -> dict[str, Any] | None:
    """Return the answer about permissions if a path asks for them, None otherwise. Raises 404 for what is not there."""
    fits = PERMISSIONS.fullmatch(key)
    if fits is None:
        return None
    file = _file(world, fits[1])
    known, context = _known(world, file), list_context(f"{file.key}/permissions")
    if fits[2] is None:
        return {"@odata.context": context, "value": [query.selected(each) for each in known.values()]}
    if fits[2] not in known:
        raise FILES.not_found(fits[2])
    return {"@odata.context": f"{context}/$entity", **query.selected(known[fits[2]])}


def invite(asked: Asked, path: str) -> Done:
    """Let people read or change a file; nobody is written to. Those who do not live here cannot be let in."""
    world, file = asked.world, _file(asked.world, path)
    wanted = checked(asked.body(), INVITATION, kind="invite")
    if "recipients" not in wanted or "roles" not in wanted:
        raise GraphFault(400, "invalidRequest", "An invitation needs recipients and roles.")
    role = "write" if "write" in map(str.lower, wanted["roles"]) else "read"
    people = [_recipient(world, each) for each in wanted["recipients"]]
    changes = [acts.share(world, need_entity(world, file.key), person, role=role) for person in people]
    given = [_known(world, file)[directory.permission(person, role)["id"]] for person in people]
    context = f"{METADATA}#Collection(microsoft.graph.permission)"
    return Done(status=200, changes=changes, body={"@odata.context": context, "value": given})


def _file(world: World, path: str) -> Entity:
    file = need_entity(world, path)
    if file.row.key != "drive-item":
        raise FILES.not_found(path)
    return file


def _known(world: World, file: Entity) -> dict[str, Mapping[str, Any]]:
    """Return every permission by its id; a drive's owner always has everything."""
    owners = (person for person in world.people if drive_of(person.id) == file.ids["drive"])
    own = {each["id"]: each for each in (directory.permission(owner, "owner") for owner in owners)}
    return own | world.permissions.get(file.key, {}) | own


def _recipient(world: World, named: Mapping[str, Any]) -> Person:
    called = next((named[name] for name in NAMED_BY if isinstance(named.get(name), str)), "")
    person = world.person(called)
    if person is None:
        raise GraphFault(400, "invalidRequest", "One or more users could not be resolved.")
    return person
