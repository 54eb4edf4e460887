"""Quotas, against a table written from Graph's pages: how many there may be, of what, and what the next one is told."""

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from local.graph.clock import Clock
from local.graph.faults import GraphFault
from local.graph.knobs import Knobs
from local.graph.simulator import Simulator
from local.graph.subscribing.rules import read_request
from local.graph.subscribing.store import Owner, Subscription, Subscriptions

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORGANIZATION = "7e4a0000-0000-4000-8000-000000007e4a"
REACHED = "reached its limit of '{limit}'"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """`resource(n)` is the nth that is counted together; `free` are resources that are counted apart from them.

    `apps` and `tenants` say whether the nth is asked for by another app, or in another tenant.
    """

    name: str
    limit: int
    resource: Callable[[int], str]
    changes: str = "updated"
    apps: bool = False
    tenants: bool = False
    user: str | None = None
    status: int = 403
    free: tuple[str, ...] = ()
    rich: bool = False
    expected: str = REACHED


def same(path: str) -> Callable[[int], str]:
    """The same resource again and again; a query that means nothing keeps them from being the same combination."""
    return lambda number: f"{path}?model={number}"


LIMITS = [
    Limit(name="directory, app and tenant", limit=100, resource=lambda n: f"/users/{n}", free=("/chats",)),
    Limit(name="groups count with users", limit=100, resource=lambda n: f"/{('users', 'groups')[n % 2]}/{n}"),
    Limit(name="directory, tenant", limit=1_000, resource=lambda n: f"/users/{n}", apps=True),
    Limit(name="directory, app", limit=50_000, resource=lambda n: f"/users/{n}", tenants=True),
    Limit(
        name="mailbox",
        limit=1_000,
        resource=lambda n: f"/users/u/{('messages', 'events', 'contacts')[n % 3]}?model={n}",
        apps=True,
        status=429,
        free=("/users/v/messages",),
        expected="SubscriptionCountReached.*limit of '{limit}'.*12/31/9999",
    ),
    Limit(name="Teams, organization", limit=10_000, resource=lambda n: f"/chats/{n}/messages", apps=True),
    Limit(name="chat", limit=1, resource=same("/chats/c"), free=("/chats/d",)),
    Limit(name="chats of a user", limit=10, resource=same("/users/u/chats"), apps=True, free=("/users/v/chats",)),
    Limit(name="messages of a chat", limit=1, resource=same("/chats/c/messages"), free=("/chats/d/messages",)),
    Limit(
        name="messages of a channel",
        limit=1,
        resource=same("/teams/t/channels/c/messages"),
        free=("/teams/t/channels/d/messages", "/teams/s/channels/c/messages"),
    ),
    Limit(
        name="messages of all chats",
        limit=1,
        resource=same("/chats/getAllMessages"),
        free=("/teams/getAllMessages", "/chats/c/messages"),
    ),
    Limit(name="messages of a user", limit=10, resource=same("/users/u/chats/getAllMessages"), apps=True),
    Limit(name="team", limit=1, resource=same("/teams/t"), free=("/teams/s", "/teams/t/channels", "/teams")),
    Limit(name="channels of a team", limit=1, resource=same("/teams/t/channels"), free=("/teams/s/channels",)),
    Limit(name="members of a team", limit=1, resource=same("/teams/t/members"), free=("/teams/s/members",)),
    Limit(name="call records", limit=100, resource=same("/communications/callRecords"), apps=True, free=("/chats",)),
    Limit(
        name="recordings of a meeting",
        limit=1,
        resource=same("/communications/onlineMeetings/m/recordings"),
        changes="created",
        free=("/communications/onlineMeetings/m/transcripts", "/communications/onlineMeetings/n/recordings"),
    ),
    Limit(
        name="transcripts of a user by an app",
        limit=1,
        resource=same("/users/u/onlineMeetings/getAllTranscripts"),
        changes="created",
        free=("/users/v/onlineMeetings/getAllTranscripts",),
    ),
    Limit(
        name="recordings of a user",
        limit=10,
        resource=same("/users/u/onlineMeetings/getAllRecordings"),
        changes="created",
        apps=True,
    ),
    Limit(
        name="interactions of a tenant",
        limit=1,
        resource=same("/copilot/interactionHistory/getAllEnterpriseInteractions"),
        free=("/copilot/users/u/interactionHistory/getAllEnterpriseInteractions",),
    ),
    Limit(
        name="interactions of a user by an app",
        limit=1,
        resource=same("/copilot/users/u/interactionHistory/getAllEnterpriseInteractions"),
        free=("/copilot/users/v/interactionHistory/getAllEnterpriseInteractions",),
    ),
    Limit(
        name="interactions of a user",
        limit=10,
        resource=same("/copilot/users/u/interactionHistory/getAllEnterpriseInteractions"),
        apps=True,
    ),
    Limit(
        name="insights of a user",
        limit=1,
        resource=same("/copilot/users/u/onlineMeetings/getAllAiInsights"),
        changes="created",
        free=("/copilot/users/v/onlineMeetings/getAllAiInsights",),
    ),
    Limit(
        name="insights for a user",
        limit=10,
        resource=lambda n: f"/copilot/users/u/onlineMeetings/{n}/aiInsights",
        changes="created",
        user="u",
        apps=True,
    ),
    Limit(
        name="insights of a meeting",
        limit=1,
        resource=same("/copilot/users/u/onlineMeetings/m/aiInsights"),
        changes="created",
        free=("/copilot/users/u/onlineMeetings/n/aiInsights",),
    ),
    Limit(name="approvals of an app", limit=1, resource=same("/solutions/approval/approvalItems"), user="u"),
    Limit(name="approvals", limit=1_000, resource=same("/solutions/approval/approvalItems"), user="u", apps=True),
    Limit(
        name="shifts of a team",
        limit=1,
        resource=same("/teams/t/schedule/shifts"),
        free=("/teams/t/schedule/timeOffRequests", "/teams/s/schedule/shifts"),
    ),
    Limit(name="shifts for a user", limit=10, resource=same("/teams/t/schedule/shifts"), user="u", apps=True),
    Limit(
        name="presence",
        limit=1,
        resource=lambda n: f"/communications/presences/{n}",
        user="u",
        status=409,
        expected="Status Code: Conflict.*already exists",
    ),
    Limit(
        name="meeting",
        limit=1,
        resource=same("/communications/onlineMeetings(joinWebUrl='a')/meetingCallEvents"),
        free=("/communications/onlineMeetings(joinWebUrl='b')/meetingCallEvents",),
    ),
    Limit(
        name="emergency policy",
        limit=1,
        resource=same("communications/calls/getEmergencyEventsByPolicy(policyName='p')"),
        free=("communications/calls/getEmergencyEventsByPolicy(policyName='q')",),
        status=409,
        rich=True,
    ),
]


