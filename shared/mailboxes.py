"""People's own mailboxes, from connecting to signing out: what is wanted is written down first, and everything else follows from it.

A request writes the person's row and orders the rest on queue ``subscription-work``; `settle` makes the row of their subscription
agree with it, and the reconciler does what that row asks for, now or on any later tick. So connecting and disconnecting may be
broken off anywhere:

    connect      exchange the token │ order, for in a while │ write the row │ order, for now
    disconnect   order, for in a while │ mark the row │ order, for now
    settle       make the subscription's row, or mark it as leaving
    reconcile    create at Graph, or: delete at Graph │ throw tokens and state away │ delete the subscription's row

The first order makes up for the second; the subscription's row is the last thing to go, since it is what brings somebody back.

Not here: tokens (`shared.user_tokens`), what is asked of Graph for a subscription (`shared.executor`).
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from shared.caller import Caller
from shared.declaration import CONNECTED, USER
from shared.errors import StorageError
from shared.graph.subscription import LiveSubscription
from shared.graph.timestamp import write_timestamp
from shared.ports import Clock, MailActionStore, Mailbox, MailboxState, MailboxStore, Queue, SubscriptionStore
from shared.subscription_work import MailboxWork, write_work
from shared.telemetry import log_line
from shared.user_tokens import UserTokens, mailbox_name

_LOGGER = logging.getLogger(__name__)
_IN_A_WHILE: Final = timedelta(seconds=30)
_LOOK_AGAIN: Final = timedelta(seconds=2)
_TRIES: Final = 5
_BASELINE: Final = "baseline"
_NOT_YET: Final = (
    "Microsoft 365 does not tell us what changes there yet: it is asked again and again, and reading works meanwhile"
)

Forget = Callable[[str], Awaitable[None]]
"""Removes what is kept under a mailbox's name. Done twice, it is the same. Raises StorageError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The row of a mailbox's subscription as it should be, None if there is to be none; or ``again``, when to settle it once more."""

    row: LiveSubscription | None = None
    again: timedelta | None = None


def order_of(work: Queue) -> Callable[[str], Awaitable[None]]:
    """Give what orders that a mailbox be settled, once whoever orders it has written down why."""

    async def order(name: str) -> None:
        await work.put(write_work(MailboxWork(name=name)), delay=_LOOK_AGAIN)

    return order


class Mailboxes:
    """Connects and disconnects. ``forget`` is what else has to go with a mailbox, before its subscription's row does."""

    def __init__(
        self,
        *,
        store: MailboxStore,
        subscriptions: SubscriptionStore,
        tokens: UserTokens,
        work: Queue,
        home_tenant_id: str,
        now: Clock,
        actions: MailActionStore,
        forget: Sequence[Forget] = (),
    ) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._tokens = tokens
        self._work = work
        self._home_tenant_id = home_tenant_id
        self._now = now
        self._forget = forget
        self._actions = actions

    # -- what people ask for -----------------------------------------------------------------------------------------

    async def connect(self, caller: Caller, assertion: str) -> None:
        """Connect the caller's mailbox with the token that they showed. Doing it again takes newer tokens, and mends what is broken.

        Raises UserSignedOut if they do not let us, SignInError, StorageError.
        """
        grant = await self._tokens.exchange(caller, assertion)
        name = mailbox_name(caller.user_id)
        await self._order(name, _IN_A_WHILE)
        sealed = self._tokens.sealed(grant, caller.tenant_id)
        await self._write(caller, "connected", sealed)
        self._tokens.forget(caller.user_id)
        await self._order(name)
        log_line(_LOGGER, logging.INFO, "a mailbox was connected", {"name": name})

    async def disconnect(self, caller: Caller) -> bool:
        """Disconnect the caller's mailbox; False if it is not connected. Doing it again is harmless. Raises StorageError."""
        name = mailbox_name(caller.user_id)
        if await self._store.read(name) is None:
            return False
        await self._order(name, _IN_A_WHILE)
        await self._write(caller, "leaving", None)
        self._tokens.forget(caller.user_id)
        await self._order(name)
        log_line(_LOGGER, logging.INFO, "a mailbox was disconnected", {"name": name})
        return True

    async def read(self, caller: Caller) -> Mailbox | None:
        """Read the caller's row. Raises StorageError."""
        mailbox = await self._store.read(mailbox_name(caller.user_id))
        return mailbox if mailbox is not None and mailbox.user_id == caller.user_id else None

    async def report(self, caller: Caller) -> Mapping[str, Any]:
        """Say how the caller's mailbox is: none, connecting, connected, leaving, ended; and whether changes are heard at once."""
        mailbox = await self.read(caller)
        if mailbox is None:
            return {"state": "none", "live": False}
        row = await self._subscriptions.read(mailbox.name)
        live = _is_live(row, self._now())
        state = "connecting" if mailbox.state == "connected" and not live else mailbox.state
        said = {"state": state, "live": live and state == "connected", "since": write_timestamp(mailbox.since)}
        message = mailbox.problem or (_NOT_YET if state == "connecting" and row is not None and row.problem else "")
        return said | ({"message": message} if message else {})

    async def _order(self, name: str, delay: timedelta = timedelta(0)) -> None:
        await self._work.put(write_work(MailboxWork(name=name)), delay=delay)

    async def _write(self, caller: Caller, state: MailboxState, sealed: bytes | None) -> None:
        """Write what is wanted, whatever was wanted before; ``sealed`` None leaves the tokens, which it takes to end things."""
        name = mailbox_name(caller.user_id)
        for _ in range(_TRIES):
            there = await self._store.read(name)
            wanted = Mailbox(
                name=name,
                user_id=caller.user_id,
                tenant_id=caller.tenant_id,
                state=state,
                since=self._now(),
                sealed=(there.sealed if there else b"") if sealed is None else sealed,
                etag=there.etag if there else "",
            )
            if await self._store.save(wanted) is not None:
                return
        raise StorageError("a mailbox is being changed by several at once")

    # -- what follows ------------------------------------------------------------------------------------------------

    async def settle(self, name: str) -> Settled:
        """Make the row of a mailbox's subscription say what its person wants. Raises StorageError."""
        mailbox, row = await self._store.read(name), await self._subscriptions.read(name)
        if row is not None and row.not_before is not None and not row.problem and self._now() < row.not_before:
            return Settled(again=_LOOK_AGAIN)  # somebody is at it, who must not lose what Graph answers
        if mailbox is not None and mailbox.state == "connected":
            wanted = self._wanted(mailbox, row)
        elif row is not None:
            wanted = row if row.leaving else replace(row, leaving=True, problem="", not_before=None)
        else:
            await self.farewell(name)
            return Settled()
        if wanted == row:
            return Settled(row=row)
        kept = await self._subscriptions.save(wanted)
        return Settled(again=_LOOK_AGAIN) if kept is None else Settled(row=kept)

    async def farewell(self, name: str) -> None:
        """Throw away tokens and state of a mailbox that is left. Who came back meanwhile keeps theirs. Raises StorageError."""
        mailbox = await self._store.read(name)
        if mailbox is not None and mailbox.state == "connected":
            return
        for forget in self._forget:
            await forget(name)
        if mailbox is not None:
            self._tokens.forget(mailbox.user_id)
            await self._actions.forget(mailbox.user_id)
            if mailbox.state == "leaving":  # one that has ended stays, to say so
                await self._store.remove(mailbox)

    def _wanted(self, mailbox: Mailbox, row: LiveSubscription | None) -> LiveSubscription:
        """Give the row that a connected mailbox has: as it is, or without what kept it from being looked at."""
        if row is None:
            user = quote(mailbox.user_id, safe="@")
            return LiveSubscription(
                name=mailbox.name,
                generation=1,
                resource=CONNECTED.resource.replace(USER, user),
                change_type=CONNECTED.change_type,
                include_resource_data=CONNECTED.include_resource_data,
                delivery=CONNECTED.delivery,
                immutable_ids=CONNECTED.immutable_ids,
                tenant_id="" if mailbox.tenant_id == self._home_tenant_id else mailbox.tenant_id,
                actor=f"user:{mailbox.user_id}",
                refused=True,
                owed=_BASELINE,
            )
        if row.leaving:
            # it may be deleted at Graph already: an attempt counted makes somebody look at once
            return replace(row, leaving=False, attempts=max(row.attempts, 1), problem="", not_before=None)
        return replace(row, problem="", not_before=None) if row.problem else row


def _is_live(row: LiveSubscription | None, now: datetime) -> bool:
    alive = row is not None and row.expires is not None and row.expires > now
    return row is not None and alive and row.subscription_id != "" and not row.leaving
