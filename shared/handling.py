"""Claims the changes of an envelope, runs their handlers, and records what is done.

One transaction claims all changes of a partition and one records them, so that the ledger is paid by the envelope. A
partition is a declared subscription: a part of the key, so that a change finds its row by whichever way it comes. Deletions leave
a tombstone, by which one that was heard is known when a delta tells it (`shared.ledger`).
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.change import Change, Services
from shared.change_key import read_round, tombstone_key
from shared.dispatch import Again, Done, GivenUp, Outcome, run_handlers
from shared.envelope import owed_names
from shared.ledger import AlreadyDone, Answer, Busy, Granted, Ledger, ToldDeletion, Tombstone, Wanted
from shared.ports import Clock
from shared.routing import Route
from shared.work import Dead, Dropped, Retry, Work

Share = tuple[Work, tuple[Route, ...]]
"""One item of a change, and the handlers that run for it."""

_HEARD, _TOLD = "heard", "told"
"""By Graph's own notification, and by a delta."""

_AFTER_A_CLAIM = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What it takes to handle opened changes once."""

    ledger: Ledger
    services: Services
    handler_timeout: timedelta
    now: Clock
    new_id: Callable[[], str]

    async def handle(self, works: Sequence[Work]) -> None:
        """Bring each change to an ending. Raises StorageError if the ledger cannot be read or written."""
        partitions: dict[str, dict[str, list[Work]]] = {}
        alone: list[Work] = []
        for work in works:
            if work.change is None:
                continue
            if work.change.key:
                same = partitions.setdefault(_partition(work.change), {})
                same.setdefault(work.change.key, []).append(work)
            else:
                alone.append(work)
        await asyncio.gather(
            *(self._handle_partition(name, by_key) for name, by_key in partitions.items()),
            self._handle_unkeyed(alone),
        )

    async def _handle_partition(self, partition: str, by_key: Mapping[str, Sequence[Work]]) -> None:
        wanted = [
            Wanted(key=key, owed=frozenset(route.instance for work in works for route in work.routes))
            for key, works in by_key.items()
        ]
        answers = await self.ledger.claim(partition, wanted, holder=self.new_id(), now=self.now())
        granted = {key: answer for key, answer in answers.items() if isinstance(answer, Granted)}
        heard = await self._heard_before(partition, {key: by_key[key] for key in granted})
        shares = {key: _share_out(works) for key, works in by_key.items()}
        runs = await asyncio.gather(
            *(self._run(shares[key], answer.run - heard.get(key, frozenset())) for key, answer in granted.items())
        )
        outcomes = dict(zip(granted, runs, strict=True))
        done = {key: _done(run) | heard.get(key, frozenset()) for key, run in outcomes.items()}
        await self.ledger.settle(
            partition, granted, done, now=self.now(), tombstones=_tombstones(by_key, granted, done)
        )
        for key, share in shares.items():
            self._conclude(share, answers[key], outcomes.get(key, ()), heard.get(key, frozenset()))

    async def _heard_before(self, partition: str, by_key: Mapping[str, Sequence[Work]]) -> Mapping[str, frozenset[str]]:
        """Find the handlers of deletions told by a delta that handled them when Graph's own notification came."""
        told = {key: found for key, works in by_key.items() if (found := _told_deletion(works[0].change)) is not None}
        heard = await asyncio.gather(*(self.ledger.heard(partition, each, now=self.now()) for each in told.values()))
        return dict(zip(told, heard, strict=True))

    async def _run(self, shares: Sequence[Share], instances: frozenset[str]) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        for work, routes in shares:
            outcomes += await self._run_routes(work.change, [route for route in routes if route.instance in instances])
        return tuple(outcomes)

    async def _run_routes(self, change: Change | None, routes: Sequence[Route]) -> tuple[Outcome, ...]:
        if change is None:
            return ()
        return await run_handlers(change, routes, self.services, limit=self.handler_timeout)

    async def _handle_unkeyed(self, works: Sequence[Work]) -> None:
        """Handle changes that nothing tells from others: a duplicate is better than a loss."""
        runs = await asyncio.gather(*(self._run_routes(work.change, work.routes) for work in works))
        buried: dict[str, list[Tombstone]] = {}
        for work, outcomes in zip(works, runs, strict=True):
            _end_by_outcomes(work, outcomes)
            if work.change is not None and work.change.deleted and (done := _done(outcomes)):
                buried.setdefault(_partition(work.change), []).append(_tombstone(work.change, done))
        await asyncio.gather(*(self.ledger.bury(name, each, now=self.now()) for name, each in buried.items()))

    def _conclude(
        self, shares: Sequence[Share], answer: Answer, outcomes: Sequence[Outcome], heard: Collection[str]
    ) -> None:
        """End each item by what became of its share; one that was left none is a duplicate of the others."""
        for work, routes in shares:
            names = frozenset(route.instance for route in routes)
            match answer:
                case _ if names.issubset(heard):
                    work.endings.append(Dropped(why="duplicate"))
                case AlreadyDone():
                    work.endings.append(Dropped(why="duplicate"))
                case Busy(until=until):
                    work.endings.append(self._wait_for(until, names))
                case Granted():
                    _end_by_outcomes(work, [each for each in outcomes if each.instance in names])

    def _wait_for(self, until: datetime, names: Collection[str]) -> Retry:
        return Retry(
            error="another delivery of this change is being handled",
            owed=owed_names(tuple(names)),
            after=max(until - self.now(), timedelta(0)) + _AFTER_A_CLAIM,
            spends=False,
        )


