"""Silence: which subscriptions are unusually quiet, whether changes go unheard there, and what is to be done about it.

Notifications stop without a word more often than with one. How long a subscription is usually quiet is learnt, or declared; whoever
is quiet for longer is looked at by delta. If that finds changes of which nothing was heard, it is looked at again and again until
notifications return. Every row says when it wants to be looked at, so that a look costs what is due, not what there is. Not here:
the looking (`shared.catch_up`).
"""

import heapq
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.errors import StorageError
from shared.graph.following import follow
from shared.graph.timestamp import write_timestamp
from shared.ports import Clock, Heard, HeardStore
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)

SILENCE: Final = "silence"
"""Why a catch-up is ordered for who is quiet."""
WRITE_EVERY: Final = timedelta(minutes=10)
POLL_EVERY: Final = timedelta(minutes=15)
ENOUGH: Final = 20
"""Samples from which on a rhythm is known."""
SLACK: Final = timedelta(minutes=15)
"""What was heard after the last time that was written down, and notifications that are under way."""
GIVE_UP_POLLING: Final = timedelta(days=1)
"""Without anything that went unheard: then there is nothing to be heard, and the rhythm decides again."""

_FADES: Final = timedelta(days=14)
"""In which a longest quiet time loses half of its length, unless it is seen again: a holiday is not for ever."""
_TIMES_LONGER: Final = 2
_SHORTEST: Final = timedelta(hours=1)
_LONGEST: Final = timedelta(days=30)
_FIRST_LOOK: Final = timedelta(hours=6)
_MOST_LOOKS: Final = 200
_MOST_NOTES: Final = 50_000
_AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)


