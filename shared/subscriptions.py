"""Keeps subscriptions as they are declared: on every tick of the timer, and when Graph sends a lifecycle event.

Both end in the same plan. A tick looks at what is due and at nothing else; everything is compared with everything when the
declaration, a group, a key or our address has changed, and once a day. What a comparison finds is done at once if it is little,
else shared out on queue ``subscription-work``, at a pace that Graph allows. A broken subscriptions file changes nothing: what it
said before stays in force, and while it never said anything, nothing is touched. Not here: the rules (`shared.reconcile`), the
doing (`shared.reconciler`), catching up (`shared.catch_up`).
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from shared.catch_up import CatchUp
from shared.declaration import Declaration, DeclaredSubscription
from shared.errors import GraphApiError, GraphProtocolError, SettingsError
from shared.executor import Executor
from shared.fan_out import expand, instance_of, shared_instance
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.subscription import LiveSubscription
from shared.graph.timestamp import read_timestamp
from shared.group_members import GroupMembers
from shared.mailboxes import Mailboxes
from shared.ports import Clock, Comparison, Declared, EncryptionKeys, Graph, OwnEndpoint, Queue, SubscriptionStore
from shared.reconcile import Action, Create, Delete, Recreate, Renew, plan
from shared.reconciler import Reconciler
from shared.results import Summary
from shared.settings import Settings
from shared.silence import SILENCE, Silence, Watched
from shared.subscription_list import FIRST_PAGE
from shared.subscription_work import (
    MOST_SHARES,
    CatchUpWork,
    LifecycleWork,
    MailboxWork,
    ReconcileWork,
    UnknownWork,
    read_work,
    share_out,
    write_work,
)
from shared.telemetry import log_line
from shared.unknown_subscriptions import UnknownSubscriptions

_LOGGER = logging.getLogger(__name__)
_MOST_DUE: Final = 4_000
"""In a tick: three minutes and a half of writes at the pace that Graph allows. The rest is still due at the next one."""
_FEW: Final = 200
"""Up to so many rows are all read on every tick: one request, and what somebody changed in the table by hand is seen at once."""
_AT_ONCE: Final = 100
"""What a comparison finds is done by the tick itself, up to this many; more is shared out."""
_SHARE_EVERY: Final = timedelta(seconds=MOST_SHARES / 20)
"""Between two shares: 20 subscriptions a second, of which each may take a write or two, stay below Graph's 25 writes a second."""
_COMPARE_AGAIN: Final = timedelta(days=1)
_UNFINISHED: Final = timedelta(minutes=15)
"""A comparison that has not ended by then has died with its process."""
_REQUESTS_EVERY: Final = timedelta(seconds=1)
_LIST_EVERY: Final = timedelta(seconds=20)
_MOST_SHOWN: Final = 500
_UNSAID: Final = frozenset({0, 429})
"""Graph was not reached, or does not want to be asked: it has said nothing of a subscription."""


