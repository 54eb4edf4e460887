"""Memory twins of what subscriptions need: the declaration, the store, the keys, and a Graph that knows subscriptions.

They keep the same contracts as the real adapters, in tests that need no table and no network.
"""

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shared.declaration import Declaration
from shared.errors import GraphApiError, KeysUnavailable, StorageError, UserSignedOut
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.subscription import LiveSubscription
from shared.ports import Comparison
from shared.reconcile import due_at, index_time


@dataclass(slots=True)
class MemoryDeclared:
    """A declaration that is not read from anywhere, and changes when somebody assigns another."""

    current: Declaration | None
    problems: Sequence[str] = ()

    async def refresh(self, *, at_once: bool = False) -> None:
        """Do nothing: it is always the newest."""

    async def keep(self) -> None:
        """Do nothing: it was never in danger."""


@dataclass(slots=True)
class MemoryKeptDeclaration:
    """A text in a field."""

    text: bytes | None = None
    away: bool = False

    async def read(self) -> bytes | None:
        """Read it."""
        self._answer()
        return self.text

    async def write(self, text: bytes) -> None:
        """Keep another."""
        self._answer()
        self.text = text

    def _answer(self) -> None:
        if self.away:
            raise StorageError("storage did not answer")


@dataclass(slots=True)
class MemorySubscriptionStore:
    """Rows in a dictionary. While ``away`` nothing is read or written, while ``read_only`` nothing is written."""

    rows: dict[str, LiveSubscription] = field(default_factory=dict)
    away: bool = False
    read_only: bool = False
    comparison: Comparison | None = None
    reads: int = 0
    _etags: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def list(self) -> Sequence[LiveSubscription]:
        """Read every row."""
        self._answer()
        self.reads += len(self.rows)
        return list(self.rows.values())

    async def due(self, now: datetime, *, limit: int) -> Sequence[LiveSubscription]:
        """Read the rows whose time has come."""
        self._answer()
        due = [row for row in self.rows.values() if row.indexed is not None and row.indexed <= now]
        due = sorted((row for row in due if due_at(row) <= now), key=due_at)[:limit]
        self.reads += len(due)
        return due

    async def index(self, rows: Sequence[LiveSubscription]) -> int:
        """See to it that each of these rows is in the index; how many were not."""
        lost = [row for row in rows if row.indexed is None]
        for row in lost:
            await self.save(row)
        return len(lost)

    async def last_comparison(self) -> Comparison | None:
        """Read when everything was last compared."""
        self._answer()
        return self.comparison

    async def save_comparison(self, comparison: Comparison) -> None:
        """Write down that everything was compared."""
        self._answer(writes=True)
        self.comparison = comparison

    async def read(self, name: str) -> LiveSubscription | None:
        """Read one row."""
        self._answer()
        self.reads += 1
        return self.rows.get(name)

    async def save(self, row: LiveSubscription) -> LiveSubscription | None:
        """Create (empty etag) or replace a row."""
        self._answer(writes=True)
        there = self.rows.get(row.name)
        if (there.etag if there else "") != row.etag:
            return None
        indexed = index_time(row) or row.indexed
        self.rows[row.name] = replace(row, indexed=indexed, etag=f'"{next(self._etags)}"')
        return self.rows[row.name]

    async def remove(self, row: LiveSubscription) -> bool:
        """Delete a row if its etag still holds; one that is gone is as good."""
        self._answer(writes=True)
        there = self.rows.get(row.name)
        if there is not None and there.etag != row.etag:
            return False
        self.rows.pop(row.name, None)
        return True

    def _answer(self, *, writes: bool = False) -> None:
        if self.away or (writes and self.read_only):
            raise StorageError("storage did not answer")


@dataclass(slots=True)
class MemoryEncryptionKeys:
    """Keys in a list; the last one is the current one. While ``away`` nobody can be asked for a key."""

    keys: list[EncryptionKey] = field(default_factory=list)
    away: bool = False

    async def find(self, certificate_id: str) -> EncryptionKey | None:
        """Find a key."""
        if self.away:
            raise KeysUnavailable("the key store did not answer")
        return next((key for key in self.keys if key.certificate_id == certificate_id), None)

    async def current(self) -> EncryptionKey | None:
        """Return the key that new subscriptions use."""
        return self.keys[-1] if self.keys else None


