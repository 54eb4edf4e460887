"""Memory twins of what subscriptions need: the store, the keys, and a Graph that knows subscriptions and nothing else.

They keep the same contracts as the real adapters, in tests that need no table and no network.
"""

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shared.errors import GraphApiError, StorageError
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.subscription import LiveSubscription


@dataclass(slots=True)
class MemorySubscriptionStore:
    """Rows in a dictionary. While ``away`` nothing is read or written, while ``read_only`` nothing is written."""

    rows: dict[str, LiveSubscription] = field(default_factory=dict)
    away: bool = False
    read_only: bool = False
    _etags: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def list(self) -> Sequence[LiveSubscription]:
        """Read every row."""
        self._answer()
        return list(self.rows.values())

    async def read(self, name: str) -> LiveSubscription | None:
        """Read one row."""
        self._answer()
        return self.rows.get(name)

    async def save(self, row: LiveSubscription) -> LiveSubscription | None:
        """Create (empty etag) or replace a row."""
        self._answer(writes=True)
        there = self.rows.get(row.name)
        if (there.etag if there else "") != row.etag:
            return None
        self.rows[row.name] = replace(row, etag=f'"{next(self._etags)}"')
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
    """Keys in a list; the last one is the current one."""

    keys: list[EncryptionKey] = field(default_factory=list)

    async def find(self, certificate_id: str) -> EncryptionKey | None:
        """Find a key."""
        return next((key for key in self.keys if key.certificate_id == certificate_id), None)

    async def current(self) -> EncryptionKey | None:
        """Return the key that new subscriptions use."""
        return self.keys[-1] if self.keys else None


@dataclass(slots=True)
class MemoryGraph:
    """Subscriptions in a dictionary. ``troubles`` are raised by the next requests of a method, in order.

    ``lost_answers`` counts requests by method whose answer gets lost although Graph has done what it was asked for.
    """

    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    troubles: dict[str, list[GraphApiError]] = field(default_factory=dict)
    lost_answers: dict[str, int] = field(default_factory=dict)
    before: Callable[[str, str], None] = lambda _method, _path: None

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - the port has them
    ) -> Mapping[str, Any]:
        """Answer as Graph does, after whatever trouble was ordered."""
        self.requests.append((method, path, dict(body or {})))
        self.before(method, path)
        if self.troubles.get(method):
            raise self.troubles[method].pop(0)
        answer = self._create(body or {}) if method == "POST" else self._touch(method, path, body or {})
        if self.lost_answers.get(method, 0):
            self.lost_answers[method] -= 1
            raise GraphApiError(f"{method} {path}", status=0, message="ReadTimeout")
        return answer

    def _create(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        for subscription_id, there in self.subscriptions.items():
            if there["resource"] == body["resource"] and there["changeType"] == body["changeType"]:
                raise GraphApiError(
                    "POST /subscriptions",
                    status=409,
                    code="ObjectIdentifierInUse",
                    message=f"Subscription Id {subscription_id} already exists for the requested combination",
                )
        subscription_id = str(uuid.uuid4())
        self.subscriptions[subscription_id] = {**body, "id": subscription_id}
        return dict(self.subscriptions[subscription_id])

    def _touch(self, method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        there = self.subscriptions.get(path.removeprefix("/subscriptions/"))
        if there is None:
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