# -- the decisions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A subscription that is to be looked at by delta. What changed after ``since`` should have been heard."""

    name: str
    since: datetime
    expected: timedelta
    polled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What is to be looked at now: those that are unusually quiet, and those that are known to be unheard."""

    probe: tuple[Look, ...] = ()
    poll: tuple[Look, ...] = ()


def merge(known: Heard | None, name: str, *, first: datetime, last: datetime, longest: timedelta, count: int) -> Heard:
    """Add to what is known that something was heard ``count`` times from ``first`` to ``last``, ``longest`` apart at most.

    The longest quiet time fades as time passes, and once a rhythm is known one quiet time no more than doubles it: it may be our
    own standstill. What was heard out of order adds no quiet time.
    """
    if known is None:
        return Heard(name=name, last=last, longest=longest, samples=count, look_at=last + _FIRST_LOOK)
    before = known.last or first
    gap = max(first - before, longest, timedelta(0))
    passed = max(last - before, timedelta(0))
    faded = known.longest * 0.5 ** (passed / _FADES)
    if known.samples >= ENOUGH:
        gap = min(gap, max(faded * _TIMES_LONGER, _SHORTEST))
    return replace(
        known,
        last=max(before, last),
        longest=min(max(gap, faded), _LONGEST),
        samples=min(known.samples + count, 999_999_999),
        look_at=known.look_at or last + _FIRST_LOOK,
    )


def expected_quiet(heard: Heard, declared: timedelta | None) -> timedelta | None:
    """Say how long a subscription may be quiet: as declared, else twice its longest quiet time; None if nobody knows yet."""
    if declared is not None:
        return declared
    if heard.samples < ENOUGH:
        return None
    return min(max(heard.longest * _TIMES_LONGER, _SHORTEST), _LONGEST)


def look(heard: Heard, declared: timedelta | None, now: datetime) -> tuple[Heard, Look | None]:
    """Decide about one row whose time has come: how it goes on, and whether it is to be looked at by delta."""
    heard = _settle(heard, now)
    expected = expected_quiet(heard, declared)
    if heard.last is None or expected is None:
        return replace(heard, look_at=now + _FIRST_LOOK), None
    since = heard.last + SLACK
    if heard.polled_since is not None:
        return replace(heard, look_at=now + POLL_EVERY), Look(
            name=heard.name, since=since, expected=expected, polled=True
        )
    quiet_from = heard.last + expected
    if quiet_from > now:
        return replace(heard, look_at=quiet_from), None
    return replace(heard, look_at=now + max(expected, _SHORTEST)), Look(name=heard.name, since=since, expected=expected)


def _settle(heard: Heard, now: datetime) -> Heard:
    """Stop polling what is heard again, or of which nothing went unheard for long."""
    if heard.polled_since is None:
        return heard
    returned = heard.last is not None and heard.last > heard.polled_since
    if returned or now - (heard.missed or heard.polled_since) > GIVE_UP_POLLING:
        return replace(heard, polled_since=None, missed=None)
    return heard


def learn(heard: Heard, *, unheard: int, now: datetime) -> Heard:
    """Take in what a look has found: changes that should have been heard, or none."""
    if not unheard:
        return heard
    return replace(heard, polled_since=heard.polled_since or now, missed=now, look_at=now + POLL_EVERY)


def can_be_judged(resource: str, query_options: str = "") -> bool:
    """Tell whether a delta tells no more than notifications do: not where a subscription filters, and not without a delta."""
    followed = follow(resource)
    query = f"{resource.partition('?')[2]}&{query_options}".lower()
    return bool(followed and followed.following.steps) and "$filter" not in query and "$search" not in query


# -- what keeps them --------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Note:
    first: datetime
    last: datetime
    longest: timedelta = timedelta(0)
    count: int = 1


class HeardRecorder:
    """Notes in memory what is heard, and writes each subscription's down at most once in ten minutes; one a process."""

    def __init__(self, store: HeardStore, now: Clock) -> None:
        self._store = store
        self._now = now
        self._notes: dict[str, _Note] = {}
        self._written: dict[str, datetime] = {}
        self._due: list[tuple[datetime, str]] = []

    def note(self, name: str, at: datetime) -> None:
        """Note that Graph's own notification for a subscription was heard. Costs no I/O, and a dictionary's entry."""
        note = self._notes.get(name)
        if note is None:
            if len(self._notes) < _MOST_NOTES:
                self._keep(name, _Note(first=at, last=at))
            return
        note.count += 1
        if at > note.last:
            note.longest = max(note.longest, at - note.last)
            note.last = at
        else:
            note.first = min(note.first, at)

    async def flush(self) -> None:
        """Write down what was not written for ten minutes. Never raises StorageError: what fails is written another time."""
        now = self._now()
        due: dict[str, None] = {}
        while self._due and self._due[0][0] <= now:
            _, name = heapq.heappop(self._due)
            if name in self._notes:
                due[name] = None
        if not due:
            return
        notes = {name: self._notes.pop(name) for name in due}
        if len(self._written) > _MOST_NOTES:
            self._written = {name: at for name, at in self._written.items() if now - at < WRITE_EVERY}
        self._written |= dict.fromkeys(due, now)  # whoever comes meanwhile need not, and a failure waits as long
        try:
            known = {row.name: row for row in await self._store.read(list(due))}
            await self._store.write(
                [
                    merge(
                        known.get(name), name, first=note.first, last=note.last, longest=note.longest, count=note.count
                    )
                    for name, note in notes.items()
                ]
            )
        except StorageError as problem:
            for name, note in notes.items():
                self._put_back(name, note)
            log_line(_LOGGER, logging.WARNING, "what was heard could not be written down", {"problem": problem})

    def _put_back(self, name: str, note: _Note) -> None:
        newer = self._notes.get(name)
        if newer is not None:
            note.longest = max(note.longest, newer.longest, newer.first - note.last)
            note.last, note.count = max(note.last, newer.last), note.count + newer.count
        self._keep(name, note)

    def _keep(self, name: str, note: _Note) -> None:
        """Keep a note, to be written at its time: whoever flushes looks at those that are due, and not at all of them."""
        self._notes[name] = note
        written = self._written.get(name)
        heapq.heappush(self._due, (written + WRITE_EVERY if written else _AT_ONCE, name))


