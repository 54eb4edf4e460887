"""ports.MailboxStore and ports.MailActionStore, on the memory twins and on table storage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.mailbox_table import MailActionTable, MailboxTable
from shared.adapters.memory_mailboxes import MemoryMailActionStore, MemoryMailboxStore
from shared.adapters.storage import Storage
from shared.adapters.subscription_table import SubscriptionTable
from shared.errors import StorageError
from shared.ports import MailAction, MailActionStore, Mailbox, MailboxStore
from tests.contracts.twins import BOTH

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
USER, TENANT = "00000000-0000-4000-8000-00000000aaaa", "7e4a0000-0000-4000-8000-000000007e4a"


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest) -> MailboxStore:
    return MemoryMailboxStore() if request.param == "memory" else MailboxTable(request.getfixturevalue("storage"))


@pytest.fixture(params=BOTH)
def actions(request: pytest.FixtureRequest) -> MailActionStore:
    return MemoryMailActionStore() if request.param == "memory" else MailActionTable(request.getfixturevalue("storage"))


def mailbox(name: str, **changes: Any) -> Mailbox:
    valid = Mailbox(
        name=name, user_id=USER, tenant_id=TENANT, state="connected", since=NOW, sealed=bytes(range(256)), problem="p"
    )
    return replace(valid, **changes)


def action(owner: str, key: str = "k", **changes: Any) -> MailAction:
    valid = MailAction(
        owner=owner, key=key, asked="a", began=NOW, held_until=NOW + timedelta(minutes=1), draft="d", status=202
    )
    return replace(valid, **changes)


async def test_a_mailbox_reads_as_it_was_saved(store: MailboxStore, unique: str) -> None:
    saved = await store.save(mailbox(unique))

    assert saved is not None
    assert replace(saved, etag="") == mailbox(unique)
    assert await store.read(unique) == saved
    assert await store.read(unique + "b") is None


@pytest.mark.parametrize("size", [0, 59_999, 60_000, 60_001, 200_000])
async def test_tokens_of_any_usual_length_are_kept(store: MailboxStore, unique: str, size: int) -> None:
    sealed = b"\x00\xff" * (size // 2) + b"\x00" * (size % 2)
    await store.save(mailbox(unique, sealed=sealed))
    found = await store.read(unique)

    assert found is not None
    assert found.sealed == sealed


async def test_shorter_tokens_leave_nothing_of_the_longer_ones(store: MailboxStore, unique: str) -> None:
    first = await store.save(mailbox(unique, sealed=b"x" * 130_000))
    assert first is not None
    await store.save(replace(first, sealed=b"y"))
    found = await store.read(unique)

    assert found is not None
    assert found.sealed == b"y"


async def test_whoever_is_slower_is_told(store: MailboxStore, unique: str) -> None:
    first = await store.save(mailbox(unique))
    assert first is not None
    second = await store.save(replace(first, state="leaving"))

    assert second is not None
    assert await store.save(mailbox(unique)) is None
    assert await store.save(replace(first, state="ended")) is None
    assert not await store.remove(first)
    assert await store.remove(second)
    assert await store.remove(second)
    assert await store.read(unique) is None
    assert await store.save(replace(second, state="ended")) is None


async def test_an_action_reads_as_it_was_saved(actions: MailActionStore, unique: str) -> None:
    saved = await actions.save(action(unique))

    assert saved is not None
    assert await actions.read(unique, "k") == saved
    assert await actions.read(unique, "l") is None
    assert await actions.read(unique + "b", "k") is None
    assert await actions.save(action(unique)) is None
    assert await actions.save(replace(saved, status=0)) is not None
    assert await actions.save(saved) is None


@pytest.mark.parametrize("key", ["a/b#c?d\\e", "ä" * 50, "k" * 2_000, "\ud800", "", " "])
async def test_any_key_makes_a_row_of_its_own(actions: MailActionStore, unique: str, key: str) -> None:
    await actions.save(action(unique, key))

    assert await actions.read(unique, key) is not None
    assert await actions.read(unique, key + "x") is None


async def test_what_is_old_is_forgotten_and_what_is_anybody_elses_stays(actions: MailActionStore, unique: str) -> None:
    await actions.save(action(unique, "old", began=NOW - timedelta(days=9)))
    await actions.save(action(unique, "new"))
    await actions.save(action(unique + "b", "old", began=NOW - timedelta(days=9)))
    await actions.forget(unique, before=NOW - timedelta(days=8))

    assert await actions.read(unique, "old") is None
    assert await actions.read(unique, "new") is not None
    assert await actions.read(unique + "b", "old") is not None
    await actions.forget(unique)
    await actions.forget(unique)
    assert await actions.read(unique, "new") is None


@pytest.mark.azurite
async def test_mailboxes_are_no_subscriptions(storage: Storage, unique: str) -> None:
    await MailboxTable(storage).save(mailbox(unique))

    assert unique not in {row.name for row in await SubscriptionTable(storage).list()}


@pytest.mark.azurite
async def test_tokens_that_no_row_holds_are_refused(storage: Storage, unique: str) -> None:
    with pytest.raises(StorageError, match="longer"):
        await MailboxTable(storage).save(mailbox(unique, sealed=b"x" * 700_000))


@pytest.mark.azurite
@pytest.mark.parametrize("spoilt", [{"state": "happy"}, {"state": 5}, {"user_id": 5}, {"since": "soon"}])
async def test_a_row_that_was_edited_by_hand_is_read_as_far_as_it_goes(
    storage: Storage, unique: str, spoilt: dict[str, Any]
) -> None:
    store = MailboxTable(storage)
    await store.save(mailbox(unique))
    table = await storage.table("subscriptions")
    row = dict(await table.get_entity("mailbox", unique))
    await table.upsert_entity(row | spoilt, mode="replace")
    found = await store.read(unique)

    assert found is not None
    assert found.state == ("connected" if "since" in spoilt else "ended")
    assert await store.save(mailbox(unique, etag=found.etag)) is not None
