"""Memory twin of the service for live clients: who is connected, who is in which group, and what each was sent.

As in the service, a connection stays in a group until it ends: a time to live is for the connections still to come.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.errors import LiveUnavailable
from shared.ports import Clock, LiveConnection

_LARGEST_BODY = 1024 * 1024


@dataclass(slots=True, kw_only=True)
class MemoryClient:
    """One connection of a user; ``received`` has a target and its arguments for each message, in order."""

    user_id: str
    received: list[tuple[str, list[Any]]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class MemoryLive:
    """ports.Live. ``away``: it does not answer."""

    now: Clock
    away: bool = False
    lifetime: timedelta = timedelta(hours=1)
    clients: list[MemoryClient] = field(default_factory=list)
    groups: dict[str, list[MemoryClient]] = field(default_factory=dict)
    members: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _handed_out: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    async def connection(self, user_id: str) -> LiveConnection:
        """Hand out what `connect` takes."""
        self._check()
        token, expires = uuid.uuid4().hex, self.now() + self.lifetime
        self._handed_out[token] = (user_id, expires)
        return LiveConnection(url="https://live.invalid/client/?hub=earshot", access_token=token, expires=expires)

    def connect(self, connection: LiveConnection) -> MemoryClient:
        """Connect as a client does; the new connection is in every group that its user is in by now."""
        user_id, expires = self._handed_out[connection.access_token]
        now = self.now()
        if now >= expires:
            raise ValueError("401: the token has expired")
        client = MemoryClient(user_id=user_id)
        self.clients.append(client)
        for (member, group), until in self.members.items():
            if member == user_id and now < until:
                self.groups.setdefault(group, []).append(client)
        return client

    def disconnect(self, client: MemoryClient) -> None:
        """End a connection."""
        for connected in (self.clients, *self.groups.values()):
            connected[:] = [each for each in connected if each is not client]

    async def join(self, user_id: str, group: str, *, ttl: timedelta) -> None:
        """Put a user's connections into a group, and those still to come within ``ttl``."""
        self._check()
        self.members[user_id, group] = self.now() + ttl
        inside = self.groups.setdefault(group, [])
        inside += [each for each in self.clients if each.user_id == user_id and not any(each is one for one in inside)]

    async def send_to_group(self, group: str, target: str, arguments: Sequence[Any]) -> None:
        """Send to every connection in a group."""
        self._check()
        text = json.dumps({"target": target, "arguments": list(arguments)})
        if len(text) > _LARGEST_BODY:
            raise LiveUnavailable("send to a group", status=413)
        for client in self.groups.get(group, ()):
            client.received.append((target, json.loads(text)["arguments"]))

    def _check(self) -> None:
        if self.away:
            raise LiveUnavailable("reach the service", status=0)
