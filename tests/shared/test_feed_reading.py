"""What operators read of feeds."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.memory import MemoryFeedStore, Outage
from shared.feed_reading import FeedReading
from shared.feed_titles import FeedTitles
from shared.feeds import entry_of, feed_of
from shared.graph.resource import read_resource
from shared.membership import Membership
from tests.builders import NOW, TENANT
from tests.shared.test_membership import Graph

RESOURCE = read_resource("chats/c/messages/m0")
FEED = feed_of(RESOURCE).feed


async def reading(changes: int = 5, *, away: bool = False) -> FeedReading:
    store = MemoryFeedStore(now=lambda: NOW)
    for number in range(changes):
        item = read_resource(f"chats/c/messages/m{number}")
        entry = entry_of(
            item,
            change_type="created",
            version=str(number),
            deleted=False,
            content={"n": number},
            changed=NOW + timedelta(seconds=number),
        )
        await store.apply(feed_of(item), entry)
    store.outage = Outage(away=away)
    return FeedReading(store=store)


async def page(source: FeedReading, feed: str = FEED, **query: str) -> tuple[int, Any]:
    answer = await source.page(feed, query)
    return answer.status, json.loads(answer.body)


def positions(body: Any) -> list[int]:
    return [change["position"] for change in body["changes"]]


async def test_feeds_are_listed() -> None:
    answer = await (await reading()).feeds()

    assert (answer.status, json.loads(answer.body)) == (
        200,
        {"feeds": [{"id": FEED, "resource": "chats/c", "kind": "chat", "title": None, "team": None}]},
    )


async def test_operators_read_what_feeds_are_called() -> None:
    graph = Graph({"/chats/c": {"topic": "Lunch"}})
    membership = Membership(graph, lambda: NOW, home_tenant_id=TENANT)
    titles = FeedTitles(graph, membership, lambda: NOW, home_tenant_id=TENANT)
    answer = await replace(await reading(), titles=titles).feeds()

    assert [each["title"] for each in json.loads(answer.body)["feeds"]] == ["Lunch"]


async def test_without_a_position_the_newest_come_first() -> None:
    status, body = await page(await reading(), top="2")

    assert (status, positions(body), body["before"]) == (200, [5, 4], 4)
    assert body["changes"][0] == {
        "position": 5,
        "arrived": "2026-11-20T12:00:00Z",
        "changeType": "created",
        "id": "m4",
        "resource": "chats/c/messages/m4",
        "version": "4",
        "changed": "2026-11-20T12:00:04Z",
        "deleted": False,
        "content": {"n": 4},
    }


async def test_a_reader_that_was_away_misses_nothing() -> None:
    source, seen, after = await reading(7), list[int](), "0"
    while (body := (await page(source, after=after, top="3"))[1])["changes"]:
        seen += positions(body)
        after = str(body["after"])

    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_paging_backwards_ends_at_the_first_change() -> None:
    source, seen = await reading(7), list[int]()
    _, body = await page(source, top="3")
    while True:
        seen += positions(body)
        if "before" not in body:
            break
        _, body = await page(source, top="3", before=str(body["before"]))

    assert seen == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        {"top": "x"},
        {"top": "-1"},
        {"after": ""},
        {"after": "1.5"},
        {"after": "٣"},
        {"after": "9" * 5000},
        {"after": "1e3"},
        {"before": "+1"},
    ],
    ids=lambda query: str(query)[:30],
)
async def test_a_query_that_makes_no_sense_is_a_bad_request(query: dict[str, str]) -> None:
    status, body = await page(await reading(), **query)

    assert (status, body["error"]["code"]) == (400, "BadRequest")


async def test_a_page_is_never_larger_than_two_hundred() -> None:
    assert len(positions((await page(await reading(250), top="1000"))[1])) == 200


async def test_between_two_positions_are_the_changes_between_them() -> None:
    _, body = await page(await reading(), after="1", before="4")

    assert (positions(body), body["after"]) == ([2, 3], 3)


async def test_an_unknown_feed_is_not_found() -> None:
    assert (await page(await reading(), feed="nosuch"))[0] == 404


async def test_storage_that_is_away_is_said_to_be_away() -> None:
    source = await reading(away=True)

    assert ((await source.feeds()).status, (await page(source))[0]) == (503, 503)