@dataclass
class Desk:
    """Where subscriptions are asked for without HTTP, on a clock that stands still unless it is moved."""

    certificate: str
    subscriptions: Subscriptions = field(default_factory=Subscriptions)

    def ask(self, limit: Limit, resource: str, *, app: str = "app", tenant: str = "tenant") -> Subscription:
        now = self.subscriptions.clock.now()
        body: dict[str, Any] = {
            "changeType": limit.changes,
            "notificationUrl": "https://example.com/",
            "resource": resource,
            "expirationDateTime": (now + timedelta(minutes=59)).isoformat(),
        }
        if limit.rich:
            body |= {
                "includeResourceData": True,
                "encryptionCertificate": self.certificate,
                "encryptionCertificateId": "key",
            }
        asked = read_request(body, now=now, user_id=limit.user)
        owner = Owner(app_id=app, tenant_id=tenant, creator_id=limit.user or app, delegated=limit.user is not None)
        reach = tenant, asked.match.path, frozenset(asked.match.ids.items())
        self.subscriptions.check_room(asked, reach, owner, now=now)
        return self.subscriptions.add(asked, reach, owner, now=now)

    def nth(self, limit: Limit, number: int) -> Subscription:
        app = f"app {number}" if limit.apps else "app"
        tenant = f"tenant {number}" if limit.tenants else "tenant"
        return self.ask(limit, limit.resource(number), app=app, tenant=tenant)


@pytest.fixture
def desk(key: Any) -> Desk:
    return Desk(key.text)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
async def test_so_many_and_no_more(desk: Desk, limit: Limit) -> None:
    made = [desk.nth(limit, number) for number in range(limit.limit)]
    with pytest.raises(GraphFault) as refused:
        desk.nth(limit, limit.limit)
    assert refused.value.status == limit.status
    assert re.search(limit.expected.format(limit=limit.limit), refused.value.message)
    for resource in limit.free:
        desk.ask(limit, resource)
    desk.subscriptions.remove(made[0])
    desk.nth(limit, limit.limit)


