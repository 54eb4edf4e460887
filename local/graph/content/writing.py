"""Every operation that changes something: one table from method and path to what is done.

PATCH and DELETE of single things are told by kind; everything else has a line of its own. Not here: who is told of what was done.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.graph.content import calendars, mail, membership, messaging, sharing, tenancy
from local.graph.content.bodies import Asked, Check, Done, checked, name, one_of, text, texts, truth
from local.graph.content.messaging import Messaging
from local.graph.content.reading import BIN, need_entity, read_entity
from local.graph.faults import GraphFault
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity

Operation = Callable[..., Done]
"""Takes what is asked for and the ids of the path."""

USER, MESSAGE = r"users/([^/]+)", r"users/([^/]+)/messages/([^/]+)"
HOME = r"(teams/[^/]+/channels/[^/]+|chats/[^/]+)"
CLUB = r"(teams/[^/]+(?:/channels/[^/]+)?|chats/[^/]+)"
SAID = rf"{HOME}/messages/([^/]+(?:/replies/[^/]+)?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Editing:
    """How PATCH treats one kind of thing: what can be set, and what is answered."""

    writable: Mapping[str, Check]
    status: int = 200

    @property
    def answers(self) -> bool:
        """Whether the thing itself is answered."""
        return self.status == 200  # noqa: PLR2004 - OK; 204 has no body


# https://learn.microsoft.com/en-us/graph/api/user-update, …/group-update, …/driveitem-update, …/channel-patch, …/chat-patch
EDITING: Mapping[str, Editing] = {
    "message": Editing(writable=mail.DRAFT_WRITABLE),
    "event": Editing(writable=calendars.EVENT),
    "contact": Editing(writable=calendars.CONTACT),
    "user": Editing(
        status=204,
        writable={
            "displayName": name,
            "accountEnabled": truth,
            "businessPhones": texts,
            **dict.fromkeys(
                (
                    "givenName",
                    "surname",
                    "jobTitle",
                    "department",
                    "officeLocation",
                    "mobilePhone",
                    "preferredLanguage",
                ),
                text,
            ),
        },
    ),
    "group": Editing(
        status=204,
        writable={
            "displayName": name,
            "description": text,
            "visibility": one_of("Private", "Public"),
            "mailNickname": name,
        },
    ),
    "drive-item": Editing(writable={"name": name, "description": text}),
    "channel": Editing(status=204, writable={"displayName": name, "description": text}),
    "chat": Editing(writable={"topic": text}),
    "team": Editing(status=204, writable={"displayName": name, "description": text}),
}
DELETABLE = frozenset({"message", "event", "contact", "user", "group", "drive-item"})


class Writing:
    """Finds and does what a request asks for."""

    def __init__(self) -> None:
        said = Messaging()
        lines: tuple[tuple[str, str, Operation], ...] = (
            ("POST", rf"{USER}/sendmail", mail.send_mail),
            ("POST", rf"{USER}/messages", mail.draft),
            ("POST", rf"{USER}/mailfolders/([^/]+)/messages", mail.draft),
            ("POST", rf"{MESSAGE}/send", mail.send_draft),
            ("POST", rf"{MESSAGE}/reply(all)?", mail.reply),
            ("POST", rf"{MESSAGE}/createreply(all)?", mail.create_reply),
            ("POST", rf"{MESSAGE}/forward", mail.forward),
            ("POST", rf"{MESSAGE}/move", mail.move),
            ("POST", rf"{MESSAGE}/copy", mail.copy),
            ("POST", rf"{USER}/events", calendars.add_event),
            ("POST", rf"{USER}/contacts", calendars.add_contact),
            ("POST", rf"{USER}/contactfolders/([^/]+)/contacts", calendars.add_contact),
            ("POST", rf"{HOME}/messages", messaging.post),
            ("POST", rf"{HOME}/messages/([^/]+)/replies", messaging.post),
            ("PATCH", SAID, messaging.edit),
            ("POST", rf"{SAID}/softdelete", said.soft_delete),
            ("POST", rf"{SAID}/undosoftdelete", said.undo_soft_delete),
            ("POST", rf"{SAID}/setreaction", messaging.react),
            ("POST", rf"{SAID}/(un)setreaction", messaging.react),
            ("POST", rf"{CLUB}/members", membership.add),
            ("DELETE", rf"{CLUB}/members/([^/]+)", membership.remove),
            ("POST", r"groups/([^/]+)/members/\$ref", membership.add_to_group),
            ("DELETE", r"groups/([^/]+)/members/([^/]+)/\$ref", membership.remove_from_group),
            ("POST", rf"{BIN}/([^/]+)/restore", tenancy.restore),
            ("POST", r"communications/presences/([^/]+)/setpresence", tenancy.set_presence),
            ("PUT", r"drives/([^/]+)/(?:items/)?root:/([^/:]+):/content", tenancy.upload),
            ("PUT", r"drives/([^/]+)/items/([^/:]+)/content", tenancy.replace_content),
            ("POST", r"(drives/.+)/invite", sharing.invite),
        )
        self._lines = [(method, re.compile(path, re.IGNORECASE), operation) for method, path, operation in lines]

    def operate(self, asked: Asked) -> Done:
        """Do it. Raises 404 for what is not there, 400 for wrong bodies, 405 for what cannot be done to it."""
        key = re.sub(r"/microsoft\.graph\.(?=\w+$)", "/", asked.key, flags=re.IGNORECASE)
        for method, path, operation in self._lines:
            if method == asked.method and (fits := path.fullmatch(key)):
                return operation(asked, *fits.groups())
        if asked.method in {"PATCH", "DELETE"}:
            entity = need_entity(asked.world, key)
            return _edit(asked, entity) if asked.method == "PATCH" else _delete(asked, entity)
        if read_entity(asked.world, key) or key in asked.world.collections:
            raise _not_allowed()
        # an action that Graph does not have, or something that is not there
        need_entity(asked.world, key.rpartition("/")[0])
        raise GraphFault(400, "BadRequest", f"Resource not found for the segment '{key.rpartition('/')[2]}'.")


def _edit(asked: Asked, entity: Entity) -> Done:
    editing = EDITING.get(entity.row.key)
    if editing is None:
        raise _not_allowed()
    writable: Mapping[str, Check] = editing.writable
    if entity.row.key == "message" and not entity.content["isDraft"]:
        writable = mail.ALWAYS_WRITABLE
    written: dict[str, Any] = checked(asked.body(), writable, kind=entity.row.name, known=entity.content)
    if entity.row.key in {"message", "event"}:
        written = calendars.with_preview(written)
    change = asked.world.update(entity, written)
    return Done(status=editing.status, changes=[change], entity=change.entity if editing.answers else None)


def _delete(asked: Asked, entity: Entity) -> Done:
    if entity.row.key not in DELETABLE or "root" in entity.content:
        raise _not_allowed()
    return Done(status=204, changes=[acts.delete(asked.world, entity)])


def _not_allowed() -> GraphFault:
    return GraphFault(405, "BadRequest", "Specified HTTP method is not allowed for the request target.")
