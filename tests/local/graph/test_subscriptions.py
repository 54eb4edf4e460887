import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.graph.catalogue.table import CATALOGUE, find
from local.graph.faults import GraphFault
from local.graph.simulator import Simulator
from local.graph.subscribing.rules import read_amendment, read_request
from tests.local.graph.stand import App, Wanted

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SEVEN_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")


def after(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def valid(**changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "changeType": "created",
        "notificationUrl": "https://example.com/hook",
        "resource": "users/u/messages",
        "expirationDateTime": after(120),
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"changeType": None}, "'changeType' property is required"),
        ({"notificationUrl": None}, "'notificationUrl' property is required"),
        ({"resource": None}, "'resource' property is required"),
        ({"expirationDateTime": None}, "'expirationDateTime' property is required"),
        ({"resource": "users/u/memberOf"}, "not supported"),
        ({"resource": "https://graph.microsoft.com/v1.0/users/u/messages"}, "not supported"),
        ({"changeType": "renamed"}, "Invalid 'changeType' attribute: 'renamed'"),
        ({"resource": "drives/d/root"}, "Invalid 'changeType' attribute: 'created'"),
        ({"expirationDateTime": "tomorrow"}, "not a date"),
        ({"expirationDateTime": after(10_081)}, "can only be 10080 minutes"),
        ({"resource": "teams/getAllMessages", "expirationDateTime": after(61)}, "lifecycleNotificationUrl"),
        ({"notificationUrl": "http://example.com/hook"}, "HTTPS"),
        ({"notificationUrl": "/hook"}, "HTTPS"),
        ({"notificationUrl": "https://"}, "HTTPS"),
        ({"notificationUrl": "https://[x"}, "not a URL"),
        ({"notificationUrl": "https://example.com:99999/"}, "not a URL"),
        ({"lifecycleNotificationUrl": "http://example.com/hook"}, "HTTPS"),
        ({"notificationUrl": "EventHub:https://x.servicebus.windows.net/hub"}, "event hub"),
        ({"clientState": "x" * 129}, "128"),
        ({"clientState": 7}, "not a string"),
        ({"includeResourceData": "yes"}, "not a boolean"),
        ({"latestSupportedTlsVersion": "v9"}, "latestSupportedTlsVersion"),
    ],
)
def test_a_property_that_breaks_a_rule_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(GraphFault, match=re.escape(says)) as refused:
        read_request(valid(**changes), now=NOW)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"encryptionCertificateId": None}, "required with includeResourceData"),
        ({"encryptionCertificate": None}, "required with includeResourceData"),
        ({"encryptionCertificate": "-----BEGIN CERTIFICATE-----"}, "Cannot find the requested object"),
        ({"encryptionCertificate": base64.b64encode(b"no DER").decode()}, "Cannot find the requested object"),
        ({"encryptionCertificateId": "x" * 129}, "128"),
        ({"resource": "users/u/messages"}, "$select is required"),
        ({"resource": "users/u/messages?$select=body"}, "not supported"),
        ({"resource": "users/u/messages?$select=id&$top=5"}, "not supported"),
        ({"resource": "users/u"}, "not enabled for rich"),
        ({"resource": "chats/getAllMessages?$select=id", "expirationDateTime": after(50)}, "$select is not supported"),
        ({"expirationDateTime": after(1_441)}, "can only be 1440 minutes"),
    ],
)
def test_a_rich_subscription_has_rules_of_its_own(rich: dict[str, Any], changes: dict[str, Any], says: str) -> None:
    body = valid(**({"resource": "users/u/messages?$select=id,subject"} | rich | changes))
    with pytest.raises(GraphFault, match=re.escape(says)):
        read_request(body, now=NOW)


@pytest.mark.parametrize("body", [None, [], "text", 7])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(GraphFault):
        read_request(body, now=NOW)


def test_less_than_45_minutes_become_45() -> None:
    assert read_request(valid(expirationDateTime=after(5)), now=NOW).expiration_date_time == NOW + timedelta(minutes=45)


def test_seven_digits_and_other_offsets_are_read() -> None:
    asked = read_request(valid(expirationDateTime="2026-11-20T05:30:00.1234567-08:00"), now=NOW)
    assert asked.expiration_date_time == datetime(2026, 11, 20, 13, 30, 0, 123456, tzinfo=UTC)


def test_both_spellings_and_any_case_mean_the_same_resource() -> None:
    for spelling in ("/Teams('1')/channels('2')/Messages", "teams/1/channels/2/messages"):
        match = find(spelling)
        assert match is not None
        assert (match.resource.name, dict(match.ids)) == ("chatMessage", {"team": "1", "channel": "2"})


def test_every_row_can_be_subscribed_to_for_its_whole_lifetime() -> None:
    for row in CATALOGUE:
        for path in row.paths:
            body = valid(
                resource=re.sub(r"\{(\w+)\}", r"\1-id", path),
                changeType=",".join(row.change_types),
                expirationDateTime=after(row.max_minutes),
                lifecycleNotificationUrl="https://example.com/lifecycle",
            )
            assert read_request(body, now=NOW).match.resource is row


