"""Walks the scopes of a subscription: asks Graph for their pages, puts what they tell onto the queue, remembers how far it has come.

What is on the queue is written before the link that leads on, so that a crash repeats a page and loses none. A scope is held by its
ETag and for a few minutes, by one worker. Not here: which scopes are due, and what came of it all (`shared.catch_up`).
https://learn.microsoft.com/graph/delta-query-overview (2026-03)
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from shared.declaration import DeclaredSubscription
from shared.delta_items import LAG, Round, Told, mark_of, tell, write_told
from shared.envelope import fits, pack
from shared.errors import GraphApiError, GraphProtocolError
from shared.graph.client_state import mint_client_state
from shared.graph.delta_page import DeltaItem, DeltaPage, has_lost_its_state, read_page
from shared.graph.following import WINDOW_LIFETIME, Followed, Step, begin, begin_with_now, fill
from shared.graph.resource import is_guid, read_resource
from shared.graph.subscription import LiveSubscription, id_headers
from shared.ports import Clock, Graph, Queue, Scope, ScopeStore
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=3)
"""Longer than a page may take to be read and told; it is renewed with every page."""
FIRST_PAUSE: Final = timedelta(seconds=15)
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_STANDSTILL: Final = timedelta(hours=1)
_SOON: Final = timedelta(seconds=1)
_PAGE_SIZE: Final = 200
_NOT_FOUND: Final = 404
_CONFIRM_TOGETHER: Final = 4
_A_PAGE_S_WORTH: Final = 10
"""Items that are asked for singly count as one page."""
_PASSING: Final = frozenset({408, 423, 425, 429})


class Interrupted(Exception):  # noqa: N818 - the lap ends, and nothing need be wrong
    """The lap cannot go on before ``after``; ``problem`` is empty if there is none."""

    def __init__(self, after: timedelta, problem: str = "") -> None:
        super().__init__(problem)
        self.after = after
        self.problem = problem


@dataclass(slots=True, kw_only=True)
class Lap:
    """What one call works with, and what it has done so far.

    ``began`` is when its run did; ``since`` is from when on something is missing where nothing was ever read, None if nothing is; ``look_back`` is from when on
    somebody wants everything told again; ``heard_until`` is until when everything was heard; ``troubles`` are the laps before this one that Graph has refused. ``refused`` has the scopes
    that Graph will not let us read, with its words. ``unrooted``: the first scope has still to be made.
    """

    declared: DeclaredSubscription
    row: LiveSubscription
    followed: Followed
    ends: datetime
    most_pages: int
    began: datetime
    since: datetime | None
    look_back: datetime | None
    heard_until: datetime | None
    troubles: int
    pending: list[Scope]
    paths: set[str]
    unrooted: bool
    pages: int = 0
    found: int = 0
    unheard: int = 0
    resynced: bool = False
    progressed: bool = False
    busy_until: datetime | None = None
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def immutable(self) -> bool:
        """Whether items go by ids that survive a move."""
        return self.row.immutable_ids and self.followed.entry.kind.immutable_ids

    def step_of(self, scope: Scope) -> Step:
        """Give the step that a scope is of."""
        return self.followed.following.steps[scope.step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """What it takes to walk scopes; ``queue`` is ``notifications``."""

    graph: Graph
    scopes: ScopeStore
    queue: Queue
    client_state_key: bytes = field(repr=False)
    tenant_id: str
    now: Clock
    new_id: Callable[[], str]

    async def root(self, lap: Lap) -> Scope:
        """Make the first scope. Who is declared by name is asked for by id, as notifications name people. Raises Interrupted."""
        ids = dict(lap.followed.ids)
        if "user" in ids and not is_guid(ids["user"]):
            ids["user"] = await self._id_of(lap, ids["user"])
        path = fill(lap.followed.following.steps[0].path, ids)
        lap.paths.add(path)
        return Scope(name=lap.row.name, path=path, root=lap.followed.resource, ids=ids, since=lap.since)

    async def _id_of(self, lap: Lap, user: str) -> str:
        try:
            path = f"/users/{quote(user, safe='@')}?$select=id"
            answer = await self.graph.request("GET", path, tenant_id=lap.row.tenant_id, actor=lap.row.actor)
        except GraphApiError as refusal:
            if not _is_definite(refusal):
                raise Interrupted(_pause(lap, refusal), str(refusal)) from refusal
            return user  # the app may not read users: then their name has to do
        return str(answer.get("id") or user).lower()

    async def walk_all(self, lap: Lap) -> None:
        """Walk what is pending, as far as one lap goes. Raises Interrupted, StorageError; what was not walked stays pending."""
        while lap.pending and self._may_go_on(lap):
            scope = lap.pending[0]
            if scope.held_until is not None and scope.held_until > self.now():
                lap.busy_until = min(filter(None, (lap.busy_until, scope.held_until)))
            else:
                await self._walk(lap, scope)
            lap.pending.pop(0)

    def _may_go_on(self, lap: Lap) -> bool:
        return lap.pages < lap.most_pages and self.now() < lap.ends

    async def _walk(self, lap: Lap, scope: Scope) -> None:
        """Read a scope's round to its end, or as far as this lap goes; the scope is free then."""
        begun = scope if scope.midway else self._begin_round(lap, scope)
        held = await self.scopes.save(replace(begun, held_until=self.now() + LEASE))
        while held is not None and held.midway:
            lap.pages += 1
            try:
                page = await self._read(lap, held)
                items = await self._confirm(lap, held, page)
                children = await self._find(lap, held, items)
            except (GraphApiError, GraphProtocolError) as problem:
                held = await self._heed(lap, held, problem)
                continue
            lap.progressed = True
            await self._tell(lap, held, items)
            held = await self.scopes.save(self._turn(lap, held, page))
            lap.pending.extend(children)
            if held is not None and held.midway and held.held_until is None:
                raise Interrupted(timedelta(0))
        if held is None:
            lap.busy_until = self.now() + FIRST_PAUSE  # somebody else is at it
        elif held.told is not None and held.told == lap.look_back:
            lap.pending.append(held)  # what was new is told; now comes what was told before

    # -- rounds ------------------------------------------------------------------------------------------------------

    def _begin_round(self, lap: Lap, scope: Scope) -> Scope:
        """Decide what a round is about: what follows a link, or everything there is."""
        now, step = self.now(), lap.step_of(scope)
        begun = replace(scope, midway=True, began=now, since=scope.told or scope.since)
        if step.kind == "window" and scope.told is not None and lap.look_back is not None:
            begun = replace(begun, since=min(scope.told, lap.look_back))
        if scope.link:
            # what is gone from a mailbox may have been in several of its folders lately, and is gone once
            mark = mark_of(scope.root, str(scope.told)) if step.wanders else mark_of(scope.path, scope.link)
            return replace(begun, anew=False, since=scope.told, mark=mark)
        if step.kind == "delta" and scope.told is not None and not step.ageing:
            lap.resynced = True
        return replace(begun, anew=True, opened=now, mark=mark_of(scope.path, str(now)))

    def _turn(self, lap: Lap, scope: Scope, page: DeltaPage) -> Scope:
        """Give the scope as it is after a page: further on, or at its round's end; free if nobody goes on with it now."""
        now, step = self.now(), lap.step_of(scope)
        if page.following:
            goes_on = now + LEASE if self._may_go_on(lap) else None
            return replace(scope, link=page.following, held_until=goes_on)
        again = lap.look_back is not None and step.kind == "delta" and not scope.anew
        if again and scope.since is not None and lap.look_back is not None and lap.look_back < scope.since:
            # deletions are told by what follows the link alone, and everything else by what lists it all
            return replace(scope, link="", midway=False, told=lap.look_back, since=None, held_until=None)
        aged = step.ageing and not scope.anew and scope.opened is not None and now - scope.opened > WINDOW_LIFETIME
        return replace(
            scope,
            # folders and channels are listed in full every time: what was overlooked once is found
            link="" if aged or step.kind != "delta" else page.ended,
            midway=False,
            anew=False,
            # the same for all scopes of a run, unless somebody has moved its beginning meanwhile
            told=min(filter(None, (scope.began, lap.began))),
            since=None,
            held_until=None,
        )

    async def _heed(self, lap: Lap, scope: Scope, problem: GraphApiError | GraphProtocolError) -> Scope | None:
        """Begin anew where Graph has lost its place, drop what is gone, pass by what is forbidden, and wait for the rest."""
        if isinstance(problem, GraphApiError):
            if scope.link and has_lost_its_state(problem):
                return await self._begin_anew(lap, scope, problem)
            if problem.status == _NOT_FOUND and scope.step > 0:
                await self.scopes.remove(scope)
                lap.paths.discard(scope.path)
                return replace(scope, midway=False)
        saved = await self.scopes.save(replace(scope, held_until=None))
        if isinstance(problem, GraphApiError) and not _is_definite(problem):
            raise Interrupted(_pause(lap, problem), str(problem)) from problem
        lap.refused[scope.path] = str(problem)
        return replace(saved, midway=False) if saved else None

    async def _begin_anew(self, lap: Lap, scope: Scope, problem: GraphApiError) -> Scope | None:
        fields = {"name": scope.name, "scope": scope.path, "code": problem.code or str(problem.status)}
        log_line(_LOGGER, logging.WARNING, "a delta must begin anew", fields)
        goes_on = self.now() + LEASE if self._may_go_on(lap) else None
        anew = self._begin_round(lap, replace(scope, link="", midway=False))
        saved = await self.scopes.save(replace(anew, held_until=goes_on))
        if goes_on is None:
            raise Interrupted(_SOON)
        return saved

    # -- pages -------------------------------------------------------------------------------------------------------

    async def _read(self, lap: Lap, scope: Scope) -> DeltaPage:
        """Get the next page; a first round is over at once where there is nothing to read."""
        step, silent = lap.step_of(scope), scope.anew and scope.since is None
        if step.kind == "window" and silent:
            return DeltaPage(items=())
        path = scope.link or (begin_with_now(step, scope.ids) if silent else "")
        path = path or begin(step, scope.ids, now=scope.opened or self.now(), since=scope.since)
        answer = await self._get(lap, path)
        return read_page(answer, delta=step.path.endswith("/delta"))

    async def _get(self, lap: Lap, path: str) -> Mapping[str, Any]:
        preferred = (*id_headers(immutable_ids=lap.immutable).values(), f"odata.maxpagesize={_PAGE_SIZE}")
        headers = {"Prefer": ", ".join(preferred)}
        try:
            return await self.graph.request(
                "GET", path, headers=headers, tenant_id=lap.row.tenant_id, actor=lap.row.actor
            )
        except ValueError as problem:
            raise GraphProtocolError("Graph gave a link that leads away from it") from problem

    async def _confirm(self, lap: Lap, scope: Scope, page: DeltaPage) -> Sequence[DeltaItem]:
        """Leave out what has only moved: under an immutable id, what left one folder may be in another, which tells it."""
        step = lap.step_of(scope)
        gone = [item for item in page.items if item.gone == "deleted"]
        if not gone or not step.wanders or not lap.immutable:
            return page.items
        turns = asyncio.Semaphore(_CONFIRM_TOGETHER)

        async def is_there(item: DeltaItem) -> bool:
            async with turns:
                return await self._is_there(lap, fill(step.item, {**scope.ids, "id": item.id}))

        still = await asyncio.gather(*(is_there(item) for item in gone))
        lap.pages += len(gone) // _A_PAGE_S_WORTH
        moved = {item.id for item, there in zip(gone, still, strict=True) if there}
        return [item for item in page.items if item.id not in moved]

    async def _is_there(self, lap: Lap, path: str) -> bool:
        try:
            await self._get(lap, f"{path}?$select=id")
        except GraphApiError as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            return False
        return True

    async def _find(self, lap: Lap, scope: Scope, items: Sequence[DeltaItem]) -> Sequence[Scope]:
        """Make scopes of the folders or channels that were found and are not known yet."""
        step = lap.step_of(scope)
        if step.kind != "find":
            return ()
        following = lap.followed.following.steps[scope.step + 1]
        found = [item.id for item in items if not item.gone and not _is_a_search(item)]
        if step.also and not scope.link:
            found += await self._also(lap, f"{fill(step.also, scope.ids)}?$select=id")
        made: list[Scope] = []
        for each in dict.fromkeys(found):
            ids = {**scope.ids, following.finds: each}
            path = fill(following.path, ids)
            if path in lap.paths:
                continue
            # what is new since the last look may have been filled since then
            child = Scope(name=scope.name, path=path, root=scope.root, step=scope.step + 1, ids=ids, since=scope.since)
            if (saved := await self.scopes.save(child)) is not None:
                made.append(saved)
            lap.paths.add(path)
        return made

    async def _also(self, lap: Lap, path: str) -> Sequence[str]:
        try:
            answer = await self._get(lap, path)
        except GraphApiError as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            return ()
        return [answer["id"]] if isinstance(answer.get("id"), str) and answer["id"] else ()

    # -- changes -----------------------------------------------------------------------------------------------------

    async def _tell(self, lap: Lap, scope: Scope, items: Sequence[DeltaItem]) -> None:
        """Put what a page tells onto the queue. A round that lists everything and knows no time tells nothing."""
        step = lap.step_of(scope)
        if step.kind == "find" or scope.since is None:
            return
        windowed = step.kind == "window"
        about = Round(
            mark=scope.mark, since=scope.since, anew=scope.anew or windowed, margin=step.overlap if windowed else LAG
        )
        subscribed = read_resource(lap.followed.resource)
        told = list(tell(step, scope.ids, items, about, change_types=lap.declared.change_types, subscribed=subscribed))
        written = [text for text in self._written(lap, told) if fits(text)]  # an id beyond any measure is no id
        for envelope in pack(written, via="delta", received=self.now()):
            await self.queue.put(envelope)
        lap.found += len(told)
        lap.unheard += sum(_is_after(each, lap.heard_until) for each in told)

    def _written(self, lap: Lap, told: Sequence[Told]) -> Sequence[str]:
        tenant_id = lap.row.tenant_id or self.tenant_id
        client_state = mint_client_state(
            self.client_state_key,
            tenant_id=tenant_id,
            delivery="webhook",  # queue `notifications` is read as the webhook writes it
            name=lap.row.name,
            generation=lap.row.generation,
        )
        batch = self.new_id()
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


def _is_a_search(item: DeltaItem) -> bool:
    """Tell a folder that only shows what lies in others: it has no delta, and needs none."""
    return str(item.content.get("@odata.type")).lower().endswith(".mailsearchfolder")


def _is_definite(refusal: GraphApiError) -> bool:
    """Tell a no from a not now."""
    return 400 <= refusal.status < 500 and refusal.status not in _PASSING and refusal.retry_after is None  # noqa: PLR2004


def _pause(lap: Lap, refusal: GraphApiError) -> timedelta:
    """Wait as long as Graph says, else twice as long every time."""
    if refusal.retry_after is not None:
        return min(refusal.retry_after, _STANDSTILL) + _SOON
    return min(FIRST_PAUSE * (1 << min(lap.troubles, 10)), _LONGEST_PAUSE)


def _is_after(told: Told, moment: datetime | None) -> bool:
    """Tell whether a change came after a moment for certain: by its own time, or because the round tells of nothing older."""
    changed = told.changed or told.since
    return moment is not None and changed is not None and changed > moment