def _partition(change: Change) -> str:
    return change.subscription.partition("~")[0]


def _done(outcomes: Sequence[Outcome]) -> frozenset[str]:
    return frozenset(each.instance for each in outcomes if isinstance(each, Done))


def _told_deletion(change: Change | None) -> ToldDeletion | None:
    told = read_round(change.notification) if change is not None and change.deleted else None
    if change is None or told is None:
        return None
    heard_key, told_key = _tombstone_key(change, _HEARD), _tombstone_key(change, _TOLD)
    return ToldDeletion(heard_key=heard_key, told_key=told_key, mark=told.mark, since=told.since)


def _tombstones(
    by_key: Mapping[str, Sequence[Work]], granted: Mapping[str, Granted], done: Mapping[str, frozenset[str]]
) -> Sequence[Tombstone]:
    """Write down which deletions are handled, with everything that was done about them at any time."""
    found: list[Tombstone] = []
    for key, answer in granted.items():
        change = by_key[key][0].change
        if change is not None and change.deleted:
            found.append(_tombstone(change, done[key].union(*(row.done for row in answer.rows.values()))))
    return found


def _tombstone(change: Change, done: frozenset[str]) -> Tombstone:
    told = read_round(change.notification)
    key = _tombstone_key(change, _HEARD if told is None else _TOLD)
    return Tombstone(key=key, done=done, received=change.received, way=told.mark if told else "")


def _tombstone_key(change: Change, way: str) -> str:
    return tombstone_key(
        subscription=change.subscription, tenant_id=change.tenant_id, resource=change.resource, way=way
    )


def _share_out(works: Sequence[Work]) -> Sequence[Share]:
    """Give each handler to the first item that concerns it: *created* and *updated* may tell of one version."""
    taken: set[str] = set()
    shares: list[Share] = []
    for work in works:
        shares.append((work, tuple(route for route in work.routes if route.instance not in taken)))
        taken |= {route.instance for route in work.routes}
    return shares


def _end_by_outcomes(work: Work, outcomes: Sequence[Outcome]) -> None:
    again = [each for each in outcomes if isinstance(each, Again)]
    for each in outcomes:
        if isinstance(each, GivenUp):
            work.endings.append(Dead(reason=f"{each.instance} gave up", error=each.reason, owed=(each.instance,)))
    if again:
        asked = [each.after for each in again if each.after is not None]
        least = [each.at_least for each in again if each.at_least is not None]
        work.endings.append(
            Retry(
                error="; ".join(f"{each.instance}: {each.error}" for each in again),
                owed=owed_names([each.instance for each in again]),
                after=max(asked) if asked else None,
                at_least=max(least) if least else None,
            )
        )
    if not work.endings:
        work.endings.append(Dropped(why="handled"))
