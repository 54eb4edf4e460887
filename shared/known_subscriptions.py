"""Which clientStates are still good: names that are declared, in their current and previous generation.

An instance of an entry for many users is good while its entry is declared and its row is there: who is in a group is known
where subscriptions are kept, not where items are opened. The row also says whose items it may bring.

Rows are remembered for half a minute, so that processing pays nothing for this. A generation newer than we know is looked
up at once: only we can have minted it, and its row was written before Graph heard of it. An older one is looked up again
at most once a second a name.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.declaration import DeclaredSubscription
from shared.fan_out import instance_of
from shared.graph.client_state import ClientState
from shared.graph.subscription import LiveSubscription
from shared.ports import Clock, Declared, SubscriptionStore

_REMEMBER = timedelta(seconds=30)
_LOOK_AGAIN = timedelta(seconds=1)
_NOT_AT_ALL = timedelta(seconds=-1)


class NothingDeclared(Exception):  # noqa: N818 - a state that heals when somebody mends the file
    """There never was a good declaration: whose an item is cannot be told yet."""

    def __init__(self) -> None:
        super().__init__("the subscriptions file is wrong, and there is no earlier one: /api/status says what")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the table said of a name, and what that makes of its entry."""

    generation: int
    looked: datetime
    entry: DeclaredSubscription
    row: LiveSubscription | None
    declared: DeclaredSubscription


class KnownSubscriptions:
    """Answers for clientStates over the declaration and table ``subscriptions``."""

    def __init__(self, declared: Declared, store: SubscriptionStore, now: Clock) -> None:
        self._declared = declared
        self._store = store
        self._now = now
        self._known: dict[str, _Known] = {}
        self._looking: dict[str, asyncio.Lock] = {}

    def recall(self, state: ClientState) -> DeclaredSubscription | None:
        """Answer from memory alone; None if it takes a look, or if the name is not declared."""
        known = self._known.get(state.name)
        if known is None or self._now() - known.looked > _REMEMBER or not _is_accepted(state, known.generation):
            return None
        current = self._declared.current
        # another declaration has other entries, even where they say the same
        return known.declared if current is not None and current.find(state.name) is known.entry else None

    async def find(self, state: ClientState) -> DeclaredSubscription | None:
        """Find the declared subscription of a clientState; None if it is no longer good.

        Raises StorageError, and NothingDeclared while there is no good declaration.
        """
        await self._declared.refresh()
        if self._declared.current is None:
            raise NothingDeclared
        entry = self._declared.current.find(state.name)
        if entry is None:
            return None
        async with self._looking.setdefault(state.name, asyncio.Lock()):  # sixty items of an envelope look once
            known = self._known.get(state.name)
            if known is None or self._now() - known.looked > _good_for(state, known.generation):
                row = await self._store.read(state.name)
                known = _know(entry, row, self._now())
            elif known.entry is not entry:
                known = _know(entry, known.row, known.looked)
            self._known[state.name] = known
        return known.declared if _is_accepted(state, known.generation) else None


def _know(entry: DeclaredSubscription, row: LiveSubscription | None, looked: datetime) -> _Known:
    # who has disconnected a mailbox hears nothing more of it, also while its subscription is still being deleted
    generation = row.generation if row and not row.leaving else -1
    return _Known(generation, looked, entry, row, instance_of(entry, row))


def _good_for(state: ClientState, current: int) -> timedelta:
    if _is_accepted(state, current):
        return _REMEMBER
    return _LOOK_AGAIN if state.generation < current else _NOT_AT_ALL


def _is_accepted(state: ClientState, current: int) -> bool:
    return state.generation in {current, current - 1}