@pytest.mark.parametrize("body", [{}, {"clientState": "x"}, {"encryptionCertificateId": "k"}, None])
def test_a_patch_must_renew_or_move(body: Any) -> None:
    match = find("users/u/messages")
    assert match is not None
    with pytest.raises(GraphFault, match="either 'expirationDateTime' or 'notificationUrl'"):
        read_amendment(body, match=match, rich=False, now=NOW)


async def test_a_subscription_lives_from_post_to_delete(app: App, wanted: Wanted) -> None:
    status, made = await app.call("POST", "/v1.0/subscriptions", wanted())
    assert status == 201
    assert made["clientState"] == "our secret"
    assert SEVEN_DIGITS.fullmatch(made["expirationDateTime"])
    path = f"/v1.0/subscriptions/{made['id']}"
    status, read = await app.call("GET", path)
    assert (status, read["id"], read["clientState"]) == (200, made["id"], None)
    later = (datetime.now(UTC) + timedelta(hours=40)).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - Graph's clock
    status, patched = await app.call("PATCH", path, {"expirationDateTime": later})
    assert (status, patched["expirationDateTime"]) == (200, later[:-1] + ".0000000Z")
    assert (await app.call("POST", f"{path}/reauthorize"))[0] == 204
    assert (await app.call("DELETE", path))[0] == 204
    for method, at, body in (
        ("GET", path, None),
        ("PATCH", path, {"expirationDateTime": later}),
        ("PATCH", path, {"expirationDateTime": later}),
        ("DELETE", path, None),
        ("POST", f"{path}/reauthorize", None),
    ):
        status, answer = await app.call(method, at, body)
        assert (status, answer["error"]["code"]) == (404, "ResourceNotFound")
        assert answer["error"]["innerError"]["request-id"]
    found = [finding["rule"] for finding in await app.control("judge")]
    assert found == ["both-renewals", "patch-gone"]


async def test_a_list_comes_in_pages_and_shows_only_ones_own(app: App, wanted: Wanted, graph: Simulator) -> None:
    for number in range(101):
        body = wanted(resource=f"users/u{number}/messages", lifecycleNotificationUrl=None)
        assert (await app.call("POST", "/v1.0/subscriptions", body))[0] == 201
    _, first = await app.call("GET", "/v1.0/subscriptions")
    assert len(first["value"]) == 100
    _, second = await app.call("GET", first["@odata.nextLink"].removeprefix(app.base))
    assert len(second["value"]) == 1
    assert "@odata.nextLink" not in second
    assert {each["clientState"] for each in first["value"]} == {None}
    stranger = graph.authority.access_token(
        audience=graph.http_url, app_id="stranger", tenant_id=graph.tenant_id, roles=[]
    )
    headers = {"Authorization": f"Bearer {stranger}"}
    async with app.session.get(f"{app.base}/v1.0/subscriptions", headers=headers) as answer:
        assert (await answer.json())["value"] == []


async def test_the_same_combination_is_refused_and_so_is_what_exceeds_a_quota(app: App, wanted: Wanted) -> None:
    assert (await app.call("POST", "/v1.0/subscriptions", wanted()))[0] == 201
    status, answer = await app.call("POST", "/v1.0/subscriptions", wanted(changeType="deleted, updated,created"))
    assert (status, answer["error"]["code"]) == (409, "ObjectIdentifierInUse")
    status, answer = await app.call("POST", "/v1.0/subscriptions", wanted(changeType="created"))
    assert (status, answer["error"]["code"]) == (403, "Forbidden")
    assert "reached its limit of '1' 'CHATMESSAGE'" in answer["error"]["message"]


async def test_an_expired_subscription_vanishes_and_gives_its_place_back(
    app: App, wanted: Wanted, graph: Simulator
) -> None:
    _, made = await app.call("POST", "/v1.0/subscriptions", wanted())
    subscription = graph.subscriptions.live(now=NOW)[0]
    subscription.expiration_date_time = datetime.now(UTC)  # noqa: TID251 - it ends now
    assert (await app.call("GET", f"/v1.0/subscriptions/{made['id']}"))[0] == 404
    assert (await app.call("POST", "/v1.0/subscriptions", wanted()))[0] == 201


@pytest.mark.parametrize("header", [None, "Basic x", "Bearer ", "Bearer not.a.token", "wrong audience"])
async def test_without_a_good_token_graph_says_401(app: App, graph: Simulator, header: str | None) -> None:
    if header == "wrong audience":
        token = graph.authority.access_token(audience="https://x", app_id="a", tenant_id=graph.tenant_id, roles=[])
        header = f"Bearer {token}"
    headers = {"Authorization": header} if header else {}
    async with app.session.get(f"{app.base}/v1.0/subscriptions", headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, "InvalidAuthenticationToken")


async def test_a_body_that_is_not_json_is_a_400(app: App) -> None:
    headers = {"Authorization": f"Bearer {app.token}"}
    async with app.session.post(f"{app.base}/v1.0/subscriptions", data=b"{", headers=headers) as answer:
        assert answer.status == 400
