"""The simulator's catalogue, asked through its HTTP API, against a table written from Graph's pages and not from its files."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from local.graph.catalogue.find import CATALOGUE, find
from local.graph.knobs import Knobs
from local.graph.simulator import Simulator
from tests.local.graph.conftest import APP_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATED, UPDATED, DELETED = "created", "updated", "deleted"
WORDS = {"c": CREATED, "u": UPDATED, "d": DELETED}
TEAMS, SHIFTS, OUTLOOK, FILES = 4_320, 360, 10_080, 42_300
SELECT = "?$select=id"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What Graph's pages say of one path. `rich` of None: no resource data; `user`: only for an app that acts for somebody."""

    path: str
    changes: str
    minutes: int
    rich: int | None = None
    query: str = ""
    """What the path needs to be accepted with resource data, or at all."""
    user: bool = False
    teams: bool = False
    only_rich: bool = False


def outlook(path: str, *, user: bool = False) -> Expected:
    return Expected(path=path, changes="cud", minutes=OUTLOOK, rich=1_440, query=SELECT, user=user)


def teams(path: str, changes: str = "cud", *, minutes: int = TEAMS, rich: bool = True) -> Expected:
    return Expected(path=path, changes=changes, minutes=minutes, rich=minutes if rich else None, teams=True)


def basic(path: str, changes: str, minutes: int, *, user: bool = False) -> Expected:
    return Expected(path=path, changes=changes, minutes=minutes, user=user)


