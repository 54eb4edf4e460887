"""Reading collections: one value an item, whatever the item looks like."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GraphProtocolError
from shared.graph.notification import (
    ChangeNotification,
    LifecycleNotification,
    Malformed,
    read_collection,
    read_notification,
    resource_data,
)
from tests import builders, strategies
from tests.builders import TENANT, lifecycle_notification, notification


@given(strategies.STRANGE_ITEMS | strategies.SPOILED_ITEMS)
def test_any_item_is_a_value(item: Any) -> None:
    assert isinstance(read_notification(item), ChangeNotification | LifecycleNotification | Malformed)


@given(st.binary())
def test_any_bytes_are_a_collection_or_an_error(body: bytes) -> None:
    with pytest.raises(GraphProtocolError):
        read_collection(body)


@pytest.mark.parametrize("sample", ["message", "group", "chat_message"])
def test_documented_notifications_are_read(sample: str) -> None:
    [item] = read_collection(json.dumps(builders.payload(sample)).encode()).items

    assert isinstance(item, ChangeNotification)
    assert (item.tenant_id, item.client_state) == (TENANT, builders.client_state())
    assert item.encrypted == (sample == "chat_message")
    assert item.change_type in {"created", "updated"}


@pytest.mark.parametrize("sample", ["lifecycle_as_sent", "lifecycle_as_documented"])
def test_lifecycle_events_are_read_in_both_forms(sample: str) -> None:
    [item] = read_collection(json.dumps(builders.payload(sample)).encode()).items

    assert isinstance(item, LifecycleNotification)
    assert item.tenant_id == TENANT


def test_names_have_no_case() -> None:
    shouted = {name.upper(): value for name, value in notification().items()}
    found = read_notification(shouted)

    assert isinstance(found, ChangeNotification)
    assert found.raw == shouted
    assert resource_data(shouted)["id"] == "1"


def test_a_name_spelled_as_documented_wins_over_another_spelling() -> None:
    found = read_notification(notification() | {"ClientState": "forged", "TENANTID": "forged"})

    assert isinstance(found, ChangeNotification)
    assert (found.client_state, found.tenant_id) == (builders.client_state(), TENANT)


@pytest.mark.parametrize("data", [None, [], "text"])
def test_items_without_resource_data_have_empty_ones(data: object) -> None:
    assert resource_data(notification(resourceData=data)) == {}


def test_only_text_among_the_tokens_counts() -> None:
    body = json.dumps({"value": [], "validationTokens": ["a", None, 1, "b"]}).encode()

    assert read_collection(body).validation_tokens == ("a", "b")


def test_an_event_of_a_kind_we_do_not_know_is_still_an_event() -> None:
    found = read_notification(lifecycle_notification("somethingNew"))

    assert isinstance(found, LifecycleNotification)
    assert found.lifecycle_event == "somethingNew"


def test_nothing_secret_is_printed() -> None:
    for item in (notification(), lifecycle_notification()):
        assert builders.client_state() not in repr(read_notification(item))
