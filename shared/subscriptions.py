"""Keeps subscriptions as they are declared: on every tick of the timer, and when Graph sends a lifecycle event.

Both end in the same plan. A broken subscriptions file changes nothing: what it said before stays in force, and while it
never said anything, nothing is touched. Not here: the rules (`shared.reconcile`), the requests (`shared.executor`), and catching up by delta
after `missed`, which is not in this version.
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.declaration import Declaration, DeclaredSubscription
from shared.errors import EnvelopeError, SettingsError
from shared.executor import Executor
from shared.fan_out import expand, instance_of
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.subscription import LiveSubscription
from shared.group_members import GroupMembers
from shared.ports import Clock, Declared, EncryptionKeys, Graph, SubscriptionStore
from shared.reconcile import Circumstances, plan
from shared.results import Result, Summary
from shared.settings import Settings
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_LONGEST_PAUSE: Final = timedelta(seconds=60)
"""What may be tried again sooner than the timer ticks is waited for; anything later is the next tick's."""
_MOST_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleWork:
    """A message on queue ``subscription-work``: what Graph said about one subscription."""

    lifecycle_event: str
    name: str
    subscription_id: str


class Subscriptions:
    """The declared subscriptions and what keeps them alive."""

    def __init__(
        self,
        *,
        declared: Declared,
        settings: Settings,
        graph: Graph,
        store: SubscriptionStore,
        keys: EncryptionKeys | None,
        now: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._declared = declared
        self._members = GroupMembers(graph)
        self._store = store
        self._keys = keys
        self._now = now
        self._pause = pause
        self._base_url = settings.public_base_url
        self._tenant_id = settings.graph_tenant_id
        self._key_fingerprint = _fingerprint(settings.client_state_key)
        self._executor = Executor(
            graph=graph,
            store=store,
            base_url=settings.public_base_url,
            tenant_id=settings.graph_tenant_id,
            client_state_key=settings.client_state_key,
            now=now,
        )

    async def renew(self) -> Summary:
        """Compare everything that is declared with everything that is live, and do what is due.

        The subscriptions file is looked at first, and groups are asked for their members. Raises StorageError if the table
        cannot be read; what fails for one subscription is in the summary.
        """
        await self._declared.refresh(at_once=True)
        declaration = self._declared.current
        if declaration is None:
            log_line(_LOGGER, logging.ERROR, "renewal: nothing is declared", {"problems": len(self._declared.problems)})
            return Summary()
        await self._declared.keep()
        members = await self._members.read(
            each.for_each.group for each in declaration.subscriptions if each.for_each and each.for_each.group
        )
        summary = await self._reconcile(lambda rows: expand(declaration, members, rows), self._store.list)
        fields = {"declared": len(declaration.subscriptions), "actions": len(summary.results)}
        log_line(_LOGGER, logging.INFO, "renewal", fields | {"failed": len(summary.problems)})
        return summary

    async def work(self, message: bytes) -> Summary:
        """Act on a lifecycle event. Doing so twice is harmless.

        Raises EnvelopeError for a message that is none of ours, StorageError if the table cannot be read, SettingsError
        while there is no good declaration.
        """
        work = read_lifecycle_work(message)
        row = await self._store.read(work.name)
        fields = {"event": work.lifecycle_event, "name": work.name, "subscriptionId": work.subscription_id}
        if row is None or row.subscription_id.lower() != work.subscription_id.lower():
            log_line(_LOGGER, logging.INFO, "lifecycle of a subscription that is ours no more", fields)
            return Summary()
        if work.lifecycle_event == "missed":
            log_line(_LOGGER, logging.WARNING, "lifecycle: changes were missed and need a catch-up", fields)
            return Summary()
        if work.lifecycle_event not in {"reauthorizationRequired", "subscriptionRemoved"}:
            log_line(_LOGGER, logging.WARNING, "lifecycle event that we do not know", fields)
            return Summary()
        log_line(_LOGGER, logging.INFO, "lifecycle", fields)
        return await self._reconcile_one(work)

    async def _reconcile_one(self, work: LifecycleWork) -> Summary:
        named = frozenset({work.name})
        declaration = await self._declaration()

        async def one_row() -> Sequence[LiveSubscription]:
            row = await self._store.read(work.name)
            return [row] if row else []

        def declared(rows: Sequence[LiveSubscription]) -> Sequence[DeclaredSubscription]:
            entry = declaration.find(work.name)
            # an instance is taken on its row's word: whether its user is still meant is the next tick's question
            found = [instance_of(entry, row) for row in rows] if entry else []
            return [each for each in found if each.name == work.name]

        if work.lifecycle_event == "subscriptionRemoved":
            return await self._reconcile(declared, one_row, removed=named)
        return await self._reconcile(declared, one_row, forced=named)

    async def _declaration(self) -> Declaration:
        await self._declared.refresh()
        if self._declared.current is None:
            raise SettingsError(self._declared.problems)
        return self._declared.current

    async def _reconcile(
        self,
        declare: Callable[[Sequence[LiveSubscription]], Sequence[DeclaredSubscription]],
        rows: Callable[[], Awaitable[Sequence[LiveSubscription]]],
        *,
        forced: frozenset[str] = frozenset(),
        removed: frozenset[str] = frozenset(),
    ) -> Summary:
        """Plan and execute, and again for what may be tried again within a minute."""
        results: dict[str, Result] = {}
        for _ in range(_MOST_ROUNDS):
            live = await rows()
            declared = declare(live)
            key = await self._current_key(declared)
            actions = plan(
                declared,
                live,
                self._now(),
                circumstances=self._circumstances(key),
                forced=forced,
                removed=removed,
            )
            summary = await self._executor.execute(actions, key=key)
            results |= {each.name: each for each in summary.results}
            forced = removed = frozenset()  # acted upon; what is unfinished is in its row
            wait = summary.again - self._now() if summary.again else None
            if wait is None or wait > _LONGEST_PAUSE:
                break
            await self._pause(max(wait.total_seconds(), 0))
        return Summary(results=tuple(results.values()))

    async def _current_key(self, declared: Sequence[DeclaredSubscription]) -> EncryptionKey | None:
        rich = any(each.include_resource_data for each in declared)
        return await self._keys.current() if rich and self._keys else None

    def _circumstances(self, key: EncryptionKey | None) -> Circumstances:
        return Circumstances(
            base_url=self._base_url,
            tenant_id=self._tenant_id,
            key_fingerprint=self._key_fingerprint,
            certificate_id=key.certificate_id if key else "",
        )


def read_lifecycle_work(message: bytes) -> LifecycleWork:
    """Read a message of queue ``subscription-work``. Raises EnvelopeError."""
    try:
        work = json.loads(message)
    except (ValueError, RecursionError) as problem:
        raise EnvelopeError("a message on subscription-work is not JSON") from problem
    if not isinstance(work, dict) or work.get("earshot") != 1:
        raise EnvelopeError("a message on subscription-work is not ours, or of a later version")
    values = [work.get(name) for name in ("lifecycleEvent", "name", "subscriptionId")]
    if not all(isinstance(value, str) and value for value in values):
        raise EnvelopeError("a message on subscription-work lacks lifecycleEvent, name or subscriptionId")
    lifecycle_event, name, subscription_id = map(str, values)
    return LifecycleWork(lifecycle_event=lifecycle_event, name=name, subscription_id=subscription_id)


def _fingerprint(key: bytes) -> str:
    return hmac.digest(key, b"earshot: which key is this", hashlib.sha256).hex()[:16]