class Subscriptions:
    """The declared subscriptions and what keeps them alive."""

    def __init__(  # noqa: PLR0913 - each is another thing outside
        self,
        *,
        declared: Declared,
        settings: Settings,
        graph: Graph,
        store: SubscriptionStore,
        work: Queue,
        catch_up: CatchUp,
        silence: Silence,
        keys: EncryptionKeys | None,
        now: Clock,
        own_endpoint: OwnEndpoint | None = None,
        mailboxes: Mailboxes | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._declared = declared
        self._graph = graph
        self._members = GroupMembers(graph, now)
        self._store = store
        self._work = work
        self._catch_up = catch_up
        self._silence = silence
        self._now = now
        self._unknown = UnknownSubscriptions(
            graph=graph, store=store, addresses=settings.addresses, policy=settings.unknown_subscriptions
        )
        executor = Executor(
            graph=graph,
            store=store,
            work=work,
            addresses=settings.addresses,
            tenant_id=settings.graph_tenant_id,
            client_state_key=settings.client_state_key,
            now=now,
            own_endpoint=own_endpoint,
            farewell=mailboxes.farewell if mailboxes else None,
        )
        self._mailboxes = mailboxes
        self._reconciler = Reconciler(
            executor=executor,
            store=store,
            keys=keys,
            catch_up=catch_up,
            silence=silence,
            settings=settings,
            now=now,
            pause=pause,
        )

    async def renew(self) -> Summary:
        """Do what is due, or compare everything that is declared with everything that is live.

        The subscriptions file is looked at first, and groups are asked for their members. Raises StorageError if the table
        cannot be read; what fails for one subscription is in the summary.
        """
        await self._declared.refresh(at_once=True)
        declaration = self._declared.current
        if declaration is None:
            log_line(_LOGGER, logging.ERROR, "renewal: nothing is declared", {"problems": len(self._declared.problems)})
            return Summary()
        await self._declared.keep()
        members = await self._members.read(each.members_of for each in declaration.subscriptions if each.members_of)
        key = await self._reconciler.current_key(declaration.subscriptions)
        digest = self._digest(declaration, members, key)
        last = await self._store.last_comparison()
        if last is None or not self._is_current(last, digest):
            unknown = last.unknown if last else ()
            comparison = Comparison(digest=digest, at=self._now(), unknown=unknown)
            summary = await self._compare(declaration, members, key, comparison)
        elif last.done and last.size <= _FEW:
            rows = await self._store.list()
            declared = {each.name: each for each in expand(declaration, members, rows)}
            summary = await self._reconciler.reconcile(declared, rows, key)
        else:
            rows = await self._store.due(self._now(), limit=_MOST_DUE)
            summary = await self._reconciler.reconcile(_instances(declaration, rows), rows, key)
        await self._look_after_the_quiet(declaration)
        fields = {"declared": len(declaration.subscriptions), "actions": len(summary.results)}
        log_line(_LOGGER, logging.INFO, "renewal", fields | {"failed": len(summary.problems)})
        return summary

    def _is_current(self, last: Comparison, digest: str) -> bool:
        age = self._now() - last.at
        return last.digest == digest and age < (_COMPARE_AGAIN if last.done else _UNFINISHED)

    async def _compare(
        self,
        declaration: Declaration,
        members: Mapping[str, Sequence[str]],
        key: EncryptionKey | None,
        comparison: Comparison,
    ) -> Summary:
        """Hold everything against everything. It is written down first, because shares that are older are not done any more."""
        await self._store.save_comparison(comparison)
        rows = await self._store.list()
        await self._store.index(rows)
        declared = {each.name: each for each in expand(declaration, members, rows)}
        actions = plan(declared.values(), rows, self._now(), circumstances=self._reconciler.circumstances(key))
        summary = Summary()
        if len(actions) > _AT_ONCE:
            await self._share_out(actions, comparison.digest)
        else:
            summary = await self._reconciler.reconcile(declared, rows, key)
        size = len(declared.keys() | {row.name for row in rows})
        await self._store.save_comparison(replace(comparison, done=True, size=size))
        tenants = dict.fromkeys(("", *(each.tenant_id for each in declaration.subscriptions)))
        for number, tenant_id in enumerate(tenants):
            search = UnknownWork(path=FIRST_PAGE, tenant_id=tenant_id)
            await self._work.put(write_work(search), delay=_LIST_EVERY * number)
        return summary

    async def _share_out(self, actions: Sequence[Action], digest: str) -> None:
        wanted = {
            each.name: each.declared.resource if isinstance(each, Create | Renew | Recreate) else each.row.resource
            for each in actions
            if not isinstance(each, Delete)
        }
        gone = [each.name for each in actions if isinstance(each, Delete)]
        for number, share in enumerate(share_out(digest, wanted, gone)):
            await self._work.put(write_work(share), delay=_SHARE_EVERY * number)
        log_line(_LOGGER, logging.INFO, "comparison shared out", {"wanted": len(wanted), "gone": len(gone)})

    async def work(self, message: bytes) -> Summary:
        """Act on a message of queue ``subscription-work``. Doing so twice is harmless.

        Raises EnvelopeError for a message that is none of ours, StorageError if the table cannot be read, SettingsError
        while there is no good declaration, GraphApiError if Graph cannot be asked what is there.
        """
        match read_work(message):
            case LifecycleWork() as event:
                return await self._hear(event)
            case CatchUpWork() as order:
                await self._catch_up_with(order)
                return Summary()
            case ReconcileWork() as share:
                return await self._do_share(share)
            case UnknownWork() as search:
                await self._look_for_unknown(search)
                return Summary()
            case MailboxWork(name=name) as order:
                return await self._settle(name, order)

    async def _settle(self, name: str, order: MailboxWork) -> Summary:
        """Do what somebody who has connected or disconnected their mailbox wants, and at once."""
        if self._mailboxes is None:
            log_line(_LOGGER, logging.WARNING, "a mailbox, where nobody may connect one any more", {"name": name})
            return Summary()
        settled = await self._mailboxes.settle(name)
        if settled.again is not None:
            await self._work.put(write_work(order), delay=settled.again)
        if settled.row is None:
            return Summary()
        return await self._reconciler.reconcile(
            _instances(await self._declaration(), [settled.row]), [settled.row], None
        )

    async def _hear(self, work: LifecycleWork) -> Summary:
        row = await self._store.read(work.name)
        fields = {"event": work.lifecycle_event, "name": work.name, "subscriptionId": work.subscription_id}
        if row is None or row.subscription_id.lower() != work.subscription_id.lower():
            log_line(_LOGGER, logging.INFO, "lifecycle of a subscription that is ours no more", fields)
            return Summary()
        if work.lifecycle_event == "missed":
            log_line(_LOGGER, logging.WARNING, "lifecycle: changes were missed", fields)
            await self._catch_up_with(CatchUpWork(name=work.name, reason="missed"))
            return Summary()
        if work.lifecycle_event not in {"reauthorizationRequired", "subscriptionRemoved"}:
            log_line(_LOGGER, logging.WARNING, "lifecycle event that we do not know", fields)
            return Summary()
        log_line(_LOGGER, logging.INFO, "lifecycle", fields)
        # an instance is taken on its row's word: whether its user is still meant is the next comparison's question
        declared = _instances(await self._declaration(), [row])
        key = await self._reconciler.current_key(declared.values())
        named = frozenset({work.name})
        if work.lifecycle_event == "subscriptionRemoved" and not await self._is_contradicted(row):
            return await self._reconciler.reconcile(declared, [row], key, removed=named)
        return await self._reconciler.reconcile(declared, [row], key, forced=named)

    async def _is_contradicted(self, row: LiveSubscription) -> bool:
        """Ask Graph whether a subscription that is said to be removed is there after all. Raises GraphApiError.

        Only where the clientState can be read by whoever may read the hub: with it an event can be forged at the webhook, and every
        recreation makes the generation before the last a stranger. One that is there is renewed, at most every ten minutes.
        """
        if row.delivery != "eventhub":
            return False
        try:
            await self._graph.request("GET", f"/subscriptions/{row.subscription_id}", tenant_id=row.tenant_id)
        except GraphApiError as problem:
            if problem.status in _UNSAID:
                raise
            return False
        fields = {"name": row.name, "subscriptionId": row.subscription_id}
        log_line(_LOGGER, logging.WARNING, "lifecycle: said to be removed, and Graph has it", fields)
        return True

    async def _catch_up_with(self, order: CatchUpWork) -> None:
        """Do a piece of a catch-up; what is left of it is another message."""
        row = await self._store.read(order.name)
        declared = _instances(await self._declaration(), [row] if row else []).get(order.name)
        if row is None or declared is None:
            fields = {"name": order.name, "reason": order.reason}
            log_line(_LOGGER, logging.INFO, "catch-up of what is declared no more", fields)
            return
        progress = await self._catch_up.run(declared, row, order)
        if progress.done and order.reason == SILENCE:
            await self._silence.probed(order.name, unheard=progress.unheard)
        if not progress.done:
            following = replace(order, lap=order.lap + 1)
            await self._work.put(write_work(following), delay=progress.again or timedelta(0))

    async def _look_after_the_quiet(self, declaration: Declaration) -> None:
        """Have those looked at by delta that are unusually quiet, or that are known to be unheard."""

        def find(name: str) -> Watched | None:
            entry = declaration.find(name)
            if entry is None:
                return None
            return Watched(
                resource=entry.resource, quiet_after=entry.quiet_after, query_options=entry.notification_query_options
            )

        review = await self._silence.review(find)
        for look in (*review.probe, *review.poll):
            await self._work.put(write_work(CatchUpWork(name=look.name, reason=SILENCE, since=look.since)))

    async def answer_catch_up(self, asked: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        """Order a catch-up of the subscription ``name``, or of every one of an entry for many; a status, and what to answer.

        ``since`` is a time in ISO 8601, absent for since the last look. Raises StorageError.
        """
        name, text = asked.get("name", ""), asked.get("since", "")
        try:
            since = read_timestamp(text) if text else None
        except GraphProtocolError:
            return 400, {"problem": "since is not a time such as 2026-11-20T12:00:00Z"}
        names = [row.name for row in await self._store.list() if name in {row.name, row.name.partition("~")[0]}]
        for number, each in enumerate(names):
            order = CatchUpWork(name=each, reason="request", since=since)
            await self._work.put(write_work(order), delay=_REQUESTS_EVERY * number)
        if not names:
            return 404, {"problem": "no subscription has that name: /api/status lists them"}
        return 202, {"ordered": names[:_MOST_SHOWN], "count": len(names)}

    async def _do_share(self, share: ReconcileWork) -> Summary:
        last = await self._store.last_comparison()
        if last is None or last.digest != share.digest:
            log_line(_LOGGER, logging.INFO, "a share of an older comparison", {"subscriptions": len(share.wanted)})
            return Summary()
        declaration = await self._declaration()
        found = await asyncio.gather(*(self._store.read(name) for name in (*share.wanted, *share.gone)))
        rows = {row.name: row for row in found if row is not None}
        entries = ((name, declaration.find(name)) for name in share.wanted)
        made = [
            shared_instance(entry, name, share.wanted[name], rows.get(name))
            for name, entry in entries
            if entry is not None
        ]
        declared = {each.name: each for each in made if each is not None}
        key = await self._reconciler.current_key(declared.values())
        return await self._reconciler.reconcile(declared, list(rows.values()), key)

    async def _look_for_unknown(self, search: UnknownWork) -> None:
        found = await self._unknown.look(search.path, search.tenant_id)
        last = await self._store.last_comparison()
        if last is not None:
            before = () if search == UnknownWork(path=FIRST_PAGE) else last.unknown
            unknown = (*before, *(each.subscription_id for each in found.unknown))
            await self._store.save_comparison(replace(last, unknown=unknown[:_MOST_SHOWN]))
        if found.following:
            await self._work.put(write_work(replace(search, path=found.following)), delay=_LIST_EVERY)

    async def _declaration(self) -> Declaration:
        await self._declared.refresh()
        if self._declared.current is None:
            raise SettingsError(self._declared.problems)
        return self._declared.current

    def _digest(self, declaration: Declaration, members: Mapping[str, Sequence[str]], key: EncryptionKey | None) -> str:
        """Write down everything on which it depends what is wanted of any subscription."""
        circumstances = self._reconciler.circumstances(key)
        said = hashlib.sha256(f"{declaration.digest} {circumstances}".encode())
        for group in sorted(members):
            said.update(f" {group}:{','.join(sorted(members[group]))}".encode())
        return said.hexdigest()[:32]


def _instances(declaration: Declaration, rows: Iterable[LiveSubscription]) -> Mapping[str, DeclaredSubscription]:
    """Give what is declared of these rows; an instance is taken on its row's word."""
    found = ((row, declaration.find(row.name)) for row in rows)
    made = [instance_of(entry, row) for row, entry in found if entry is not None]
    names = {row.name for row in rows}
    return {each.name: each for each in made if each.name in names}
