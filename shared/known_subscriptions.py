"""Which clientStates are still good: names that are declared, in their current and previous generation.

Rows are remembered for half a minute, so that processing pays nothing for this. A generation newer than we know is looked
up at once: only we can have minted it, and its row was written before Graph heard of it. An older one is looked up again
at most once a second a name.
"""

import asyncio
from datetime import datetime, timedelta

from shared.declaration import Declaration, DeclaredSubscription
from shared.graph.client_state import ClientState
from shared.ports import Clock, SubscriptionStore

_REMEMBER = timedelta(seconds=30)
_LOOK_AGAIN = timedelta(seconds=1)
_NOT_AT_ALL = timedelta(seconds=-1)


class KnownSubscriptions:
    """Answers for clientStates over the declaration and table ``subscriptions``."""

    def __init__(self, declaration: Declaration, store: SubscriptionStore, now: Clock) -> None:
        self._declaration = declaration
        self._store = store
        self._now = now
        self._generations: dict[str, tuple[int, datetime]] = {}
        self._looking: dict[str, asyncio.Lock] = {}

    def recall(self, state: ClientState) -> DeclaredSubscription | None:
        """Answer from memory alone; None if it takes a look, or if the name is not declared."""
        known = self._generations.get(state.name)
        if known is None or self._now() - known[1] > _REMEMBER or not _is_accepted(state, known[0]):
            return None
        return self._declaration.find(state.name)

    async def find(self, state: ClientState) -> DeclaredSubscription | None:
        """Find the declared subscription of a clientState; None if it is no longer good. Raises StorageError."""
        declared = self._declaration.find(state.name)
        if declared is None:
            return None
        async with self._looking.setdefault(state.name, asyncio.Lock()):  # sixty items of an envelope look once
            known = self._generations.get(state.name)
            if known is None or self._now() - known[1] > _good_for(state, known[0]):
                row = await self._store.read(state.name)
                known = (row.generation if row else -1, self._now())
                self._generations[state.name] = known
        return declared if _is_accepted(state, known[0]) else None


def _good_for(state: ClientState, current: int) -> timedelta:
    if _is_accepted(state, current):
        return _REMEMBER
    return _LOOK_AGAIN if state.generation < current else _NOT_AT_ALL


def _is_accepted(state: ClientState, current: int) -> bool:
    return state.generation in {current, current - 1}
