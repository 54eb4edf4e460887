"""Outlook: messages, events, contacts and folders.

https://learn.microsoft.com/en-us/graph/api/resources/message and its neighbours.
"""

import hashlib
import urllib.parse
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from local.graph.clock import whole_seconds
from local.graph.tenant.places import Person

PREVIEW_LENGTH = 255


def message(
    message_id: str,
    *,
    subject: str | None,
    text: str,
    author: Person,
    recipients: Sequence[Person],
    folder_id: str,
    at: datetime,
    draft: bool = False,
) -> dict[str, Any]:
    """Return a message as it lies in a folder."""
    conversation = hashlib.sha256(message_id.encode()).hexdigest()[:44]
    return {
        "id": message_id,
        "createdDateTime": None,
        "lastModifiedDateTime": None,
        "changeKey": "",
        "categories": [],
        "receivedDateTime": whole_seconds(at),
        "sentDateTime": whole_seconds(at),
        "hasAttachments": False,
        "internetMessageId": f"<{conversation[:24]}@contoso.com>",
        "subject": subject,
        "bodyPreview": text[:PREVIEW_LENGTH],
        "importance": "normal",
        "parentFolderId": folder_id,
        "conversationId": conversation,
        "isDeliveryReceiptRequested": False,
        "isReadReceiptRequested": False,
        "isRead": False,
        "isDraft": draft,
        "webLink": f"https://outlook.office365.com/owa/?ItemID={urllib.parse.quote(message_id, safe='')}",
        "inferenceClassification": "focused",
        "body": {"contentType": "text", "content": text},
        "sender": recipient(author),
        "from": recipient(author),
        "toRecipients": [recipient(each) for each in recipients],
        "ccRecipients": [],
        "bccRecipients": [],
        "replyTo": [],
        "flag": {"flagStatus": "notFlagged"},
    }


def event(
    event_id: str, *, subject: str, organizer: Person, guests: Sequence[Person], start: datetime
) -> dict[str, Any]:
    """Return a meeting of half an hour."""
    return {
        "id": event_id,
        "createdDateTime": None,
        "lastModifiedDateTime": None,
        "changeKey": "",
        "categories": [],
        "subject": subject,
        "bodyPreview": "",
        "body": {"contentType": "text", "content": ""},
        "start": _local(start),
        "end": _local(start + timedelta(minutes=30)),
        "isAllDay": False,
        "isCancelled": False,
        "isOrganizer": True,
        "showAs": "busy",
        "type": "singleInstance",
        "location": {"displayName": "Room 12", "locationType": "default"},
        "organizer": recipient(organizer),
        "attendees": [
            {"type": "required", "status": {"response": "none", "time": "0001-01-01T00:00:00Z"}} | recipient(guest)
            for guest in guests
        ],
    }


def contact(contact_id: str, *, name: str, address: str, folder_id: str) -> dict[str, Any]:
    """Return somebody in an address book."""
    given, _, family = name.partition(" ")
    return {
        "id": contact_id,
        "createdDateTime": None,
        "lastModifiedDateTime": None,
        "changeKey": "",
        "categories": [],
        "parentFolderId": folder_id,
        "displayName": name,
        "givenName": given,
        "surname": family,
        "emailAddresses": [{"name": name, "address": address}],
        "businessPhones": [],
        "companyName": None,
    }


def folder(folder_id: str, name: str) -> dict[str, Any]:
    """Return a mail folder."""
    return {"id": folder_id, "displayName": name, "parentFolderId": None, "childFolderCount": 0, "isHidden": False}


def contact_folder(folder_id: str, name: str) -> dict[str, Any]:
    """Return a folder of contacts."""
    return {"id": folder_id, "displayName": name, "parentFolderId": None}


def calendar(calendar_id: str, owner: Person) -> dict[str, Any]:
    """Return somebody's calendar."""
    named = {"name": owner.name, "address": owner.address}
    return {"id": calendar_id, "name": "Calendar", "isDefaultCalendar": True, "canEdit": True, "owner": named}


def recipient(person: Person) -> dict[str, Any]:
    """Return how Outlook names somebody who writes or is written to."""
    return {"emailAddress": {"name": person.name, "address": person.address}}


def _local(moment: datetime) -> dict[str, str]:
    return {"dateTime": moment.strftime("%Y-%m-%dT%H:%M:%S.0000000"), "timeZone": "UTC"}
