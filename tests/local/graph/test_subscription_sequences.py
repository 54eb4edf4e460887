"""Any sequence of calls, and any bodies at all: what must hold whatever a caller does."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.graph.clock import read_time
from local.graph.knobs import Knobs
from local.graph.simulator import Simulator

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER = "11111111-0000-4000-8000-000000000001"
MARGIN = timedelta(seconds=5)
Who = Literal["app a", "app b", "app a for the user"]
CALLERS: tuple[Who, ...] = ("app a", "app b", "app a for the user")

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)


@dataclass(frozen=True)
class Kind:
    """What is known of a resource from Graph's pages, as far as these sequences go."""

    resource: str
    minutes: int
    rich_minutes: int | None
    teams: bool
    per_app: int | None
    """How many one app may have; None: more than are ever made here."""


KINDS = (
    Kind("chats/c/messages", 4_320, 4_320, teams=True, per_app=1),
    Kind("users/u/messages?$select=id", 10_080, 1_440, teams=False, per_app=None),
    Kind("users/v", 41_760, None, teams=False, per_app=None),
    Kind("communications/onlineMeetings/m/recordings", 4_320, 4_320, teams=True, per_app=1),
)
CHANGES = ("created", "updated", "deleted", "updated,deleted", "deleted, Updated", "renamed", "")


@dataclass(frozen=True)
class Create:
    kind: Kind
    minutes: int
    changes: str
    rich: bool
    lifecycle: bool
    who: Who


@dataclass(frozen=True)
class Call:
    """A call for the `nth` subscription that was ever made, or for one that never was."""

    method: Literal["get", "delete", "reauthorize", "patch"]
    nth: int
    who: Who
    minutes: int = 0
    spoilt: bool = False


@dataclass(frozen=True)
class Advance:
    minutes: float


minutes = st.sampled_from([-5, 1, 44, 59, 600, 1_430, 4_000, 9_000, 50_000])
creations = st.builds(
    Create,
    st.sampled_from(KINDS),
    minutes,
    st.sampled_from(CHANGES),
    st.booleans(),
    st.booleans(),
    st.sampled_from(CALLERS),
)
calls = st.builds(
    Call,
    st.sampled_from(["get", "delete", "reauthorize", "patch"]),
    st.integers(0, 6),
    st.sampled_from(CALLERS),
    minutes,
    st.booleans(),
)
steps = st.lists(creations | calls | st.builds(Advance, st.sampled_from([7.51, 61.13, 1_500.17])), max_size=14)


@dataclass
class Made:
    id: str
    kind: Kind
    changes: frozenset[str]
    rich: bool
    lifecycle: bool
    who: Who
    expires: datetime
    deleted: bool = False

    def visible_to(self, who: Who) -> bool:
        return self.who == who or (who == "app a" and self.who == "app a for the user")


@dataclass
class Client:
    """Calls Graph as one of the callers; every answer is looked at."""

    graph: Simulator
    session: aiohttp.ClientSession
    certificate: str

    def headers(self, who: Who) -> dict[str, str]:
        given = {"audience": self.graph.http_url, "app_id": who[:5], "tenant_id": self.graph.tenant_id}
        if who.endswith("user"):
            token = self.graph.authority.user_token(named={"oid": USER, "sub": "x"}, scopes="x", **given)
        else:
            token = self.graph.authority.access_token(roles=[], **given)
        return {"Authorization": f"Bearer {token}"}

    async def call(self, who: Who, method: str, path: str, **what: Any) -> tuple[int, Any]:
        headers = self.headers(who) | what.pop("headers", {})
        url = f"{self.graph.http_url}/v1.0/subscriptions{path}"
        async with self.session.request(method, url, headers=headers, **what) as answer:
            body = await answer.json() if answer.content_length else None
            check_answer(answer.status, body)
            assert answer.headers["request-id"]
            return answer.status, body

    async def listed(self, who: Who) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        path = ""
        while True:
            _, page = await self.call(who, "GET", path)
            found += page["value"]
            if "@odata.nextLink" not in page:
                return found
            path = page["@odata.nextLink"].partition("/subscriptions")[2]


def check_answer(status: int, body: Any) -> None:
    """Never a 5xx, and every refusal in Graph's envelope."""
    assert status < 500, body
    if status >= 400:
        error = body["error"]
        assert error["code"]
        assert error["message"]
        assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}


