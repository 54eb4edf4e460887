"""Hubs: connections, the users who have them, and groups. No I/O; a connection is drained by whichever transport it came by.

A user's membership in a group holds for the connections that there are and for those still to come in its time; a connection that
is in a group stays in it until it ends, also when that time is over.
https://github.com/Azure/azure-signalr/pull/764 (a review by the service's developers: a time to live only impacts new connections)
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from local.signalr.frames import (
    END,
    WELCOME,
    Farewell,
    Misbehaved,
    read_handshake,
    read_message,
    write_close,
    write_refused_handshake,
)

LONGEST_QUEUE: Final = 1_000
LARGEST_QUEUE: Final = 32 * 1024 * 1024
LARGEST_MESSAGE: Final = 1024 * 1024
"""Of a client; https://learn.microsoft.com/azure/azure-signalr/signalr-concept-messages-and-connections (2026-02)"""
YEAR: Final = 365 * 86_400.0
MOST_LASTING: Final = 100
"""Of a user's memberships without a time to live only the latest hundred are kept, and a year at most: the reference of the REST API."""


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """One client. What it is sent waits here until its transport takes it; one that falls too far behind is cut off."""

    connection_id: str
    token: str
    user: str
    hub: "Hub"
    heard: float
    """When it last said anything, by the service's clock."""
    groups: set[str] = field(default_factory=set)
    cut: Callable[[], None] = lambda: None
    """How its transport ends it without a word."""
    attached: bool = False
    """Whether a transport has it; a second one is turned away."""
    over: bool = False
    _greeted: bool = False
    _unread: str = ""
    _waiting: deque[str] = field(default_factory=deque)
    _waiting_size: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, frame: str) -> None:
        """Send it something; to one that falls behind by a thousand messages nothing more is sent ever."""
        if self.over:
            return
        self._waiting.append(frame)
        self._waiting_size += len(frame)
        self._news.set()
        if len(self._waiting) > LONGEST_QUEUE or self._waiting_size > LARGEST_QUEUE:
            self.drop()

    def close(self, error: str = "", *, reconnect: bool = False) -> None:
        """End it: it is sent what waits, then why, and then nothing."""
        if not self.over:
            self.push(write_close(error, reconnect=reconnect))
        self.leave()

    def drop(self) -> None:
        """End it as a network does: without a word."""
        self._waiting.clear()
        self.leave()
        self.cut()

    def leave(self) -> None:
        """Be gone from hub and groups."""
        self.over = True
        self.hub.forget(self)
        self._news.set()

    async def next(self, patience: float) -> str | None:
        """Wait for what there is to send, all of it at once; empty when there is nothing after a while, None at the end."""
        if not self._waiting and not self.over:
            self._news.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                return ""
        batch = "".join(self._waiting)
        self._waiting.clear()
        self._waiting_size = 0
        return batch or (None if self.over else "")

    def receive(self, text: str, now: float) -> None:
        """Take what the client says."""
        self.heard = now
        *whole, self._unread = (self._unread + text).split(END)
        if len(self._unread) > LARGEST_MESSAGE:
            self.close("The message is too large.")
        for each in whole:
            if not self.over:
                self._take(each)

    def _take(self, text: str) -> None:
        try:
            if self._greeted:
                read_message(text)
            else:
                read_handshake(text)
                self._greeted = True
                self.push(WELCOME)
                self.hub.welcome(self)
        except Farewell:
            self.leave()
        except Misbehaved as what:
            if self._greeted:
                self.close(str(what))
            else:
                self.push(write_refused_handshake(str(what)))
                self.leave()


