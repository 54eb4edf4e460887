"""Transactions written as text: whatever a row holds arrives as it was, and whatever storage answers is understood."""

import contextlib

import pytest
from azure.core.exceptions import HttpResponseError
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.storage import Storage
from shared.adapters.table_transaction import TransactionConflict, Write, read_answer, sign_shared_key_lite, write_body
from shared.errors import StorageError

AWKWARD = [
    "\r\n--changeset_earshot--\r\n--batch_earshot--",
    'a "quoted" \\ text',
    "Grüße 🎉",
    "HTTP/1.1 500\r\nETag: W/1",
    "",
]


def row(key: str, text: str = "") -> dict[str, str | bool]:
    return {"PartitionKey": "it's 100 %", "RowKey": key, "Text": text, "Flag": True}


@pytest.mark.azurite
@pytest.mark.parametrize("verb", ["create", "put"])
async def test_every_text_arrives_as_it_was(storage: Storage, unique: str, verb: str) -> None:
    rows = [row(f"k'{number} ü", text) for number, text in enumerate(AWKWARD)]
    writes = [Write(verb="create" if verb == "create" else "put", row=each) for each in rows]
    assert len(await storage.transact(unique, writes)) == len(rows)
    table = await storage.table(unique)
    for each in rows:
        found = await table.get_entity(str(each["PartitionKey"]), str(each["RowKey"]))
        assert (found["Text"], found["Flag"]) == (each["Text"], True)


@pytest.mark.azurite
async def test_one_row_that_is_there_stops_all_and_is_named(storage: Storage, unique: str) -> None:
    await storage.transact(unique, [Write(verb="create", row=row("b"))])
    with pytest.raises(TransactionConflict) as conflict:
        await storage.transact(unique, [Write(verb="create", row=row(key)) for key in "abc"])
    assert (conflict.value.index, conflict.value.status) == (1, 409)
    assert await storage.transact(unique, [Write(verb="create", row=row("a"))])


@pytest.mark.azurite
async def test_a_row_that_is_not_what_it_was_is_not_replaced(storage: Storage, unique: str) -> None:
    [etag] = await storage.transact(unique, [Write(verb="create", row=row("a"))])
    await storage.transact(unique, [Write(verb="replace", row=row("a", "new"), etag=etag)])
    with pytest.raises(TransactionConflict) as conflict:
        await storage.transact(unique, [Write(verb="replace", row=row("a", "newer"), etag=etag)])
    assert conflict.value.status == 412


@pytest.mark.azurite
async def test_what_storage_refuses_for_another_reason_is_a_storage_error(storage: Storage, unique: str) -> None:
    with pytest.raises(StorageError):
        await storage.transact(unique, [Write(verb="create", row=row("a")), Write(verb="create", row=row("a"))])


@given(st.text(), st.integers(0, 3))
def test_any_answer_is_etags_or_an_error_of_ours(text: str, count: int) -> None:
    with contextlib.suppress(TransactionConflict, HttpResponseError):
        assert len(read_answer(text, count)) == count


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_a_body_is_plain_ascii_with_a_part_for_each_row(texts: list[str]) -> None:
    body = write_body("http://127.0.0.1/a", "t", [Write(verb="put", row=row(text, text)) for text in texts])
    assert body.isascii()
    assert body.count(b"\r\n--changeset_earshot\r\n") + body.startswith(b"--changeset") == len(texts)


def test_the_signature_is_the_documented_one() -> None:
    signed = sign_shared_key_lite("account", "a2V5", "https://account.table.core.windows.net/$batch?x=1", "a date")
    # HMAC-SHA256 with the key "key" over "a date\n/account/$batch", computed with openssl
    assert signed == "SharedKeyLite account:ZUyliN90h/ydwF0ZQO4d04mqrMKOjGq9ZLUpqW/dOic="
