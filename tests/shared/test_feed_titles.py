"""What people call a feed: as Graph says, for hours; without waiting, and never at the cost of the list."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.caller import Caller
from shared.errors import GraphApiError
from shared.feed_titles import FAILED, REFUSED, REMEMBERED, FeedTitles
from shared.feeds import NAMELESS, FeedTitle, feed_of
from shared.graph.resource import read_resource
from shared.membership import Membership
from shared.ports import FeedSummary
from tests import strategies
from tests.builders import NOW, OTHER_TENANT, TENANT, USER
from tests.shared.test_membership import CHANNEL, CHAT, Graph, member, page

ADELE = Caller(user_id=USER, tenant_id=TENANT, name="Adele Vance")
FOLDER = f"users/{USER}/mailFolders/inbox"
NAME = "?$select=displayName"
GENERAL, SALES, MEMBERS = f"/{CHANNEL}{NAME}", f"/teams/t{NAME}", f"/{CHAT}/members"


def feed(home: str) -> FeedSummary:
    return feed_of(read_resource(f"{home}/messages/m"))


def named(name: str, user_id: str = "") -> dict[str, Any]:
    return member(Caller(user_id=user_id or name.lower(), tenant_id=TENANT), displayName=name)


class House:
    """A tenant with a channel, a chat of three, and a mailbox."""

    def __init__(self, budget: timedelta = timedelta(seconds=20)) -> None:
        self.now: datetime = NOW
        self.graph = Graph(
            {
                GENERAL: {"displayName": "General"},
                SALES: {"displayName": "Sales"},
                f"/{CHAT}": {"topic": None, "chatType": "group"},
                MEMBERS: page(named("Megan"), named("Adele", USER), named("Alex")),
                f"/{FOLDER}{NAME}": {"displayName": "Posteingang"},
                f"/users/{USER}{NAME}": {"displayName": "Adele Vance"},
            }
        )
        self.membership = Membership(self.graph, lambda: self.now, home_tenant_id=TENANT)
        self.titles = FeedTitles(self.graph, self.membership, lambda: self.now, home_tenant_id=TENANT, budget=budget)

    async def __call__(self, home: str, caller: Caller | None = ADELE) -> FeedTitle:
        [title] = (await self.titles.find([feed(home)], caller)).values()
        return title

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.graph.asked]


@pytest.fixture
def house() -> House:
    return House()


async def test_a_channel_has_its_name_and_its_teams(house: House) -> None:
    assert await house(CHANNEL) == FeedTitle(title="General", team="Sales")


async def test_a_team_is_asked_for_its_name_once_for_all_its_channels(house: House) -> None:
    homes = [f"teams/t/channels/{number}" for number in range(20)]
    house.graph.answers |= {f"/{home}{NAME}": {"displayName": home[-2:]} for home in homes}
    found = await house.titles.find([feed(home) for home in homes], ADELE)

    assert {title.team for title in found.values()} == {"Sales"}
    assert len({title.title for title in found.values()}) == 20
    assert len(house.asked) == 21


async def test_a_chat_has_its_topic(house: House) -> None:
    house.graph.answers[f"/{CHAT}"] = {"topic": "Lunch"}

    assert await house(CHAT) == FeedTitle(title="Lunch")
    assert house.asked == [f"/{CHAT}"]


async def test_a_chat_without_a_topic_has_the_names_of_the_others_in_it(house: House) -> None:
    assert await house(CHAT) == FeedTitle(title="Megan, Alex")
    assert await house(CHAT, Caller(user_id="alex", tenant_id=TENANT)) == FeedTitle(title="Megan, Adele")
    assert await house(CHAT, None) == FeedTitle(title="Megan, Adele, Alex")


async def test_those_in_a_chat_are_not_asked_for_again_by_whoever_has_just_been_let_in(house: House) -> None:
    assert await house.membership.may_see(ADELE, feed(CHAT))
    await house(CHAT)

    assert house.asked == [MEMBERS, f"/{CHAT}"]


@pytest.mark.parametrize(
    ("people", "title"),
    [
        (["Adele", "Megan"], "Megan"),
        (["Megan", "Alex", "Lynne", "Nestor", "Adele"], "Megan, Alex, Lynne +1"),
        (["Adele", "Megan", "Alex", "Lynne", "Nestor", "Joni"], "Megan, Alex, Lynne +2"),
        (["Adele"], None),
        ([], None),
        (["Adele", " "], None),
        (["Adele", " Megan \n Bowen "], "Megan Bowen"),
    ],
)
async def test_of_many_in_a_chat_the_first_are_named_and_the_others_counted(
    house: House, people: list[str], title: str | None
) -> None:
    house.graph.answers[MEMBERS] = page(*(named(name, USER if name == "Adele" else "") for name in people))

    assert await house(CHAT) == FeedTitle(title=title)


async def test_a_bot_or_a_guest_without_an_account_is_somebody_to_name(house: House) -> None:
    guest = {"@odata.type": "#microsoft.graph.anonymousGuestConversationMember", "displayName": "A guest"}
    house.graph.answers[MEMBERS] = page(named("Adele", USER), guest)

    assert await house(CHAT) == FeedTitle(title="A guest")


async def test_where_the_app_may_see_who_is_in_a_chat_and_no_more_that_is_its_name(house: House) -> None:
    del house.graph.answers[f"/{CHAT}"]

    assert await house(CHAT) == FeedTitle(title="Megan, Alex")


async def test_a_folder_has_its_name_in_its_owners_language(house: House) -> None:
    assert await house(FOLDER) == FeedTitle(title="Posteingang")


async def test_a_mailbox_has_its_owners_name_whom_nobody_needs_to_ask(house: House) -> None:
    assert await house(f"users/{USER}") == FeedTitle(title="Adele Vance")
    assert house.asked == []
    assert await house(f"users/{USER}", None) == FeedTitle(title="Adele Vance")
    assert house.asked == [f"/users/{USER}{NAME}"]


@pytest.mark.parametrize("home", ["groups/g/conversations/c", "teams/t", "sites/s/lists/l", "chats"])
async def test_what_nobody_has_thought_of_has_no_name(house: House, home: str) -> None:
    strange = FeedSummary(feed="f" + "a" * 24, resource=home, kind="feed")

    assert await house.titles.find([strange], ADELE) == {strange.feed: NAMELESS}
    assert house.asked == []


async def test_a_name_is_remembered_for_hours_and_no_longer(house: House) -> None:
    await house(CHANNEL)
    house.graph.answers[GENERAL] = {"displayName": "Everything"}
    house.now = NOW + REMEMBERED - timedelta(seconds=1)
    assert (await house(CHANNEL)).title == "General"
    house.now = NOW + REMEMBERED

    assert (await house(CHANNEL)).title == "Everything"
    assert len(house.asked) == 4


async def test_somebody_of_another_tenant_reads_what_that_tenant_is_shown(house: House) -> None:
    foreign = Caller(user_id=USER, tenant_id=OTHER_TENANT)
    await house(CHANNEL)
    house.graph.answers[GENERAL] = {"displayName": "General, as seen from there"}

    assert (await house(CHANNEL, foreign)).title == "General, as seen from there"
    assert (await house(CHANNEL)).title == "General"
    assert (GENERAL, OTHER_TENANT) in house.graph.asked


@pytest.mark.parametrize("status", [0, 401, 403, 404, 429, 500, 503])
async def test_while_graph_does_not_say_there_is_no_name_and_no_error(house: House, status: int) -> None:
    house.graph.away = GraphApiError("GET", status=status, message="busy")

    for home in (CHANNEL, CHAT, FOLDER):
        assert await house(home) == NAMELESS
    assert await house(f"users/{USER}") == FeedTitle(title="Adele Vance")


@pytest.mark.parametrize(("status", "lasts"), [(503, FAILED), (429, FAILED), (403, REFUSED), (404, REFUSED)])
async def test_graph_is_left_alone_for_a_while_with_what_it_did_not_say(
    house: House, status: int, lasts: timedelta
) -> None:
    house.graph.away = GraphApiError("GET", status=status)
    await house(CHANNEL)
    house.graph.away = None
    house.now = NOW + lasts - timedelta(seconds=1)
    assert await house(CHANNEL) == NAMELESS
    assert len(house.asked) == 2
    house.now = NOW + lasts

    assert await house(CHANNEL) == FeedTitle(title="General", team="Sales")


async def test_a_name_that_was_known_outlives_an_outage_and_not_a_refusal(house: House) -> None:
    await house(CHANNEL)
    house.now, house.graph.away = NOW + REMEMBERED, GraphApiError("GET", status=503)
    assert await house(CHANNEL) == FeedTitle(title="General", team="Sales")
    house.now, house.graph.away = house.now + FAILED, GraphApiError("GET", status=403)

    assert await house(CHANNEL) == NAMELESS


async def test_nobody_waits_longer_than_a_moment_and_what_comes_later_is_there_the_next_time() -> None:
    house = House(budget=timedelta(milliseconds=1))
    house.graph.let_go = asyncio.Event()
    assert await house(CHANNEL) == NAMELESS
    house.graph.let_go.set()
    for asking in list(house.titles._names._asking.values()):
        await asking

    assert await house(CHANNEL) == FeedTitle(title="General", team="Sales")
    assert len(house.asked) == 2, "what was under way is not asked for again"


async def test_what_is_known_already_does_not_wait_for_what_is_not() -> None:
    house = House(budget=timedelta(milliseconds=1))
    house.titles._budget = 20
    await house(CHANNEL)
    house.titles._budget = 0.001
    house.graph.let_go = asyncio.Event()
    many = [feed(f"chats/{number}") for number in range(50)]
    found = await house.titles.find([*many, feed(CHANNEL)], ADELE)
    house.graph.let_go.set()
    await asyncio.gather(*house.titles._names._asking.values())

    assert found[feed(CHANNEL).feed] == FeedTitle(title="General", team="Sales")
    chats = {path.removesuffix("/members") for path in house.asked if path.startswith("/chats")}
    assert 0 < len(chats) <= 4, "nothing begins when the time is up"


async def test_however_many_look_graph_is_asked_once_and_by_few_at_a_time(house: House) -> None:
    house.graph.let_go = asyncio.Event()
    feeds = [feed(home) for home in (CHANNEL, *(f"chats/{number}" for number in range(8)))]
    orders = [feeds[number:] + feeds[:number] for number in range(9)]  # so that each begins with others
    looking = [asyncio.create_task(house.titles.find(order, ADELE)) for order in orders * 3]
    await house.graph.is_asked.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    at_once = len(house.asked)
    house.graph.let_go.set()
    found = await asyncio.gather(*looking)

    assert at_once == 4
    assert all(each == found[0] for each in found)
    assert sorted(set(house.asked)) == sorted(house.asked)


async def test_names_are_bounded_in_length_and_number(house: House) -> None:
    house.graph.answers[GENERAL] = {"displayName": "x" * 100_000}
    house.titles._names._most = 10
    assert (await house(CHANNEL)).title == "x" * 200
    for number in range(20):
        await house(f"chats/{number}")

    assert len(house.titles._names._known) <= 10


async def test_the_log_says_why_there_is_no_name_and_quotes_none(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await house(CHANNEL)
    house.now, house.graph.away = NOW + REMEMBERED, GraphApiError("GET", status=503)
    await house(CHANNEL)

    assert "what a feed is called is not told" in caplog.text
    assert "General" not in caplog.text


@given(strategies.JSON_VALUES, st.sampled_from([CHANNEL, CHAT, FOLDER]))
def test_whatever_graph_answers_is_a_name_or_none(answer: Any, home: str) -> None:
    async def ask() -> FeedTitle:
        house = House()
        whatever = answer if isinstance(answer, dict) else {"displayName": answer, "topic": answer, "value": answer}
        house.graph.answers = dict.fromkeys(house.graph.answers, whatever)
        return await house(home)

    found = asyncio.run(ask())
    for text in (found.title, found.team):
        assert text is None or (text.strip() == text and 0 < len(text) <= 420)
