"""ports.FindingStore, on the memory twin and on Table Storage, also written by several processes at once."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.azurite.request_log import RequestLog
from shared.adapters.finding_rows import message_row
from shared.adapters.finding_table import FindingTable
from shared.adapters.memory_findings import MemoryFindingStore
from shared.adapters.storage import Storage
from shared.dlp.values import Match, Severity
from shared.errors import StorageError
from shared.findings import MOST_FINDINGS, MOST_MATCHES, FindingQuery, ListedFinding, Message, Scan, Version
from shared.ports import FindingStore
from tests.contracts.twins import BOTH, StorageMaker, until

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
EVERYTHING = FindingQuery()


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest) -> FindingStore:
    if request.param == "memory":
        return MemoryFindingStore()
    return FindingTable(request.getfixturevalue("storage"))


@pytest.fixture(params=BOTH)
def processes(request: pytest.FixtureRequest) -> Sequence[FindingStore]:
    """Three stores over the same findings, as three processes have them."""
    if request.param == "memory":
        return [MemoryFindingStore()] * 3
    open_storage: StorageMaker = request.getfixturevalue("open_storage")
    return [FindingTable(open_storage()) for _ in range(3)]


def message(unique: str, name: str = "m", **changes: Any) -> Message:
    """A message of a subscription that only one test has: the table is shared."""
    valid = Message(
        key=f"{unique}-{name}",
        subscription=unique,
        tenant_id="tenant",
        resource=f"chats/c/messages/{name}",
        feed="feed",
        sender="o'sender",
        sent=NOON - timedelta(minutes=1),
        link="https://teams.example/l/message/1",
    )
    return replace(valid, **changes)


def match(rule: str = "card", *, start: int = 0, severity: Severity = "high") -> Match:
    return Match(rule=rule, kind="card", severity=severity, part="body", part_index=0, start=start, length=16)


def scan(of: Message, *matches: Match, minute: int = 0, deleted: bool = False, **changes: Any) -> Scan:
    version = Version(changed=NOON + timedelta(minutes=minute), number=minute, deleted=deleted, name=f"v{minute}")
    valid = Scan(message=of, version=version, matches=matches, change_key=f"key{minute}", at=NOON)
    return replace(valid, **changes)


async def listed(store: FindingStore, query: FindingQuery, *, top: int = 1000) -> list[ListedFinding]:
    """Read all pages."""
    found: list[ListedFinding] = []
    after = ""
    for _ in range(1000):
        page = await store.page(query, after=after, top=top)
        assert len(page.findings) <= top
        found += page.findings
        if not page.after:
            return found
        assert page.after > after
        after = page.after
    raise AssertionError("the pages have no end")


async def statuses(store: FindingStore, unique: str) -> list[tuple[str, str]]:
    found = await listed(store, FindingQuery(subscription=unique))
    return sorted((each.finding.rule, each.status) for each in found)


async def test_what_was_found_is_listed_as_it_was(store: FindingStore, unique: str) -> None:
    state = await store.apply(scan(message(unique), match(), match("iban", start=40, severity="low"), tell=True))
    found = await listed(store, FindingQuery(subscription=unique))

    assert sorted(found, key=lambda each: each.finding.id) == sorted(state.listed(), key=lambda each: each.finding.id)
    assert {each.status for each in found} == {"open"}
    assert found[0].message == message(unique)
    assert {each.finding.told for each in found} == {False}


async def test_the_same_scan_again_changes_nothing(store: FindingStore, unique: str) -> None:
    first = await store.apply(scan(message(unique), match()))
    assert await store.apply(scan(message(unique), match())) == first
    assert await statuses(store, unique) == [("card", "open")]


async def test_an_edit_and_a_deletion_are_seen_in_the_list(store: FindingStore, unique: str) -> None:
    one = message(unique)
    await store.apply(scan(one, match("card"), match("iban")))
    await store.apply(scan(one, match("card"), match("name"), minute=1, at=NOON + timedelta(days=3)))
    assert await statuses(store, unique) == [("card", "open"), ("iban", "edited-away"), ("name", "open")]
    await store.apply(scan(one, minute=2, deleted=True))
    assert await statuses(store, unique) == [
        ("card", "message-deleted"),
        ("iban", "edited-away"),
        ("name", "message-deleted"),
    ]


async def test_versions_that_arrive_the_other_way_round_end_the_same(store: FindingStore, unique: str) -> None:
    for name, later in (("edited", scan), ("deleted", lambda of, **told: scan(of, deleted=True, **told))):
        of = message(unique, name)
        await store.apply(later(of, minute=2))
        await store.apply(scan(of, match(name)))
    assert await statuses(store, unique) == [("deleted", "message-deleted"), ("edited", "edited-away")]


async def test_what_was_done_is_kept(store: FindingStore, unique: str) -> None:
    one = message(unique)
    state = await store.apply(scan(one, match(), match("iban"), tell=True))
    told = {state.findings[0].id}
    await store.settle(state, told=told, verdict="blockAccess")
    known = await store.apply(scan(one, match(), match("iban"), minute=1, tell=True))
    assert {each.id for each in known.findings if each.told} == told
    assert known.verdict == "blockAccess"
    await store.settle(state, told=set(), verdict=None)  # what was read before somebody else wrote
    assert (await store.apply(scan(one, minute=2))).verdict == "blockAccess"


async def test_each_filter_finds_its_own(store: FindingStore, unique: str) -> None:
    one = message(unique, "one", sender="a", resource=f"chats/{unique}/messages/one", feed=f"{unique}-f")
    two = message(unique, "two", sender="b", resource="chats/d/messages/two", feed="other")
    await store.apply(scan(one, match("card"), at=NOON))
    await store.apply(scan(two, match("iban", severity="low"), at=NOON + timedelta(hours=30)))
    await store.apply(scan(two, minute=1, deleted=True))

    async def rules(**asked: Any) -> list[str]:
        found = await listed(store, FindingQuery(subscription=unique, **asked))
        return [each.finding.rule for each in found]

    assert await rules() == ["iban", "card"]
    for asked in (
        {"rule": "card"},
        {"severity": "high"},
        {"status": "open"},
        {"sender": "a"},
        {"resource": f"chats/{unique}/messages/one", "feed": "x"},
        {"resource": f"chats/{unique}", "feed": f"{unique}-f"},
        {"until": NOON + timedelta(microseconds=1)},
        {"since": NOON, "until": NOON + timedelta(hours=1)},
    ):
        assert await rules(**asked) == ["card"], asked
    assert await rules(since=NOON + timedelta(microseconds=1)) == ["iban"]
    assert await rules(until=NOON) == []
    assert await rules(rule="o'nobody") == []


async def test_pages_are_stable_while_new_findings_arrive(store: FindingStore, unique: str) -> None:
    """Over several days, several in one microsecond, with pages that end in the midst of them."""
    for number in range(12):
        found = NOON - timedelta(hours=18 * (number // 2))
        await store.apply(scan(message(unique, f"m{number}"), match(), match("iban"), at=found))
    before = [each.finding.id for each in await listed(store, FindingQuery(subscription=unique))]
    assert len(before) == 24
    seen: list[str] = []
    after = ""
    for number in range(100):
        page = await store.page(FindingQuery(subscription=unique), after=after, top=5)
        seen += [each.finding.id for each in page.findings]
        await store.apply(scan(message(unique, f"new{number}"), match(), at=NOON + timedelta(seconds=number + 1)))
        after = page.after
        if not after:
            break
    assert seen == before


async def test_findings_are_counted(store: FindingStore, unique: str) -> None:
    long_ago = datetime(1990, 1, 1, tzinfo=UTC)
    for number in range(3):
        await store.apply(scan(message(unique, f"m{number}"), match(), match("iban", severity="low"), at=long_ago))
    query = FindingQuery(since=long_ago, until=long_ago + timedelta(days=1), subscription=unique)

    found = await store.count(query, most=100)
    assert (dict(found.counts), found.complete) == (
        {("card", "high", "open"): 3, ("iban", "low", "open"): 3},
        True,
    )
    few = await store.count(query, most=4)
    assert (sum(few.counts.values()), few.complete) == (4, False)


async def test_several_processes_that_write_one_message_lose_nothing(
    processes: Sequence[FindingStore], unique: str
) -> None:
    one = message(unique)
    scans = [scan(one, match(f"rule-{number}"), match("always", start=99), minute=number) for number in range(9)]
    arrived = scans * 2
    random.Random(unique).shuffle(arrived)  # noqa: S311
    await asyncio.gather(*(processes[number % 3].apply(each) for number, each in enumerate(arrived)))

    assert await statuses(processes[0], unique) == [
        ("always", "open"),
        *((f"rule-{number}", "edited-away") for number in range(8)),
        ("rule-8", "open"),
    ]


@pytest.mark.azurite
async def test_a_writer_that_was_held_up_undoes_nothing(storage: Storage, unique: str) -> None:
    """The message's row of revision 1 is written, its copies are not; another process writes revision 2 and its copies."""
    slow, fast = FindingTable(storage), FindingTable(storage)
    one = message(unique)
    listing = asyncio.Event()
    original = slow._list

    async def held_up(*arguments: Any, **options: Any) -> None:
        await listing.wait()
        await original(*arguments, **options)

    slow._list = held_up  # type: ignore[method-assign]
    late = asyncio.create_task(slow.apply(scan(one, match())))
    assert await until(lambda: fast._read(one.key))
    await fast.apply(scan(one, minute=1))
    assert await statuses(fast, unique) == [("card", "edited-away")]
    listing.set()
    await late
    assert await statuses(fast, unique) == [("card", "edited-away")]


