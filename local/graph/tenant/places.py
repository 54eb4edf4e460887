"""Who talks where: people, and the channels, chats and mailboxes that they write in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Workload = Literal["channel", "chat", "mail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user of the tenant."""

    id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """A channel, a chat, or a mailbox with its inbox. `path` is its name in notifications, `key` its canonical one."""

    name: str
    workload: Workload
    path: str
    key: str
    ids: Mapping[str, str]
    people: tuple[Person, ...]

    @property
    def collection(self) -> str:
        """The path of its messages, spelt as notifications of this workload spell it."""
        return f"{self.path}/Messages" if self.workload == "mail" else f"{self.path}/messages"
