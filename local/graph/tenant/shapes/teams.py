"""Teams: messages, chats, channels, teams, members and presence.

https://learn.microsoft.com/en-us/graph/api/resources/chatmessage and its neighbours.
"""

import base64
import html
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from local.graph.tenant.places import Person, Place


def chat_message(
    place: Place,
    *,
    message_id: str,
    text: str,
    author: Person,
    reply_to: str | None,
    subject: str | None,
    tenant_id: str,
) -> dict[str, Any]:
    """Return a chatMessage in a channel or a chat."""
    in_channel = place.workload == "channel"
    return {
        "id": message_id,
        "replyToId": reply_to,
        "etag": message_id,
        "messageType": "message",
        "createdDateTime": None,
        "lastModifiedDateTime": None,
        "lastEditedDateTime": None,
        "deletedDateTime": None,
        "subject": subject,
        "summary": None,
        "chatId": None if in_channel else place.ids["chat"],
        "importance": "normal",
        "locale": "en-us",
        "webUrl": _web_url(place, message_id) if in_channel else None,
        "policyViolation": None,
        "eventDetail": None,
        "from": {"application": None, "device": None, "user": identity(author, tenant_id)},
        "body": html_body(text),
        "channelIdentity": {"teamId": place.ids["team"], "channelId": place.ids["channel"]} if in_channel else None,
        "attachments": [],
        "mentions": [],
        "reactions": [],
    }


def html_body(text: str) -> dict[str, str]:
    """Return the body of a chatMessage that says a plain text."""
    return {"contentType": "html", "content": f"<p>{html.escape(text, quote=False)}</p>"}


def identity(person: Person, tenant_id: str) -> dict[str, Any]:
    """Return who wrote something, as Teams names people."""
    return {
        "@odata.type": "#microsoft.graph.teamworkUserIdentity",
        "id": person.id,
        "displayName": person.name,
        "userIdentityType": "aadUser",
        "tenantId": tenant_id,
    }


def team(team_id: str, name: str, tenant_id: str) -> dict[str, Any]:
    """Return a team."""
    return {
        "id": team_id,
        "createdDateTime": None,
        "displayName": name,
        "description": f"Everybody at {name}",
        "visibility": "private",
        "isArchived": False,
        "tenantId": tenant_id,
        "webUrl": f"https://teams.microsoft.com/l/team/{team_id}/conversations?groupId={team_id}&tenantId={tenant_id}",
    }


def channel(ids: Mapping[str, str], name: str, tenant_id: str) -> dict[str, Any]:
    """Return a channel."""
    escaped = urllib.parse.quote(ids["channel"], safe="")
    return {
        "id": ids["channel"],
        "createdDateTime": None,
        "displayName": name,
        "description": None,
        "email": "",
        "tenantId": tenant_id,
        "membershipType": "standard",
        "isArchived": False,
        "webUrl": f"https://teams.microsoft.com/l/channel/{escaped}/{name}?groupId={ids['team']}&tenantId={tenant_id}",
    }


def chat(chat_id: str, topic: str | None, people: Sequence[Person], tenant_id: str) -> dict[str, Any]:
    """Return a chat: between two people without a topic, or among many with one."""
    return {
        "id": chat_id,
        "topic": topic,
        "createdDateTime": None,
        "lastUpdatedDateTime": None,
        "chatType": "oneOnOne" if len(people) == 2 else "group",  # noqa: PLR2004 - one and one
        "webUrl": f"https://teams.microsoft.com/l/chat/{urllib.parse.quote(chat_id, safe='')}/0?tenantId={tenant_id}",
        "tenantId": tenant_id,
        "isHiddenForAllMembers": False,
    }


def member(person: Person, home: str, tenant_id: str, *, owner: bool = False) -> dict[str, Any]:
    """Return a conversationMember; its id is made from the conversation's and the person's, as Graph makes it."""
    return {
        "@odata.type": "#microsoft.graph.aadUserConversationMember",
        "id": member_id(person, home),
        "roles": ["owner"] if owner else [],
        "displayName": person.name,
        "visibleHistoryStartDateTime": "0001-01-01T00:00:00Z",
        "userId": person.id,
        "email": person.address,
        "tenantId": tenant_id,
    }


def member_id(person: Person, home: str) -> str:
    """Return the id of a membership."""
    return base64.urlsafe_b64encode(f"{home}##{person.id}".encode()).decode()


def presence(person: Person, availability: str = "Available") -> dict[str, Any]:
    """Return what somebody is up to."""
    return {"id": person.id, "availability": availability, "activity": availability, "statusMessage": None}


def _web_url(place: Place, message_id: str) -> str:
    channel_id = urllib.parse.quote(place.ids["channel"], safe="")
    return f"https://teams.microsoft.com/l/message/{channel_id}/{message_id}?groupId={place.ids['team']}"
