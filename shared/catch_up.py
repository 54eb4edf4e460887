"""Catches up with what went unheard: follows a subscription's delta and puts what it tells onto queue ``notifications``.

One call does a bounded piece of work and says whether it must be called again; whatever it breaks off in, nothing is lost: a page's
changes are on the queue before the link to the next page is in the table, so that a crash repeats a page. A scope (a folder, a
channel, a directory) is walked by one worker at a time, who holds it by its ETag. The first round of a new subscription is
silent. When Graph no longer knows a link, the scope is listed anew, and what changed since its last good round is told. Not here:
how each resource is followed (`shared.graph.following`), what a change looks like (`shared.delta_items`), when a catch-up is due.
https://learn.microsoft.com/graph/delta-query-overview (2026-03)
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from shared.declaration import DeclaredSubscription
from shared.delta_items import LAG, Round, Told, mark_of, tell, write_told
from shared.envelope import pack
from shared.errors import GraphApiError, GraphProtocolError, StorageError
from shared.graph.client_state import mint_client_state
from shared.graph.delta_page import DeltaItem, DeltaPage, has_lost_its_state, read_page
from shared.graph.following import WINDOW_LIFETIME, Followed, Step, begin, begin_with_now, fill, follow
from shared.graph.resource import is_guid, read_resource
from shared.graph.subscription import LiveSubscription
from shared.ports import CatchUpRun, Clock, GapReport, GapStore, Graph, Queue, Scope, ScopeStore
from shared.subscription_work import CatchUpWork
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=3)
"""Longer than a page may take to be read and told; it is renewed with every page."""
LOOK_AGAIN: Final = timedelta(seconds=45)
"""A delta lags behind its notification, by some 30-60 seconds (https://github.com/OneDrive/onedrive-api-docs/issues/1402)."""
MOST_TROUBLES: Final = 12
"""Laps that may end with a refusal of Graph's; then the gap stays open, and the next sweep tries again."""

_GAPS: Final = frozenset({"missed", "removed", "gap", "silence", "request"})
"""Reasons for which somebody wants to know what was missed."""
_LAGGING: Final = frozenset({"missed", "removed", "gap", "silence"})
_SILENT: Final = frozenset({"baseline", "sweep"})
"""Reasons for which a first round tells nothing: there was nothing to hear before."""
_GENTLY: Final = timedelta(seconds=10)
"""Between two laps of a baseline, which nobody waits for."""
_SOON: Final = timedelta(seconds=1)
_FIRST_PAUSE: Final = timedelta(seconds=15)
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_PAGE_SIZE: Final = 200
_NOT_FOUND: Final = 404
_TRIES: Final = 5
_CONFIRM_TOGETHER: Final = 4


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


class _Interrupted(Exception):  # noqa: N818 - the lap ends, and nothing is wrong
    """The lap cannot go on now."""

    def __init__(self, after: timedelta, problem: str = "") -> None:
        super().__init__(problem)
        self.after = after
        self.problem = problem


@dataclass(slots=True, kw_only=True)
class _Lap:
    """What one call works with, and what it has done so far."""

    declared: DeclaredSubscription
    row: LiveSubscription
    followed: Followed
    run: CatchUpRun
    ends: datetime
    pages: int
    pending: list[Scope]
    paths: set[str]
    found: int = 0
    dispatched: int = 0
    unheard: int = 0
    resynced: bool = False
    progressed: bool = False
    busy_until: datetime | None = None

    @property
    def tenant_id(self) -> str:
        return self.row.tenant_id

    @property
    def immutable(self) -> bool:
        return self.row.immutable_ids and self.followed.entry.kind.immutable_ids


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
        self._graph = graph
        self._scopes = scopes
        self._gaps = gaps
        self._queue = queue
        self._client_state_key = client_state_key
        self._tenant_id = tenant_id
        self._now = now
        self._new_id = new_id
        self._most_pages = most_pages
        self._longest = longest

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
        if run.again_at is not None and run.again_at > self._now():
            return _progress(run, again=run.again_at - self._now())
        if run.again_at is not None:
            run = await self._change_run(run, began=self._now(), again_at=None)
        lap = await self._prepare(declared, row, followed, run)
        after, problem = timedelta(0), ""
        try:
            await self._walk_all(lap)
        except _Interrupted as interrupted:
            after, problem = interrupted.after, interrupted.problem
        return await self._conclude(lap, after, problem)

    async def forget(self, name: str) -> None:
        """Forget a subscription that is declared no more. Done twice, it is the same. Raises StorageError."""
        await self._scopes.forget(name)

    # -- a run -------------------------------------------------------------------------------------------------------

    async def _begin(self, order: CatchUpWork) -> CatchUpRun | None:
        """Begin a run, join the one under way, or go on with it; None if it is over."""
        reason = order.reason if order.reason in _GAPS | _SILENT else "request"
        for _ in range(_TRIES):
            known = await self._scopes.read_run(order.name)
            if order.lap > 1:
                return known
            now = self._now()
            if known is None:
                wanted = CatchUpRun(name=order.name, reason=reason, opened=now, began=now, since=order.since)
            else:
                graver = reason if known.reason in _SILENT else known.reason
                wanted = replace(
                    known,
                    reason=graver,
                    began=now,
                    again_at=None,
                    repeated=False,
                    since=_earlier(known.since, order.since),
                )
            saved = await self._scopes.save_run(wanted)
            if saved is not None:
                if wanted.reason in _GAPS and (known is None or known.reason != wanted.reason):
                    await self._open_gap(saved)
                return saved
        raise _busy(order.name)

    async def _change_run(self, run: CatchUpRun, **changes: Any) -> CatchUpRun:
        """Change a run; what somebody else has added to it meanwhile stays."""
        counted = {name: changes.pop(name, 0) for name in ("found", "dispatched", "unheard")}
        for _ in range(_TRIES):
            added = {name: getattr(run, name) + count for name, count in counted.items()}
            saved = await self._scopes.save_run(replace(run, **changes, **added))
            if saved is not None:
                return saved
            there = await self._scopes.read_run(run.name)
            if there is None:
                return run  # somebody has ended it: nothing is left to be counted
            run = there
        raise _busy(run.name)

    async def _prepare(
        self, declared: DeclaredSubscription, row: LiveSubscription, followed: Followed, run: CatchUpRun
    ) -> _Lap:
        """Find what is to be read: the scopes that were last told of before the run began, the longest ago first."""
        scopes = []
        for scope in await self._scopes.list(run.name):
            if scope.root == followed.resource and scope.step < len(followed.following.steps):
                scopes.append(scope)
            else:
                await self._scopes.remove(scope)  # it was declared for something else before
        lap = _Lap(
            declared=declared,
            row=row,
            followed=followed,
            run=run,
            ends=self._now() + self._longest,
            pages=0,
            pending=[scope for scope in scopes if scope.told is None or scope.told < run.began],
            paths={scope.path for scope in scopes},
        )
        if not any(scope.step == 0 for scope in scopes):
            lap.pending.append(await self._root(lap))
        last = len(followed.following.steps) - 1
        lap.pending.sort(key=lambda scope: (scope.step == last, scope.told is not None, scope.told or run.began))
        lap.paths |= {scope.path for scope in lap.pending}
        return lap

    async def _root(self, lap: _Lap) -> Scope:
        """Make the first scope. Who is declared by name is asked for by id, as notifications name people."""
        ids = dict(lap.followed.ids)
        if "user" in ids and not is_guid(ids["user"]):
            try:
                path = f"/users/{quote(ids['user'], safe='@')}?$select=id"
                answer = await self._graph.request("GET", path, tenant_id=lap.tenant_id)
            except GraphApiError:
                answer = {}  # the app may not read users: then their name has to do
            if isinstance(answer.get("id"), str) and answer["id"]:
                ids["user"] = answer["id"].lower()
        step = lap.followed.following.steps[0]
        return Scope(
            name=lap.run.name, path=fill(step.path, ids), root=lap.followed.resource, ids=ids, since=self._since(lap)
        )

    def _since(self, lap: _Lap) -> datetime | None:
        """Say since when something may be missing where nothing was ever read; None if there is nothing to miss."""
        if lap.run.since is not None or lap.run.reason in _SILENT:
            return lap.run.since
        return lap.row.created or lap.run.opened

    async def _conclude(self, lap: _Lap, after: timedelta, problem: str) -> Progress:
        """Write down what the lap has done, and decide whether there must be another."""
        run = lap.run
        how = "full resync" if lap.resynced else run.how
        counts = {"found": lap.found, "dispatched": lap.dispatched, "unheard": lap.unheard}
        troubles = (0 if lap.progressed else run.troubles) + bool(problem)
        now = self._now()
        if problem and troubles >= MOST_TROUBLES:
            run = await self._change_run(run, how=how, troubles=troubles, **counts)
            return await self._end(lap, run, problem)
        if problem or lap.pending or lap.busy_until:
            if any(counts.values()) or problem or how != run.how:
                run = await self._change_run(run, how=how, troubles=troubles, **counts)
            waits = [after] if problem or after else []
            if lap.busy_until and not lap.pending:
                waits.append(max(lap.busy_until - now, timedelta(0)) + _SOON)
            least = _GENTLY if run.reason == "baseline" else _SOON
            return _progress(run, again=max([least, *waits]), problem=problem, scopes=len(lap.paths), lap=lap)
        found = run.found + lap.found
        if not found and run.reason in _LAGGING and not run.repeated:
            run = await self._change_run(run, how=how, again_at=now + LOOK_AGAIN, repeated=True)
            return _progress(run, again=LOOK_AGAIN, scopes=len(lap.paths), lap=lap)
        if any(counts.values()) or how != run.how:
            run = await self._change_run(run, how=how, **counts)
        return await self._end(lap, run, "")

    async def _end(self, lap: _Lap, run: CatchUpRun, problem: str) -> Progress:
        """End a run and close its gap, unless somebody has asked for more in the meantime."""
        progress = _progress(run, problem=problem, scopes=len(lap.paths), lap=lap)
        if run.reason in _GAPS:
            await self._close_gap(lap, run, progress)
        if not await self._scopes.end_run(run):
            return replace(progress, done=False, again=_SOON)
        fields = {
            "name": run.name,
            "reason": run.reason,
            "how": progress.how,
            "scopes": progress.scopes,
            "found": run.found,
            "dispatched": run.dispatched,
        }
        level = logging.ERROR if problem else logging.INFO
        log_line(_LOGGER, level, "catch-up", fields | ({"problem": problem} if problem else {}))
        return progress

    # -- gaps --------------------------------------------------------------------------------------------------------

    async def _open_gap(self, run: CatchUpRun) -> None:
        await self._gaps.save(GapReport(name=run.name, reason=run.reason, opened=run.opened, since=run.since))
        fields = {"name": run.name, "reason": run.reason, "since": str(run.since or "the last round")}
        log_line(_LOGGER, logging.WARNING, "gap opened", fields)

    async def _close_gap(self, lap: _Lap, run: CatchUpRun, progress: Progress) -> None:
        now = self._now()
        report = GapReport(
            name=run.name,
            reason=run.reason,
            opened=run.opened,
            since=run.since,
            until=run.began,
            scopes=len(lap.paths),
            found=run.found,
            dispatched=run.dispatched,
            how=progress.how,
            closed=None if progress.problem else now,
            problem=progress.problem,
        )
        await self._gaps.save(report)
        fields = {"name": run.name, "reason": run.reason, "how": progress.how, "dispatched": run.dispatched}
        if progress.problem:
            log_line(_LOGGER, logging.ERROR, "gap stays open", fields | {"problem": progress.problem})
        else:
            log_line(_LOGGER, logging.WARNING, "gap closed", fields)

    async def _give_up(self, order: CatchUpWork, followed: Followed | None) -> Progress:
        """Say that what is missing cannot be had, and what can be done instead."""
        how = followed.following.how if followed else "not possible: the catalogue does not know this resource"
        if order.lap == 1 and order.reason in _GAPS:
            now = self._now()
            report = GapReport(
                name=order.name, reason=order.reason, opened=now, since=order.since, until=now, how=how, closed=now
            )
            await self._gaps.save(report)
            log_line(
                _LOGGER, logging.ERROR, "gap cannot be closed", {"name": order.name, "reason": order.reason, "how": how}
            )
        return Progress(done=True, how=how)

    # -- scopes ------------------------------------------------------------------------------------------------------

    async def _walk_all(self, lap: _Lap) -> None:
        while lap.pending and self._may_go_on(lap):
            scope = lap.pending[0]
            now = self._now()
            if scope.held_until is not None and scope.held_until > now:
                lap.busy_until = min(filter(None, (lap.busy_until, scope.held_until)))
            else:
                await self._walk(lap, scope)
            lap.pending.pop(0)

    def _may_go_on(self, lap: _Lap) -> bool:
        return lap.pages < self._most_pages and self._now() < lap.ends

    async def _walk(self, lap: _Lap, scope: Scope) -> None:
        """Read a scope's round to its end, or as far as this lap goes. Raises _Interrupted; the scope is free then."""
        held: Scope | None = scope if scope.midway else self._begin_round(lap, scope)
        held = await self._scopes.save(replace(held or scope, held_until=self._now() + LEASE))
        while held is not None and held.midway:
            step = lap.followed.following.steps[held.step]
            lap.pages += 1
            try:
                page = await self._read(lap, step, held)
                items = await self._confirm(lap, step, held, page)
            except (GraphApiError, GraphProtocolError) as problem:
                held = await self._heed(lap, held, problem)
                continue
            lap.progressed = True
            await self._tell(lap, step, held, items)
            children = await self._find(lap, step, held, items)
            held = await self._scopes.save(self._turn(lap, step, held, page))
            lap.pending.extend(children)
            if held is not None and held.held_until is None and held.midway:
                raise _Interrupted(timedelta(0))
        if held is None:
            lap.busy_until = self._now() + _FIRST_PAUSE  # somebody else is at it

    def _begin_round(self, lap: _Lap, scope: Scope) -> Scope:
        """Decide what a round is about: what follows a link, or everything there is."""
        now = self._now()
        step = lap.followed.following.steps[scope.step]
        if step.kind == "window":
            since = scope.told or scope.since
            return replace(
                scope, midway=True, anew=since is None, began=now, since=since, mark=mark_of(scope.path, str(now))
            )
        if scope.link:
            return replace(
                scope, midway=True, anew=False, began=now, since=scope.told, mark=mark_of(scope.path, scope.link)
            )
        lost = scope.told is not None and step.kind == "delta"
        lap.resynced = lap.resynced or (lost and not step.ageing)
        since = scope.told or scope.since
        return replace(
            scope, midway=True, anew=True, began=now, since=since, opened=now, mark=mark_of(scope.path, str(now))
        )

    async def _read(self, lap: _Lap, step: Step, scope: Scope) -> DeltaPage:
        """Get the next page; a round without anything to tell is over where Graph can begin with now."""
        if step.kind == "window" and scope.since is None:
            return DeltaPage(items=())
        since = scope.since if step.kind == "window" or scope.anew else None
        path = scope.link or (begin_with_now(step, scope.ids) if scope.anew and scope.since is None else "")
        path = path or begin(step, scope.ids, now=scope.opened or self._now(), since=since)
        answer = await self._graph.request("GET", path, headers=self._headers(lap), tenant_id=lap.tenant_id)
        return read_page(answer, delta=fill(step.path, scope.ids).endswith("/delta"))

    def _headers(self, lap: _Lap) -> Mapping[str, str]:
        immutable = 'IdType="ImmutableId", ' if lap.immutable else ""
        return {"Prefer": f"{immutable}odata.maxpagesize={_PAGE_SIZE}"}

    async def _confirm(self, lap: _Lap, step: Step, scope: Scope, page: DeltaPage) -> Sequence[DeltaItem]:
        """Leave out what has only moved: under an immutable id, what left one folder may be in another, which tells it."""
        gone = [item for item in page.items if item.gone == "deleted"]
        if not (gone and step.wanders and lap.immutable) or scope.anew:
            return page.items
        turns = asyncio.Semaphore(_CONFIRM_TOGETHER)

        async def is_there(item: DeltaItem) -> bool:
            path = fill(step.item, {**scope.ids, "id": item.id})
            async with turns:
                try:
                    await self._graph.request(
                        "GET", f"{path}?$select=id", headers=self._headers(lap), tenant_id=lap.tenant_id
                    )
                except GraphApiError as refusal:
                    if refusal.status != _NOT_FOUND:
                        raise
                    return False
                return True

        moved = await asyncio.gather(*(is_there(item) for item in gone))
        lap.pages += len(gone) // 10
        there = {item.id for item, still in zip(gone, moved, strict=True) if still}
        return [item for item in page.items if item.id not in there]

    async def _heed(self, lap: _Lap, scope: Scope, problem: GraphApiError | GraphProtocolError) -> Scope | None:
        """Begin anew where Graph has lost its place, drop what is gone, and let the scope go for everything else."""
        if isinstance(problem, GraphApiError):
            if scope.link and has_lost_its_state(problem):
                fields = {"name": scope.name, "scope": scope.path, "code": problem.code or str(problem.status)}
                log_line(_LOGGER, logging.WARNING, "a delta must begin anew", fields)
                goes_on = self._now() + LEASE if self._may_go_on(lap) else None
                anew = self._begin_round(lap, replace(scope, link="", midway=False, held_until=goes_on))
                saved = await self._scopes.save(anew)
                if goes_on is None:
                    raise _Interrupted(_SOON)
                return saved
            if problem.status == _NOT_FOUND and scope.step > 0:
                await self._scopes.remove(scope)
                lap.paths.discard(scope.path)
                return replace(scope, midway=False)
        await self._scopes.save(replace(scope, held_until=None))
        raise _Interrupted(_pause(lap, problem), str(problem))

    def _turn(self, lap: _Lap, step: Step, scope: Scope, page: DeltaPage) -> Scope:
        """Give the scope as it is after a page: further on, or at its round's end; free if nobody goes on with it now."""
        now = self._now()
        if page.following:
            goes_on = now + LEASE if self._may_go_on(lap) else None
            return replace(scope, link=page.following, held_until=goes_on)
        aged = step.ageing and scope.opened is not None and now - scope.opened > WINDOW_LIFETIME and not scope.anew
        return replace(
            scope,
            link="" if aged or step.kind != "delta" else page.ended,
            midway=False,
            anew=False,
            told=scope.began,
            since=None,
            held_until=None,
        )

    async def _find(self, lap: _Lap, step: Step, scope: Scope, items: Sequence[DeltaItem]) -> Sequence[Scope]:
        """Make scopes of the folders or channels that were found and are not known yet."""
        if step.kind != "find":
            return ()
        following = lap.followed.following.steps[scope.step + 1]
        found = [item.id for item in items if not item.gone]
        if step.also and not scope.link:
            found += await self._also(lap, step, scope)
        made: list[Scope] = []
        for each in dict.fromkeys(found):
            ids = {**scope.ids, following.finds: each}
            path = fill(following.path, ids)
            if path in lap.paths:
                continue
            lap.paths.add(path)
            # what is new since the last look may have been filled since; at the first look, it is as the first scope
            since = scope.since if scope.since is not None else scope.told
            child = Scope(name=scope.name, path=path, root=scope.root, step=scope.step + 1, ids=ids, since=since)
            if (saved := await self._scopes.save(child)) is not None:
                made.append(saved)
        return made

    async def _also(self, lap: _Lap, step: Step, scope: Scope) -> Sequence[str]:
        path = f"{fill(step.also, scope.ids)}?$select=id"
        try:
            answer = await self._graph.request("GET", path, tenant_id=lap.tenant_id)
        except GraphApiError as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            return ()
        return [answer["id"]] if isinstance(answer.get("id"), str) and answer["id"] else ()

    # -- changes -----------------------------------------------------------------------------------------------------

    async def _tell(self, lap: _Lap, step: Step, scope: Scope, items: Sequence[DeltaItem]) -> None:
        """Put what a page tells onto the queue. A round that lists everything and knows no time tells nothing."""
        if step.kind == "find" or scope.since is None:
            return
        windowed = step.kind == "window"
        margin = step.overlap if windowed else LAG
        about = Round(mark=scope.mark, since=scope.since, anew=scope.anew or windowed, margin=margin)
        subscribed = read_resource(lap.followed.resource)
        change_types = lap.declared.change_types
        told = list(tell(step, scope.ids, items, about, change_types=change_types, subscribed=subscribed))
        if not told:
            return
        for envelope in pack(self._written(lap, told), via="delta", received=self._now()):
            await self._queue.put(envelope)
        lap.found += len(told)
        lap.dispatched += len(told)
        heard_until = lap.run.since
        lap.unheard += sum(_is_after(each, heard_until) for each in told)

    def _written(self, lap: _Lap, told: Sequence[Told]) -> Sequence[str]:
        tenant_id = lap.row.tenant_id or self._tenant_id
        client_state = mint_client_state(
            self._client_state_key,
            tenant_id=tenant_id,
            delivery="webhook",  # queue `notifications` is read as the webhook writes it
            name=lap.row.name,
            generation=lap.row.generation,
        )
        batch = self._new_id()
        return [
            text
            for number, each in enumerate(told)
            for text in write_told(
                each,
                item_id=f"{batch}-{number}",
                odata_type=lap.followed.entry.odata_type,
                tenant_id=tenant_id,
                subscription_id=lap.row.subscription_id,
                client_state=client_state,
            )
        ]


def _busy(name: str) -> StorageError:
    return StorageError(f"the catch-up of {name!r} is being changed by several at once")


def _pause(lap: _Lap, problem: GraphApiError | GraphProtocolError) -> timedelta:
    """Wait as long as Graph says, else twice as long every time."""
    if isinstance(problem, GraphApiError) and problem.retry_after is not None:
        return problem.retry_after + _SOON
    return min(_FIRST_PAUSE * (1 << min(lap.run.troubles, 10)), _LONGEST_PAUSE)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


def _is_after(told: Told, moment: datetime | None) -> bool:
    """Tell whether a change came after a moment for certain: by its own time, or because the round tells of nothing older."""
    changed = told.changed or told.since
    return moment is not None and changed is not None and changed > moment


def _progress(
    run: CatchUpRun, *, again: timedelta | None = None, problem: str = "", scopes: int = 0, lap: _Lap | None = None
) -> Progress:
    how = run.how or (lap.followed.following.how if lap else "")
    return Progress(
        done=again is None,
        again=again,
        found=run.found,
        dispatched=run.dispatched,
        unheard=run.unheard,
        scopes=scopes,
        how=how,
        problem=problem,
    )