@pytest.mark.azurite
async def test_where_a_process_died_between_two_writes_the_same_change_again_completes_the_list(
    storage: Storage, unique: str
) -> None:
    class Dies(FindingTable):
        async def _list(self, *_: Any, **__: Any) -> None:
            raise StorageError("the process is gone")

    one = message(unique)
    with pytest.raises(StorageError):
        await Dies(storage).apply(scan(one, match()))
    store = FindingTable(storage)
    assert await statuses(store, unique) == []
    await store.apply(scan(one, match("iban"), minute=1, at=NOON + timedelta(minutes=1)))  # somebody else's change
    await store.apply(scan(one, match()))
    assert await statuses(store, unique) == [("card", "edited-away"), ("iban", "open")]


@pytest.mark.azurite
async def test_what_a_change_costs(storage: Storage, unique: str, request_log: RequestLog) -> None:
    """One request where there is nothing to list, two where there is, for up to a hundred findings; one to note what was done."""
    store = FindingTable(storage)
    await store.apply(scan(message(unique, "first")))
    costs: list[int] = []

    async def cost(*scans: Scan) -> None:
        before = len(request_log.read())
        for each in scans:
            await store.apply(each)
        costs.append(len(request_log.read()) - before)

    one = message(unique)
    await cost(scan(message(unique, "edited"), minute=1))
    await cost(scan(one, *(match(start=number) for number in range(100))))
    await cost(scan(one, match(), minute=1))
    assert costs == [1, 2, 5]
    state = await store.apply(scan(message(unique, "told"), match(), tell=True))
    before = len(request_log.read())
    await store.settle(state, told={each.id for each in state.findings}, verdict=None)
    assert len(request_log.read()) - before == 1


