"""The feed API's routes. What they answer is in tests/shared/test_feed_reading.py."""

import json
from typing import Any

import pytest

from blueprints import feed
from shared.feed_reading import FeedReading
from shared.feeds import entry_of, feed_of
from shared.graph.resource import read_resource
from tests.blueprints.registered import registered, request, trigger
from tests.stand import Stand

MESSAGE = read_resource("chats/c/messages/m")


@pytest.fixture
async def functions(stand: Stand) -> Any:
    entry = entry_of(MESSAGE, change_type="created", version="1", deleted=False, content={"n": 1}, changed=None)
    await stand.feed.apply(feed_of(MESSAGE), entry)
    return registered(feed.build(FeedReading(store=stand.feed)))


async def get(functions: Any, name: str, **arguments: Any) -> tuple[int, Any]:
    answer = await functions[name].get_user_function()(request("GET", **arguments))
    assert answer.mimetype == "application/json"
    return answer.status_code, json.loads(answer.get_body())


def test_the_routes_are_those_promised_and_want_a_key(functions: Any) -> None:
    found = {
        function["route"]: (function["methods"], function["authLevel"]) for function in map(trigger, functions.values())
    }

    assert found == {"feeds": (["GET"], "FUNCTION"), "feeds/{feed}": (["GET"], "FUNCTION")}


async def test_a_reader_finds_the_feed_and_pages_through_it(functions: Any) -> None:
    _, listed = await get(functions, "feeds")
    status, page = await get(functions, "feed_page", feed=listed["feeds"][0]["id"], params={"after": "0"})

    assert (status, page["after"], [change["content"] for change in page["changes"]]) == (200, 1, [{"n": 1}])


async def test_an_unknown_feed_is_not_found(functions: Any) -> None:
    assert (await get(functions, "feed_page", feed="x"))[0] == 404
    assert (await get(functions, "feed_page"))[0] == 404
