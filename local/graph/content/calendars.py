"""Events and contacts: what can be written into a calendar and an address book.

https://learn.microsoft.com/en-us/graph/api/resources/event and …/resources/contact
"""

from collections.abc import Mapping
from typing import Any

from local.graph.clock import utc_now
from local.graph.content.bodies import (
    Asked,
    Check,
    Done,
    checked,
    item_body,
    one_of,
    record,
    records,
    text,
    texts,
    truth,
    zoned_time,
)
from local.graph.content.mail import owner_of, preview
from local.graph.content.reading import need_entity
from local.graph.faults import GraphFault
from local.graph.tenant import acts
from local.graph.tenant.shapes import outlook

EVENT: Mapping[str, Check] = {
    "subject": text,
    "body": item_body,
    "start": zoned_time,
    "end": zoned_time,
    "location": record,
    "attendees": records,
    "categories": texts,
    "isAllDay": truth,
    "showAs": one_of("free", "tentative", "busy", "oof", "workingElsewhere", "unknown"),
}
CONTACT: Mapping[str, Check] = {
    "displayName": text,
    "givenName": text,
    "surname": text,
    "emailAddresses": records,
    "businessPhones": texts,
    "companyName": text,
    "categories": texts,
}


def add_event(asked: Asked, user_id: str) -> Done:
    """Put an event into somebody's calendar."""
    world, owner = asked.world, owner_of(asked.world, user_id)
    written = checked(asked.body(), EVENT, kind="event")
    if "start" not in written or "end" not in written:
        raise GraphFault(400, "ErrorInvalidRequest", "An event needs a start and an end.")
    event_id = world.mint.exchange_id()
    shape = outlook.event(event_id, subject="", organizer=owner, guests=(), start=utc_now())
    change = world.create(
        "event",
        ids={"user": owner.id, "event": event_id},
        content={**shape, **with_preview(written)},
        collections=(f"users/{owner.id}/events",),
    )
    return Done(status=201, changes=[change], entity=change.entity)


def add_contact(asked: Asked, user_id: str, folder_id: str | None = None) -> Done:
    """Put somebody into an address book."""
    world, owner = asked.world, owner_of(asked.world, user_id)
    written = checked(asked.body(), CONTACT, kind="contact")
    folder_id = folder_id or acts.folder_of(world, owner, "contacts")
    need_entity(world, f"users/{owner.id}/contactfolders/{folder_id}")
    contact_id = world.mint.exchange_id()
    shape = outlook.contact(contact_id, name="", address="", folder_id=folder_id) | {"emailAddresses": []}
    named = " ".join(str(written[part]) for part in ("givenName", "surname") if written.get(part))
    change = world.create(
        "contact",
        ids={"user": owner.id, "folder": folder_id, "contact": contact_id},
        content={**shape, "displayName": named, **written},
        collections=(f"users/{owner.id}/contacts", f"users/{owner.id}/contactfolders/{folder_id}/contacts"),
    )
    return Done(status=201, changes=[change], entity=change.entity)


def with_preview(written: dict[str, Any]) -> dict[str, Any]:
    """Return what was written, with the preview that follows from a body."""
    if "body" not in written:
        return written
    body = {"contentType": "text", "content": "", **written["body"]}
    body["contentType"] = body["contentType"].lower()
    return written | {"body": body, "bodyPreview": preview(body)}
