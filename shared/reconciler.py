"""Brings what is live to what is declared: plans, executes, tries again what may be tried again soon, and does what follows from it.

Not here: which subscriptions are looked at when (`shared.subscriptions`), the rules (`shared.reconcile`), the requests
(`shared.executor`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from shared.catch_up import CatchUp
from shared.declaration import DeclaredSubscription
from shared.errors import StorageError
from shared.executor import Executor
from shared.graph.client_state import key_fingerprint
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.subscription import LiveSubscription
from shared.ports import Clock, EncryptionKeys, SubscriptionStore
from shared.reconcile import Circumstances, plan
from shared.results import Result, Summary
from shared.settings import Settings
from shared.silence import Silence
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_LONGEST_PAUSE: Final = timedelta(seconds=60)
"""What may be tried again sooner than the timer ticks is waited for; anything later is the next tick's."""
_MOST_ROUNDS: Final = 5


class Reconciler:
    """Plan and executor, and what they depend on."""

    def __init__(
        self,
        *,
        executor: Executor,
        store: SubscriptionStore,
        keys: EncryptionKeys | None,
        catch_up: CatchUp,
        silence: Silence,
        settings: Settings,
        now: Clock,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._executor = executor
        self._store = store
        self._keys = keys
        self._catch_up = catch_up
        self._silence = silence
        self._now = now
        self._pause = pause
        self._addresses = settings.addresses
        self._tenant_id = settings.graph_tenant_id
        self._key_fingerprint = key_fingerprint(settings.client_state_key)
        self._previous_fingerprint = key_fingerprint(settings.client_state_key_previous)

    async def current_key(self, declared: Iterable[DeclaredSubscription]) -> EncryptionKey | None:
        """Find the current encryption key; None where nothing declared wants one."""
        rich = any(each.include_resource_data for each in declared)
        return await self._keys.current() if rich and self._keys else None

    def circumstances(self, key: EncryptionKey | None) -> Circumstances:
        """Say on what subscriptions depend besides what is declared of them."""
        return Circumstances(
            addresses=self._addresses,
            tenant_id=self._tenant_id,
            key_fingerprint=self._key_fingerprint,
            previous_fingerprint=self._previous_fingerprint,
            certificate_id=key.certificate_id if key else "",
        )

    async def reconcile(
        self,
        declared: Mapping[str, DeclaredSubscription],
        rows: Sequence[LiveSubscription],
        key: EncryptionKey | None,
        *,
        forced: frozenset[str] = frozenset(),
        removed: frozenset[str] = frozenset(),
    ) -> Summary:
        """Plan and execute, and again for what may be tried again within a minute."""
        results: dict[str, Result] = {}
        for _ in range(_MOST_ROUNDS):
            actions = plan(
                declared.values(),
                rows,
                self._now(),
                circumstances=self.circumstances(key),
                forced=forced,
                removed=removed,
            )
            summary = await self._executor.execute(actions, key=key)
            await self._follow_up(summary, declared)
            results |= {each.name: each for each in summary.results}
            wait = summary.again - self._now() if summary.again else None
            if wait is None or wait > _LONGEST_PAUSE:
                break
            await self._pause(max(wait.total_seconds(), 0))
            names = [each.name for each in summary.results if each.again]
            declared = {name: declared[name] for name in names if name in declared}
            rows = [row for row in await asyncio.gather(*map(self._store.read, names)) if row is not None]
            forced = removed = frozenset()  # acted upon; what is unfinished is in its row
        return Summary(results=tuple(results.values()))

    async def _follow_up(self, summary: Summary, declared: Mapping[str, DeclaredSubscription]) -> None:
        """Watch what was made for silence, where that is declared, and forget what is gone; where that fails, little is lost."""
        made = [each.name for each in summary.results if each.outcome in {"created", "recreated", "adopted"}]
        gone = [each.name for each in summary.results if each.outcome == "deleted"]
        try:
            watched = [name for name in made if name in declared and declared[name].quiet_after is not None]
            await self._silence.watch(dict.fromkeys(watched, self._now()))
            await self._silence.forget(gone)
            for name in gone:
                await self._catch_up.forget(name)
        except StorageError as problem:
            log_line(_LOGGER, logging.WARNING, "what is known of a subscription's rhythm is left", {"problem": problem})
