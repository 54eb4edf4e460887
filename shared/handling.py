"""Claims the changes of an envelope, runs their handlers, and records what is done.

One transaction claims all changes of a partition and one records them, so that the ledger is paid by the envelope. A
partition is a declared subscription: a part of the key, so that a change finds its row by whichever way it comes.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.change import Change, Services
from shared.dispatch import Again, Done, GivenUp, Outcome, run_handlers
from shared.envelope import owed_names
from shared.ledger import AlreadyDone, Answer, Busy, Granted, Ledger, Wanted
from shared.ports import Clock
from shared.routing import Route
from shared.work import Dead, Dropped, Retry, Work

Share = tuple[Work, tuple[Route, ...]]
"""One item of a change, and the handlers that run for it."""

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
                same = partitions.setdefault(work.change.subscription.partition("~")[0], {})
                same.setdefault(work.change.key, []).append(work)
            else:
                alone.append(work)
        await asyncio.gather(
            *(self._handle_partition(name, by_key) for name, by_key in partitions.items()),
            *(self._handle_unkeyed(work) for work in alone),
        )

    async def _handle_partition(self, partition: str, by_key: Mapping[str, Sequence[Work]]) -> None:
        wanted = [
            Wanted(key=key, owed=frozenset(route.instance for work in works for route in work.routes))
            for key, works in by_key.items()
        ]
        answers = await self.ledger.claim(partition, wanted, holder=self.new_id(), now=self.now())
        granted = {key: answer for key, answer in answers.items() if isinstance(answer, Granted)}
        shares = {key: _share_out(works) for key, works in by_key.items()}
        runs = await asyncio.gather(*(self._run(shares[key], granted[key].run) for key in granted))
        outcomes = dict(zip(granted, runs, strict=True))
        done = {
            key: frozenset(each.instance for each in run if isinstance(each, Done)) for key, run in outcomes.items()
        }
        await self.ledger.settle(partition, granted, done, now=self.now())
        for key, share in shares.items():
            self._conclude(share, answers[key], outcomes.get(key, ()))

    async def _run(self, shares: Sequence[Share], instances: frozenset[str]) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        for work, routes in shares:
            outcomes += await self._run_routes(work.change, [route for route in routes if route.instance in instances])
        return tuple(outcomes)

    async def _run_routes(self, change: Change | None, routes: Sequence[Route]) -> tuple[Outcome, ...]:
        if change is None:
            return ()
        return await run_handlers(change, routes, self.services, limit=self.handler_timeout)

    async def _handle_unkeyed(self, work: Work) -> None:
        """Handle a change that nothing tells from another one: a duplicate is better than a loss."""
        _end_by_outcomes(work, await self._run_routes(work.change, work.routes))

    def _conclude(self, shares: Sequence[Share], answer: Answer, outcomes: Sequence[Outcome]) -> None:
        """End each item by what became of its share; one that was left none is a duplicate of the others."""
        for work, routes in shares:
            names = frozenset(route.instance for route in routes)
            match answer:
                case _ if not names:
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
