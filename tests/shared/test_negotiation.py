"""Connections to live updates: for people who signed in, and what they hear of while they are let in, and not after."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory_live import MemoryClient, MemoryLive
from shared.answers import Answer
from shared.errors import BadRequest, GraphApiError
from shared.feeds import print_change
from shared.live import EPOCH, LONGEST_ACCESS
from shared.live_messages import LiveMessages
from shared.membership import REMEMBERED
from shared.negotiation import MOST_FEEDS, Negotiation, read_wanted
from shared.ports import LiveConnection
from tests import strategies
from tests.builders import NOW, USER
from tests.shared.test_membership import CHANNEL, CHAT, page
from tests.shared.test_user_feeds import ALEX, CHANNEL_FEED, CHAT_FEED, MAIL_FEED, Reader

NOBODYS = "f" + "a" * 24


class Street(Reader):
    """A receiver with a service for live clients: what is written is sent, as the handler does it."""

    def __init__(self) -> None:
        super().__init__()
        self.live = MemoryLive(now=lambda: self.now)
        self.messages = LiveMessages(self.live, lambda: self.now)
        self.chance = 0.0
        self.negotiation = Negotiation(
            callers=self.callers,
            membership=self.membership,
            store=self.store,
            live=self.live,
            now=lambda: self.now,
            chance=lambda: self.chance,
        )

    async def negotiate(self, *feeds: str, user: str = USER) -> Answer:
        return await self.negotiation.negotiate(self.headers(user), json.dumps({"feeds": feeds}).encode())

    def connect(self, answer: Answer) -> MemoryClient:
        granted = json.loads(answer.body)
        expires = datetime.fromisoformat(granted["expires"])
        return self.live.connect(
            LiveConnection(url=granted["url"], access_token=granted["accessToken"], expires=expires)
        )

    async def say(self, number: int, home: str = CHANNEL) -> int:
        row = await self.write(home, number)
        await self.messages.to_feed(CHANNEL_FEED if home == CHANNEL else CHAT_FEED, row.position, print_change(row))
        return row.position


@pytest.fixture
async def street() -> Street:
    street = Street()
    for home in (CHANNEL, CHAT, f"users/{USER}"):
        await street.write(home)
    return street


def heard(client: MemoryClient) -> list[int]:
    return [arguments[0]["position"] for _, arguments in client.received]


async def test_what_one_may_see_is_granted_and_the_rest_refused_whatever_the_reason(street: Street) -> None:
    answer = await street.negotiate(CHAT_FEED, CHANNEL_FEED, NOBODYS, "no id", MAIL_FEED, CHANNEL_FEED)
    granted = json.loads(answer.body)

    assert answer.status == 200
    assert (granted["feeds"], granted["refused"]) == ([CHANNEL_FEED, MAIL_FEED], [CHAT_FEED, NOBODYS, "no id"])
    assert "untold" not in granted
    assert answer.headers["Cache-Control"] == "no-store"


async def test_who_is_connected_hears_what_a_page_would_show(street: Street) -> None:
    client = street.connect(await street.negotiate(CHANNEL_FEED))
    await street.say(2)
    await street.say(2, CHAT)
    shown = json.loads((await street.page(query={"after": "1"})).body)["changes"]

    assert client.received == [("feed", [{"feed": CHANNEL_FEED, "position": 2, "change": shown[0]}])]


async def test_for_the_mailbox_alone_no_feed_is_asked_for(street: Street) -> None:
    answers = [await street.negotiation.negotiate(street.headers(), body) for body in (b"", b"  ", b"{}")]

    assert [json.loads(answer.body)["feeds"] for answer in answers] == [[], [], []]
    assert street.graph.asked == []


async def test_who_renews_when_told_to_hears_everything(street: Street) -> None:
    client = street.connect(await street.negotiate(CHANNEL_FEED))
    renew_at, said = street.now, []
    for second in range(0, 1500, 7):
        street.now = NOW + timedelta(seconds=second)
        if street.now >= renew_at:
            answer = json.loads((await street.negotiate(CHANNEL_FEED)).body)
            street.chance = 0.99 - street.chance
            renew_at = street.now + timedelta(seconds=answer["renewAfter"])
        said.append(await street.say(second + 2))

    assert heard(client) == said


@pytest.mark.parametrize("into_the_epoch", range(0, 300, 20))
async def test_a_removed_member_hears_nothing_more_within_eleven_minutes(street: Street, into_the_epoch: int) -> None:
    """However often they ask: what was granted last is heard until its groups are over, and what is remembered ends before."""
    begin = street.now = NOW + timedelta(seconds=into_the_epoch)
    client = street.connect(await street.negotiate(CHANNEL_FEED))
    street.graph.answers[f"/{CHANNEL}/allMembers"] = page()
    last = begin
    for second in range(0, 1200, 5):
        street.now = begin + timedelta(seconds=second)
        await street.negotiate(CHANNEL_FEED)
        before = len(client.received)
        await street.say(second + 2)
        last = street.now if len(client.received) > before else last

    assert last - begin < REMEMBERED + LONGEST_ACCESS == timedelta(minutes=11)


async def test_who_never_renews_hears_nothing_after_two_epochs(street: Street) -> None:
    client = street.connect(await street.negotiate(CHANNEL_FEED))
    street.now = NOW + 2 * EPOCH
    await street.say(2)

    assert client.received == []


async def test_who_asks_for_no_feed_hears_of_their_own_mailbox_and_of_nobody_else_s(street: Street) -> None:
    client, other = street.connect(await street.negotiate()), street.connect(await street.negotiate(user=ALEX))

    await street.messages.to_owner(USER, {"change": "created", "id": "m"})

    assert client.received == [("mail", [{"change": "created", "id": "m"}])]
    assert other.received == []


async def test_a_client_that_reconnects_with_what_it_was_given_is_in_its_groups(street: Street) -> None:
    answer = await street.negotiate(CHANNEL_FEED)
    street.live.disconnect(street.connect(answer))
    again = street.connect(answer)
    await street.say(2)

    assert heard(again) == [2]


async def test_a_stranger_gets_no_connection(street: Street) -> None:
    answer = await street.negotiation.negotiate({}, b"not json")

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_feeds_of_which_it_cannot_be_told_are_said_to_be_and_nothing_is_granted_by_mistake(
    street: Street,
) -> None:
    street.graph.away = GraphApiError("GET", status=503)
    answer = json.loads((await street.negotiate(CHANNEL_FEED, MAIL_FEED, NOBODYS)).body)

    assert (answer["feeds"], answer["refused"], answer["untold"]) == ([MAIL_FEED], [NOBODYS], [CHANNEL_FEED])
    assert (await street.negotiate(CHANNEL_FEED)).status == 503


async def test_what_is_away_is_said_to_be_away(street: Street) -> None:
    street.live.away = True
    assert (await street.negotiate(CHANNEL_FEED)).status == 503
    street.live.away, street.store.outage.away = False, True
    assert (await street.negotiate(CHANNEL_FEED)).status == 503


async def test_somebody_else_asking_changes_nothing_for_the_first(street: Street) -> None:
    mine = street.connect(await street.negotiate(CHANNEL_FEED, CHAT_FEED))
    theirs = street.connect(await street.negotiate(CHANNEL_FEED, CHAT_FEED, user=ALEX))
    await street.say(2)
    await street.say(3, CHAT)

    assert [arguments[0]["feed"] for _, arguments in mine.received] == [CHANNEL_FEED]
    assert [arguments[0]["feed"] for _, arguments in theirs.received] == [CHAT_FEED]


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"null",
        b'"feeds"',
        b'{"feeds": "x"}',
        b'{"feeds": null}',
        b'{"feeds": [1]}',
        b'{"feeds": {"a": "b"}}',
        json.dumps({"feeds": ["x" * 65]}).encode(),
        json.dumps({"feeds": ["x"] * (MOST_FEEDS + 1)}).encode(),
        b'{"feeds": []' + b" " * 70_000 + b"}",
        b"[" * 10_000,
        b'{"feeds": ["\xff"]}',
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
async def test_a_body_that_makes_no_sense_is_a_bad_request(street: Street, body: bytes) -> None:
    assert (await street.negotiation.negotiate(street.headers(), body)).status == 400


@given(st.binary() | strategies.JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        wanted: Any = read_wanted(body)
    except BadRequest:
        return
    assert len(wanted) <= MOST_FEEDS
    assert all(isinstance(each, str) for each in wanted)
