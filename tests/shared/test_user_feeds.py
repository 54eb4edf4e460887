"""Feeds for people: only theirs, page by page, and cheap to ask for again."""

import gzip
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory import MemoryFeedStore, MemorySigningKeys
from shared.answers import Answer
from shared.callers import Callers
from shared.errors import GraphApiError
from shared.feed_titles import FeedTitles
from shared.feeds import entry_of, feed_of, print_change
from shared.graph.resource import read_resource
from shared.membership import Membership
from shared.ports import FeedLogRow
from shared.token_check import TokenCheck
from shared.user_feeds import UserFeeds
from tests import builders
from tests.builders import AUTHORITY, NOW, TENANT, USER, user_claims
from tests.shared.test_membership import CHANNEL, CHAT, Graph, member, page

ALEX = "ffffffff-0000-4000-8000-00000000000f"
CHANNEL_FEED, CHAT_FEED, MAIL_FEED = (
    feed_of(read_resource(f"{home}/messages/m")).feed for home in (CHANNEL, CHAT, f"users/{USER}")
)


class Reader:
    """A receiver's feeds as people read them: Adele is in the channel and has a mailbox, Alex is in the chat."""

    def __init__(self) -> None:
        self.now: datetime = NOW
        self.store = MemoryFeedStore(now=lambda: self.now)
        adele, alex = member(), member(userId=ALEX)
        self.graph = Graph({f"/{CHANNEL}/allMembers": page(adele), f"/{CHAT}/members": page(alex)})
        tokens = TokenCheck(builders.token_judge(), MemorySigningKeys(), lambda: self.now)
        self.callers = Callers(builders.user_token_judge(None), tokens, lambda: self.now)
        self.membership = Membership(self.graph, lambda: self.now, home_tenant_id=TENANT)
        self.titles = FeedTitles(self.graph, self.membership, lambda: self.now, home_tenant_id=TENANT)
        self.feeds = self.make()

    def make(self) -> UserFeeds:
        return UserFeeds(callers=self.callers, membership=self.membership, titles=self.titles, store=self.store)

    async def write(self, home: str = CHANNEL, number: int = 1, text: str = "hello", **changes: Any) -> FeedLogRow:
        item = read_resource(f"{home}/messages/m{number}")
        state = {"change_type": "created", "version": text, "deleted": False, "changed": None} | changes
        row = await self.store.apply(feed_of(item), entry_of(item, content={"text": text}, **state))
        assert row is not None
        return row

    def headers(self, user: str = USER, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {AUTHORITY.sign(user_claims(oid=user))}", **more}

    async def list(self, user: str = USER, **headers: str) -> Answer:
        return await self.feeds.feeds(self.headers(user, **headers))

    async def page(self, feed: str = CHANNEL_FEED, user: str = USER, query: Any = None, **headers: str) -> Answer:
        return await self.feeds.page(feed, self.headers(user, **headers), query or {})


@pytest.fixture
async def reader() -> Reader:
    reader = Reader()
    for home in (CHANNEL, CHAT, f"users/{USER}"):
        await reader.write(home)
    return reader


def read(answer: Answer) -> Any:
    return json.loads(answer.body)


async def test_people_are_shown_their_own_feeds(reader: Reader) -> None:
    mine, theirs = await reader.list(), await reader.list(ALEX)

    assert {each["id"] for each in read(mine)["feeds"]} == {CHANNEL_FEED, MAIL_FEED}
    assert [each["id"] for each in read(theirs)["feeds"]] == [CHAT_FEED]
    assert mine.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in mine.headers["Vary"]


async def test_feeds_have_the_names_that_people_know(reader: Reader) -> None:
    reader.graph.answers |= {
        f"/{CHANNEL}?$select=displayName": {"displayName": "General"},
        "/teams/t?$select=displayName": {"displayName": "Sales"},
    }
    named = {each["kind"]: (each["title"], each["team"]) for each in read(await reader.list())["feeds"]}

    assert named == {"channel": ("General", "Sales"), "mailbox": ("Adele Vance", None)}


async def test_nobody_is_told_the_name_of_a_feed_that_they_may_not_see(reader: Reader) -> None:
    await reader.list(ALEX)

    assert not [path for path, _ in reader.graph.asked if "displayName" in path]


async def test_a_name_that_becomes_known_is_news(reader: Reader) -> None:
    unknown = await reader.list()
    reader.graph.answers[f"/{CHANNEL}?$select=displayName"] = {"displayName": "General"}
    reader.now = NOW + timedelta(hours=4)

    assert (await reader.list(**{"If-None-Match": unknown.headers["ETag"]})).status == 200


async def test_a_page_is_what_was_written(reader: Reader) -> None:
    row = await reader.write(number=2, text="more")
    answer = await reader.page(query={"after": "1"})

    assert (answer.status, read(answer)) == (200, {"changes": [print_change(row)], "after": 2})


async def test_what_one_may_not_see_does_not_exist(reader: Reader) -> None:
    """Somebody else's feed, one that never was, and no id at all: the same bytes."""
    answers = [await reader.page(feed) for feed in (CHAT_FEED, "f" + "a" * 24, "x", "")]
    answers.append(await reader.page(MAIL_FEED, ALEX))

    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    assert len({tuple(answer.headers.items()) for answer in answers}) == 1


async def test_without_a_token_nobody_learns_anything(reader: Reader) -> None:
    listed = await reader.feeds.feeds({})
    pages = [await reader.feeds.page(feed, {}, {"top": "x"}) for feed in (CHANNEL_FEED, "f" + "a" * 24)]

    assert {answer.status for answer in (listed, *pages)} == {401}
    assert len({answer.body for answer in (listed, *pages)}) == 1
    assert reader.graph.asked == []


async def test_a_removed_member_is_a_stranger_within_five_minutes(reader: Reader) -> None:
    assert (await reader.page()).status == 200
    reader.graph.answers[f"/{CHANNEL}/allMembers"] = page()
    tag = (await reader.page()).headers["ETag"]
    reader.now = NOW + timedelta(minutes=5)

    assert (await reader.page(**{"If-None-Match": tag})).status == 404
    assert read(await reader.list())["feeds"] == [
        {"id": MAIL_FEED, "resource": f"users/{USER}", "kind": "mailbox", "title": "Adele Vance", "team": None},
    ]


async def test_who_asks_again_is_told_that_nothing_has_happened(reader: Reader) -> None:
    tag = (await reader.page()).headers["ETag"]
    again = await reader.page(**{"If-None-Match": tag})

    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    listed = await reader.list()
    assert (await reader.list(**{"if-none-match": listed.headers["ETag"]})).status == 304


@pytest.mark.parametrize(
    "happens",
    [
        {"number": 2},
        {"text": "edited", "change_type": "updated", "changed": NOW},
        {"text": "", "change_type": "deleted", "deleted": True, "changed": NOW},
    ],
    ids=["a message", "an edit", "a deletion"],
)
async def test_whatever_happens_changes_the_tag_of_every_page(reader: Reader, happens: Any) -> None:
    queries: list[dict[str, str]] = [{}, {"top": "1"}, {"after": "0"}, {"before": "2"}]
    tags = [(await reader.page(query=query)).headers["ETag"] for query in queries]
    assert len(set(tags)) == len(tags)
    await reader.write(**happens)
    again = [await reader.page(query=query, **{"If-None-Match": ", ".join(tags)}) for query in queries]

    assert {answer.status for answer in again} == {200}
    assert not {answer.headers["ETag"] for answer in again} & set(tags)


async def test_a_page_that_changed_while_it_was_read_has_no_tag(reader: Reader) -> None:
    """It may show what its tag does not know."""
    plain = reader.store.page

    async def meanwhile(feed: str, **where: Any) -> Any:
        rows = await plain(feed, **where)
        await reader.write(number=7)
        return rows

    reader.store = _With(reader.store, meanwhile)  # type: ignore[assignment]
    reader.feeds = reader.make()

    assert "ETag" not in (await reader.page()).headers


class _With:
    def __init__(self, store: MemoryFeedStore, page: Any) -> None:
        self.find, self.newest, self.apply, self.page = store.find, store.newest, store.apply, page


@pytest.mark.parametrize("size", [5000, 500_000])
async def test_a_large_page_is_compressed_for_whoever_asks(reader: Reader, size: int) -> None:
    await reader.write(number=2, text="x" * size)
    plain, packed = await reader.page(), await reader.page(**{"Accept-Encoding": "gzip, br"})

    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert (await reader.page(**{"If-None-Match": packed.headers["ETag"]})).status == 304


async def test_while_graph_is_away_nobody_is_shown_what_may_not_be_theirs(reader: Reader) -> None:
    reader.graph.away = GraphApiError("GET", status=503)
    listed = await reader.list()

    assert (await reader.page()).status == 503
    assert (listed.status, [each["id"] for each in read(listed)["feeds"]]) == (200, [MAIL_FEED])
    assert read(listed)["incomplete"] is True
    assert (await reader.list(ALEX)).status == 503


async def test_storage_that_is_away_is_said_to_be_away(reader: Reader) -> None:
    reader.store.outage.away = True

    assert ((await reader.list()).status, (await reader.page()).status) == (503, 503)


@pytest.mark.parametrize("query", [{"top": "x"}, {"after": "-1"}, {"before": "9" * 30}, {"after": ""}], ids=str)
async def test_a_query_that_makes_no_sense_is_a_bad_request(reader: Reader, query: dict[str, str]) -> None:
    assert (await reader.page(query=query)).status == 400


async def test_between_two_positions_are_the_changes_between_them(reader: Reader) -> None:
    for number in range(2, 8):
        await reader.write(number=number)
    found = read(await reader.page(query={"after": "2", "before": "6"}))

    assert ([each["position"] for each in found["changes"]], found["after"]) == ([3, 4, 5], 5)
