"""Mail: drafting, sending, answering, forwarding, moving and copying, each a real change in the mailboxes here.

https://learn.microsoft.com/en-us/graph/api/resources/message Not here: PATCH and DELETE, see `writing`.
"""

import html
import re
from collections.abc import Mapping
from typing import Any

from local.graph.clock import utc_now
from local.graph.content.bodies import Asked, Done, checked, item_body, one_of, recipients, record, text, texts, truth
from local.graph.content.reading import need_entity
from local.graph.faults import GraphFault
from local.graph.tenant import acts
from local.graph.tenant.entity import Change, Entity, as_one_move
from local.graph.tenant.places import Person
from local.graph.tenant.shapes import outlook
from local.graph.tenant.world import World

ALWAYS_WRITABLE = {
    "isRead": truth,
    "categories": texts,
    "flag": lambda value: record(value) and one_of("notFlagged", "flagged", "complete")(value.get("flagStatus")),
    "importance": one_of("low", "normal", "high"),
    "inferenceClassification": one_of("focused", "other"),
}
DRAFT_WRITABLE = ALWAYS_WRITABLE | {
    "subject": text,
    "body": item_body,
    "toRecipients": recipients,
    "ccRecipients": recipients,
    "bccRecipients": recipients,
    "replyTo": recipients,
}
RECIPIENTS = ("toRecipients", "ccRecipients", "bccRecipients")
LINE = "_" * 32
_UNSEEN = re.compile(r"<(style|script|head|title)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAGS = re.compile(r"<[^>]*>")


def draft(asked: Asked, user_id: str, folder_id: str | None = None) -> Done:
    """Write a draft."""
    owner = owner_of(asked.world, user_id)
    content = _written(asked.body())
    folder = folder_id or acts.folder_of(asked.world, owner, "drafts")
    need_entity(asked.world, f"users/{user_id}/mailfolders/{folder}")
    change = _put(asked.world, owner, content, author=owner, folder_id=folder, is_draft=True)
    return Done(status=201, changes=[change], entity=change.entity)


def send_mail(asked: Asked, user_id: str) -> Done:
    """Send a mail that has not been drafted."""
    owner, body = owner_of(asked.world, user_id), asked.body()
    message, save = body.get("message", body.get("Message")), body.get("saveToSentItems", True)
    if not isinstance(message, dict) or not truth(save):
        raise GraphFault(400, "ErrorInvalidParameter", "The value of the parameter 'Message' is empty or not valid.")
    return Done(status=202, changes=_send(asked.world, owner, _written(message), save=save))


def send_draft(asked: Asked, user_id: str, message_id: str) -> Done:
    """Send what was drafted: it moves from the drafts to the sent items, and keeps its immutable id.

    So says https://learn.microsoft.com/en-us/graph/outlook-immutable-id; the overview of the mail API says that it does not
    (microsoft-graph-docs issue 11969).
    """
    owner, message = owner_of(asked.world, user_id), _message(asked, user_id, message_id)
    if not message.content["isDraft"]:
        raise GraphFault(400, "ErrorInvalidRequest", "The message is not a draft.")
    content = {name: message.content[name] for name in DRAFT_WRITABLE if name in message.content}
    content["conversationId"] = message.content["conversationId"]
    sent, *others = _send(asked.world, owner, content, immutable_id=message.immutable_id)
    return Done(status=202, changes=[*as_one_move(asked.world.delete(message), sent), *others])


def reply(asked: Asked, user_id: str, message_id: str, everybody: str | None = None) -> Done:
    """Answer whoever wrote, or everybody whom it was written to."""
    owner, message = owner_of(asked.world, user_id), _message(asked, user_id, message_id)
    return Done(status=202, changes=_send(asked.world, owner, _reply(asked, owner, message, everybody)))


def create_reply(asked: Asked, user_id: str, message_id: str, everybody: str | None = None) -> Done:
    """Draft an answer, for somebody to send it.

    https://learn.microsoft.com/en-us/graph/api/message-createreply
    """
    owner, message = owner_of(asked.world, user_id), _message(asked, user_id, message_id)
    content = _reply(asked, owner, message, everybody)
    folder = acts.folder_of(asked.world, owner, "drafts")
    change = _put(asked.world, owner, content, author=owner, folder_id=folder, is_draft=True)
    return Done(status=201, changes=[change], entity=change.entity)


def forward(asked: Asked, user_id: str, message_id: str) -> Done:
    """Pass a mail on."""
    owner, message = owner_of(asked.world, user_id), _message(asked, user_id, message_id)
    own = _own(asked, "comment", "message", "toRecipients")
    to = {"toRecipients": own["toRecipients"]} if "toRecipients" in own else {}
    content = _written((own.get("message") or {}) | to)
    answer = _answering(message, content, prefix="FW: ", comment=own.get("comment") or "")
    return Done(status=202, changes=_send(asked.world, owner, answer))


def move(asked: Asked, user_id: str, message_id: str) -> Done:
    """Put a mail into another folder, where it has another id."""
    message, folder = _message(asked, user_id, message_id), _destination(asked, user_id)
    changes = acts.move_mail(asked.world, message, folder)
    return Done(status=201, changes=changes, entity=changes[-1].entity)


def copy(asked: Asked, user_id: str, message_id: str) -> Done:
    """Put a copy of a mail into another folder."""
    message, folder = _message(asked, user_id, message_id), _destination(asked, user_id)
    fresh = {"id": asked.world.mint.exchange_id(), "parentFolderId": folder}
    change = _create(asked.world, user_id, {**message.content, **fresh})
    return Done(status=201, changes=[change], entity=change.entity)


def owner_of(world: World, user_id: str) -> Person:
    """Return whose mailbox it is. Raises Outlook's 404."""
    person = world.person(user_id)
    if person is None:
        raise GraphFault(404, "ErrorInvalidUser", f"The requested user '{user_id}' is invalid.")
    return person


def preview(body: Mapping[str, Any]) -> str:
    """Return the beginning of a body, as text: `bodyPreview` has no tags in it, whatever the body has."""
    content = str(body.get("content") or "")
    if str(body.get("contentType") or "").lower() == "html":
        content = " ".join(html.unescape(_TAGS.sub(" ", _UNSEEN.sub(" ", content))).split())
    return content[: outlook.PREVIEW_LENGTH]


def _message(asked: Asked, user_id: str, message_id: str) -> Entity:
    return need_entity(asked.world, f"users/{user_id}/messages/{message_id}")


def _own(asked: Asked, *parameters: str) -> dict[str, Any]:
    """Return the parameters of an action. Raises 400 for those that are not of their types."""
    own = {name[:1].lower() + name[1:]: value for name, value in asked.body().items()}
    allowed = {"comment": text, "message": lambda value: value is None or record(value), "toRecipients": recipients}
    return checked(own, {name: allowed[name] for name in parameters}, kind="message")


def _written(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of a message that a caller wrote. Raises Outlook's 400 for wrong recipients."""
    if any(name in message and not recipients(message[name]) for name in RECIPIENTS):
        raise GraphFault(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
    written = checked({**message}, DRAFT_WRITABLE | {"attachments": lambda value: value == []}, kind="message")
    written.pop("attachments", None)
    return written


def _reply(asked: Asked, owner: Person, message: Entity, everybody: str | None) -> dict[str, Any]:
    own = _own(asked, "comment", "message")
    content = {"toRecipients": message.content["replyTo"] or [message.content["from"]]}
    if everybody:
        others = [each for each in message.content["toRecipients"] if _address(each) != owner.address]
        content = {"toRecipients": [*content["toRecipients"], *others], "ccRecipients": message.content["ccRecipients"]}
    content |= _written(own.get("message") or {})
    return _answering(message, content, prefix="RE: ", comment=own.get("comment") or "")


def _answering(message: Entity, content: dict[str, Any], *, prefix: str, comment: str) -> dict[str, Any]:
    """Give what an answer says: what was written, and below it what it answers."""
    subject = str(message.content["subject"] or "")
    if "body" not in content:
        content["body"] = {"contentType": "text", "content": _quoting(message, comment)}
    content = {"subject": subject if subject.startswith(prefix) else f"{prefix}{subject}"} | content
    return content | {"conversationId": message.content["conversationId"]}


def _quoting(message: Entity, comment: str) -> str:
    said = message.content
    written_by = said["from"]["emailAddress"]
    heading = f"From: {written_by['name']} <{written_by['address']}>\nSubject: {said['subject']}"
    return f"{comment}\n\n{LINE}\n{heading}\n\n{said['body']['content']}"


def _send(
    world: World, author: Person, content: Mapping[str, Any], *, save: bool = True, immutable_id: str = ""
) -> list[Change]:
    """Send: a copy in the author's sent items, and one in the inbox of everybody here who is written to.

    `immutable_id` is that of the draft which becomes the author's copy.
    """
    everybody = [each for name in RECIPIENTS for each in content.get(name, ())]
    if not everybody:
        raise GraphFault(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
    kept = acts.folder_of(world, author, acts.SENT)
    own = {**content, "isRead": True}
    sent = [_put(world, author, own, author=author, folder_id=kept, immutable_id=immutable_id)] if save else []
    here = {person.id: person for each in everybody if (person := world.person(_address(each)))}
    unseen = {
        name: value for name, value in content.items() if name not in {"bccRecipients", "isRead", "flag", "categories"}
    }
    return sent + [
        _put(world, person, unseen, author=author, folder_id=acts.folder_of(world, person, acts.INBOX))
        for person in here.values()
    ]


def _put(
    world: World,
    owner: Person,
    written: Mapping[str, Any],
    *,
    author: Person,
    folder_id: str,
    is_draft: bool = False,
    immutable_id: str = "",
) -> Change:
    """Put a new message into a folder."""
    body = {"contentType": "text", "content": "", **(written.get("body") or {})}
    body["contentType"] = body["contentType"].lower()
    shape = outlook.message(
        world.mint.exchange_id(),
        subject=None,
        text="",
        author=author,
        recipients=(),
        folder_id=folder_id,
        at=utc_now(),
        draft=is_draft,
    )
    named = {name: [_named(world, each) for each in written[name]] for name in RECIPIENTS if name in written}
    content = {**shape, **written, **named, "body": body, "bodyPreview": preview(body)}
    return _create(world, owner.id, content, immutable_id)


def _create(world: World, user_id: str, content: Mapping[str, Any], immutable_id: str = "") -> Change:
    folder_id = content["parentFolderId"]
    return world.create(
        "message",
        ids={"user": user_id, "folder": folder_id, "message": content["id"]},
        content=content,
        collections=(f"users/{user_id}/messages", f"users/{user_id}/mailfolders/{folder_id}/messages"),
        immutable_id=immutable_id,
    )


def _destination(asked: Asked, user_id: str) -> str:
    body = {name.lower(): value for name, value in asked.body().items()}
    wanted = body.get("destinationid")
    if not isinstance(wanted, str) or not wanted:
        raise GraphFault(400, "ErrorInvalidParameter", "The value of the parameter 'DestinationId' is empty.")
    key = asked.world.names.canonical(f"users/{user_id}/mailFolders/{wanted}")
    return need_entity(asked.world, key).id


def _address(each: Mapping[str, Any]) -> str:
    return str(each["emailAddress"]["address"]).lower()


def _named(world: World, each: Mapping[str, Any]) -> dict[str, Any]:
    address = str(each["emailAddress"]["address"])
    person = world.person(address)
    return {
        "emailAddress": {
            "name": each["emailAddress"].get("name") or (person.name if person else address),
            "address": address,
        }
    }
