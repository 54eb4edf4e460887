"""How an item looks as Graph's JSON: chatMessage for Teams, message for mail.

https://learn.microsoft.com/en-us/graph/api/resources/chatmessage and …/resources/message. Not here: encrypting it.
"""

import hashlib
import html
import urllib.parse
from collections.abc import Collection
from typing import Any

from local.graph.clock import milliseconds, whole_seconds
from local.graph.tenant.world import Item, Person

PREVIEW_LENGTH = 255
METADATA = "https://graph.microsoft.com/v1.0/$metadata"


def write_content(item: Item, *, tenant_id: str, selected: Collection[str] = ()) -> dict[str, Any]:
    """Return the resource; `selected` (lower-cased) keeps those properties beside the id and OData's own."""
    content = _mail(item) if item.place.workload == "mail" else _chat_message(item, tenant_id)
    if not selected:
        return content
    return {
        name: value
        for name, value in content.items()
        if name == "id" or name.startswith("@odata.") or name.lower() in selected
    }


def _chat_message(item: Item, tenant_id: str) -> dict[str, Any]:
    ids = item.place.ids
    in_channel = item.place.workload == "channel"
    author: dict[str, Any] = {
        "@odata.type": "#microsoft.graph.teamworkUserIdentity",
        "id": item.author.id,
        "displayName": item.author.name,
        "userIdentityType": "aadUser",
        "tenantId": tenant_id,
    }
    return {
        "@odata.context": f"{METADATA}#{item.resource.rpartition('(')[0]}/$entity",
        "id": item.id,
        "replyToId": item.reply_to,
        "etag": item.version,
        "messageType": "message",
        "createdDateTime": milliseconds(item.created),
        "lastModifiedDateTime": milliseconds(item.modified),
        "lastEditedDateTime": milliseconds(item.edited) if item.edited else None,
        "deletedDateTime": milliseconds(item.deleted) if item.deleted else None,
        "subject": item.subject,
        "summary": None,
        "chatId": None if in_channel else ids["chat"],
        "importance": "normal",
        "locale": "en-us",
        "webUrl": _web_url(item) if in_channel else None,
        "policyViolation": None,
        "eventDetail": None,
        "from": {"application": None, "device": None, "user": author},
        "body": {"contentType": "html", "content": f"<p>{html.escape(item.text, quote=False)}</p>"},
        "channelIdentity": {"teamId": ids["team"], "channelId": ids["channel"]} if in_channel else None,
        "attachments": [],
        "mentions": [],
        "reactions": [],
    }


def _web_url(item: Item) -> str:
    channel = urllib.parse.quote(item.place.ids["channel"], safe="")
    return f"https://teams.microsoft.com/l/message/{channel}/{item.id}?groupId={item.place.ids['team']}"


def _mail(item: Item) -> dict[str, Any]:
    owner = item.place.people[0]
    conversation = hashlib.sha256(item.id.encode()).hexdigest()[:44]
    return {
        "@odata.context": f"{METADATA}#users('{owner.id}')/messages/$entity",
        "@odata.etag": item.version,
        "id": item.id,
        "createdDateTime": whole_seconds(item.created),
        "lastModifiedDateTime": whole_seconds(item.modified),
        "changeKey": item.version[3:-1],
        "categories": [],
        "receivedDateTime": whole_seconds(item.created),
        "sentDateTime": whole_seconds(item.created),
        "hasAttachments": False,
        "internetMessageId": f"<{conversation[:24]}@contoso.com>",
        "subject": item.subject,
        "bodyPreview": item.text[:PREVIEW_LENGTH],
        "importance": "normal",
        "parentFolderId": item.place.ids["folder"],
        "conversationId": conversation,
        "isDeliveryReceiptRequested": False,
        "isReadReceiptRequested": False,
        "isRead": item.edited is not None,
        "isDraft": False,
        "webLink": f"https://outlook.office365.com/owa/?ItemID={urllib.parse.quote(item.id, safe='')}",
        "inferenceClassification": "focused",
        "body": {"contentType": "text", "content": item.text},
        "sender": _address(item.author),
        "from": _address(item.author),
        "toRecipients": [_address(owner)],
        "ccRecipients": [],
        "bccRecipients": [],
        "replyTo": [],
        "flag": {"flagStatus": "notFlagged"},
    }


def _address(person: Person) -> dict[str, Any]:
    return {"emailAddress": {"name": person.name, "address": person.address}}