@dataclass
class Model:
    """What should exist, kept beside Graph."""

    made: list[Made] = field(default_factory=list)

    def live(self, now: datetime) -> list[Made]:
        return [each for each in self.made if not each.deleted and each.expires > now]

    def expected(self, step: Create, now: datetime) -> set[int]:
        kind, words = step.kind, read_words(step.changes)
        allowed = {"created"} if "recordings" in kind.resource else {"created", "updated", "deleted"}
        longest = kind.rich_minutes if step.rich else kind.minutes
        lasting = max(step.minutes, 45) > 60
        if (
            not words <= allowed
            or longest is None
            or not 0 < step.minutes <= longest
            or (step.rich and kind.teams and "$select" in kind.resource)
            or (kind.teams and lasting and not step.lifecycle)
        ):
            return {400}
        rivals = [each for each in self.live(now) if each.kind == kind and each.who[:5] == step.who[:5]]
        if any(each.changes == words and each.who == step.who for each in rivals):
            return {409}
        return {403} if kind.per_app and len(rivals) >= kind.per_app else {201}


def read_words(changes: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in changes.split(","))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(key: Any) -> AsyncIterator[Client]:
    knobs = Knobs(handshake="skip", throttling=False, lifecycle_schedule=False, subscription_page=2)
    async with Simulator(knobs=knobs) as graph, aiohttp.ClientSession() as session:
        yield Client(graph, session, key.text)


@relaxed
@given(steps)
async def test_any_sequence_of_calls_leaves_what_was_made_less_what_was_deleted_or_expired(
    client: Client, steps: list[Create | Call | Advance]
) -> None:
    graph, model = client.graph, Model()
    for subscription in graph.subscriptions.live(now=graph.clock.now()):
        graph.subscriptions.remove(subscription)
    for step in steps:
        if isinstance(step, Advance):
            graph.clock.advance(timedelta(minutes=step.minutes))
        elif isinstance(step, Create):
            await create(client, model, step)
        else:
            await call(client, model, step)
        for who in CALLERS:
            await compare(client, model, who)
    assert len({each.id for each in model.made}) == len(model.made)


async def create(client: Client, model: Model, step: Create) -> None:
    now = client.graph.clock.now()
    body: dict[str, Any] = {
        "changeType": step.changes,
        "notificationUrl": "https://example.com/notifications",
        "resource": step.kind.resource,
        "expirationDateTime": (now + timedelta(minutes=step.minutes)).isoformat(),
        "clientState": "our secret",
    }
    if step.lifecycle:
        body["lifecycleNotificationUrl"] = "https://example.com/lifecycle"
    if step.rich:
        body |= {
            "includeResourceData": True,
            "encryptionCertificate": client.certificate,
            "encryptionCertificateId": "key",
        }
    expected = model.expected(step, now)
    status, answer = await client.call(step.who, "POST", "", json=body)
    assert status in expected, (step, answer)
    if status == 201:
        assert answer["clientState"] == "our secret"
        expires = read_time(answer["expirationDateTime"])
        check_lifetime(step.kind, now, expires, rich=step.rich)
        words = read_words(step.changes)
        model.made.append(Made(answer["id"], step.kind, words, step.rich, step.lifecycle, step.who, expires))


def check_lifetime(kind: Kind, now: datetime, expires: datetime, *, rich: bool) -> None:
    longest = kind.rich_minutes if rich else kind.minutes
    assert longest is not None
    assert now + timedelta(minutes=45) - MARGIN <= expires <= now + timedelta(minutes=longest) + MARGIN


async def call(client: Client, model: Model, step: Call) -> None:
    now = client.graph.clock.now()
    known = model.made[step.nth] if step.nth < len(model.made) else None
    if known and abs(known.expires - now) < MARGIN:
        return
    there = known is not None and known in model.live(now) and known.visible_to(step.who)
    path = f"/{known.id if known else USER}"
    if step.method == "get":
        status, answer = await client.call(step.who, "GET", path)
        assert status == (200 if there else 404)
        assert not there or answer["clientState"] is None
    elif step.method == "delete":
        status, _ = await client.call(step.who, "DELETE", path)
        assert status == (204 if there else 404)
        if known and there:
            known.deleted = True
    elif step.method == "reauthorize":
        status, _ = await client.call(step.who, "POST", f"{path}/reauthorize")
        assert status == (204 if there else 404)
    else:
        await patch(client, known if there else None, path, step)


