"""The ledger of handled changes: who claims a change, and which of its handlers are done. It outlives restarts.

One row a change and period. A claim is a *create* in the current period (or taking over an expired claim by ETag);
*done* is written there and in the next period too, so that one read suffices however old the period is. Near the end of
a period claims are made in both, so that nobody races across the boundary. Periods are dropped whole, by age.

Only *done* suppresses a handler. Whoever meets a live claim waits it out: its holder may have died.

A deletion that a delta tells has no version, so that its key is another than that of Graph's notification. Beside a deletion that
was handled lies a *tombstone*: which handlers are done, when it was heard, and by which way. It travels with what is written for
the next period anyway, so that it costs no request of its own where the change has a key; it is read only for deletions told by a
delta. Nothing is suppressed that may be a second deletion of something restored, as far as anybody can tell: if an item is
deleted, restored and deleted again between two rounds, and of these only the first deletion was heard, the second is taken for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.ports import LedgerRow, LedgerStore

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_BOUNDARY = timedelta(minutes=5)  # more than clocks of two instances are ever apart
_LOST_RACE = timedelta(seconds=1)
_UNION_TRIES = 5
_LATEST = timedelta(hours=1)
"""How late Graph's own notification of a deletion may come, at most
(https://learn.microsoft.com/graph/change-notifications-overview, latency, 2026-09)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A change somebody wants to handle, with the handlers that it owes."""

    key: str
    owed: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The change is ours until the claim expires; ``run`` are the handlers that nobody has finished yet."""

    run: frozenset[str]
    rows: Mapping[str, LedgerRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Somebody else holds a live claim until then."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyDone:
    """Every handler that is owed was finished before."""


Answer = Granted | Busy | AlreadyDone


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A deletion that was handled. ``way`` is empty for Graph's own notification, else the delta's round that told it."""

    key: str
    done: frozenset[str]
    received: datetime
    way: str = ""

    def row(self) -> LedgerRow:
        """Give the row that remembers it: its holder and time are no claim, because nobody ever wants its key."""
        return LedgerRow(key=self.key, done=self.done, holder=self.way or _NOTIFICATION, expires=self.received)


_NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldDeletion:
    """A deletion that a delta tells: the keys of both tombstones, the round, and when the round before began."""

    heard_key: str
    told_key: str
    mark: str
    since: datetime | None


class Ledger:
    """Claims and records over a store.

    Args:
        store: where rows live.
        window: how long a handled change is remembered; the length of a period.
        claim_lifetime: how long a claim lives; longer than any handler may take.
    """

    def __init__(self, store: LedgerStore, *, window: timedelta, claim_lifetime: timedelta) -> None:
        self._store = store
        self._window = window
        self._claim_lifetime = claim_lifetime

    def period(self, now: datetime, *, ahead: int = 0) -> str:
        """Name the period of a moment, or the one ``ahead`` of it: the day on which it begins, ``YYYYMMDD``."""
        number = (now - _EPOCH) // self._window + ahead
        return f"{_EPOCH + number * self._window:%Y%m%d}"

    async def claim(self, partition: str, wanted: Sequence[Wanted], *, holder: str, now: datetime) -> dict[str, Answer]:
        """Claim changes; the answer for each by key. ``holder`` is new for every call: it recognises its own rows."""
        periods = [self.period(now)]
        if self.period(now + self._claim_lifetime + _BOUNDARY) != periods[0]:
            periods.append(self.period(now, ahead=1))
        answers = await self._claim_in(periods[0], partition, wanted, holder=holder, now=now)
        for period in periods[1:]:
            mine = [each for each in wanted if isinstance(answers[each.key], Granted)]
            for key, answer in (await self._claim_in(period, partition, mine, holder=holder, now=now)).items():
                answers[key] = _both(answers[key], answer)
        return answers

    async def _claim_in(
        self, period: str, partition: str, wanted: Sequence[Wanted], *, holder: str, now: datetime
    ) -> dict[str, Answer]:
        expires = now + self._claim_lifetime
        rows = {each.key: LedgerRow(key=each.key, holder=holder, expires=expires) for each in wanted}
        created = await self._store.create(period, partition, tuple(rows.values())) if rows else {}
        answers: dict[str, Answer] = {}
        for each in wanted:
            if each.key in created:
                row = LedgerRow(key=each.key, holder=holder, expires=expires, etag=created[each.key])
                answers[each.key] = Granted(run=each.owed, rows={period: row})
            else:
                answers[each.key] = await self._meet(period, partition, each, rows[each.key], now)
        return answers

    async def _meet(self, period: str, partition: str, wanted: Wanted, claim: LedgerRow, now: datetime) -> Answer:
        """Decide what to do about a row that is there already."""
        found = await self._store.read(period, partition, wanted.key)
        if found is None:
            return Busy(until=now + _LOST_RACE)
        run = wanted.owed - found.done
        if not run:
            return AlreadyDone()
        if found.holder == claim.holder:  # our own create, whose answer got lost on the way and was tried again
            return Granted(run=run, rows={period: found})
        if found.holder and found.expires is not None and found.expires > now:
            return Busy(until=found.expires)
        mine = replace(found, holder=claim.holder, expires=claim.expires)
        replaced = await self._store.replace(period, partition, (mine,))
        if wanted.key not in replaced:
            return Busy(until=now + _LOST_RACE)
        return Granted(run=run, rows={period: replace(mine, etag=replaced[wanted.key])})

    async def settle(
        self,
        partition: str,
        granted: Mapping[str, Granted],
        done: Mapping[str, frozenset[str]],
        *,
        now: datetime,
        tombstones: Sequence[Tombstone] = (),
    ) -> None:
        """Record what is done and let go of the claims: in the periods claimed, and in the next one for what is done.

        Tombstones are put into the next period only; `heard` knows where to look.
        """
        upcoming = self.period(now, ahead=1)
        by_period: dict[str, list[LedgerRow]] = {}
        ahead: list[LedgerRow] = [each.row() for each in tombstones if each.done]
        for key, claim in granted.items():
            finished = done.get(key, frozenset())
            for period, row in claim.rows.items():
                by_period.setdefault(period, []).append(_released(row, finished))
            everything = finished.union(*(row.done for row in claim.rows.values()))
            if everything and upcoming not in claim.rows:
                ahead.append(LedgerRow(key=key, done=everything))
        for period, rows in by_period.items():
            replaced = await self._store.replace(period, partition, tuple(rows))
            for row in rows:
                if row.key not in replaced and row.done:
                    await self._join(period, partition, row)
        if ahead:
            await self._store.put(upcoming, partition, tuple(ahead))

    async def _join(self, period: str, partition: str, row: LedgerRow) -> None:
        """Add what we finished to a row that somebody took over after our claim had expired."""
        for _ in range(_UNION_TRIES):
            found = await self._store.read(period, partition, row.key)
            if found is None:
                await self._store.put(period, partition, (row,))
                return
            if row.done <= found.done or await self._store.replace(
                period, partition, (replace(found, done=found.done | row.done),)
            ):
                return

    async def bury(self, partition: str, tombstones: Sequence[Tombstone], *, now: datetime) -> None:
        """Remember deletions that have no key of their own."""
        await self._store.put(self.period(now, ahead=1), partition, [each.row() for each in tombstones])

    async def heard(self, partition: str, told: ToldDeletion, *, now: datetime) -> frozenset[str]:
        """Tell which handlers have handled a deletion already, because Graph's own notification of it was heard.

        One read, a second one if there is something to suppress; twice as many if the round before began in an earlier period.
        """
        if told.since is None:
            return frozenset()
        found = await self._tombstone(partition, told.heard_key, told.since, now)
        if found is None or found.expires is None or found.expires < told.since:
            return frozenset()
        before = await self._tombstone(partition, told.told_key, told.since - _LATEST, now)
        if before and before.holder != told.mark and before.expires and found.expires < before.expires + _LATEST:
            # an earlier round told a deletion, and that may be what was heard: this one is of something that was restored
            return frozenset()
        return found.done

    async def _tombstone(self, partition: str, key: str, since: datetime, now: datetime) -> LedgerRow | None:
        """Read the latest tombstone that was written after a moment."""
        found = await self._store.read(self.period(now, ahead=1), partition, key)
        if found is None and self.period(since) != self.period(now):
            found = await self._store.read(self.period(now), partition, key)
        return found

    async def drop_old_periods(self, now: datetime) -> Sequence[str]:
        """Drop periods that ended before the last one began; their names."""
        return await self._store.drop_before(self.period(now, ahead=-1))


def _released(row: LedgerRow, finished: frozenset[str]) -> LedgerRow:
    return LedgerRow(key=row.key, done=row.done | finished, etag=row.etag)


def _both(first: Answer, second: Answer) -> Answer:
    if isinstance(first, Granted) and isinstance(second, Granted):
        return Granted(run=first.run & second.run, rows={**first.rows, **second.rows})
    return second
