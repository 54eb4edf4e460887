"""What people do, each as the change (or changes) that it makes to the world.

Used by chatter, by the controls and by Graph's own write operations alike. Not here: deciding what happens next, see `chatter`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

from local.graph.clock import milliseconds, utc_now
from local.graph.tenant.entity import Change, Entity
from local.graph.tenant.names import drive_of
from local.graph.tenant.places import Person, Place
from local.graph.tenant.shapes import directory, outlook, teams
from local.graph.tenant.world import World

SENT, TRASH, INBOX = "sentitems", "deleteditems", "inbox"
OF_MEETINGS: Mapping[str, str] = {"call-recording": "recordings", "call-transcript": "transcripts"}
"""What remains of a meeting, and what Graph calls all of it."""


def post(
    world: World, place: Place, text: str, *, author: Person, subject: str | None = None, reply_to: str | None = None
) -> Change:
    """Write a message: to a channel, a chat, or somebody's inbox."""
    if place.workload == "mail":
        return receive_mail(world, place.people[0], subject=subject, text=text, author=author)
    moment = world.mint.moment()
    message_id = str(moment)
    resource, listed = f"{place.collection}('{message_id}')", f"{place.key}/messages"
    if reply_to:
        resource = f"{place.collection}('{reply_to}')/replies('{message_id}')"
        listed = f"{place.key}/messages/{reply_to}/replies"
    else:
        world.declare(f"{place.key}/messages/{message_id}/replies")
    return world.create(
        "channel-message" if place.workload == "channel" else "chat-message",
        ids={**place.ids, "message": message_id},
        content=teams.chat_message(
            place,
            message_id=message_id,
            text=text,
            author=author,
            reply_to=reply_to,
            subject=subject,
            tenant_id=world.tenant_id,
        ),
        collections=(listed,),
        resource=resource,
        also={"user": [person.id for person in place.people]} if place.workload == "chat" else None,
        moment=moment,
    )


def receive_mail(
    world: World,
    owner: Person,
    *,
    subject: str | None,
    text: str,
    author: Person,
    recipients: Sequence[Person] = (),
    folder: str = INBOX,
    draft: bool = False,
) -> Change:
    """Let a mail arrive in a folder of somebody's."""
    message_id, folder_id = world.mint.exchange_id(), folder_of(world, owner, folder)
    content = outlook.message(
        message_id,
        subject=subject,
        text=text,
        author=author,
        recipients=recipients or [owner],
        folder_id=folder_id,
        at=utc_now(),
        draft=draft,
    )
    ids = {"user": owner.id, "folder": folder_id, "message": message_id}
    return world.create("message", ids=ids, content=content, collections=_mail_collections(owner.id, folder_id))


def send_mail(
    world: World, author: Person, recipients: Sequence[Person], *, subject: str | None, text: str
) -> list[Change]:
    """Send a mail: a copy in the author's sent items, and one in the inbox of everybody here who is written to."""
    told = {"subject": subject, "text": text, "author": author, "recipients": recipients}
    sent = receive_mail(world, author, folder=SENT, **told)  # type: ignore[arg-type]  # one mapping for both calls
    here = {person.id for person in world.people}
    return [sent] + [receive_mail(world, each, **told) for each in recipients if each.id in here]  # type: ignore[arg-type]


def move_mail(world: World, message: Entity, folder: str) -> list[Change]:
    """Move a mail to another folder, where it has another id: gone there, new here."""
    owner_id = message.ids["user"]
    folder_id = world.names.canonical(f"users/{owner_id}/mailFolders/{folder}").rpartition("/")[2]
    message_id = world.mint.exchange_id()
    return world.move(
        message,
        ids={"user": owner_id, "folder": folder_id, "message": message_id},
        content={"id": message_id, "parentFolderId": folder_id},
        collections=_mail_collections(owner_id, folder_id),
    )


def edit(world: World, entity: Entity, text: str) -> Change:
    """Replace a message's text, or a thing's name."""
    if entity.row.name == "chatMessage":
        edited = {"body": teams.html_body(text), "lastEditedDateTime": milliseconds(utc_now())}
        return world.update(entity, edited)
    if entity.row.key == "message":
        body = {"contentType": "text", "content": text}
        return world.update(entity, {"body": body, "bodyPreview": text[: outlook.PREVIEW_LENGTH], "isRead": True})
    return world.update(entity, {_NAMED_BY.get(entity.row.key, "displayName"): text})


def delete(world: World, entity: Entity) -> Change:
    """Delete: a Teams message can still be read but is empty, a user can be restored, everything else is gone."""
    if entity.row.name == "chatMessage":
        empty = {"deletedDateTime": milliseconds(utc_now()), "body": {"contentType": "html", "content": ""}}
        return world.delete(entity, empty)
    if entity.row.key in {"user", "group"} and not entity.deleted:
        at = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return world.delete(entity, {"deletedDateTime": at}, change_type="updated", gone="changed")
    return world.delete(entity)


def react(world: World, message: Entity, person: Person, reaction: str, *, take_back: bool = False) -> Change:
    """Put a reaction under a message, or take it back."""
    others = [
        each
        for each in message.content["reactions"]
        if (each["reactionType"], each["user"]["user"]["id"]) != (reaction, person.id)
    ]
    mine = {
        "reactionType": reaction,
        "displayName": reaction,
        "createdDateTime": milliseconds(utc_now()),
        "user": {"application": None, "device": None, "user": {"id": person.id, "displayName": None}},
    }
    return world.update(message, {"reactions": others if take_back else [*others, mine]})