@dataclass(slots=True)
class MemoryGraph:
    """Subscriptions in a dictionary. ``troubles`` are raised by the next requests of a method, in order.

    ``lost_answers`` counts requests by method whose answer gets lost although Graph has done what it was asked for.
    ``pages`` are what it answers to a GET of anything else, by path. ``asked_in`` has the tenant of each request; a
    subscription is there in the tenant in which it was made, and nowhere else. ``asked_as`` has the actor of each; of those who are
    ``signed_out`` nothing is taken, and what one has made is there for nobody else.
    """

    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    pages: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    preferences: list[str] = field(default_factory=list)
    requests: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    asked_in: list[str] = field(default_factory=list)
    asked_as: list[str] = field(default_factory=list)
    signed_out: set[str] = field(default_factory=set)
    tenants: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The tenant and the actor of each subscription."""

    troubles: dict[str, list[GraphApiError]] = field(default_factory=dict)
    lost_answers: dict[str, int] = field(default_factory=dict)
    before: Callable[[str, str], None] = lambda _method, _path: None

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        tenant_id: str = "",
        actor: str = "",
    ) -> Mapping[str, Any]:
        """Answer as Graph does, after whatever trouble was ordered."""
        if method == "POST":
            self.preferences.append((headers or {}).get("Prefer", ""))
        self.requests.append((method, path, dict(body or {})))
        self.asked_in.append(tenant_id)
        self.asked_as.append(actor)
        self.before(method, path)
        if actor in self.signed_out:
            raise UserSignedOut("they have withdrawn what they had allowed", code="invalid_grant")
        if self.troubles.get(method):
            raise self.troubles[method].pop(0)
        if method == "POST":
            answer = self._create(body or {}, (tenant_id, actor))
        else:
            answer = self._touch(method, path, body or {}, (tenant_id, actor))
        if self.lost_answers.get(method, 0):
            self.lost_answers[method] -= 1
            raise GraphApiError(f"{method} {path}", status=0, message="ReadTimeout")
        return answer

    def _create(self, body: Mapping[str, Any], owner: tuple[str, str]) -> Mapping[str, Any]:
        for subscription_id, there in self.subscriptions.items():
            if self._owner(subscription_id) != owner:
                continue
            if there["resource"] == body["resource"] and there["changeType"] == body["changeType"]:
                raise GraphApiError(
                    "POST /subscriptions",
                    status=409,
                    code="ObjectIdentifierInUse",
                    message=f"Subscription Id {subscription_id} already exists for the requested combination",
                )
        subscription_id = str(uuid.uuid4())
        self.subscriptions[subscription_id] = {**body, "id": subscription_id}
        self.tenants[subscription_id] = owner
        return dict(self.subscriptions[subscription_id])

    def _owner(self, subscription_id: str) -> tuple[str, str]:
        return self.tenants.get(subscription_id, ("", ""))

    def _touch(self, method: str, path: str, body: Mapping[str, Any], owner: tuple[str, str]) -> Mapping[str, Any]:
        if method == "GET" and path in self.pages:
            return self.pages[path]
        if method == "GET" and path == "/subscriptions":
            mine = [each for key, each in self.subscriptions.items() if self._owner(key) == owner]
            return {"value": [each | {"clientState": None} for each in mine]}
        there = self.subscriptions.get(path.removeprefix("/subscriptions/"))
        if there is None or self._owner(there["id"]) != owner:
            raise GraphApiError(f"{method} {path}", status=404, code="ResourceNotFound", message="not found")
        if method == "DELETE":
            del self.subscriptions[there["id"]]
            return {}
        there.update(body)
        return there | {"clientState": None}

    def expire(self, now: datetime) -> None:
        """Forget what has expired."""
        gone = [
            key for key, each in self.subscriptions.items() if datetime.fromisoformat(each["expirationDateTime"]) <= now
        ]
        for key in gone:
            del self.subscriptions[key]
