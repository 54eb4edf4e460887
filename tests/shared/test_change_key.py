"""What tells two changes apart, and what does not."""

from typing import Any

import pytest
from hypothesis import given

from shared.change_key import change_key, is_deletion, read_changed, read_version
from shared.graph.resource import read_resource
from tests import strategies
from tests.builders import NOW, notification

CHANNEL_MESSAGE = read_resource("teams('t')/channels('c')/messages('m')")


def key(**changes: Any) -> str:
    valid: dict[str, Any] = {
        "subscription": "s",
        "tenant_id": "t",
        "resource": CHANNEL_MESSAGE,
        "version": "1",
        "deleted": False,
    }
    return change_key(**(valid | changes))


def test_one_change_has_one_key_by_whichever_way_it_comes() -> None:
    assert key(resource=read_resource("Teams/t/Channels/c/Messages/m"), tenant_id="T") == key()
    assert len(key()) == 40


@pytest.mark.parametrize(
    "changes",
    [
        {"subscription": "s2"},
        {"tenant_id": "t2"},
        {"resource": read_resource("chats/c/messages/m")},
        {"version": "2"},
        {"deleted": True},
    ],
)
def test_anything_else_is_another_change(changes: dict[str, Any]) -> None:
    assert key(**changes) != key()


@pytest.mark.parametrize(
    ("data", "content", "version"),
    [
        ({"@odata.etag": 'W/"1"'}, {"@odata.etag": "2"}, 'W/"1"'),
        ({}, {"@odata.etag": "2", "etag": "3"}, "2"),
        ({}, {"etag": "3", "lastModifiedDateTime": "x"}, "3"),
        ({}, {"lastModifiedDateTime": "2026-11-20T12:00:00Z"}, "2026-11-20T12:00:00Z"),
        ({"sequenceNumber": 636784480202455800, "eventTime": "x"}, None, "636784480202455800"),
        ({"eventTime": "2018-11-23T18:14:08.0245580Z"}, None, "2018-11-23T18:14:08.0245580Z"),
        ({"@odata.etag": None, "sequenceNumber": True}, {"etag": []}, ""),
        (None, None, ""),
    ],
)
def test_the_first_that_tells_is_the_version(data: Any, content: Any, version: str) -> None:
    assert read_version(notification(resourceData=data), content) == version


def test_the_signature_is_the_last_resort() -> None:
    bare = notification(resourceData={}, encryptedContent={"dataSignature": "sig"})

    assert read_version(bare, None) == "sig"
    assert read_version(bare, {"etag": "1"}) == "1"


@given(strategies.STRANGE_ITEMS, strategies.JSON_VALUES)
def test_any_item_has_a_version_that_is_text(item: Any, content: Any) -> None:
    if isinstance(item, dict) and isinstance(content, dict):
        assert isinstance(read_version(item, content), str)
        assert isinstance(is_deletion("created", content), bool)


@pytest.mark.parametrize(
    ("change_type", "content", "deleted"),
    [
        ("deleted", None, True),
        ("updated", {"deletedDateTime": "2026-11-20T12:00:00Z"}, True),
        ("updated", {"deletedDateTime": None}, False),
        ("updated", {"@removed": {"reason": "deleted"}}, True),
        ("created", None, False),
    ],
)
def test_a_deletion_is_told_by_type_or_content(change_type: str, content: Any, *, deleted: bool) -> None:
    assert is_deletion(change_type, content) is deleted


@pytest.mark.parametrize("content", [None, {}, {"lastModifiedDateTime": None}, {"lastModifiedDateTime": "soon"}])
def test_what_does_not_say_when_it_changed_has_no_time(content: Any) -> None:
    assert read_changed(content) is None
    assert read_changed({"lastModifiedDateTime": "2026-11-20T12:00:00.0000000Z"}) == NOW
