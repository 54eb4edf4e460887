"""Memory twins of what mailboxes need: who is connected, what they asked for, and an authority that knows people.

They keep the same contracts as the real adapters, in tests that need no table and no network.
"""

import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.errors import SignInError, StorageError, UserSignedOut
from shared.ports import Clock, Grant, MailAction, Mailbox


@dataclass(slots=True)
class MemoryMailboxStore:
    """Rows in a dictionary. While ``away`` nothing is read or written."""

    rows: dict[str, Mailbox] = field(default_factory=dict)
    away: bool = False
    _etags: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def read(self, name: str) -> Mailbox | None:
        """Read one row."""
        self._answer()
        return self.rows.get(name)

    async def save(self, mailbox: Mailbox) -> Mailbox | None:
        """Create or replace a row."""
        self._answer()
        there = self.rows.get(mailbox.name)
        if (there.etag if there else "") != mailbox.etag:
            return None
        self.rows[mailbox.name] = replace(mailbox, etag=f'"{next(self._etags)}"')
        return self.rows[mailbox.name]

    async def remove(self, mailbox: Mailbox) -> bool:
        """Delete a row if its etag still holds."""
        self._answer()
        there = self.rows.get(mailbox.name)
        if there is not None and there.etag != mailbox.etag:
            return False
        self.rows.pop(mailbox.name, None)
        return True

    def _answer(self) -> None:
        if self.away:
            raise StorageError("storage did not answer")


@dataclass(slots=True)
class MemoryMailActionStore:
    """Rows in a dictionary. While ``away`` nothing is read or written."""

    rows: dict[tuple[str, str], MailAction] = field(default_factory=dict)
    away: bool = False
    _etags: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def read(self, owner: str, key: str) -> MailAction | None:
        """Read one row."""
        self._answer()
        return self.rows.get((owner, key))

    async def save(self, action: MailAction) -> MailAction | None:
        """Create or replace a row."""
        self._answer()
        there = self.rows.get((action.owner, action.key))
        if (there.etag if there else "") != action.etag:
            return None
        self.rows[action.owner, action.key] = replace(action, etag=f'"{next(self._etags)}"')
        return self.rows[action.owner, action.key]

    async def forget(self, owner: str, *, before: datetime | None = None) -> None:
        """Delete what one person has asked for."""
        self._answer()
        gone = [key for key, row in self.rows.items() if row.owner == owner and (before is None or row.began < before)]
        for key in gone:
            del self.rows[key]

    def _answer(self) -> None:
        if self.away:
            raise StorageError("storage did not answer")


@dataclass(slots=True, kw_only=True)
class MemoryUserSignIn:
    """ports.UserSignIn. An assertion is somebody's object id, or what ``whose`` finds one in.

    Who has ``withdrawn`` what they allowed is refused, after ``before_refusal``; while ``away`` nobody is answered.
    """

    now: Clock
    lifetime: timedelta = timedelta(hours=1)
    whose: Callable[[str], str] = str
    withdrawn: set[str] = field(default_factory=set)
    before_refusal: Callable[[], Awaitable[None]] | None = None
    away: bool = False
    minted: int = 0

    async def exchange(self, assertion: str, *, tenant_id: str) -> Grant:
        """Exchange the token that somebody showed us."""
        return await self._mint(self.whose(assertion), tenant_id)

    async def refresh(self, cache: str, *, tenant_id: str, anew: bool = False) -> Grant:
        """Give a token out of what was kept, or a new one."""
        kept = json.loads(cache)
        expires = datetime.fromisoformat(kept["expires"])
        if not anew and self.now() < expires - timedelta(minutes=5):
            return Grant(user_id=kept["user"], token=kept["token"], expires=expires, cache=cache)
        return await self._mint(kept["user"], tenant_id)

    async def _mint(self, user_id: str, tenant_id: str) -> Grant:
        if self.away:
            raise SignInError("token of a person", status=0, message="nobody answered")
        if user_id in self.withdrawn:
            if self.before_refusal is not None:
                await self.before_refusal()
            raise UserSignedOut("they have withdrawn what they had allowed", code="invalid_grant")
        self.minted += 1
        token, expires = f"token {self.minted} of {user_id}", self.now() + self.lifetime
        kept = {"user": user_id, "tenant": tenant_id, "token": token, "expires": expires.isoformat()}
        return Grant(user_id=user_id, token=token, expires=expires, cache=json.dumps(kept))
