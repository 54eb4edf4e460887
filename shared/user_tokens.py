"""Tokens with which we act for people who have connected their mailbox: kept encrypted, renewed when they are needed.

Two processes may renew the tokens of one person at once. Whoever writes second finds the row changed and keeps what the first has
written, so that no refresh token overwrites a newer one; and a refusal counts only if nothing newer has been written meanwhile.
Where the authority says that somebody lets us act for them no longer, their tokens are thrown away at once, and what was theirs is
ordered to be ended. Not here: the authority (`shared.adapters.user_sign_in`), and what comes of all that (`shared.mailboxes`).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakValueDictionary

from shared.caller import Caller
from shared.declaration import CONNECTED
from shared.errors import StorageError, UserSignedOut
from shared.fan_out import instance_name
from shared.ports import Clock, Grant, Mailbox, MailboxState, MailboxStore, UserSignIn
from shared.telemetry import log_line
from shared.token_sealing import NONCE_BYTES, seal, unseal

_LOGGER = logging.getLogger(__name__)
_EARLY: Final = timedelta(minutes=5)
"""Before its expiry a token is not used for a new request any more."""
_MOST_REMEMBERED: Final = 5_000
_TRIES: Final = 5
_NOT_CONNECTED: Final = "they have not connected their mailbox, or have disconnected it"
_SOMEBODY_ELSE: Final = "the authority's answer is about somebody else than the token that was shown"


def mailbox_name(user_id: str) -> str:
    """Name the subscription, and the row, of somebody's mailbox."""
    return instance_name(CONNECTED.name, user_id)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    expires: datetime


class UserTokens:
    """One process's view of the tokens.

    Args:
        store: where they lie, sealed.
        sign_in: the authority.
        keys: TOKEN_CACHE_KEY, and the one before it if there is one.
        now: the clock.
        random: gives so many random bytes.
        ended: told the name of a mailbox whose person lets us act for them no longer.
    """

    def __init__(
        self,
        *,
        store: MailboxStore,
        sign_in: UserSignIn,
        keys: Sequence[bytes],
        now: Clock,
        random: Callable[[int], bytes],
        ended: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._sign_in = sign_in
        self._keys = keys
        self._now = now
        self._random = random
        self._ended = ended
        self._remembered: OrderedDict[str, _Token] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def exchange(self, caller: Caller, assertion: str) -> Grant:
        """Ask for a token with which to act for whoever showed this one. Nothing is kept yet.

        Raises UserSignedOut if they, or their tenant, do not let us, SignInError for any other failure.
        """
        grant = await self._sign_in.exchange(assertion, tenant_id=caller.tenant_id)
        if grant.user_id != caller.user_id:
            raise UserSignedOut(_SOMEBODY_ELSE)
        return grant

    def sealed(self, grant: Grant, tenant_id: str) -> bytes:
        """Encrypt what has to be kept of a grant."""
        owner = _owner(tenant_id, grant.user_id)
        return seal(grant.cache, key=self._keys[0], owner=owner, nonce=self._random(NONCE_BYTES))

    async def token(self, user_id: str, refused: str = "") -> str:
        """Give a token of somebody's for Graph; another one than the one that was refused.

        Raises UserSignedOut for who has not connected or lets us no longer, SignInError when the authority cannot be asked,
        Unreadable when the key is missing, StorageError.
        """
        known = self._remembered.get(user_id)
        if known is not None and known.text != refused and self._now() < known.expires - _EARLY:
            self._remembered.move_to_end(user_id)
            return known.text
        turn = self._turns.setdefault(user_id, asyncio.Lock())
        async with turn:  # whoever waited finds it there
            known = self._remembered.get(user_id)
            if known is not None and known.text != refused and self._now() < known.expires - _EARLY:
                return known.text
            grant = await self._fetch(user_id, refused)
            self._remember(user_id, grant)
            return grant.token

    def forget(self, user_id: str) -> None:
        """Forget what this process knows by heart."""
        self._remembered.pop(user_id, None)

    async def _fetch(self, user_id: str, refused: str) -> Grant:
        """Get a token by what is kept, and keep what came with it."""
        for _ in range(_TRIES):
            mailbox = await self._store.read(mailbox_name(user_id))
            if mailbox is None or mailbox.user_id != user_id or not mailbox.sealed:
                self.forget(user_id)
                raise UserSignedOut(mailbox.problem if mailbox and mailbox.problem else _NOT_CONNECTED)
            kept = unseal(mailbox.sealed, keys=self._keys, owner=_owner(mailbox.tenant_id, user_id))
            try:
                grant = await self._sign_in.refresh(kept.text, tenant_id=mailbox.tenant_id)
                if grant.token == refused:
                    grant = await self._sign_in.refresh(grant.cache, tenant_id=mailbox.tenant_id, anew=True)
            except UserSignedOut as refusal:
                if await self._end(mailbox, refusal):
                    raise
                continue  # somebody has written something newer: that may be good
            if grant.user_id != user_id:
                raise UserSignedOut(_SOMEBODY_ELSE)
            if kept.aged or grant.cache != kept.text:
                # if somebody else was faster, theirs stays: both were given, and one is enough
                await self._store.save(replace(mailbox, sealed=self.sealed(grant, mailbox.tenant_id)))
            return grant
        raise StorageError("the tokens of a person are being changed by several at once")

    async def _end(self, mailbox: Mailbox, refusal: UserSignedOut) -> bool:
        """Throw away tokens that are good for nothing; False if somebody has written others meanwhile.

        Whoever finds the row without them later orders nothing: so the order goes first, and a second one is harmless.
        """
        await self._ended(mailbox.name)
        state: MailboxState = "leaving" if mailbox.state == "leaving" else "ended"
        ended = replace(mailbox, state=state, since=self._now(), sealed=b"", problem=refusal.message)
        if await self._store.save(ended) is None:
            return False
        self.forget(mailbox.user_id)
        fields = {"name": mailbox.name, "code": refusal.code or "none", "why": refusal.message}
        log_line(_LOGGER, logging.WARNING, "a mailbox has ended: its person lets us act for them no longer", fields)
        return True

    def _remember(self, user_id: str, grant: Grant) -> None:
        self._remembered[user_id] = _Token(grant.token, grant.expires)
        self._remembered.move_to_end(user_id)
        while len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)


def _owner(tenant_id: str, user_id: str) -> str:
    return f"{tenant_id}/{user_id}"
