"""The ledger: whatever workers do to each other, a change is handled; and once, as long as nobody dies."""

from collections.abc import Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory import MemoryLedgerStore
from shared.ledger import AlreadyDone, Answer, Busy, Granted, Ledger, ToldDeletion, Tombstone, Wanted
from shared.ports import LedgerRow

WINDOW = timedelta(days=8)
CLAIM = timedelta(seconds=75)
START = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
PARTITION = "teams-messages"


def ledger_on(store: Any) -> Ledger:
    return Ledger(store, window=WINDOW, claim_lifetime=CLAIM)


def wanted(*owed: str, key: str = "k") -> list[Wanted]:
    return [Wanted(key=key, owed=frozenset(owed or ("feed",)))]


async def claim(ledger: Ledger, *owed: str, holder: str, now: datetime = START) -> Answer:
    return (await ledger.claim(PARTITION, wanted(*owed), holder=holder, now=now))["k"]


async def settle(ledger: Ledger, answer: Answer, *done: str, now: datetime = START) -> None:
    assert isinstance(answer, Granted)
    await ledger.settle(PARTITION, {"k": answer}, {"k": frozenset(done)}, now=now)


def run(answer: Answer) -> set[str]:
    assert isinstance(answer, Granted), answer
    return set(answer.run)


async def test_a_change_that_nobody_knows_is_granted_with_all_it_owes() -> None:
    assert run(await claim(ledger_on(MemoryLedgerStore()), "feed", "dlp", holder="a")) == {"feed", "dlp"}


async def test_a_live_claim_is_waited_for() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await claim(ledger, holder="a")

    assert await claim(ledger, holder="b", now=START + CLAIM / 2) == Busy(until=START + CLAIM)


async def test_what_is_done_is_never_granted_again() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await settle(ledger, await claim(ledger, holder="a"), "feed")

    assert await claim(ledger, holder="b") == AlreadyDone()


async def test_only_the_handlers_that_are_not_done_are_granted_again() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await settle(ledger, await claim(ledger, "feed", "dlp", holder="a"), "feed")

    assert run(await claim(ledger, "feed", "dlp", holder="b")) == {"dlp"}


async def test_a_claim_that_is_settled_with_nothing_done_is_free_at_once() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await settle(ledger, await claim(ledger, holder="a"))

    assert run(await claim(ledger, holder="b")) == {"feed"}


async def test_an_expired_claim_is_taken_over() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await claim(ledger, holder="a")

    assert run(await claim(ledger, holder="b", now=START + CLAIM)) == {"feed"}
    assert await claim(ledger, holder="c", now=START + CLAIM) == Busy(until=START + 2 * CLAIM)


async def test_whoever_lost_a_claim_still_records_what_it_finished() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    first = await claim(ledger, "feed", "dlp", holder="a")
    second = await claim(ledger, "feed", "dlp", holder="b", now=START + CLAIM)
    await settle(ledger, first, "feed", now=START + CLAIM)
    await settle(ledger, second, "dlp", now=START + CLAIM)

    assert await claim(ledger, "feed", "dlp", holder="c", now=START + CLAIM) == AlreadyDone()


async def test_settling_late_does_not_take_a_claim_away_from_its_new_holder() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    first = await claim(ledger, "feed", "dlp", holder="a")
    await claim(ledger, "feed", "dlp", holder="b", now=START + CLAIM)
    await settle(ledger, first, "feed", now=START + CLAIM)

    assert isinstance(await claim(ledger, "dlp", holder="c", now=START + CLAIM), Busy)