def add_event(world: World, owner: Person, subject: str, *, guests: Sequence[Person] = ()) -> Change:
    """Put a meeting into somebody's calendar, an hour from now."""
    event_id = world.mint.exchange_id()
    start = utc_now().astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    content = outlook.event(event_id, subject=subject, organizer=owner, guests=guests, start=start)
    ids = {"user": owner.id, "event": event_id}
    return world.create("event", ids=ids, content=content, collections=(f"users/{owner.id}/events",))


def add_contact(world: World, owner: Person, name: str) -> Change:
    """Put somebody into an address book."""
    contact_id, folder_id = world.mint.exchange_id(), folder_of(world, owner, "contacts")
    address = f"{name.lower().replace(' ', '.')}@fabrikam.example"
    content = outlook.contact(contact_id, name=name, address=address, folder_id=folder_id)
    ids = {"user": owner.id, "folder": folder_id, "contact": contact_id}
    listed = (f"users/{owner.id}/contacts", f"users/{owner.id}/contactfolders/{folder_id}/contacts")
    return world.create("contact", ids=ids, content=content, collections=listed)


def upload(world: World, owner: Person, name: str, size: int) -> Change:
    """Put a file into the root of somebody's drive, or a new version of it."""
    drive_id = drive_of(owner.id)
    root = f"drives/{drive_id}/items/root"
    known = next(
        (each for each in world.members(world.collections[f"{root}/children"]) if each.content["name"] == name), None
    )
    if known:
        return world.update(known, {"size": size})
    item_id = f"01{world.mint.bytes_id(16).hex().upper()}"
    content = directory.drive_item(item_id, name=name, drive_id=drive_id, parent="root", size=size, by=[owner])
    return world.create(
        "drive-item",
        ids={"drive": drive_id, "item": item_id},
        content=content,
        collections=(f"{root}/children", f"drives/{drive_id}/root"),
        resource=f"drives/{drive_id}/items/{item_id}",
        also={"user": [owner.id]},
    )


def share(world: World, file: Entity, person: Person, *, role: str = "read") -> Change:
    """Let somebody read or change a file: only those are told who asked for changes of permissions."""
    return world.permit(file, directory.permission(person, role))


def set_presence(world: World, person: Person, availability: str) -> Change:
    """Let somebody be available, busy or away."""
    entity = world.entities[f"communications/presences/{person.id}"]
    return world.update(entity, {"availability": availability, "activity": availability})


def add_channel(world: World, team: Entity, name: str, people: Sequence[Person]) -> Change:
    """Open a channel in a team; everybody in the team can write there."""
    ids = {"team": team.id, "channel": f"19:{world.mint.bytes_id(16).hex()}@thread.tacv2"}
    key = f"{team.key}/channels/{ids['channel']}"
    path = f"teams('{ids['team']}')/channels('{ids['channel']}')"
    world.declare(f"{key}/messages", f"{key}/members")
    world.places.append(Place(name=name, workload="channel", path=path, key=key, ids=ids, people=tuple(people)))
    content = teams.channel(ids, name, world.tenant_id)
    return world.create("channel", ids=ids, content=content, collections=(f"{team.key}/channels",))


def open_chat(world: World, people: Sequence[Person], topic: str | None, *, name: str) -> list[Change]:
    """Open a chat between some people: the chat itself, and each membership."""
    chat_id = f"19:{world.mint.bytes_id(16).hex()}@thread.v2"
    ids, key = {"chat": chat_id}, f"chats/{chat_id}"
    world.declare(f"{key}/messages", f"{key}/members")
    world.places.append(
        Place(name=name, workload="chat", path=f"chats('{chat_id}')", key=key, ids=ids, people=tuple(people))
    )
    opened = world.create(
        "chat",
        ids=ids,
        content=teams.chat(chat_id, topic, people, world.tenant_id),
        collections=("chats", *(f"users/{person.id}/chats" for person in people)),
        also={"user": [person.id for person in people]},
    )
    return [opened, *(add_member(world, opened.entity, person) for person in people)]


def add_member(world: World, home: Entity, person: Person, *, owner: bool = False) -> Change:
    """Let somebody into a team, a channel or a chat."""
    content = teams.member(person, home.id, world.tenant_id, owner=owner)
    return world.create(
        f"{home.row.key}-member",
        ids={**home.ids, "member": content["id"]},
        content=content,
        collections=(f"{home.key}/members",),
        also={"user": [person.id]},
    )


def folder_of(world: World, owner: Person, called: str) -> str:
    """Return the id of a mailbox's folder; `contacts` is the one that contacts are in."""
    kind = "contactFolders" if called == "contacts" else "mailFolders"
    return world.names.canonical(f"users/{owner.id}/{kind}/{called}").rpartition("/")[2]


def sample(world: World, row_key: str, ids: dict[str, str], content: dict[str, Any], resource: str) -> Change:
    """Let a thing of any kind exist, such as a recording or an alert, that has no life of its own here."""
    return world.create(row_key, ids=ids, content=content, collections=_listed(world, row_key, ids), resource=resource)


def _listed(world: World, row_key: str, ids: Mapping[str, str]) -> tuple[str, ...]:
    """Return what lists a sample: those of a meeting are listed with it, with its organizer's, and with everybody's."""
    kind = OF_MEETINGS.get(row_key)
    if kind is None:
        return ()
    meetings, organizer = "communications/onlinemeetings", world.names.user_id(ids["user"])
    return (
        f"{meetings}/{ids['meeting']}/{kind}",
        f"users/{organizer}/onlinemeetings/getall{kind}",
        f"{meetings}/getall{kind}",
    )


def _mail_collections(owner_id: str, folder_id: str) -> tuple[str, str]:
    return f"users/{owner_id}/messages", f"users/{owner_id}/mailfolders/{folder_id}/messages"


_NAMED_BY = {"event": "subject", "chat": "topic", "drive-item": "name"}
