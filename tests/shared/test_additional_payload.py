"""Putting back what no event could hold: any sensible form of the blob, and nothing but what was left out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GraphProtocolError
from shared.graph.additional_payload import complete, is_blob_name
from shared.graph.notification import ChangeNotification, Malformed, read_notification
from tests import strategies
from tests.builders import notification, rich_notification

WHOLE = rich_notification("7")
LEFT_OUT = ("resource", "resourceData", "encryptedContent")
DROPPED = {name: WHOLE[name] for name in LEFT_OUT}
REST = {name: value for name, value in WHOLE.items() if name not in LEFT_OUT}
ITEM = REST | {"additionalPayloadStorageId": "blob-7"}


def test_an_item_without_its_resource_is_read_by_its_reference() -> None:
    found = read_notification(ITEM)

    assert isinstance(found, ChangeNotification)
    assert (found.additional_payload_storage_id, found.resource, found.encrypted) == ("blob-7", "", False)


@pytest.mark.parametrize("reference", [None, "", 7, ["blob-7"], {"a": 1}])
def test_a_reference_that_is_none_excuses_nothing(reference: Any) -> None:
    assert isinstance(read_notification(REST | {"additionalPayloadStorageId": reference}), Malformed)


@pytest.mark.parametrize(
    "document",
    [WHOLE, DROPPED, {"value": [WHOLE]}, {"value": [DROPPED]}, {name.upper(): DROPPED[name] for name in DROPPED}],
    ids=["the whole item", "what was left out", "a collection", "a collection of what was left out", "shouted"],
)
@pytest.mark.parametrize("spelling", ["additionalPayloadStorageId", "AdditionalPayloadStorageID"])
def test_every_sensible_form_gives_the_item_as_it_was(document: dict[str, Any], spelling: str) -> None:
    assert complete(REST | {spelling: "blob-7"}, json.dumps(document).encode()) == WHOLE


def test_nothing_else_is_ever_taken_from_the_blob() -> None:
    forged = DROPPED | {"clientState": "forged", "tenantId": "theirs", "subscriptionId": "other", "odd": 1}

    assert complete(ITEM, json.dumps(forged).encode()) == WHOLE


def test_what_the_item_has_itself_is_not_replaced() -> None:
    item = ITEM | {"resource": WHOLE["resource"]}
    found = complete(item, json.dumps(DROPPED | {"resource": "users/1"}).encode())

    assert found["resource"] == WHOLE["resource"]


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"{",
        json.dumps(WHOLE).encode()[:-20],
        b"\xff\xfe\x00",
        b"[]",
        b"7",
        b"{}",
        b'{"value":[]}',
        b'{"value":[1]}',
        json.dumps({"value": [WHOLE, WHOLE]}).encode(),
        json.dumps({"clientState": "x"}).encode(),
        b'{"resource": 7}',
        b'{"resourceData": NaN}',
        b'{"resourceData": 1e999}',
        b"[" * 100_000,
    ],
)
def test_a_blob_that_is_none_of_them_is_an_error(blob: bytes) -> None:
    with pytest.raises(GraphProtocolError):
        complete(ITEM, blob)


@given(st.binary() | strategies.JSON_VALUES.map(lambda value: json.dumps(value).encode()), strategies.STRANGE_ITEMS)
def test_any_blob_completes_an_item_or_is_an_error(blob: bytes, item: Any) -> None:
    given_item = item if isinstance(item, dict) else notification()
    try:
        found = complete(given_item, blob)
    except GraphProtocolError:
        return
    assert {name for name in found if name not in given_item} <= set(LEFT_OUT)


@pytest.mark.parametrize(
    "name", ["5f3c1a64-0000-4000-8000-000000000001", "a", "blob 7".replace(" ", "_"), "a.json", "ä"]
)
def test_one_blobs_name_is_one(name: str) -> None:
    assert is_blob_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\\b", "a b", "a\n", "\x00", "a\u2028", "x" * 257])
def test_anything_else_is_no_name(name: str) -> None:
    assert not is_blob_name(name)
