"""ports.LedgerStore, on the memory twin and on Table Storage."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from local.azurite.request_log import RequestLog
from shared.adapters.ledger_table import LedgerTable
from shared.adapters.memory import MemoryLedgerStore
from shared.adapters.storage import Storage
from shared.ports import LedgerRow, LedgerStore
from tests.contracts.twins import BOTH, present

PERIOD = "20260101"


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest) -> LedgerStore:
    return MemoryLedgerStore() if request.param == "memory" else LedgerTable(request.getfixturevalue("storage"))


def claims(*keys: str, holder: str = "me") -> list[LedgerRow]:
    expires = present().replace(microsecond=0) + timedelta(minutes=1)
    return [LedgerRow(key=key, holder=holder, expires=expires) for key in keys]


async def test_a_row_reads_as_it_was_written(store: LedgerStore, unique: str) -> None:
    (claim,) = claims("k")
    done = LedgerRow(key="d", done=frozenset({"feed", "forward~1a2b3c4d"}))
    etags = await store.create(PERIOD, unique, [claim, done])
    assert await store.read(PERIOD, unique, "k") == replace(claim, etag=etags["k"])
    assert await store.read(PERIOD, unique, "d") == replace(done, etag=etags["d"])
    assert await store.read(PERIOD, unique, "absent") is None
    assert await store.read(PERIOD, unique + "x", "k") is None
    assert await store.read("20260109", unique, "k") is None


@pytest.mark.parametrize("already", [0, 1, 2, 5, 12])
async def test_only_what_was_not_there_is_created(store: LedgerStore, unique: str, already: int) -> None:
    keys = [f"k{number:02}" for number in range(12)]
    taken = keys[12 - already :: 1]
    if taken:
        await store.create(PERIOD, unique, claims(*taken, holder="first"))
    created = await store.create(PERIOD, unique, claims(*keys, holder="second"))
    assert set(created) == set(keys) - set(taken)
    rows = [await store.read(PERIOD, unique, key) for key in keys]
    assert [row.holder for row in rows if row] == ["second"] * (12 - already) + ["first"] * already
    assert all(row.etag == created.get(row.key, row.etag) for row in rows if row)


async def test_conflicts_in_the_middle_cost_no_sibling(store: LedgerStore, unique: str) -> None:
    await store.create(PERIOD, unique, claims("b", "d", "f", holder="first"))
    assert set(await store.create(PERIOD, unique, claims("a", "b", "c", "d", "e", "f", "g"))) == {"a", "c", "e", "g"}


async def test_nothing_to_write_is_no_error(store: LedgerStore, unique: str) -> None:
    assert await store.create(PERIOD, unique, []) == {}
    assert await store.replace(PERIOD, unique, []) == {}
    await store.put(PERIOD, unique, [])


async def test_more_rows_than_a_transaction_holds(store: LedgerStore, unique: str) -> None:
    keys = [f"k{number:03}" for number in range(130)]
    assert set(await store.create(PERIOD, unique, claims(*keys))) == set(keys)


async def test_a_row_is_replaced_only_under_its_last_etag(store: LedgerStore, unique: str) -> None:
    created = await store.create(PERIOD, unique, claims("a", "b", "c"))
    mine = [replace(row, etag=created[row.key], done=frozenset({"feed"})) for row in claims("a", "b", "c")]
    first = await store.replace(PERIOD, unique, mine[:1])
    assert set(first) == {"a"}
    assert first["a"] != created["a"]
    assert set(await store.replace(PERIOD, unique, mine)) == {"b", "c"}
    absent = LedgerRow(key="absent", etag=created["a"])
    assert await store.replace(PERIOD, unique, [absent]) == {}


async def test_replacing_lets_go_of_a_claim(store: LedgerStore, unique: str) -> None:
    etags = await store.create(PERIOD, unique, claims("k"))
    await store.replace(PERIOD, unique, [LedgerRow(key="k", done=frozenset({"feed"}), etag=etags["k"])])
    found = await store.read(PERIOD, unique, "k")
    assert found is not None
    assert (found.holder, found.expires, found.done) == ("", None, frozenset({"feed"}))


async def test_put_writes_over_whatever_is_there(store: LedgerStore, unique: str) -> None:
    await store.create(PERIOD, unique, claims("k", holder="first"))
    await store.put(PERIOD, unique, [LedgerRow(key=key, done=frozenset({"feed"})) for key in ("k", "new")])
    rows = [await store.read(PERIOD, unique, key) for key in ("k", "new")]
    assert [(row.holder, row.done) for row in rows if row] == [("", frozenset({"feed"}))] * 2


async def test_of_many_who_claim_at_once_one_wins(store: LedgerStore, unique: str) -> None:
    tries = [store.create(PERIOD, unique, claims("k", f"own{number}", holder=f"h{number}")) for number in range(10)]
    created = await asyncio.gather(*tries)
    assert sum("k" in each for each in created) == 1
    assert all(f"own{number}" in each for number, each in enumerate(created))


async def test_old_periods_are_dropped_whole_and_younger_ones_stay(store: LedgerStore, unique: str) -> None:
    for period in ("20200101", "20200109", "20200117"):
        await store.create(period, unique, claims("k"))
    dropped = await store.drop_before("20200117")
    assert {"20200101", "20200109"} <= set(dropped)
    assert not await store.drop_before("20200117")
    assert await store.read("20200101", unique, "k") is None
    assert await store.read("20200117", unique, "k") is not None
    assert set(await store.create("20200101", unique, claims("k"))) == {"k"}


@pytest.mark.azurite
async def test_sixty_claims_are_one_request_and_sixty_records_another(
    storage: Storage, unique: str, request_log: RequestLog
) -> None:
    store = LedgerTable(storage)
    keys = [f"k{number}" for number in range(60)]
    await store.put(PERIOD, unique, claims("warm"))
    before = len(request_log.read())
    created = await store.create(PERIOD, unique, claims(*keys))
    await store.replace(PERIOD, unique, [LedgerRow(key=key, etag=created[key]) for key in keys])
    assert [each.path for each in request_log.read()[before:]] == ["/$batch", "/$batch"]


@pytest.mark.azurite
async def test_one_redelivered_change_costs_one_more_transaction(
    storage: Storage, unique: str, request_log: RequestLog
) -> None:
    store = LedgerTable(storage)
    await store.create(PERIOD, unique, claims("k7"))
    before = len(request_log.read())
    await store.create(PERIOD, unique, claims(*[f"k{number}" for number in range(60)]))
    assert len(request_log.read()) - before == 2
