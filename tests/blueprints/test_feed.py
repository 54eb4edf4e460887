"""The feeds' routes. What they answer is in tests/shared/test_feed_reading.py and test_user_feeds.py."""

import json
from typing import Any

import pytest

from blueprints import feed
from shared.feed_reading import FeedReading
from shared.feeds import entry_of, feed_of
from shared.graph.resource import read_resource
from tests.blueprints.registered import registered, request, trigger
from tests.shared.test_user_feeds import CHANNEL_FEED, Reader
from tests.stand import Stand

MESSAGE = read_resource("chats/c/messages/m")


@pytest.fixture
async def for_operators(stand: Stand) -> Any:
    entry = entry_of(MESSAGE, change_type="created", version="1", deleted=False, content={"n": 1}, changed=None)
    await stand.feed.apply(feed_of(MESSAGE), entry)
    return registered(feed.build(FeedReading(store=stand.feed)))


@pytest.fixture
async def reader() -> Reader:
    reader = Reader()
    await reader.write()
    return reader


async def get(functions: Any, name: str, **arguments: Any) -> tuple[int, Any]:
    answer = await functions[name].get_user_function()(request("GET", **arguments))
    assert answer.mimetype == "application/json"
    return answer.status_code, json.loads(answer.get_body())


def routes(functions: Any) -> dict[str, tuple[list[str], str]]:
    return {
        function["route"]: (function["methods"], function["authLevel"]) for function in map(trigger, functions.values())
    }


def test_operators_need_a_key_and_people_a_token_that_the_host_does_not_look_at(
    for_operators: Any, reader: Reader
) -> None:
    assert routes(for_operators) == {
        "manage/feeds": (["GET"], "FUNCTION"),
        "manage/feeds/{feed}": (["GET"], "FUNCTION"),
    }
    assert routes(registered(feed.build_for_users(reader.feeds))) == {
        "feeds": (["GET"], "ANONYMOUS"),
        "feeds/{feed}": (["GET"], "ANONYMOUS"),
    }


async def test_an_operator_finds_the_feed_and_pages_through_it(for_operators: Any) -> None:
    _, listed = await get(for_operators, "manage_feeds")
    feed_id = listed["feeds"][0]["id"]
    status, page = await get(for_operators, "manage_feed_page", feed=feed_id, params={"after": "0"})

    assert (status, page["after"], [change["content"] for change in page["changes"]]) == (200, 1, [{"n": 1}])


async def test_an_unknown_feed_is_not_found(for_operators: Any) -> None:
    assert (await get(for_operators, "manage_feed_page", feed="x"))[0] == 404
    assert (await get(for_operators, "manage_feed_page"))[0] == 404


async def test_people_read_their_feeds_and_are_told_when_nothing_has_happened(reader: Reader) -> None:
    functions = registered(feed.build_for_users(reader.feeds))
    show = functions["feed_page"].get_user_function()
    _, listed = await get(functions, "feeds", headers=reader.headers())
    page = await show(request("GET", headers=reader.headers(), feed=CHANNEL_FEED))
    known = reader.headers(**{"If-None-Match": page.headers["ETag"]})
    again = await show(request("GET", headers=known, feed=CHANNEL_FEED))

    assert [each["id"] for each in listed["feeds"]] == [CHANNEL_FEED]
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "private, no-cache")
    assert (again.status_code, again.get_body(), again.headers["ETag"]) == (304, b"", page.headers["ETag"])


async def test_without_a_token_one_is_asked_for(reader: Reader) -> None:
    functions = registered(feed.build_for_users(reader.feeds))
    for name in ("feeds", "feed_page"):
        answer = await functions[name].get_user_function()(request("GET", feed=CHANNEL_FEED))

        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