async def patch(client: Client, known: Made | None, path: str, step: Call) -> None:
    now = client.graph.clock.now()
    body = {"expirationDateTime": (now + timedelta(minutes=step.minutes)).isoformat()}
    if step.spoilt:
        body["clientState"] = "another secret"
    status, answer = await client.call(step.who, "PATCH", path, json=body)
    if known is None:
        assert status == 404
        return
    longest = known.kind.rich_minutes if known.rich else known.kind.minutes
    fits = longest is not None and 0 < step.minutes <= longest and not step.spoilt
    needs_url = known.kind.teams and not known.lifecycle and step.minutes > 60
    assert status == (200 if fits and not needs_url else 400), answer
    if status == 200:
        known.expires = read_time(answer["expirationDateTime"])
        check_lifetime(known.kind, now, known.expires, rich=known.rich)


async def compare(client: Client, model: Model, who: Who) -> None:
    now = client.graph.clock.now()
    listed = await client.listed(who)
    assert {each["clientState"] for each in listed} <= {None}
    assert "our secret" not in str(listed)
    ids = [each["id"] for each in listed]
    sure = [each for each in model.live(now - MARGIN) if each.visible_to(who) and each in model.live(now + MARGIN)]
    unsure = {each.id for each in model.live(now - MARGIN)} - {each.id for each in model.live(now + MARGIN)}
    assert [each for each in ids if each not in unsure] == [each.id for each in sure]


# any body at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
PROPERTIES = (
    "resource",
    "changeType",
    "notificationUrl",
    "lifecycleNotificationUrl",
    "expirationDateTime",
    "clientState",
    "includeResourceData",
    "encryptionCertificate",
    "encryptionCertificateId",
    "latestSupportedTlsVersion",
    "notificationQueryOptions",
    "notificationUrlAppId",
    "vapidPublicKey",
    "webPushEncryptionP256dhPublicKey",
    "webPushEncryptionSecret",
    "blobStoreUrl",
)
near_values = json_values | st.sampled_from(
    [
        "https://fcm.googleapis.com/x",
        "EventHub:https://x.servicebus.windows.net/eventhubname/h?tenantId=contoso.com",
        "EventGrid:?x",
        "http://127.0.0.1:0/",
        "https://[::1",
        "https://x/\ud800",
        "users/u/messages?$select=\ud800&%ff",
        "9999-12-31T23:59:59.9999999Z",
        "0001-01-01T00:00:00+14:00",
        "created," * 50,
        "AAAA",
        True,
    ]
)


@relaxed
@given(json_values)
async def test_any_json_is_answered_400(client: Client, body: Any) -> None:
    assert (await client.call("app a", "POST", "", json=body))[0] == 400


@relaxed
@given(st.binary(max_size=50))
async def test_any_bytes_are_answered_400(client: Client, body: bytes) -> None:
    assert (await client.call("app a", "POST", "", data=body))[0] == 400


async def test_json_that_is_too_deep_is_answered_400(client: Client) -> None:
    assert (await client.call("app a", "POST", "", data=b"[" * 100_000))[0] == 400


@relaxed
@given(st.dictionaries(st.sampled_from(PROPERTIES), near_values, min_size=1, max_size=4))
async def test_a_good_body_with_anything_in_it_is_taken_or_refused_in_graphs_words(
    client: Client, spoilt: dict[str, Any]
) -> None:
    now = client.graph.clock.now()
    for kept in client.graph.subscriptions.live(now=now):
        client.graph.subscriptions.remove(kept)
    good = {
        "changeType": "updated",
        "notificationUrl": "https://example.com/notifications",
        "resource": "users/u/messages",
        "expirationDateTime": (now + timedelta(minutes=90)).isoformat(),
    }
    status, made = await client.call("app a", "POST", "", json=good)
    assert status == 201
    for method, path, body in (("POST", "", good | spoilt), ("PATCH", f"/{made['id']}", spoilt)):
        status, answer = await client.call("app a", method, path, json=body)
        assert status in {200, 201, 400, 403, 409}
        if status in {200, 201}:
            assert re.fullmatch(r"[0-9a-f-]{36}", answer["id"])


@relaxed
@given(st.text(max_size=20))
async def test_any_page_token_is_a_page_or_a_400(client: Client, token: str) -> None:
    status, _ = await client.call("app a", "GET", "", params={"$skiptoken": token})
    assert status in {200, 400}


@relaxed
@given(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
async def test_any_id_is_no_subscription(client: Client, name: str) -> None:
    quoted = "%" + name.encode().hex("%")
    if name.strip("."):
        status, _ = await client.call("app a", "DELETE", f"/{quoted}")
        assert status in {400, 404, 405}


@relaxed
@given(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=60))
async def test_any_preference_is_ignored_or_kept(client: Client, prefer: str) -> None:
    body = {"changeType": "updated", "notificationUrl": "https://example.com/", "resource": "nothing"}
    assert (await client.call("app a", "POST", "", json=body, headers={"Prefer": prefer}))[0] == 400