PATHS = [
    outlook("/users/{u}/messages"),
    outlook("/users/{u}/mailFolders('inbox')/messages"),
    outlook("/me/messages", user=True),
    outlook("/me/mailFolders/inbox/messages", user=True),
    outlook("/users/{u}/events"),
    outlook("/me/events", user=True),
    outlook("/users/{u}/contacts"),
    outlook("/users/{u}/contactFolders/f/contacts"),
    basic("/me/todo/lists/l/tasks", "cud", 4_230, user=True),
    basic("/users/{u}/todo/lists/l/tasks", "cud", 4_230),
    basic("/groups/g/conversations", "cud", 4_230, user=True),
    # created is accepted for users and groups, although nothing ever comes of it
    basic("/users", "cud", 41_760),
    basic("/users/{u}", "cud", 41_760),
    basic("/groups", "cud", 41_760),
    basic("/groups/g", "cud", 41_760),
    basic("/groups/g/members", "cud", 41_760),
    basic("/groups/g/owners", "cud", 41_760),
    basic("/drives/d/root", "u", FILES),
    basic("/users/{u}/drive/root", "u", FILES),
    basic("/me/drive/root", "u", FILES, user=True),
    basic("/me/drive/root:/Documents", "u", FILES, user=True),
    basic("/me/drive/items/f", "u", FILES, user=True),
    basic("/sites/s/lists/l", "u", FILES),
    basic("/security/alerts/?$filter=severity eq 'high'", "cu", 43_200),
    basic("/security/alerts/a", "cu", 43_200),
    basic("/reports/healthmonitoring/alerts", "cu", FILES),
    teams("/teams/t/channels/c/messages"),
    teams("/teams/getAllMessages"),
    teams("/teams/getAllMessages?model=A"),
    teams("/chats/c/messages"),
    teams("/chats/getAllMessages"),
    teams("/users/{u}/chats/getAllMessages"),
    teams("/appCatalogs/teamsApps/a/installedToChats/getAllMessages"),
    teams("/chats"),
    teams("/chats/c"),
    teams("/chats/c?notifyOnUserSpecificProperties=true"),
    teams("/users/{u}/chats"),
    teams("/appCatalogs/teamsApps/a/installedToChats"),
    teams("/teams/getAllChannels"),
    teams("/teams/t/channels"),
    teams("/teams"),
    teams("/teams/t"),
    teams("/teams/t/members"),
    teams("/teams/getAllMembers"),
    teams("/teams/t/channels/getAllMembers?notifyOnIndirectMembershipUpdate=true"),
    teams("/teams/getAllChannels/getAllMembers"),
    teams("/chats/c/members"),
    teams("/chats/getAllMembers"),
    teams("/teams/t/channels/c/sharedWithTeams", "cd", rich=False),
    teams("/appCatalogs/teamsApps/a/installations"),
    basic("/communications/callRecords", "cu", 4_230),
    basic("/communications/callRecords?$filter=type eq 'groupCall'", "cu", 4_230),
    teams("/communications/onlineMeetings/getAllRecordings", "c"),
    teams("/communications/onlineMeetings/getAllTranscripts", "c"),
    teams("/communications/onlineMeetings/m/recordings", "c"),
    teams("/communications/onlineMeetings/m/transcripts", "c"),
    teams("/users/{u}/onlineMeetings/getAllRecordings", "c"),
    teams("/users/{u}/onlineMeetings/m/recordings", "c"),
    teams("/users/{u}/onlineMeetings/m/transcripts", "c"),
    teams("/appCatalogs/teamsApps/a/installedToOnlineMeetings/getAllRecordings", "c"),
    teams("/appCatalogs/teamsApps/a/installedToOnlineMeetings/getAllTranscripts", "c"),
    teams("/users/{u}/onlineMeetings/getAllTranscripts?useResourceSpecificConsentBasedAuthorization=true", "c"),
    teams(
        "/communications/onlineMeetings(joinWebUrl='https%3A%2F%2Fteams.microsoft.com%2Fl%2F1')/meetingCallEvents",
        "u",
        minutes=4_230,
    ),
    Expected(path="/communications/presences/p", changes="u", minutes=60, rich=60, user=True),
    Expected(path="/communications/presences?$filter=id in ('p','q')", changes="u", minutes=60, rich=60, user=True),
    Expected(
        path="communications/calls/getEmergencyEventsByPolicy(policyName='p')",
        changes="u",
        minutes=1_440,
        rich=1_440,
        only_rich=True,
    ),
    basic("solutions/virtualEvents/events", "c", 1_440),
    basic("solutions/virtualEvents/getEventsFromOrganizers", "c", 1_440),
    basic("solutions/virtualEvents/webinars/w", "u", 1_440),
    basic("solutions/virtualEvents/webinars/w/sessions", "cu", 1_440),
    basic("solutions/virtualEvents/webinars/w/registrations", "cu", 1_440),
    basic("solutions/virtualEvents/townhalls/t", "u", 1_440),
    teams("/teams/t/schedule/offerShiftRequests", minutes=SHIFTS, rich=False),
    teams("/teams/t/schedule/openShiftChangeRequests", minutes=SHIFTS, rich=False),
    teams("/teams/t/schedule/shifts", minutes=SHIFTS, rich=False),
    teams("/teams/t/schedule/swapShiftsChangeRequests", minutes=SHIFTS, rich=False),
    teams("/teams/t/schedule/timeOffRequests", minutes=SHIFTS, rich=False),
    basic("/solutions/approval/approvalItems", "cu", 43_200, user=True),
    Expected(
        path="copilot/users/{u}/interactionHistory/getAllEnterpriseInteractions",
        changes="cud",
        minutes=4_320,
        rich=4_320,
    ),
    Expected(path="copilot/interactionHistory/getAllEnterpriseInteractions", changes="cud", minutes=4_320, rich=4_320),
    basic("/copilot/users/{u}/onlineMeetings/getAllAiInsights", "c", 4_320),
    basic("/copilot/users/{u}/onlineMeetings/m/aiInsights", "c", 4_320),
    basic("/print/printers/p/jobs", "u", 4_230),
    basic("/print/taskDefinitions/d/tasks", "c", 4_230),
]

UNKNOWN = [
    "/users/{u}/memberOf",
    "/users/{u}/calendar",
    "https://graph.microsoft.com/v1.0/users/{u}/messages",
    "v1.0/users/{u}/messages",
    "/teams/t/channels/c",
    "/drives/d/items/i",
    "/chats/c/messages/m",
    "/applications",
    "me",
    "",
    "/",
    "?$select=id",
    "users/{u}//messages",
]


