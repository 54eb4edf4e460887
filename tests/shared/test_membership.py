"""Who may see a feed: what Graph says, for five minutes, and never more than that."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.caller import Caller
from shared.errors import GraphApiError, NotNow
from shared.membership import REMEMBERED, Membership
from shared.ports import FeedSummary
from tests import strategies
from tests.builders import NOW, OTHER_TENANT, TENANT, USER

ADELE = Caller(user_id=USER, tenant_id=TENANT)
ALEX = Caller(user_id="ffffffff-0000-4000-8000-00000000000f", tenant_id=TENANT)
CHANNEL, CHAT = "teams/t/channels/19:c@thread.tacv2", "chats/19:x@thread.v2"
ALL_MEMBERS, MEMBERS = f"/{CHANNEL}/allMembers", f"/{CHAT}/members"


def feed(resource: str = CHANNEL) -> FeedSummary:
    return FeedSummary(feed="f" + "a" * 24, resource=resource, kind="channel")


def member(caller: Caller = ADELE, **changes: Any) -> dict[str, Any]:
    kind = {"@odata.type": "#microsoft.graph.aadUserConversationMember"}
    return kind | {"id": "m", "userId": caller.user_id, "tenantId": caller.tenant_id} | changes


def page(*members: Any, **more: Any) -> dict[str, Any]:
    return {"value": list(members), **more}


@dataclass
class Graph:
    """Answers by path, or fails while it is away. `let_go` holds every answer back until it is set."""

    answers: dict[str, Any] = field(default_factory=dict)
    away: GraphApiError | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    let_go: asyncio.Event | None = None
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(
        self, method: str, path: str, *, body: Any = None, headers: Any = None, tenant_id: str = "", actor: str = "app"
    ) -> Mapping[str, Any]:
        assert (method, body, headers, actor) == ("GET", None, None, "app")
        self.asked.append((path, tenant_id))
        self.is_asked.set()
        if self.let_go is not None:
            await self.let_go.wait()
        if self.away is not None:
            raise self.away
        if path not in self.answers:
            raise GraphApiError(f"GET {path}", status=404, code="NotFound")
        answer: Mapping[str, Any] = self.answers[path]
        return answer


class House:
    def __init__(self) -> None:
        self.now: datetime = NOW
        self.graph = Graph()
        self.membership = Membership(self.graph, lambda: self.now, home_tenant_id=TENANT)

    async def __call__(self, caller: Caller = ADELE, resource: str = CHANNEL) -> bool:
        return await self.membership.may_see(caller, feed(resource))


@pytest.fixture
def house() -> House:
    return House()


async def test_a_channel_is_for_its_members_those_of_teams_that_it_is_shared_with_included(house: House) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member())

    assert await house()
    assert not await house(ALEX)


async def test_a_chat_is_for_its_members(house: House) -> None:
    house.graph.answers[MEMBERS] = page(member())

    assert await house(resource=CHAT)
    assert not await house(ALEX, resource=CHAT)


@pytest.mark.parametrize("resource", [f"users/{USER}", f"users/{USER.upper()}", f"users/{USER}/mailFolders/inbox"])
async def test_a_mailbox_is_its_owners_without_asking(house: House, resource: str) -> None:
    assert await house(resource=resource)
    assert not await house(ALEX, resource=resource)
    assert house.graph.asked == []


@pytest.mark.parametrize(
    "resource",
    [
        "groups/g/conversations/c",
        "teams/t",
        f"users/{USER}/chats/c",
        f"users/{USER}/mailFolders/a/childFolders/b",
        "users",
        "sites/s/lists/l",
        "chats",
        "",
        "https://elsewhere/chats/c",
    ],
)
async def test_what_nobody_has_thought_of_is_nobodys(house: House, resource: str) -> None:
    assert not await house(resource=resource)
    assert house.graph.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"@odata.type": "#microsoft.graph.anonymousGuestConversationMember"},
        {"@odata.type": "#microsoft.graph.microsoftAccountUserConversationMember"},
        {"@odata.type": None},
        {"userId": None},
        {"userId": ""},
        {"userId": [USER]},
        {"tenantId": OTHER_TENANT},
    ],
    ids=str,
)
async def test_a_member_of_another_kind_or_tenant_is_somebody_else(house: House, changes: dict[str, Any]) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member(**changes))

    assert not await house()


async def test_ids_have_no_case_and_a_member_without_a_tenant_is_of_the_one_that_was_asked(house: House) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member(userId=USER.upper(), tenantId=None))

    assert await house()


async def test_a_caller_of_another_tenant_is_looked_up_in_that_tenant(house: House) -> None:
    foreign = Caller(user_id=USER, tenant_id=OTHER_TENANT)
    house.graph.answers[ALL_MEMBERS] = page(member(foreign))

    assert await house(foreign)
    assert not await house()
    assert house.graph.asked == [(ALL_MEMBERS, OTHER_TENANT), (ALL_MEMBERS, "")]


async def test_pages_are_followed_to_their_end(house: House) -> None:
    more = "https://graph.microsoft.com/v1.0/next"
    house.graph.answers |= {MEMBERS: page(member(ALEX), **{"@odata.nextLink": more}), "/next": page(member())}

    assert await house(resource=CHAT)


async def test_pages_without_an_end_let_nobody_in(house: House) -> None:
    round_and_round = page(member(), **{"@odata.nextLink": f"https://graph.microsoft.com/v1.0{MEMBERS}"})
    house.graph.answers[MEMBERS] = round_and_round

    with pytest.raises(NotNow):
        await house(resource=CHAT)
    assert len(house.graph.asked) == 50


async def test_in_a_channel_of_more_than_graph_lists_one_is_asked_for_by_name(house: House) -> None:
    filtered = f"{ALL_MEMBERS}?$filter=(microsoft.graph.aadUserConversationMember/userId%20eq%20'{{}}')"
    house.graph.answers |= {
        ALL_MEMBERS: page(member(ALEX), *({"userId": str(number)} for number in range(998))),
        filtered.format(USER): page(member()),
        filtered.format("0" * 8 + USER[8:]): page(),
    }

    assert await house(ALEX)
    assert len(house.graph.asked) == 1
    assert await house()
    assert not await house(Caller(user_id="0" * 8 + USER[8:], tenant_id=TENANT))
    assert await house()
    assert len(house.graph.asked) == 3


async def test_an_id_that_is_no_guid_gets_into_no_filter(house: House) -> None:
    house.graph.answers[ALL_MEMBERS] = page(*({"userId": str(number)} for number in range(999)))

    assert not await house(Caller(user_id="' or true or '", tenant_id=TENANT))
    assert len(house.graph.asked) == 1


async def test_a_channel_that_is_gone_is_nobodys(house: House) -> None:
    assert not await house()


async def test_what_graph_said_is_believed_for_five_minutes_and_no_longer(house: House) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member())
    assert await house()
    house.graph.answers[ALL_MEMBERS] = page(member(ALEX))

    house.now = NOW + REMEMBERED - timedelta(seconds=1)
    assert await house()
    assert not await house(ALEX)
    house.now = NOW + REMEMBERED
    assert not await house()
    assert await house(ALEX)
    assert len(house.graph.asked) == 2


async def test_the_time_counts_from_when_graph_was_asked(house: House) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member())
    house.graph.let_go = asyncio.Event()
    asking = asyncio.create_task(house())
    await house.graph.is_asked.wait()
    house.now = NOW + timedelta(minutes=4)
    house.graph.let_go.set()
    assert await asking
    house.now = NOW + REMEMBERED
    house.graph.answers[ALL_MEMBERS] = page()

    assert not await house()


async def test_however_many_want_to_know_graph_is_asked_once(house: House) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member())
    house.graph.let_go = asyncio.Event()
    asking = [asyncio.create_task(house(caller)) for caller in (ADELE, ALEX) * 50]
    await house.graph.is_asked.wait()
    house.graph.let_go.set()

    assert await asyncio.gather(*asking) == [True, False] * 50
    assert len(house.graph.asked) == 1


async def test_whoever_goes_away_while_graph_is_asked_takes_the_answer_from_nobody(house: House) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member())
    house.graph.let_go = asyncio.Event()
    first, second = asyncio.create_task(house()), asyncio.create_task(house())
    await house.graph.is_asked.wait()
    first.cancel()
    await asyncio.sleep(0)
    house.graph.let_go.set()

    assert await second


@pytest.mark.parametrize("status", [0, 401, 403, 429, 500, 503])
async def test_while_graph_does_not_say_nobody_is_let_in_and_the_failure_is_not_remembered(
    house: House, status: int
) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member())
    house.graph.away = GraphApiError("GET", status=status)
    with pytest.raises(NotNow):
        await house()
    house.graph.away = None

    assert await house()


async def test_an_answer_is_not_stretched_while_graph_is_away(house: House) -> None:
    house.graph.answers[ALL_MEMBERS] = page(member())
    assert await house()
    house.now, house.graph.away = NOW + REMEMBERED, GraphApiError("GET", status=503)

    with pytest.raises(NotNow):
        await house()


async def test_a_graph_that_takes_its_time_is_not_waited_for() -> None:
    graph = Graph(let_go=asyncio.Event())
    membership = Membership(graph, lambda: NOW, home_tenant_id=TENANT, patience=timedelta(milliseconds=1))

    with pytest.raises(NotNow):
        await membership.may_see(ADELE, feed())


async def test_of_several_feeds_those_are_chosen_that_one_may_see_and_the_untold_are_named(house: House) -> None:
    house.graph.answers |= {ALL_MEMBERS: page(member()), "/chats/broken/members": {"value": None}}
    feeds = [feed(), feed("chats/other"), feed("chats/broken"), feed(f"users/{USER}")]

    assert await house.membership.choose(ADELE, feeds) == ([feeds[0], feeds[3]], [feeds[2]])


async def test_of_more_feeds_than_there_is_time_for_the_rest_is_untold_and_mailboxes_are_not_among_it() -> None:
    graph = Graph({ALL_MEMBERS: page(member())})
    membership = Membership(graph, lambda: NOW, home_tenant_id=TENANT, budget=timedelta(0))
    feeds = [feed(), feed(f"users/{USER}"), feed(f"users/{ALEX.user_id}")]

    assert await membership.choose(ADELE, feeds) == ([feeds[1]], [feeds[0]])
    assert graph.asked == []


async def test_lists_that_nobody_asks_about_are_forgotten_before_memory_is_full(house: House) -> None:
    crowd = [member(Caller(user_id=f"u{number}", tenant_id=TENANT)) for number in range(900)]
    for number in range(300):
        house.graph.answers[f"/chats/{number}/members"] = page(*crowd)
        await house(resource=f"chats/{number}")
        await house(resource="chats/0")
    asked = len(house.graph.asked)
    await house(resource="chats/0")
    await house(resource="chats/299")
    assert len(house.graph.asked) == asked

    await house(resource="chats/1")
    assert len(house.graph.asked) == asked + 1
    assert sum(len(known[0].people) for known in house.membership._lists._known.values()) <= 250_000


@given(strategies.JSON_VALUES)
def test_no_answer_of_graphs_lets_anybody_in_by_accident(answer: Any) -> None:
    async def ask() -> Sequence[bool]:
        house = House()
        house.graph.answers[MEMBERS] = answer if isinstance(answer, dict) else {"value": answer}
        try:
            return [await house(resource=CHAT)]
        except NotNow:
            return [False]

    assert asyncio.run(ask()) == [False]


@given(st.text(min_size=1, max_size=20))
def test_no_user_id_is_the_owner_of_a_mailbox_but_the_owners(user_id: str) -> None:
    caller = Caller(user_id=user_id, tenant_id=TENANT)

    assert not asyncio.run(House()(caller, resource=f"users/{USER}"))
