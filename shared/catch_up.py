"""Catches up with what went unheard of one subscription, and reports the gap.

One call does a bounded piece of work and says whether it must be called again; whatever it breaks off in, nothing is lost. Orders
for one subscription join: a later one makes the run begin anew with what was read before it. The first round of a new subscription
is silent. When Graph no longer knows a link, the scope is listed anew, and what changed since its last good round is told. Not
here: walking the scopes (`shared.walking`), how each resource is followed (`shared.graph.following`), what a change looks like
(`shared.delta_items`), when a catch-up is due.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from shared.declaration import DeclaredSubscription
from shared.errors import StorageError
from shared.graph.following import Followed, follow
from shared.graph.subscription import LiveSubscription
from shared.ports import CatchUpRun, Clock, GapReport, GapStore, Graph, Queue, Scope, ScopeStore
from shared.subscription_work import CatchUpWork
from shared.telemetry import log_line
from shared.walking import FIRST_PAUSE, Interrupted, Lap, Walker

_LOGGER = logging.getLogger(__name__)

LOOK_AGAIN: Final = timedelta(seconds=45)
"""A delta lags behind its notification, by some 30-60 seconds (https://github.com/OneDrive/onedrive-api-docs/issues/1402)."""
MOST_TROUBLES: Final = 12
"""Laps in a row that may end with a refusal of Graph's; then the gap stays open, and the next order or sweep goes on."""
_DEFINITE: Final = 4
"""A definite no counts for so many of them: it is seldom another one a minute later."""

_REQUEST: Final = "request"
"""Somebody asks. With a time, what changed since then is told again, whatever was told before; the ledger drops what was handled."""
_GAPS: Final = frozenset({"missed", "removed", "gap", "silence", _REQUEST})
"""Reasons for which somebody wants to know what was missed."""
_ANNOUNCED: Final = _GAPS - {"silence"}
"""Of those who are quiet only a few have missed something: their report is written when that is known."""
_LAGGING: Final = frozenset({"missed", "removed", "gap"})
_BASELINE: Final = "baseline"
_SILENT: Final = frozenset({_BASELINE, "sweep"})
"""Reasons for which a first round tells nothing: there was nothing to hear before."""
_GENTLY: Final = timedelta(seconds=10)
"""Between two laps of a baseline, which nobody waits for."""
_SOON: Final = timedelta(seconds=1)
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a catch-up has come. Unless it is ``done``, it wants to be called ``again`` after so long, with the next lap.

    ``unheard`` counts the changes that came after the order's ``since``.
    """

    done: bool
    again: timedelta | None = None
    found: int = 0
    dispatched: int = 0
    unheard: int = 0
    scopes: int = 0
    how: str = ""
    problem: str = ""


class CatchUp:
    """Follows subscriptions by delta.

    Args:
        graph: asked in the subscription's tenant.
        scopes: where it remembers how far it has come.
        gaps: where reports are kept.
        queue: queue ``notifications``.
        client_state_key: mints the clientState of what it puts there.
        tenant_id: our own tenant.
        now: the clock.
        new_id: makes item ids.
        most_pages: requests to Graph in one call, more or less.
        longest: how long one call may take, more or less.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        *,
        graph: Graph,
        scopes: ScopeStore,
        gaps: GapStore,
        queue: Queue,
        client_state_key: bytes,
        tenant_id: str,
        now: Clock,
        new_id: Callable[[], str],
        most_pages: int = 60,
        longest: timedelta = timedelta(seconds=45),
    ) -> None:
        self._scopes = scopes
        self._gaps = gaps
        self._now = now
        self._most_pages = most_pages
        self._longest = longest
        self._walker = Walker(
            graph=graph,
            scopes=scopes,
            queue=queue,
            client_state_key=client_state_key,
            tenant_id=tenant_id,
            now=now,
            new_id=new_id,
        )

    async def run(self, declared: DeclaredSubscription, row: LiveSubscription, order: CatchUpWork) -> Progress:
        """Do a piece of a catch-up. Doing it twice, or at the same time as another, is harmless.

        Raises StorageError, after which it may be called again as if nothing had been; Graph's refusals are in the progress.
        """
        followed = follow(declared.resource)
        if followed is None or not followed.following.steps:
            return await self._give_up(order, followed)
        run = await self._begin(order)
        if run is None:
            return Progress(done=True, how=followed.following.how)
        if run.again_at is not None:
            if run.again_at > self._now():
                return _progress(run, followed, again=run.again_at - self._now())
            run = await self._change_run(run, began=self._now(), again_at=None)
        lap = await self._prepare(declared, row, followed, run)
        after, problem = timedelta(0), ""
        try:
            if lap.unrooted:
                lap.pending.insert(0, await self._walker.root(lap))
            await self._walker.walk_all(lap)
        except Interrupted as interrupted:
            after, problem = interrupted.after, interrupted.problem
        return await self._conclude(lap, run, after, problem)

    async def forget(self, name: str) -> None:
        """Forget a subscription that is declared no more. Done twice, it is the same. Raises StorageError."""
        await self._scopes.forget(name)

    # -- a run -------------------------------------------------------------------------------------------------------

    async def _begin(self, order: CatchUpWork) -> CatchUpRun | None:
        """Begin a run, join the one under way, or go on with it; None if it is over."""
        reason = order.reason if order.reason in _GAPS | _SILENT else _REQUEST
        for _ in range(_TRIES):
            known = await self._scopes.read_run(order.name)
            if order.lap > 1:
                return known
            now = self._now()
            if known is None:
                wanted = CatchUpRun(name=order.name, reason=reason, opened=now, began=now, since=order.since)
            else:
                looks_back = reason == _REQUEST and order.since is not None
                wanted = replace(
                    known,
                    reason=reason if known.reason in _SILENT or looks_back else known.reason,
                    since=_earlier(known.since, order.since),
                    began=now,
                    again_at=None,
                    repeated=False,
                    troubles=0,
                )
            saved = await self._scopes.save_run(wanted)
            if saved is not None:
                if wanted.reason in _ANNOUNCED and (known is None or known.reason != wanted.reason):
                    await self._open_gap(saved)
                return saved
        raise _contended(order.name)

    async def _change_run(self, run: CatchUpRun, **changes: Any) -> CatchUpRun:
        """Change a run; what somebody else has added to it meanwhile stays."""
        added = {name: changes.pop(name, 0) for name in ("found", "dispatched", "unheard")}
        for _ in range(_TRIES):
            counted = {name: getattr(run, name) + count for name, count in added.items()}
            saved = await self._scopes.save_run(replace(run, **changes, **counted))
            if saved is not None:
                return saved
            there = await self._scopes.read_run(run.name)
            if there is None:
                return run  # somebody has ended it: nothing is left to be counted
            run = there
        raise _contended(run.name)

    async def _prepare(
        self, declared: DeclaredSubscription, row: LiveSubscription, followed: Followed, run: CatchUpRun
    ) -> Lap:
        """Find what is to be read: the scopes that were last told of before the run began, the longest ago first."""
        last = len(followed.following.steps) - 1
        scopes: list[Scope] = []
        for scope in await self._scopes.list(run.name):
            if scope.root == followed.resource and scope.step <= last:
                scopes.append(scope)
            else:
                await self._scopes.remove(scope)  # it was declared for something else before
        # a baseline is a place to begin at: where there is one, an order that comes twice has nothing left to do
        again = run.reason != _BASELINE
        pending = [scope for scope in scopes if scope.told is None or (again and scope.told < run.began)]
        # folders and channels are found first; of the rest, what waits longest comes first
        pending.sort(key=lambda scope: (scope.step == last, scope.told is not None, scope.told or run.began))
        # after a refusal somebody else comes first: one that always fails must not keep the others from their turn
        turn = run.troubles % max(len(pending), 1)
        pending = [*pending[turn:], *pending[:turn]]
        return Lap(
            declared=declared,
            row=row,
            followed=followed,
            ends=self._now() + self._longest,
            most_pages=self._most_pages,
            began=run.began,
            since=run.since if run.since or run.reason in _SILENT else (row.created or run.opened),
            look_back=run.since if run.reason == _REQUEST else None,
            heard_until=run.since,
            troubles=run.troubles,
            pending=pending,
            paths={scope.path for scope in scopes},
            unrooted=all(scope.step > 0 for scope in scopes),
        )

    async def _conclude(self, lap: Lap, run: CatchUpRun, after: timedelta, problem: str) -> Progress:
        """Write down what the lap has done, and decide whether there must be another."""
        now = self._now()
        how = "full resync" if lap.resynced else run.how
        counts = {"found": lap.found, "dispatched": lap.found, "unheard": lap.unheard}
        refused = next(iter(lap.refused.values()), "")
        troubles = run.troubles
        if problem:
            troubles = 1 if lap.progressed else troubles + 1
        elif refused and not lap.pending:
            problem = f"{len(lap.refused)} of {len(lap.paths)} cannot be read: {refused}"
            after = FIRST_PAUSE * (1 << min(troubles, 6))
            troubles += _DEFINITE
        scopes = len(lap.paths)
        if problem and troubles >= MOST_TROUBLES:
            run = await self._change_run(run, how=how, troubles=0, **counts)
            return await self._stop(_progress(run, lap.followed, scopes=scopes, problem=problem), run)
        if problem or lap.pending or lap.busy_until:
            if any(counts.values()) or troubles != run.troubles or how != run.how:
                run = await self._change_run(run, how=how, troubles=troubles, **counts)
            wait = max(after, _GENTLY if run.reason == _BASELINE else _SOON)
            if lap.busy_until and not lap.pending:
                wait = max(wait, lap.busy_until - now + _SOON)
            return _progress(run, lap.followed, again=wait, scopes=scopes, problem=problem)
        if not run.found + lap.found and run.reason in _LAGGING and not run.repeated:
            run = await self._change_run(run, how=how, again_at=now + LOOK_AGAIN, repeated=True)
            return _progress(run, lap.followed, again=LOOK_AGAIN, scopes=scopes)
        if any(counts.values()) or how != run.how:
            run = await self._change_run(run, how=how, **counts)
        return await self._end(_progress(run, lap.followed, scopes=scopes), run)

    async def _end(self, progress: Progress, run: CatchUpRun) -> Progress:
        """End a run and close its gap, unless somebody has asked for more in the meantime."""
        reported = run.reason in _ANNOUNCED or (run.reason in _GAPS and run.unheard > 0)
        if reported:
            await self._gaps.save(self._report(run, progress, closed=self._now()))
        if not await self._scopes.end_run(run):
            return replace(progress, done=False, again=_SOON)
        if reported:
            fields = {"name": run.name, "reason": run.reason, "how": progress.how, "dispatched": run.dispatched}
            log_line(_LOGGER, logging.WARNING, "gap closed", fields)
        fields = {"name": run.name, "reason": run.reason, "how": progress.how}
        log_line(_LOGGER, logging.INFO, "catch-up", fields | {"scopes": progress.scopes, "found": run.found})
        return progress

    async def _stop(self, progress: Progress, run: CatchUpRun) -> Progress:
        """Leave a run where it is, and its gap open: the next order, a sweep's at the latest, goes on with it."""
        if run.reason in _ANNOUNCED:
            await self._gaps.save(self._report(run, progress, closed=None))
        fields = {"name": run.name, "reason": run.reason, "problem": progress.problem}
        log_line(_LOGGER, logging.ERROR, "catch-up stopped", fields)
        return progress

    # -- gaps --------------------------------------------------------------------------------------------------------

    async def _open_gap(self, run: CatchUpRun) -> None:
        await self._gaps.save(GapReport(name=run.name, reason=run.reason, opened=run.opened, since=run.since))
        fields = {"name": run.name, "reason": run.reason, "since": str(run.since or "the last round")}
        log_line(_LOGGER, logging.WARNING, "gap opened", fields)

    def _report(self, run: CatchUpRun, progress: Progress, *, closed: datetime | None) -> GapReport:
        return GapReport(
            name=run.name,
            reason=run.reason,
            opened=run.opened,
            since=run.since,
            until=run.began,
            scopes=progress.scopes,
            found=run.found,
            dispatched=run.dispatched,
            how=progress.how,
            closed=closed,
            problem=progress.problem,
        )

    async def _give_up(self, order: CatchUpWork, followed: Followed | None) -> Progress:
        """Say that what is missing cannot be had, and what can be done instead."""
        how = followed.following.how if followed else "not possible: the catalogue does not know this resource"
        if order.lap == 1 and order.reason in _GAPS:
            now = self._now()
            fields = {"name": order.name, "reason": order.reason, "how": how}
            report = GapReport(
                name=order.name, reason=order.reason, how=how, opened=now, since=order.since, until=now, closed=now
            )
            await self._gaps.save(report)
            log_line(_LOGGER, logging.ERROR, "gap cannot be closed", fields)
        return Progress(done=True, how=how)


def _contended(name: str) -> StorageError:
    return StorageError(f"the catch-up of {name!r} is being changed by several at once")


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


def _progress(
    run: CatchUpRun, followed: Followed, *, again: timedelta | None = None, problem: str = "", scopes: int = 0
) -> Progress:
    return Progress(
        done=again is None,
        again=again,
        found=run.found,
        dispatched=run.dispatched,
        unheard=run.unheard,
        scopes=scopes,
        how=run.how or followed.following.how,
        problem=problem,
    )