@dataclass(frozen=True)
class Graph:
    """A Graph that everybody's endpoints have answered, and an app that calls it for itself and for somebody."""

    simulator: Simulator
    session: aiohttp.ClientSession
    certificate: str

    def body(self, expected: Expected, *, minutes: float, changes: str = "", rich: bool = False) -> dict[str, Any]:
        until = self.simulator.clock.now() + timedelta(minutes=minutes)
        body: dict[str, Any] = {
            "changeType": changes or ",".join(WORDS[letter] for letter in expected.changes),
            "notificationUrl": "https://example.com/notifications",
            "lifecycleNotificationUrl": "https://example.com/lifecycle",
            "resource": self.resource(expected.path) + (expected.query if rich else ""),
            "expirationDateTime": until.isoformat(),
        }
        if rich:
            pair = {"encryptionCertificate": self.certificate, "encryptionCertificateId": "key"}
            body |= {"includeResourceData": True, **pair}
        return body

    def resource(self, path: str) -> str:
        return path.replace("{u}", self.simulator.world.people[0].id)

    async def post(self, body: Mapping[str, Any], *, user: bool = False) -> tuple[int, Any]:
        """Create, and delete again what was created."""
        headers = {"Authorization": f"Bearer {self.token(user=user)}"}
        url = f"{self.simulator.http_url}/v1.0/subscriptions"
        async with self.session.post(url, json=body, headers=headers) as answer:
            made = await answer.json()
        if answer.status == 201:
            async with self.session.delete(f"{url}/{made['id']}", headers=headers) as deleted:
                assert deleted.status == 204
        return answer.status, made

    def token(self, *, user: bool) -> str:
        graph = self.simulator
        if not user:
            return graph.authority.access_token(
                audience=graph.http_url, app_id=APP_ID, tenant_id=graph.tenant_id, roles=[]
            )
        named = {"oid": graph.world.people[0].id, "sub": "x"}
        return graph.authority.user_token(
            audience=graph.http_url, app_id=APP_ID, tenant_id=graph.tenant_id, named=named, scopes="Mail.Read"
        )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def graph(certificate: str) -> AsyncIterator[Graph]:
    knobs = Knobs(handshake="skip", throttling=False)
    async with Simulator(knobs=knobs) as simulator, aiohttp.ClientSession() as session:
        yield Graph(simulator, session, certificate)


@pytest.fixture(scope="module")
def certificate(key: Any) -> str:
    return str(key.text)


def named(paths: Sequence[Expected]) -> list[Any]:
    return [pytest.param(each, id=each.path) for each in paths]


def refusal(answer: Mapping[str, Any]) -> str:
    error = answer["error"]
    assert error["code"]
    assert error["innerError"]["request-id"]
    return str(error["message"])


async def usual(graph: Graph, expected: Expected, *, minutes: float, changes: str = "") -> tuple[int, Any]:
    body = graph.body(expected, minutes=minutes, changes=changes, rich=expected.only_rich)
    return await graph.post(body, user=expected.user)


async def test_every_path_of_the_catalogue_is_asked_for_here() -> None:
    asked = {match.path for each in PATHS if (match := find(each.path))}
    assert asked == {path for row in CATALOGUE for path in row.paths}


@pytest.mark.parametrize("expected", named(PATHS))
async def test_a_path_takes_its_change_types_and_no_other(graph: Graph, expected: Expected) -> None:
    for letter, word in WORDS.items():
        status, answer = await usual(graph, expected, minutes=60, changes=word)
        if letter in expected.changes:
            assert (status, answer["changeType"]) == (201, word)
        else:
            assert (status, refusal(answer)) == (400, f"Invalid 'changeType' attribute: '{word}'.")


