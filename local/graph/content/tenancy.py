"""The directory, presence and files: who comes back, who is up to what, and small uploads.

Not here: who is in a group, see `membership`; PATCH and DELETE of single things, see `writing`.
"""

import urllib.parse

from local.graph.content.bodies import Asked, Done
from local.graph.content.flavours import FILES
from local.graph.content.reading import BIN, need_entity
from local.graph.faults import GraphFault, bad_request
from local.graph.tenant import acts
from local.graph.tenant.names import drive_of

# https://learn.microsoft.com/en-us/graph/api/presence-setpresence: these pairs and no others
PRESENCES = frozenset(
    {
        ("Available", "Available"),
        ("Busy", "InACall"),
        ("Busy", "InAConferenceCall"),
        ("Away", "Away"),
        ("DoNotDisturb", "Presenting"),
    }
)
# https://learn.microsoft.com/en-us/graph/api/driveitem-put-content
LARGEST_UPLOAD = 250 * 1024 * 1024


def set_presence(asked: Asked, user_id: str) -> Done:
    """Say what somebody is up to."""
    presence, body = need_entity(asked.world, f"communications/presences/{user_id}"), asked.body()
    wanted = (str(body.get("availability")), str(body.get("activity")))
    if wanted not in PRESENCES or not isinstance(body.get("sessionId"), str):
        raise bad_request("The combination of availability and activity is not supported, or sessionId is missing.")
    patch = {"availability": wanted[0], "activity": wanted[1]}
    return Done(status=200, changes=[asked.world.update(presence, patch)])


def restore(asked: Asked, entity_id: str) -> Done:
    """Bring back a user or a group that was deleted."""
    entity = need_entity(asked.world, f"{BIN}/{entity_id}")
    change = asked.world.undelete(entity, {"deletedDateTime": None})
    return Done(status=200, changes=[change], entity=change.entity)


def upload(asked: Asked, drive_id: str, name: str) -> Done:
    """Put a file into the root of a drive, or a new version of it."""
    owner = next((person for person in asked.world.people if drive_of(person.id) == drive_id), None)
    if owner is None:
        raise FILES.not_found(drive_id)
    if len(asked.raw) > LARGEST_UPLOAD:
        raise GraphFault(413, "invalidRequest", "The file is too large for a single upload.")
    change = acts.upload(asked.world, owner, urllib.parse.unquote(name), len(asked.raw))
    return Done(status=201 if change.change_type == "created" else 200, changes=[change], entity=change.entity)


def replace_content(asked: Asked, drive_id: str, item_id: str) -> Done:
    """Put a new version of a file."""
    item = need_entity(asked.world, f"drives/{drive_id}/items/{item_id}")
    if "file" not in item.content:
        raise GraphFault(400, "invalidRequest", "The item is not a file.")
    change = asked.world.update(item, {"size": len(asked.raw)})
    return Done(status=200, changes=[change], entity=change.entity)