Declared = Callable[[str], "Watched | None"]
"""Finds what is declared of a subscription, by its name; None if it is declared no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is declared of a subscription, as far as silence goes."""

    resource: str
    quiet_after: timedelta | None = None
    query_options: str = ""


class Silence:
    """Looks after those that are quiet."""

    def __init__(self, store: HeardStore, now: Clock) -> None:
        self._store = store
        self._now = now

    async def review(self, find: Declared) -> Review:
        """Decide what is to be looked at by delta now. Costs one read, and a read and a write for each that is due.

        Raises StorageError. Called again at once, it finds nothing.
        """
        now = self._now()
        looks: list[Look] = []
        written: list[Heard] = []
        gone: list[str] = []
        for heard in await self._store.due(now, limit=_MOST_LOOKS):
            watched = find(heard.name)
            if watched is None:
                gone.append(heard.name)
                continue
            judged = can_be_judged(watched.resource, watched.query_options)
            later, found = look(heard, watched.quiet_after, now)
            written.append(later if judged else replace(later, look_at=now + _LONGEST, polled_since=None))
            if judged and found is not None:
                looks.append(found)
                self._say(heard, later, found)
            elif heard.polled_since is not None:
                log_line(_LOGGER, logging.WARNING, "subscription heard again", {"name": heard.name})
        await self._store.write(written)
        await self._store.remove(gone)
        return Review(
            probe=tuple(each for each in looks if not each.polled), poll=tuple(each for each in looks if each.polled)
        )

    def _say(self, heard: Heard, later: Heard, found: Look) -> None:
        if found.polled:
            return  # said when it was found out
        fields = {
            "name": heard.name,
            "last": str(heard.last),
            "expectedMinutes": round(found.expected / timedelta(minutes=1)),
            "next": str(later.look_at),
        }
        log_line(_LOGGER, logging.WARNING, "subscription unusually quiet", fields)

    async def watch(self, created: Mapping[str, datetime]) -> None:
        """See to it that subscriptions that were never heard are watched too, from when they were created.

        For those whose rhythm is declared: the others have to be heard before they can be quiet. A read for each. Raises
        StorageError.
        """
        known = {row.name for row in await self._store.read(list(created))}
        await self._store.write(
            [
                Heard(name=name, last=at, look_at=self._now() + _SHORTEST)
                for name, at in created.items()
                if name not in known
            ]
        )

    async def probed(self, name: str, *, unheard: int) -> None:
        """Take in what a look has found. Raises StorageError."""
        for heard in await self._store.read([name]):
            learnt = learn(heard, unheard=unheard, now=self._now())
            if learnt == heard:
                continue
            await self._store.write([learnt])
            if heard.polled_since is None:
                fields = {"name": name, "last": str(heard.last), "unheard": unheard}
                log_line(_LOGGER, logging.ERROR, "changes go unheard: the subscription is polled", fields)

    async def forget(self, names: Iterable[str]) -> None:
        """Forget subscriptions that are declared no more. Raises StorageError."""
        await self._store.remove(list(names))

    async def polled(self) -> Sequence[Heard]:
        """Give those of which changes go unheard. Raises StorageError."""
        return await self._store.polled(limit=_MOST_LOOKS)


def print_polled(rows: Sequence[Heard]) -> list[dict[str, object]]:
    """Write those that are polled as ``/api/status`` shows them."""
    return [
        {
            "name": row.name,
            "lastHeard": write_timestamp(row.last) if row.last else None,
            "polledSince": write_timestamp(row.polled_since) if row.polled_since else None,
            "lastMissed": write_timestamp(row.missed) if row.missed else None,
        }
        for row in rows
    ]