@pytest.mark.parametrize("expected", named(PATHS))
async def test_a_path_lives_as_long_as_its_page_says_and_not_a_minute_more(graph: Graph, expected: Expected) -> None:
    status, answer = await usual(graph, expected, minutes=expected.minutes)
    assert status == 201, answer
    status, answer = await usual(graph, expected, minutes=expected.minutes + 1)
    longest = f"Subscription expiration can only be {expected.minutes} minutes in the future."
    assert (status, refusal(answer)) == (400, longest)


@pytest.mark.parametrize("expected", named(PATHS))
async def test_resource_data_is_had_where_its_page_says_so(graph: Graph, expected: Expected) -> None:
    longest = expected.rich or 60
    status, answer = await graph.post(graph.body(expected, minutes=longest, rich=True), user=expected.user)
    if expected.rich is None:
        assert status == 400
        assert refusal(answer).endswith("workload is not enabled for rich notifications.")
        return
    assert (status, answer.get("includeResourceData")) == (201, True), answer
    status, answer = await graph.post(graph.body(expected, minutes=longest + 1, rich=True), user=expected.user)
    assert (status, f"{longest} minutes" in refusal(answer)) == (400, True)


@pytest.mark.parametrize("expected", named([each for each in PATHS if each.only_rich]))
async def test_what_is_only_had_with_resource_data_is_refused_without(graph: Graph, expected: Expected) -> None:
    status, answer = await graph.post(graph.body(expected, minutes=60))
    assert (status, "includeResourceData must be true" in refusal(answer)) == (400, True)


@pytest.mark.parametrize("expected", named([each for each in PATHS if each.minutes > 60]))
async def test_teams_wants_a_lifecycle_url_for_more_than_an_hour(graph: Graph, expected: Expected) -> None:
    for minutes, needed in ((60, False), (61, expected.teams)):
        body = graph.body(expected, minutes=minutes, rich=expected.only_rich)
        del body["lifecycleNotificationUrl"]
        status, answer = await graph.post(body, user=expected.user)
        assert (status == 400) is needed, answer
        if needed:
            assert refusal(answer).startswith("lifecycleNotificationUrl is a required property")


@pytest.mark.parametrize("expected", named(PATHS))
async def test_either_spelling_of_keys_and_any_casing_mean_the_same(graph: Graph, expected: Expected) -> None:
    path, _, query = expected.path.partition("?")
    keys = re.sub(r"/(chats|teams|users|groups)/(\{u\}|\w)(?=/|$)", r"/\1('\2')", path)
    capitals = re.sub(r"\b[a-z](?!\})", lambda letter: letter[0].upper(), keys)
    for written in (path, path.strip("/"), f"/{path.strip('/')}/", keys, capitals):
        respelt = Expected(
            path=f"{written}{'?' if query else ''}{query}",
            changes=expected.changes,
            minutes=expected.minutes,
            user=expected.user,
            only_rich=expected.only_rich,
        )
        status, answer = await usual(graph, respelt, minutes=60)
        assert status == 201, (written, answer)


@pytest.mark.parametrize("expected", named([each for each in PATHS if each.user]))
async def test_what_needs_a_user_is_refused_to_an_app_alone(graph: Graph, expected: Expected) -> None:
    status, answer = await graph.post(graph.body(expected, minutes=60))
    assert status in {400, 403}
    assert refusal(answer)


@pytest.mark.parametrize("path", UNKNOWN)
async def test_what_graph_has_no_notifications_for_is_a_400(graph: Graph, path: str) -> None:
    unknown = Expected(path=path, changes="u", minutes=60)
    status, answer = await graph.post(graph.body(unknown, minutes=60))
    assert status == 400
    assert refusal(answer)


async def test_less_than_45_minutes_become_45_for_every_path(graph: Graph) -> None:
    for expected in PATHS:
        before = graph.simulator.clock.now()
        status, answer = await usual(graph, expected, minutes=1)
        assert status == 201
        until = answer["expirationDateTime"]
        assert (before + timedelta(minutes=45)).strftime("%Y-%m-%dT%H:%M") <= until[:16]
        assert until < (before + timedelta(minutes=46)).isoformat()
