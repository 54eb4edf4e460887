"""A small Microsoft 365: people, a team with channels, a chat, mailboxes, and the messages that they write, edit and delete.

Values only: each change returns what the item has become. Not here: how an item looks as JSON, see `messages`; who hears of a
change, see `publisher`.
"""

import base64
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from typing import Literal

from local.graph.catalogue.table import Workload, slashes
from local.graph.clock import utc_now
from local.graph.subscribing.store import Reach

ChangeType = Literal["created", "updated", "deleted"]

PEOPLE = ("Adele Vance", "Megan Bowen", "Alex Wilber", "Lynne Robbins", "Joni Sherman", "Nestor Wilke")
CHANNELS = ("General", "Launch", "Support desk")
MAILBOXES = ("Adele Vance", "Megan Bowen")
CHAT = "Adele and Alex"
TEAM = "Northwind"
CHANGE_KEY_PREFIX = b"\x09\x00\x00\x00\x16\x00\x00\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user of the tenant."""

    id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """Where messages are: a channel, a chat, or a mailbox's inbox. `path` is its name in notifications."""

    name: str
    workload: Workload
    path: str
    ids: Mapping[str, str]
    people: tuple[Person, ...]
    reaches: tuple[Reach, ...]

    @property
    def collection(self) -> str:
        """The path without which no message has a name: `…/messages`, spelt as this workload spells it."""
        return f"{self.path}/Messages" if self.workload == "mail" else f"{self.path}/messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A message as it is now; a new value after every change. `sequence` counts its versions from 1."""

    id: str
    place: Place
    resource: str
    version: str
    sequence: int = 1
    text: str
    subject: str | None
    author: Person
    reply_to: str | None
    created: datetime
    modified: datetime
    edited: datetime | None = None
    deleted: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that happened, with the item as it became."""

    number: int
    at: datetime
    change_type: ChangeType
    item: Item


@dataclass(slots=True)
class World:
    """One tenant. Everything but the time of day follows from the seed."""

    tenant_id: str
    seed: int
    people: tuple[Person, ...] = ()
    team_id: str = ""
    places: tuple[Place, ...] = ()
    items: dict[str, Item] = field(default_factory=dict)
    _dice: random.Random = field(default_factory=random.Random)
    _last_moment: int = 0
    _changes: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(f"{self.seed}/world")  # noqa: S311 - a repeatable world, no secrets
        self.people = tuple(self._person(name) for name in PEOPLE)
        self.team_id = self._guid()
        by_name = {person.name: person for person in self.people}
        channels = [self._channel(name) for name in CHANNELS]
        mailboxes = [self._mailbox(by_name[name]) for name in MAILBOXES]
        self.places = (*channels, self._chat((by_name["Adele Vance"], by_name["Alex Wilber"])), *mailboxes)

    def place(self, name: str) -> Place | None:
        """Return a channel, chat or mailbox by its name, its path, or its owner's address."""
        wanted = name.lower()
        return next(
            (place for place in self.places if wanted in {place.name.lower(), place.path.lower()}), None
        ) or next(
            (place for place in self.places if place.workload == "mail" and wanted == place.people[0].address), None
        )

    def find(self, path: str) -> Item | None:
        """Return an item by either spelling of its path; a mailbox may be named by its address, a folder may be named."""
        return self.items.get(self._key(path))

    def create(
        self, place: Place, text: str, *, author: Person, subject: str | None = None, reply_to: str | None = None
    ) -> Change:
        """Write a message."""
        moment = self._moment()
        at = _time_of(moment)
        item_id = str(moment) if place.workload != "mail" else self._mail_id()
        path = f"{place.collection}/{item_id}" if place.workload == "mail" else f"{place.collection}('{item_id}')"
        if reply_to:
            path = f"{place.collection}('{reply_to}')/replies('{item_id}')"
        item = Item(
            id=item_id,
            place=place,
            resource=path,
            version=self._version(place, moment),
            text=text,
            subject=subject,
            author=author,
            reply_to=reply_to,
            created=at,
            modified=at,
        )
        return self._happened("created", item)

    def edit(self, item: Item, text: str) -> Change:
        """Replace a message's text."""
        moment = self._moment()
        at = _time_of(moment)
        version, sequence = self._version(item.place, moment), item.sequence + 1
        edited = replace(item, text=text, version=version, sequence=sequence, modified=at, edited=at)
        return self._happened("updated", edited)

    def delete(self, item: Item) -> Change:
        """Delete a message: softly in Teams, where it can still be read; mail is gone."""
        moment = self._moment()
        at = _time_of(moment)
        version, sequence = self._version(item.place, moment), item.sequence + 1
        return self._happened("deleted", replace(item, version=version, sequence=sequence, modified=at, deleted=at))

    def _happened(self, change_type: ChangeType, item: Item) -> Change:
        self.items[self._key(item.resource)] = item
        self._changes += 1
        return Change(number=self._changes, at=utc_now(), change_type=change_type, item=item)

    def _moment(self) -> int:
        """Return the time in milliseconds, never the same twice: Teams makes both ids and versions from it."""
        self._last_moment = max(time.time_ns() // 1_000_000, self._last_moment + 1)
        return self._last_moment

    def _version(self, place: Place, moment: int) -> str:
        if place.workload != "mail":
            return str(moment)
        stamp = moment.to_bytes(8, "big") + self._dice.randbytes(4)
        return f'W/"{base64.b64encode(CHANGE_KEY_PREFIX + stamp).decode()}"'

    def _mail_id(self) -> str:
        return "AAMkAG" + base64.urlsafe_b64encode(self._dice.randbytes(84)).decode() + "AAA="

    def _key(self, path: str) -> str:
        """Return an item's one name: collections in lower case, the mailbox by its owner's id, without its folder."""
        parts = slashes(path).split("/")
        names = [part if index % 2 else part.lower() for index, part in enumerate(parts)]
        if names[0] == "users" and len(names) > 1:
            names[1] = next((person.id for person in self.people if person.address == names[1].lower()), names[1])
            if "mailfolders" in names:
                del names[2:4]
        return "/".join(names)

    def _guid(self) -> str:
        return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))

    def _person(self, name: str) -> Person:
        return Person(id=self._guid(), name=name, address=f"{name.lower().replace(' ', '.')}@contoso.com")

    def _channel(self, name: str) -> Place:
        ids = {"team": self.team_id, "channel": f"19:{self._dice.randbytes(16).hex()}@thread.tacv2"}
        path = f"teams('{ids['team']}')/channels('{ids['channel']}')"
        reaches = _reaches("channel", [ids, {}])
        return Place(name=name, workload="channel", path=path, ids=ids, people=self.people, reaches=reaches)

    def _chat(self, members: tuple[Person, ...]) -> Place:
        ids = {"chat": f"19:{self._dice.randbytes(16).hex()}@thread.v2"}
        named = [{"user": name} for person in members for name in (person.id, person.address)]
        reaches = _reaches("chat", [ids, {}, *named])
        path = f"chats('{ids['chat']}')"
        return Place(name=CHAT, workload="chat", path=path, ids=ids, people=members, reaches=reaches)

    def _mailbox(self, owner: Person) -> Place:
        ids = {"user": owner.id, "folder": base64.urlsafe_b64encode(b"folder" + self._dice.randbytes(84)).decode()}
        users, folders = (owner.id, owner.address), (None, "inbox", ids["folder"])
        named = [{"user": user} | ({"folder": folder} if folder else {}) for user, folder in product(users, folders)]
        reaches = _reaches("mail", named)
        others = tuple(person for person in self.people if person is not owner)
        path = f"Users/{owner.id}"
        return Place(name=owner.name, workload="mail", path=path, ids=ids, people=(owner, *others), reaches=reaches)


def _reaches(workload: Workload, named: list[dict[str, str]]) -> tuple[Reach, ...]:
    return tuple((workload, frozenset((name, value.lower()) for name, value in ids.items())) for ids in named)


def _time_of(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / 1000, UTC)