class LosesAnswers(MemoryLedgerStore):
    """Creates rows, and answers that they were there already: a request whose answer got lost and that was sent again."""

    async def create(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        await super().create(period, partition, rows)
        return {}


async def test_a_create_of_our_own_whose_answer_got_lost_is_ours() -> None:
    ledger = ledger_on(LosesAnswers())
    answer = await claim(ledger, holder="a")

    assert run(answer) == {"feed"}
    await settle(ledger, answer, "feed")
    assert await claim(ledger, holder="b") == AlreadyDone()


async def test_a_row_that_vanished_meanwhile_is_tried_again_in_a_moment() -> None:
    class Vanishing(LosesAnswers):
        async def read(self, *_row: str) -> None:
            return None

    assert await claim(ledger_on(Vanishing()), holder="a") == Busy(until=START + timedelta(seconds=1))


# -- periods ----------------------------------------------------------------------------------------------------------


def boundary(ledger: Ledger) -> datetime:
    """The first moment of the next period."""
    return datetime.fromisoformat(ledger.period(START, ahead=1) + "T00:00:00+00:00")


async def test_what_is_done_is_remembered_for_a_whole_window_at_least() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    for handled in (boundary(ledger) - timedelta(seconds=1), boundary(ledger), boundary(ledger) + timedelta(days=4)):
        fresh = ledger_on(MemoryLedgerStore())
        await settle(fresh, await claim(fresh, holder="a", now=handled), "feed", now=handled)

        assert await claim(fresh, holder="b", now=handled + WINDOW - timedelta(seconds=1)) == AlreadyDone()


@pytest.mark.parametrize("first", [-400, -200, -60, -1, 0, 1])
@pytest.mark.parametrize("second", [-200, -60, -1, 0, 1, 60])
async def test_nobody_races_across_the_boundary_of_periods(first: int, second: int) -> None:
    ledger = ledger_on(MemoryLedgerStore())
    one, two = (boundary(ledger) + timedelta(seconds=offset) for offset in (first, second))
    if abs(two - one) >= CLAIM:
        return
    granted = await claim(ledger, holder="a", now=one)

    assert isinstance(await claim(ledger, holder="b", now=two), Busy)
    await settle(ledger, granted, "feed", now=max(one, two))
    assert await claim(ledger, holder="c", now=max(one, two) + CLAIM) == AlreadyDone()


async def test_old_periods_are_dropped_whole_and_the_last_one_is_kept() -> None:
    store = MemoryLedgerStore()
    ledger = ledger_on(store)
    for number in range(4):
        await claim(ledger, holder=f"h{number}", now=START + number * WINDOW)
    now = START + 3 * WINDOW
    kept = {ledger.period(now, ahead=ahead) for ahead in (-1, 0)}

    assert len(await ledger.drop_old_periods(now)) == 2
    assert set(store.periods) == kept


def test_a_period_is_named_by_the_day_on_which_it_begins() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    name = ledger.period(START)

    assert len(name) == 8
    assert timedelta(0) <= START - datetime.fromisoformat(name + "T00:00:00+00:00") < WINDOW


# -- any interleaving -------------------------------------------------------------------------------------------------


class _Turn:
    """A place where somebody else may have a turn."""

    def __await__(self) -> Generator[None]:
        yield


class InTurns:
    """A ledger store whose requests and answers take a turn each: a worker may die between the two."""

    def __init__(self, store: MemoryLedgerStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        async def request(*arguments: Any) -> Any:
            await _Turn()
            answer = await getattr(self._store, name)(*arguments)
            await _Turn()
            return answer

        return request


@dataclass
class Bench:
    """Workers that handle the same changes, one step at a time, each by its own clock."""

    assignments: Sequence[Mapping[str, frozenset[str]]]
    clock: datetime
    skews: Sequence[int]
    ledger: Ledger = field(default_factory=lambda: ledger_on(InTurns(MemoryLedgerStore())))
    ran: list[tuple[str, str]] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)
    holders: int = 0
    workers: list[Coroutine[Any, Any, None] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workers = [self._work(number) for number in range(len(self.assignments))]

    def _now(self, number: int) -> datetime:
        return self.clock + timedelta(seconds=self.skews[number])

    async def _work(self, number: int) -> None:
        todo = dict(self.assignments[number])
        while todo:
            self.holders += 1
            asked = [Wanted(key=key, owed=owed) for key, owed in todo.items()]
            answers = await self.ledger.claim(PARTITION, asked, holder=f"h{self.holders}", now=self._now(number))
            granted = {key: answer for key, answer in answers.items() if isinstance(answer, Granted)}
            done: dict[str, frozenset[str]] = {}
            for key, answer in granted.items():
                for handler in sorted(answer.run):
                    await _Turn()
                    self.ran.append((key, handler))
                done[key] = answer.run
            await self.ledger.settle(PARTITION, granted, done, now=self._now(number))
            busy = {key: answer.until for key, answer in answers.items() if isinstance(answer, Busy)}
            todo = {key: todo[key] for key in busy}
            while busy and self._now(number) < max(busy.values()):
                self.waiting.add(number)
                await _Turn()
            self.waiting.discard(number)

    def step(self, number: int) -> None:
        worker = self.workers[number]
        if worker is None:
            return
        try:
            worker.send(None)
        except StopIteration:
            self.workers[number] = None

    def crash(self, number: int) -> None:
        """Kill a worker wherever it is; its message comes again."""
        worker = self.workers[number]
        if worker is not None:
            worker.close()
            self.waiting.discard(number)
            self.workers[number] = self._work(number)

    def finish(self) -> None:
        for _ in range(20_000):
            alive = {number for number, worker in enumerate(self.workers) if worker is not None}
            if not alive:
                return
            if alive <= self.waiting:
                self.clock += timedelta(seconds=1)
            for number in alive:
                self.step(number)
        pytest.fail("the workers never finish")

    def owed(self) -> set[tuple[str, str]]:
        return {(key, name) for each in self.assignments for key, owed in each.items() for name in owed}


ASSIGNMENTS = st.lists(
    st.dictionaries(
        st.sampled_from("xyz"), st.frozensets(st.sampled_from(["feed", "dlp"]), min_size=1), min_size=1, max_size=3
    ),
    min_size=2,
    max_size=4,
)
CLOCKS = st.sampled_from(
    [timedelta(days=-3)] + [timedelta(seconds=offset) for offset in (-390, -370, -60, -20, -1, 0)]
).map(lambda offset: boundary(ledger_on(None)) + offset)
SKEWS = st.lists(st.integers(-15, 15), min_size=4, max_size=4)
WHO = st.integers(0, 3)


@given(ASSIGNMENTS, CLOCKS, SKEWS, st.lists(WHO, max_size=80))
def test_without_crashes_every_handler_runs_exactly_once(
    assignments: list[dict[str, frozenset[str]]], clock: datetime, skews: list[int], turns: list[int]
) -> None:
    bench = Bench(assignments=assignments, clock=clock, skews=skews)
    for number in turns:
        bench.step(number % len(assignments))
    bench.finish()

    assert sorted(bench.ran) == sorted(bench.owed())


@given(
    ASSIGNMENTS,
    CLOCKS,
    SKEWS,
    st.lists(st.tuples(st.sampled_from(["step", "step", "step", "crash", "tick"]), WHO), max_size=100),
)
def test_whoever_dies_wherever_every_handler_runs(
    assignments: list[dict[str, frozenset[str]]], clock: datetime, skews: list[int], turns: list[tuple[str, int]]
) -> None:
    bench = Bench(assignments=assignments, clock=clock, skews=skews)
    for event, number in turns:
        if event == "tick":
            bench.clock += timedelta(seconds=40 * (number + 1))
        else:
            getattr(bench, event)(number % len(assignments))
    bench.finish()

    assert set(bench.ran) == bench.owed()


# -- tombstones ---------------------------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)


def told(since: datetime | None = START - HOUR, mark: str = "round 2") -> ToldDeletion:
    return ToldDeletion(heard_key="heard", told_key="told", mark=mark, since=since)


def buried(received: datetime = START, *, way: str = "", done: frozenset[str] = frozenset({"feed"})) -> Tombstone:
    return Tombstone(key="told" if way else "heard", done=done, received=received, way=way)


@pytest.mark.parametrize(
    ("received", "since", "heard"),
    [
        (START, START - HOUR, True),
        (START, START, True),
        (START, START + timedelta(microseconds=1), False),  # the round before began later: this is another deletion
        (START, None, False),
    ],
)
async def test_a_deletion_is_heard_if_it_was_after_the_round_before_began(
    received: datetime, since: datetime | None, *, heard: bool
) -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await ledger.bury(PARTITION, [buried(received)], now=START)

    assert await ledger.heard(PARTITION, told(since), now=START + HOUR) == (
        frozenset({"feed"}) if heard else frozenset()
    )


async def test_nothing_was_heard_of_what_has_no_tombstone() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await ledger.bury(PARTITION, [buried()], now=START)

    assert await ledger.heard("another", told(), now=START) == frozenset()


@pytest.mark.parametrize(
    ("earlier", "heard"),
    [
        ("round 2", True),  # this round, told again after a crash
        ("round 1", False),  # the item was restored since, and what was heard may be its first deletion
    ],
)
async def test_what_an_earlier_round_told_may_be_what_was_heard(earlier: str, *, heard: bool) -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await ledger.bury(PARTITION, [buried(), buried(START - HOUR / 2, way=earlier)], now=START)

    assert bool(await ledger.heard(PARTITION, told(), now=START + HOUR)) is heard


async def test_what_was_heard_long_after_an_earlier_round_told_a_deletion_is_another_one() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    await ledger.bury(PARTITION, [buried(START - 2 * HOUR, way="round 1")], now=START)
    await ledger.bury(PARTITION, [buried()], now=START)

    assert await ledger.heard(PARTITION, told(START - 3 * HOUR), now=START) == frozenset({"feed"})


@pytest.mark.parametrize("days", range(10))
async def test_a_tombstone_is_found_on_either_side_of_a_period_s_end(days: int) -> None:
    ledger = ledger_on(MemoryLedgerStore())
    buried_at = START + timedelta(days=days)
    await ledger.bury(PARTITION, [buried(buried_at)], now=buried_at)

    later = buried_at + timedelta(days=1)
    assert await ledger.heard(PARTITION, told(buried_at - HOUR), now=later) == frozenset({"feed"})


class Counting(MemoryLedgerStore):
    """Counts requests by what they ask for."""

    counts: dict[str, int]

    async def create(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        self._count("create")
        return await super().create(period, partition, rows)

    async def read(self, period: str, partition: str, key: str) -> LedgerRow | None:
        self._count("read")
        return await super().read(period, partition, key)

    async def replace(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> Mapping[str, str]:
        self._count("replace")
        return await super().replace(period, partition, rows)

    async def put(self, period: str, partition: str, rows: Sequence[LedgerRow]) -> None:
        self._count("put")
        await super().put(period, partition, rows)

    def _count(self, what: str) -> None:
        counts = self.__dict__.setdefault("counts", {})
        counts[what] = counts.get(what, 0) + 1


async def test_a_tombstone_costs_no_request_where_the_change_has_a_key() -> None:
    store = Counting()
    ledger = ledger_on(store)
    answer = await claim(ledger, holder="a")
    assert isinstance(answer, Granted)
    await ledger.settle(PARTITION, {"k": answer}, {"k": frozenset({"feed"})}, now=START, tombstones=[buried()])

    assert store.counts == {"create": 1, "replace": 1, "put": 1}
    assert await ledger.heard(PARTITION, told(), now=START) == frozenset({"feed"})
    assert store.counts["read"] == 2


async def test_a_deletion_that_nobody_has_handled_leaves_no_tombstone() -> None:
    ledger = ledger_on(MemoryLedgerStore())
    answer = await claim(ledger, holder="a")
    assert isinstance(answer, Granted)
    unhandled = buried(done=frozenset())
    await ledger.settle(PARTITION, {"k": answer}, {"k": frozenset()}, now=START, tombstones=[unhandled])

    assert await ledger.heard(PARTITION, told(), now=START) == frozenset()