@pytest.mark.azurite
async def test_a_page_that_nothing_meets_reads_a_month_and_says_where_to_go_on(storage: Storage, unique: str) -> None:
    store = FindingTable(storage)
    first = datetime(1980, 1, 1, tzinfo=UTC)
    for day in range(0, 80, 2):
        await store.apply(scan(message(unique, f"m{day}"), match(), at=first + timedelta(days=day)))
    query = FindingQuery(since=first, until=first + timedelta(days=80), subscription=unique, rule="nobody")

    page = await store.page(query, after="", top=10)
    assert (list(page.findings), page.after != "") == ([], True)
    assert await listed(store, query) == []
    assert len(await listed(store, replace(query, rule=""), top=7)) == 40


@pytest.mark.azurite
async def test_two_hundred_findings_of_one_message_are_listed(storage: Storage, unique: str) -> None:
    store = FindingTable(storage)
    await store.apply(scan(message(unique), *(match(start=number) for number in range(200))))
    assert len(await listed(store, FindingQuery(subscription=unique), top=150)) == 200


@pytest.mark.azurite
async def test_a_message_with_all_the_findings_that_it_may_have_reads_as_it_was(storage: Storage, unique: str) -> None:
    """Every text as long as it can be: a row takes 1 MiB, of characters with two bytes each."""
    store = FindingTable(storage)
    one = message(unique, sender="☃" * 320, link="https://" + "l" * 2000)
    longest = [
        replace(match("r" * 40, start=10**7 + number), kind="k" * 30, part="attachment")
        for number in range(MOST_MATCHES)
    ]
    for minute in range(MOST_FINDINGS // MOST_MATCHES + 1):
        version = Version(changed=NOON + timedelta(minutes=minute), number=10**17, name="v" * 80, text="t" * 64)
        found = [replace(each, part_index=minute) for each in longest]
        state = await store.apply(scan(one, *found, version=version, change_key="k" * 64))
    assert len(state.findings) == MOST_FINDINGS
    assert await store._read(one.key) == state
    assert sum(2 * len(str(value)) for value in message_row(state).values()) < 1024 * 1024 - 4096
