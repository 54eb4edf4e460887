"""The ledger of handled changes: who claims a change, and which of its handlers are done. It outlives restarts.

One row a change and period. A claim is a *create* in the current period (or taking over an expired claim by ETag);
*done* is written there and in the next period too, so that one read suffices however old the period is. Near the end of
a period claims are made in both, so that nobody races across the boundary. Periods are dropped whole, by age.

Only *done* suppresses a handler. Whoever meets a live claim waits it out: its holder may have died.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.ports import LedgerRow, LedgerStore

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_BOUNDARY = timedelta(minutes=5)  # more than clocks of two instances are ever apart
_LOST_RACE = timedelta(seconds=1)
_UNION_TRIES = 5


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
                row = replace(rows[each.key], etag=created[each.key])
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
        self, partition: str, granted: Mapping[str, Granted], done: Mapping[str, frozenset[str]], *, now: datetime
    ) -> None:
        """Record what is done and let go of the claims: in the periods claimed, and in the next one for what is done."""
        upcoming = self.period(now, ahead=1)
        by_period: dict[str, list[LedgerRow]] = {}
        ahead: list[LedgerRow] = []
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

    async def drop_old_periods(self, now: datetime) -> Sequence[str]:
        """Drop periods that ended before the last one began; their names."""
        return await self._store.drop_before(self.period(now, ahead=-1))


def _released(row: LedgerRow, finished: frozenset[str]) -> LedgerRow:
    return replace(row, done=row.done | finished, holder="", expires=None)


def _both(first: Answer, second: Answer) -> Answer:
    if isinstance(first, Granted) and isinstance(second, Granted):
        return Granted(run=first.run & second.run, rows={**first.rows, **second.rows})
    return second