async def test_a_place_is_free_again_when_a_subscription_expires(desk: Desk) -> None:
    limit = next(each for each in LIMITS if each.name == "chat")
    desk.nth(limit, 0)
    desk.subscriptions.clock.advance(timedelta(minutes=60))
    desk.nth(limit, 1)


async def test_a_freed_place_can_stay_used_for_hours(desk: Desk) -> None:
    limit = next(each for each in LIMITS if each.name == "chat")
    desk.subscriptions.knobs.quota_held_seconds = 3 * 3600
    now = desk.subscriptions.clock.now()
    desk.subscriptions.delete(desk.nth(limit, 0), now=now)
    desk.subscriptions.clock.advance(timedelta(hours=2))
    with pytest.raises(GraphFault, match="reached its limit"):
        desk.nth(limit, 1)
    desk.subscriptions.clock.advance(timedelta(hours=1, seconds=1))
    desk.nth(limit, 1)
    assert desk.subscriptions.counts.printed() == {
        "one-chat app tenant c": 1,
        "teams tenant": 1,
    }


async def test_nothing_is_counted_any_more_when_everything_is_gone(desk: Desk) -> None:
    for limit in LIMITS:
        desk.ask(limit, limit.resource(0), tenant=limit.name)
    assert desk.subscriptions.counts.printed()
    for subscription in desk.subscriptions.live(now=desk.subscriptions.clock.now()):
        desk.subscriptions.remove(subscription)
        desk.subscriptions.remove(subscription)
    assert desk.subscriptions.counts.printed() == {}


async def test_finding_who_hears_is_quick_among_fifty_thousand(desk: Desk) -> None:
    limit = Limit(name="many", limit=0, resource=lambda n: f"/users/{n}/messages")
    for number in range(50_000):
        desk.nth(limit, number)
    clock: Clock = desk.subscriptions.clock
    started = time.perf_counter()
    for number in range(10_000):
        reach = ("tenant", "users/{user}/messages", frozenset({("user", str(number))}))
        (heard,) = desk.subscriptions.hearing([reach], "updated", now=clock.now())
        assert heard.asked.resource == f"/users/{number}/messages"
    assert time.perf_counter() - started < 2


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(knobs=Knobs(handshake="skip", throttling=False), tenants=(ORGANIZATION,)) as running:
        yield running


@pytest.mark.parametrize(
    "limit", [each for each in LIMITS if each.limit <= 10 and not each.rich], ids=lambda limit: limit.name
)
async def test_the_refusal_comes_in_graphs_envelope(simulator: Simulator, limit: Limit) -> None:
    async with aiohttp.ClientSession(simulator.http_url) as session:
        for number in range(limit.limit):
            status, answer = await _post(session, simulator, limit, number)
            assert status == 201, answer
        status, answer = await _post(session, simulator, limit, limit.limit)
    assert status == limit.status
    assert answer["error"]["code"] == ("ExtensionError" if limit.status == 409 else "Forbidden")
    assert answer["error"]["innerError"]["request-id"]
    for subscription in simulator.subscriptions.live(now=simulator.clock.now()):
        simulator.subscriptions.remove(subscription)


async def _post(
    session: aiohttp.ClientSession, simulator: Simulator, limit: Limit, number: int
) -> tuple[int, Mapping[str, Any]]:
    given = {"audience": "https://graph.microsoft.com", "tenant_id": simulator.tenant_id}
    app_id = f"app-{number}" if limit.apps else "app"
    user = {"oid": limit.user or "", "sub": "x"}
    token = (
        simulator.authority.user_token(app_id=app_id, named=user, scopes="x", **given)
        if limit.user
        else simulator.authority.access_token(app_id=app_id, roles=[], **given)
    )
    body = {
        "changeType": limit.changes,
        "notificationUrl": "https://example.com/",
        "resource": limit.resource(number),
        "expirationDateTime": (simulator.clock.now() + timedelta(minutes=59)).isoformat(),
    }
    headers = {"Authorization": f"Bearer {token}"}
    async with session.post("/v1.0/subscriptions", json=body, headers=headers) as answer:
        return answer.status, await answer.json()