@dataclass(slots=True, kw_only=True)
class Hub:
    """One hub. ``now`` is a clock that only goes forwards, in seconds."""

    now: Callable[[], float]
    pending: dict[str, Connection] = field(default_factory=dict)
    """By token: negotiated, and gone from here with the connection."""
    connections: dict[str, Connection] = field(default_factory=dict)
    _users: dict[str, set[Connection]] = field(default_factory=dict)
    _groups: dict[str, set[Connection]] = field(default_factory=dict)
    _members: dict[str, dict[str, tuple[float, bool]]] = field(default_factory=dict)
    """By user and group, until when, and whether without a time to live; in the order of their being added."""

    def negotiate(self, user: str) -> Connection:
        """Make a connection that a transport may take up."""
        connection = Connection(
            connection_id=secrets.token_urlsafe(16),
            token=secrets.token_urlsafe(24),
            user=user,
            hub=self,
            heard=self.now(),
        )
        self.pending[connection.token] = connection
        return connection

    def welcome(self, connection: Connection) -> None:
        """Count a connection from its handshake on; it is in every group that its user is in by now."""
        self.connections[connection.connection_id] = connection
        if connection.user:
            self._users.setdefault(connection.user, set()).add(connection)
        for group in list(self._live_groups(connection.user)):
            self.join(connection, group)

    def forget(self, connection: Connection) -> None:
        """Let a connection go."""
        self.pending.pop(connection.token, None)
        self.connections.pop(connection.connection_id, None)
        _discard(self._users, connection.user, connection)
        for group in list(connection.groups):
            self.part(connection, group)

    def sweep(self, longest: float) -> None:
        """Let go of connections whose transport never came, or has been gone for too long."""
        now = self.now()
        for connection in list(self.pending.values()):
            if now - connection.heard > longest:
                connection.drop()

    # -- who is where -------------------------------------------------------------------------------------------------

    def everybody(self, excluded: Collection[str] = ()) -> Iterator[Connection]:
        """Give every connection but these."""
        return (each for each in list(self.connections.values()) if each.connection_id not in excluded)

    def of_user(self, user: str, excluded: Collection[str] = ()) -> Iterator[Connection]:
        """Give a user's connections."""
        return (each for each in list(self._users.get(user, ())) if each.connection_id not in excluded)

    def in_group(self, group: str, excluded: Collection[str] = ()) -> Iterator[Connection]:
        """Give the connections in a group."""
        return (each for each in list(self._groups.get(group, ())) if each.connection_id not in excluded)

    # -- groups -------------------------------------------------------------------------------------------------------

    def join(self, connection: Connection, group: str) -> None:
        """Put a connection into a group."""
        connection.groups.add(group)
        self._groups.setdefault(group, set()).add(connection)

    def part(self, connection: Connection, group: str) -> None:
        """Take a connection out of a group."""
        connection.groups.discard(group)
        _discard(self._groups, group, connection)

    def add_user(self, user: str, group: str, ttl: int | None) -> None:
        """Put a user into a group: the connections that there are, and unless ``ttl`` is 0 those still to come."""
        for connection in self.of_user(user):
            self.join(connection, group)
        members = self._members.setdefault(user, {})
        members.pop(group, None)
        if ttl != 0:
            members[group] = (self.now() + (YEAR if ttl is None else ttl), ttl is None)
        lasting = [name for name, (_, lasts) in members.items() if lasts]
        for name in lasting[: max(0, len(lasting) - MOST_LASTING)]:
            del members[name]

    def remove_user(self, user: str, group: str) -> None:
        """Take a user out of a group, with the connections that there are."""
        self._members.get(user, {}).pop(group, None)
        for connection in self.of_user(user):
            self.part(connection, group)

    def remove_user_everywhere(self, user: str) -> None:
        """Take a user out of every group."""
        self._members.pop(user, None)
        for connection in self.of_user(user):
            for group in list(connection.groups):
                self.part(connection, group)

    def has_user(self, user: str, group: str) -> bool:
        """Tell whether a user is in a group, by membership or by a connection."""
        return group in self._live_groups(user) or any(group in each.groups for each in self.of_user(user))

    def _live_groups(self, user: str) -> dict[str, tuple[float, bool]]:
        members = self._members.get(user, {})
        for group in [name for name, (until, _) in members.items() if until <= self.now()]:
            del members[group]
        return members


def _discard(sets: dict[str, set[Connection]], name: str, connection: Connection) -> None:
    inside = sets.get(name)
    if inside is not None:
        inside.discard(connection)
        if not inside:
            del sets[name]
