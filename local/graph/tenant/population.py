"""Who lives in a tenant at the start: people with mailboxes, calendars and drives, teams with channels, chats, all from the seed.

Not here: what they do once the simulator runs, see `chatter`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from local.graph.clock import Clock
from local.graph.dice import Dice
from local.graph.tenant import acts
from local.graph.tenant.names import drive_of
from local.graph.tenant.places import Person, Place
from local.graph.tenant.shapes import directory, outlook, teams
from local.graph.tenant.world import World

NAMES = (
    *("Adele Vance", "Megan Bowen", "Alex Wilber", "Lynne Robbins", "Joni Sherman", "Nestor Wilke"),
    *("Isaiah Langer", "Diego Siciliani", "Grady Archie", "Lidia Holloway", "Patti Fernandez", "Pradeep Gupta"),
)
TEAMS = ("Northwind", "Retail", "Operations", "Research")
CHANNELS = ("General", "Launch", "Support desk")
MAIL_FOLDERS = {
    "inbox": "Inbox",
    "drafts": "Drafts",
    "sentitems": "Sent Items",
    "deleteditems": "Deleted Items",
    "archive": "Archive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many there are of what. Everybody has a mailbox, a calendar and a drive; `writers` of the mailboxes get mail."""

    people: int = 6
    teams: int = 1
    chats: int = 1
    writers: int = 2
    history: int = 0
    """Messages in every place before anybody subscribes."""


def populate(
    tenant_id: str,
    name: str,
    domain: str,
    *,
    size: Size,
    clock: Clock,
    dice: Dice,
    numbers: Iterator[int] | None = None,
) -> World:
    """Return a tenant with its people in place."""
    world = World(
        tenant_id=tenant_id, name=name, domain=domain, clock=clock, dice=dice, numbers=numbers or itertools.count(1)
    )
    world.declare("users", "groups", "teams", "chats", "directory/deleteditems/microsoft.graph.user")
    world.people.extend(_person(world, number) for number in range(size.people))
    for number in range(size.teams):
        _settle_team(world, number)
    for number in range(size.chats):
        _settle_chat(world, number)
    for number, person in enumerate(world.people):
        _settle_person(world, person, with_mail=number < size.writers)
    _remember(world, size.history)
    return world


def _person(world: World, number: int) -> Person:
    name = NAMES[number] if number < len(NAMES) else f"Person {number + 1}"
    person = Person(id=world.mint.guid(), name=name, address=f"{name.lower().replace(' ', '.')}@{world.domain}")
    world.names.know_user(person.id, person.address)
    return person


def _settle_team(world: World, number: int) -> None:
    name = TEAMS[number] if number < len(TEAMS) else f"Team {number + 1}"
    team_id, key = world.mint.guid(), "teams"
    mail = f"{name.lower().replace(' ', '')}@{world.domain}"
    group = directory.group(team_id, name, mail)
    world.create("group", ids={"group": team_id}, content=group, collections=("groups",))
    world.declare(f"{key}/{team_id}/channels", f"{key}/{team_id}/members", f"groups/{team_id}/members")
    team = world.create(
        "team",
        ids={"team": team_id},
        content=teams.team(team_id, name, world.tenant_id),
        collections=("teams", *(f"users/{person.id}/joinedteams" for person in world.people)),
    ).entity
    for first, person in enumerate(world.people):
        acts.add_member(world, team, person, owner=not first)
    for channel in CHANNELS:
        acts.add_channel(world, team, channel if not number else f"{channel} ({name})", world.people)


def _settle_chat(world: World, number: int) -> None:
    people = world.people
    pair = (people[number % len(people)], people[(number + 2) % len(people)])
    given = [person.name.partition(" ")[0] for person in pair]
    name = " and ".join(given) if number < len(people) else f"{' and '.join(given)} {number + 1}"
    acts.open_chat(world, pair, None, name=name)


def _settle_person(world: World, person: Person, *, with_mail: bool) -> None:
    home = f"users/{person.id}"
    world.create("user", ids={"user": person.id}, content=directory.user(person), collections=("users",))
    world.create(
        "presence",
        ids={"user": person.id},
        content=teams.presence(person),
        collections=("communications/presences",),
        resource=f"communications/presences('{person.id}')",
    )
    world.declare(f"{home}/messages", f"{home}/events", f"{home}/contacts", f"{home}/chats", f"{home}/joinedteams")
    world.declare(*(f"{home}/onlinemeetings/getall{kind}" for kind in acts.OF_MEETINGS.values()))
    for well_known, name in MAIL_FOLDERS.items():
        _settle_folder(world, person, well_known, name)
    folder_id = world.mint.exchange_id()
    world.names.know_folder(person.id, "contacts", folder_id)
    world.declare(f"{home}/contactfolders/{folder_id}/contacts")
    world.create(
        "contact-folder",
        ids={"user": person.id, "folder": folder_id},
        content=outlook.contact_folder(folder_id, "Contacts"),
        collections=(f"{home}/contactfolders",),
        resource=f"Users/{person.id}/ContactFolders/{folder_id}",
    )
    calendar_id = world.mint.exchange_id()
    world.create(
        "calendar",
        ids={"user": person.id, "calendar": calendar_id},
        content=outlook.calendar(calendar_id, person),
        collections=(f"{home}/calendars",),
        resource=f"Users/{person.id}/Calendars/{calendar_id}",
    )
    _settle_drive(world, person)
    if with_mail:
        _settle_mailbox(world, person)


def _settle_folder(world: World, person: Person, well_known: str, name: str) -> None:
    folder_id = world.mint.exchange_id()
    world.names.know_folder(person.id, well_known, folder_id)
    world.declare(f"users/{person.id}/mailfolders/{folder_id}/messages")
    world.create(
        "mail-folder",
        ids={"user": person.id, "folder": folder_id},
        content=outlook.folder(folder_id, name),
        collections=(f"users/{person.id}/mailfolders",),
        resource=f"Users/{person.id}/MailFolders/{folder_id}",
    )


def _settle_drive(world: World, person: Person) -> None:
    drive_id = drive_of(person.id)
    world.declare(f"drives/{drive_id}/items/root/children", f"drives/{drive_id}/root")
    world.create(
        "drive",
        ids={"drive": drive_id},
        content=directory.drive(drive_id, person),
        collections=("drives", f"users/{person.id}/drives"),
        resource=f"drives/{drive_id}",
    )
    root = directory.drive_item("root", name="root", drive_id=drive_id, parent=None, folder=True, by=[person])
    world.create(
        "drive-item",
        ids={"drive": drive_id, "item": "root"},
        content=root,
        collections=(f"drives/{drive_id}/root",),
        resource=f"drives/{drive_id}/items/root",
        also={"user": [person.id]},
    )


def _settle_mailbox(world: World, owner: Person) -> None:
    others = tuple(person for person in world.people if person is not owner)
    path = f"Users/{owner.id}"
    ids = {"user": owner.id, "folder": acts.folder_of(world, owner, "inbox")}
    world.places.append(
        Place(name=owner.name, workload="mail", path=path, key=f"users/{owner.id}", ids=ids, people=(owner, *others))
    )


def _remember(world: World, messages: int) -> None:
    dice = world.dice.of("history", world.tenant_id)
    for place in world.places:
        for number in range(messages):
            author = dice.choice(place.people)
            acts.post(world, place, f"Something said before, {number + 1}", author=author, subject="Earlier")
