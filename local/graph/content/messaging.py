"""Teams messages: writing, editing, blocking, deleting, and reacting to them.

https://learn.microsoft.com/en-us/graph/api/resources/chatmessage Not here: who is a member of what, see `membership`.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.graph.clock import milliseconds, utc_now
from local.graph.content.bodies import Asked, Done, checked, item_body, one_of, records, text, texts
from local.graph.content.flavours import TEAMS
from local.graph.content.odata.comparing import follow
from local.graph.content.reading import need_entity
from local.graph.faults import GraphFault, bad_request
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from local.graph.tenant.places import Person, Place
from local.graph.tenant.shapes import teams
from local.graph.tenant.world import World

WRITABLE = {
    "body": item_body,
    "subject": text,
    "summary": text,
    "importance": one_of("normal", "high", "urgent"),
    "locale": text,
    "attachments": records,
    "mentions": records,
}
ECHOED = frozenset({"messageType", "from", "reactions", "messageHistory", "deletedDateTime"})
"""What callers send along from an earlier read, and Graph does not mind."""

# https://learn.microsoft.com/en-us/graph/api/resources/chatmessagepolicyviolation
DLP_ACTIONS = frozenset({"none", "notifysender", "blockaccess", "blockaccessexternal"})
VERDICTS = frozenset(
    {"none", "allowfalsepositiveoverride", "allowoverridewithoutjustification", "allowoverridewithjustification"}
)
EXCLUSIVE = frozenset({"allowoverridewithoutjustification", "allowoverridewithjustification"})
USER_ACTIONS = ("none", "override", "reportFalsePositive")

IMPORT_ONLY = (
    "Message POST is allowed in application-only context only for import purposes. "
    "Refer to https://docs.microsoft.com/microsoftteams/platform/graph-api/import-messages/"
    "import-external-messages-to-teams for more details."
)
BODIES_KEPT = 1000


@dataclass(slots=True)
class Messaging:
    """Operations on messages; the bodies of deleted ones are kept for a while, because deletion can be undone."""

    _bodies: "OrderedDict[tuple[str, str], Any]" = field(default_factory=OrderedDict)

    def soft_delete(self, asked: Asked, home: str, message_id: str) -> Done:
        """Delete a message: it can still be read, and says so, but its text is gone."""
        message = _message(asked, home, message_id)
        _need_author(asked, message)
        if message.deleted:
            return Done(status=204)
        self._bodies[asked.world.tenant_id, message.key] = message.content["body"]
        while len(self._bodies) > BODIES_KEPT:
            self._bodies.popitem(last=False)
        return Done(status=204, changes=[acts.delete(asked.world, message)])

    def undo_soft_delete(self, asked: Asked, home: str, message_id: str) -> Done:
        """Bring a deleted message back."""
        message = _message(asked, home, message_id)
        _need_author(asked, message)
        if not message.deleted:
            return Done(status=204)
        body = self._bodies.pop((asked.world.tenant_id, message.key), message.content["body"])
        return Done(status=204, changes=[asked.world.undelete(message, {"deletedDateTime": None, "body": body})])


def post(asked: Asked, home: str, thread_id: str | None = None) -> Done:
    """Write a message into a channel or chat, or an answer to one."""
    if asked.caller.user_id is None:
        raise GraphFault(403, "Forbidden", IMPORT_ONLY)
    place = next((place for place in asked.world.places if place.key == home), None)
    if place is None:
        raise TEAMS.not_found(home)
    if thread_id is not None:
        _message(asked, home, thread_id)
    written = _written(asked)
    if not str(written.get("body", {}).get("content") or "").strip() and not written.get("attachments"):
        raise bad_request("Missing body content")
    entity = _create(asked.world, place, asked.user(), written, thread_id)
    return Done(status=201, changes=[entity], entity=entity.entity)


def edit(asked: Asked, home: str, message_id: str) -> Done:
    """Change a message as its author, or say that it violates a policy, which only the service may."""
    message, body = _message(asked, home, message_id), asked.body()
    if "policyViolation" in body:
        _policy_violation(body)
        change = asked.world.update(message, {"policyViolation": body["policyViolation"]})
        # as the page has it: nothing for somebody, OK for an app
        return Done(status=204 if asked.caller.user_id else 200, changes=[change])
    if asked.caller.user_id is None:
        raise GraphFault(
            403, "Forbidden", "Only the policyViolation property can be updated with application permissions."
        )
    _need_author(asked, message)
    written = _written(asked) | {"lastEditedDateTime": milliseconds(utc_now())}
    return Done(status=204, changes=[asked.world.update(message, written)])


def react(asked: Asked, home: str, message_id: str, take_back: str | None = None) -> Done:
    """Put a reaction under a message, or take it back."""
    message, person, reaction = _message(asked, home, message_id), asked.user(), asked.body().get("reactionType")
    if not isinstance(reaction, str) or not reaction:
        raise bad_request("The reactionType is missing or not valid.")
    return Done(status=204, changes=[acts.react(asked.world, message, person, reaction, take_back=bool(take_back))])


def _message(asked: Asked, home: str, message_id: str) -> Entity:
    return need_entity(asked.world, f"{home}/messages/{message_id}")


def _need_author(asked: Asked, message: Entity) -> None:
    if asked.user().id != follow(message.content, ("from", "user", "id")):
        raise GraphFault(403, "Forbidden", "Only the author of a message can change or delete it.")


def _written(asked: Asked) -> dict[str, Any]:
    body = {name: value for name, value in asked.body().items() if name not in ECHOED}
    written = checked(body, WRITABLE, kind="chatMessage")
    if "body" in written:
        written["body"] = {"contentType": "text", "content": "", **written["body"]}
        written["body"]["contentType"] = written["body"]["contentType"].lower()
    return written


def _create(world: World, place: Place, author: Person, written: Mapping[str, Any], thread_id: str | None) -> Any:
    moment = world.mint.moment()
    message_id, key = str(moment), place.key
    resource, listed = f"{place.collection}('{message_id}')", f"{key}/messages"
    if thread_id:
        resource = f"{place.collection}('{thread_id}')/replies('{message_id}')"
        listed = f"{key}/messages/{thread_id}/replies"
    elif place.workload == "channel":
        world.declare(f"{key}/messages/{message_id}/replies")
    shape = teams.chat_message(
        place,
        message_id=message_id,
        text="",
        author=author,
        reply_to=thread_id,
        subject=None,
        tenant_id=world.tenant_id,
    )
    return world.create(
        "channel-message" if place.workload == "channel" else "chat-message",
        ids={**place.ids, "message": message_id},
        content={**shape, **written},
        collections=(listed,),
        resource=resource,
        also={"user": [person.id for person in place.people]} if place.workload == "chat" else None,
        moment=moment,
    )


def _policy_violation(body: Mapping[str, Any]) -> None:
    """Raise 400 for a policy violation that is not of its form."""
    violation = body["policyViolation"]
    if set(body) - {"policyViolation"} - {name for name in body if name.startswith("@")}:
        raise bad_request("policyViolation cannot be updated together with other properties.")
    if not isinstance(violation, dict):
        raise bad_request("policyViolation must be an object.")
    checks = {
        "dlpAction": lambda value: _flags(value, DLP_ACTIONS),
        "verdictDetails": lambda value: _flags(value, VERDICTS) and not _flag_set(value) >= EXCLUSIVE,
        "userAction": one_of(*USER_ACTIONS),
        "justificationText": text,
        "policyTip": _policy_tip,
    }
    checked(violation, checks, kind="chatMessagePolicyViolation")


def _policy_tip(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    fits = {"generalText": text, "complianceUrl": text, "matchedConditionDescriptions": texts}
    return all(name.startswith("@") or (name in fits and fits[name](each)) for name, each in value.items())


def _flags(value: Any, known: frozenset[str]) -> bool:
    return isinstance(value, str) and _flag_set(value) <= known


def _flag_set(value: str) -> set[str]:
    return {part.strip().lower() for part in value.split(",")}
