"""Feeds: which one an item is in, and which of two states of it is newer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dispatch import registrations
from shared.errors import GraphApiError
from shared.feeds import entry_of, feed_id, feed_of, overtakes, print_change
from shared.graph.resource import read_resource
from shared.handlers import feed
from shared.live import group_now
from shared.ports import FeedEntry
from tests.builders import AUTHORITY, MESSAGES, NOW, message_content, notification, rich_notification
from tests.stand import Handler, Stand

MESSAGE = read_resource("chats/c/messages/m")


@pytest.mark.parametrize(
    ("item", "container", "kind"),
    [
        ("teams/t/channels/c/messages/m", "teams/t/channels/c", "channel"),
        ("teams/t/channels/c/messages/m/replies/r", "teams/t/channels/c", "channel"),
        ("chats/c/messages/m", "chats/c", "chat"),
        ("users/u/mailFolders/f/messages/m", "users/u/mailFolders/f", "mail folder"),
        ("Users/u/Messages/m", "users/u", "mailbox"),
        ("sites/s/lists/l", "sites/s", "feed"),
    ],
)
def test_an_item_is_in_the_feed_of_its_container(item: str, container: str, kind: str) -> None:
    found = feed_of(read_resource(item))

    assert (found.resource, found.kind) == (container, kind)
    assert found.feed == feed_id(read_resource(container))


def test_a_feeds_id_is_stable_and_safe_in_a_url() -> None:
    assert feed_id(read_resource("teams('t')/channels('c')")) == feed_id(read_resource("Teams/t/Channels/c"))
    assert feed_id(read_resource("chats/c")).isalnum()
    assert feed_id(read_resource("chats/c")) != feed_id(read_resource("chats/d"))


def state(second: int | None, version: str, *, deleted: bool = False) -> FeedEntry:
    return FeedEntry(
        item="m",
        resource="chats/c/messages/m",
        change_type="deleted" if deleted else "updated",
        version=version,
        changed=None if second is None else NOW + timedelta(seconds=second),
        deleted=deleted,
        content=None if deleted else {"version": version},
    )


def after(states: list[FeedEntry]) -> FeedEntry:
    """The state that a feed ends in when these arrive in this order."""
    known = states[0]
    for each in states[1:]:
        if overtakes(each, known):
            known = each
    return known


VERSIONS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 30), st.booleans()),
    min_size=1,
    max_size=6,
    unique_by=lambda each: each[1:],
).map(lambda found: [state(second, str(version), deleted=deleted) for second, version, deleted in found])


@given(VERSIONS, st.data())
def test_any_order_and_any_duplicates_of_an_items_states_end_alike(
    states: list[FeedEntry], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations([*states, *data.draw(st.lists(st.sampled_from(states), max_size=5))]))

    assert (
        after(shuffled)
        == after(states)
        == max(states, key=lambda each: (each.changed, int(each.version), each.deleted))
    )


@pytest.mark.parametrize(
    ("entry", "known", "newer"),
    [
        (state(1, "2"), state(0, "1"), True),
        (state(0, "1"), state(1, "2"), False),
        (state(1, "1"), state(1, "1"), False),
        (state(1, "10"), state(1, "9"), True),
        (state(1, "9"), state(1, "10"), False),
        (state(1, "b"), state(1, "a"), True),
        (state(None, "b"), state(1, "a"), True),
        (state(1, "b"), state(None, "a"), True),
        (state(1, "a", deleted=True), state(1, "a"), True),
        (state(1, "a"), state(1, "a", deleted=True), False),
        (state(1, "b"), state(1, "a", deleted=True), False),
        (state(1, ""), state(1, ""), True),
        (state(5, "", deleted=True), state(1, "a", deleted=True), False),
        (state(5, "b", deleted=True), state(1, "a", deleted=True), True),
        (state(1, "²"), state(1, "1"), True),
    ],
)
def test_one_state_overtakes_another(entry: FeedEntry, known: FeedEntry, *, newer: bool) -> None:
    assert overtakes(entry, known) is newer


def test_what_is_deleted_keeps_no_content() -> None:
    entry = entry_of(MESSAGE, change_type="deleted", version="", deleted=True, content={"body": "canary"}, changed=None)

    assert (entry.item, entry.content) == ("m", None)
    assert "canary" not in repr(
        entry_of(MESSAGE, change_type="x", version="", deleted=False, content={"b": "canary"}, changed=None)
    )


# -- the handler -------------------------------------------------------------------------------------------------------


async def feeding(stand: Callable[..., Stand], *items: dict[str, Any]) -> Stand:
    app = stand()
    app.registrations = registrations(feed)
    await app.receive(*items, tokens=[AUTHORITY.token()])
    await app.run()
    return app


def the_feed() -> str:
    return feed_of(read_resource(f"{MESSAGES}('7')")).feed


async def test_the_feed_has_the_current_state_and_the_log(stand: Callable[..., Stand]) -> None:
    later = "2026-11-20T12:30:00Z"
    app = await feeding(
        stand,
        rich_notification("7"),
        rich_notification("7", message_content("7", "2", lastModifiedDateTime=later), changeType="updated"),
        rich_notification("8", message_content("8", deletedDateTime=later)),
    )
    rows = await app.feed.page(the_feed(), after=0, before=None, top=50)

    assert [(row.position, row.change_type, row.entry.version, row.entry.deleted) for row in rows] == [
        (1, "created", "2", False),
        (2, "updated", "2", False),
        (3, "deleted", "1", True),
    ]
    assert rows[2].entry.content is None


async def test_whoever_is_connected_is_told_what_a_page_shows_and_of_a_duplicate_nothing(
    stand: Callable[..., Stand],
) -> None:
    app = stand()
    app.registrations = registrations(feed)
    client = app.live.connect(await app.live.connection("adele"))
    await app.live.join("adele", group_now(the_feed(), app.now), ttl=timedelta(hours=1))
    await app.receive(rich_notification("7"), rich_notification("7"), tokens=[AUTHORITY.token()])
    await app.run()
    [row] = await app.feed.page(the_feed(), after=0, before=None, top=50)

    assert client.received == [("feed", [{"feed": the_feed(), "position": 1, "change": print_change(row)}])]


async def test_live_clients_that_cannot_be_told_cost_nobody_the_change(stand: Callable[..., Stand]) -> None:
    app = stand()
    app.live.away = True
    app.registrations = registrations(feed)
    await app.receive(rich_notification("7"), tokens=[AUTHORITY.token()])
    await app.run()

    assert await app.feed.newest(the_feed()) == 1
    assert app.queue.texts == app.dead_letters.texts == []


async def test_a_late_arrival_does_not_undo_a_newer_state(stand: Callable[..., Stand]) -> None:
    newer = message_content("7", "2", lastModifiedDateTime="2026-11-20T12:30:00Z")
    app = await feeding(stand, rich_notification("7", newer, changeType="updated"), rich_notification("7"))
    [row] = await app.feed.page(the_feed(), after=0, before=None, top=50)

    assert row.entry.version == "2"


async def test_a_basic_deletion_is_a_tombstone_once(stand: Callable[..., Stand]) -> None:
    deleted = notification("7", changeType="deleted", resourceData=None)
    app = await feeding(stand, rich_notification("7"))
    await app.receive(deleted, deleted)
    await app.run()
    rows = await app.feed.page(the_feed(), after=0, before=None, top=50)

    assert [(row.change_type, row.entry.deleted) for row in rows] == [("created", True), ("deleted", True)]
    assert app.graph.paths == []


async def test_what_is_gone_when_it_is_fetched_is_deleted(stand: Callable[..., Stand]) -> None:
    app = stand(Handler("unused"))
    app.registrations = registrations(feed)
    app.graph.troubles = [GraphApiError("GET", status=404)]
    await app.receive(notification("7"))
    await app.run()
    [row] = await app.feed.page(the_feed(), after=0, before=None, top=50)

    assert (row.change_type, row.entry.deleted) == ("deleted", True)
