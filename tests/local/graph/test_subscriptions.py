import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from local.graph.faults import GraphFault
from local.graph.simulator import Simulator
from local.graph.subscribing.rules import read_amendment, read_request
from local.graph.subscribing.store import Subscriptions
from local.graph.tenant import acts
from tests.local.graph.conftest import APP_ID
from tests.local.graph.stand import App, Key, Receiver, Wanted

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


def soon(graph: Simulator, minutes: float) -> str:
    return (graph.clock.now() + timedelta(minutes=minutes)).isoformat()


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
        ({"expirationDateTime": "2026-11-21"}, "not a date"),
        ({"expirationDateTime": "0001-01-01T00:00:00+23:59"}, "not a date"),
        ({"expirationDateTime": "9999-12-31T23:59:59-23:59"}, "not a date"),
        ({"expirationDateTime": after(-1)}, "must be in the future"),
        ({"expirationDateTime": after(0)}, "must be in the future"),
        ({"expirationDateTime": after(10_081)}, "can only be 10080 minutes"),
        ({"resource": "teams/getAllMessages", "expirationDateTime": after(61)}, "lifecycleNotificationUrl"),
        ({"notificationUrl": "http://example.com/hook"}, "HTTPS"),
        ({"notificationUrl": "/hook"}, "HTTPS"),
        ({"notificationUrl": "https://"}, "HTTPS"),
        ({"notificationUrl": "https://[x"}, "not a URL"),
        ({"notificationUrl": "https://example.com:99999/"}, "not a URL"),
        ({"lifecycleNotificationUrl": "http://example.com/hook"}, "HTTPS"),
        ({"notificationUrl": "https://example.com/a b"}, "not a URL"),
        ({"notificationUrl": "https://bücher.example/"}, "not a URL"),
        ({"notificationUrl": "EventGrid:?azuresubscriptionid=1"}, "no Event Grid"),
        ({"clientState": "x" * 129}, "128"),
        ({"clientState": 7}, "not a string"),
        ({"includeResourceData": "yes"}, "not a boolean"),
        ({"latestSupportedTlsVersion": "v9"}, "latestSupportedTlsVersion"),
        ({"notificationQueryOptions": 7}, "not a string"),
        ({"notificationUrlAppId": []}, "not a string"),
        ({"colour": "red"}, "The property 'colour' does not exist on type 'microsoft.graph.subscription'"),
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
        ({"resource": "users/u/messages?$select=id,UniqueBody"}, "not supported"),
        ({"resource": "users/u/messages?$select=id&$top=5"}, "not supported"),
        ({"resource": "users/u/messages?%24select=id&%24orderby=subject"}, "not supported"),
        ({"resource": "users/u/messages?$select=id&$expand=attachments"}, "not supported"),
        ({"resource": "users/u"}, "Azure Active Directory workload is not enabled for rich notifications"),
        ({"resource": "drives/d/root", "changeType": "updated"}, "File Services workload is not enabled for rich"),
        ({"encryptionCertificateId": 7}, "not a string"),
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


def certificate_for(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, signer: Key, *, days: int = 9) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subscriber")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=9))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(signer.private, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def rsa_key(bits: int) -> rsa.RSAPublicKey:
    """A public key of a size; nobody has the private one, and no prime is looked for."""
    return rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()


@pytest.mark.parametrize("bits", [1024, 2040, 4104, None])
def test_a_certificate_has_an_rsa_key_of_2048_to_4096_bits(rich: dict[str, Any], key: Key, bits: int | None) -> None:
    public = rsa_key(bits) if bits else ec.generate_private_key(ec.SECP256R1()).public_key()
    certificate = {"encryptionCertificate": certificate_for(public, key)}
    body = valid(**(rich | {"resource": "users/u/messages?$select=id"} | certificate))
    with pytest.raises(GraphFault, match="RSA with 2048 to 4096 bits"):
        read_request(body, now=NOW)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_an_rsa_key_of_the_right_size_is_taken(rich: dict[str, Any], key: Key, bits: int) -> None:
    certificate = {"encryptionCertificate": certificate_for(rsa_key(bits), key)}
    body = valid(**(rich | {"resource": "users/u/messages?$select=id"} | certificate))
    assert read_request(body, now=NOW).certificate


def test_nobody_says_that_an_expired_certificate_is_refused(rich: dict[str, Any], key: Key) -> None:
    text = certificate_for(rsa_key(2048), key, days=-1)
    body = valid(**(rich | {"resource": "users/u/messages?$select=id", "encryptionCertificate": text}))
    assert read_request(body, now=NOW).certificate


def test_line_breaks_and_armour_around_a_certificate_are_refused(rich: dict[str, Any]) -> None:
    text = rich["encryptionCertificate"]
    for spoilt in (
        text[:64] + "\n" + text[64:],
        f"{text}\n",
        f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----",
    ):
        body = valid(**(rich | {"resource": "users/u/messages?$select=id", "encryptionCertificate": spoilt}))
        with pytest.raises(GraphFault, match="Certificate validation error: Cannot find the requested object"):
            read_request(body, now=NOW)


def test_equal_certificates_are_one_object_however_many_have_them(rich: dict[str, Any]) -> None:
    body = json.dumps(valid(**rich, resource="users/u/messages?$select=id"))
    first, second = (read_request(json.loads(body), now=NOW) for _ in range(2))
    assert first.certificate is second.certificate


@pytest.mark.parametrize(
    "query",
    [
        "$select=id,subject&$filter=importance eq 'high'",
        "$SELECT=id",
        "$select=subject&$expand=singleValueExtendedProperties($filter=id eq 'String 0x1')",
    ],
)
def test_a_rich_outlook_subscription_may_filter_and_expand_extended_properties(
    rich: dict[str, Any], query: str
) -> None:
    assert read_request(valid(resource=f"users/u/messages?{query}", **rich), now=NOW).selected


def test_what_the_query_of_a_resource_says_is_read_once() -> None:
    asked = read_request(valid(resource="users/u/messages?$select=Id,%20Subject&$filter=a eq 'b+c'"), now=NOW)
    assert asked.selected == {"id", "subject"}
    assert asked.options["$filter"] == "a eq 'b+c'"


PUSH = {
    "notificationUrl": "https://fcm.googleapis.com/fcm/send/abc",
    "vapidPublicKey": base64.urlsafe_b64encode(b"\4" + bytes(64)).decode().rstrip("="),
    "webPushEncryptionP256dhPublicKey": base64.urlsafe_b64encode(b"\4" + bytes(64)).decode(),
    "webPushEncryptionSecret": base64.urlsafe_b64encode(bytes(16)).decode().rstrip("="),
}


@pytest.mark.parametrize(
    "url",
    [
        PUSH["notificationUrl"],
        "https://web.push.apple.com/x",
        "https://updates.push.services.mozilla.com/wpush/v2/x",
    ],
)
def test_a_browsers_push_service_needs_its_three_properties(url: str) -> None:
    assert read_request(valid(**(PUSH | {"notificationUrl": url})), now=NOW).push
    for missing in sorted(set(PUSH) - {"notificationUrl"}):
        with pytest.raises(GraphFault, match=f"'{missing}' property is required"):
            read_request(valid(**(PUSH | {"notificationUrl": url, missing: None})), now=NOW)


@pytest.mark.parametrize("url", ["https://example.com/hook", "https://evil.example/fcm.googleapis.com"])
def test_the_properties_of_web_push_are_refused_anywhere_else(url: str) -> None:
    with pytest.raises(GraphFault, match="only for notification URLs of Web Push"):
        read_request(valid(**(PUSH | {"notificationUrl": url})), now=NOW)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vapidPublicKey", "AAAA"),
        ("vapidPublicKey", base64.urlsafe_b64encode(bytes(65)).decode()),
        ("vapidPublicKey", "é"),
        ("webPushEncryptionSecret", "not base64!"),
    ],
)
def test_keys_of_a_push_service_are_looked_at(name: str, value: str) -> None:
    with pytest.raises(GraphFault, match=name):
        read_request(valid(**(PUSH | {name: value})), now=NOW)


HUB = "EventHub:https://contoso.servicebus.windows.net/eventhubname/hub?tenantId=contoso.com"


def test_an_event_hub_has_no_tls_version_and_may_have_a_place_for_what_is_too_large() -> None:
    blobs = "https://vault.vault.azure.net/secrets/storage?tenantId=contoso.com"
    asked = read_request(valid(notificationUrl=HUB, blobStoreUrl=blobs), now=NOW)
    assert (asked.latest_tls, asked.blob_store_url) == (None, blobs)
    with pytest.raises(GraphFault, match="only for Event Hubs"):
        read_request(valid(blobStoreUrl=blobs), now=NOW)
    with pytest.raises(GraphFault, match="HTTPS"):
        read_request(valid(notificationUrl=HUB, blobStoreUrl="secrets/storage"), now=NOW)


def presences(users: int) -> dict[str, object]:
    named = ",".join(f"'{number}'" for number in range(users))
    resource = f"communications/presences?$filter=id in ({named})"
    return valid(resource=resource, changeType="updated", expirationDateTime=after(60))


def test_presences_are_named_in_a_filter_and_not_too_many() -> None:
    assert read_request(presences(1), now=NOW, user_id="u").match.row.key == "presence"
    assert read_request(presences(650), now=NOW, user_id="u")
    with pytest.raises(GraphFault, match="650"):
        read_request(presences(651), now=NOW, user_id="u")


@pytest.mark.parametrize("query", ["", "?$filter=", "?$filter=availability eq 'Busy'", "?$select=id"])
def test_presences_of_nobody_in_particular_are_refused(query: str) -> None:
    body = valid(resource=f"communications/presences{query}", changeType="updated", expirationDateTime=after(60))
    with pytest.raises(GraphFault, match="names its users"):
        read_request(body, now=NOW, user_id="u")


def test_ai_interactions_are_filtered_by_top_level_properties_only() -> None:
    place = "copilot/interactionHistory/getAllEnterpriseInteractions?$filter="
    assert read_request(valid(resource=f"{place}appClass eq 'a/b'"), now=NOW)
    with pytest.raises(GraphFault, match="top-level"):
        read_request(valid(resource=f"{place}from/user/id eq 'x'"), now=NOW)


def test_me_is_the_user_for_whom_an_app_acts_and_nobody_for_an_app_alone() -> None:
    assert read_request(valid(resource="me/messages"), now=NOW, user_id="U").match.ids == {"user": "U"}
    with pytest.raises(GraphFault, match="delegated authentication"):
        read_request(valid(resource="/me/messages"), now=NOW)


@pytest.mark.parametrize("body", [{}, {"clientState": "x"}, {"encryptionCertificateId": "k"}, None])
def test_a_patch_must_renew_or_move(body: Any) -> None:
    with pytest.raises(GraphFault):
        read_amendment(body, asked=read_request(valid(), now=NOW), now=NOW)


@pytest.mark.parametrize(
    "name",
    [
        "resource",
        "changeType",
        "clientState",
        "lifecycleNotificationUrl",
        "includeResourceData",
        "latestSupportedTlsVersion",
        "notificationQueryOptions",
        "notificationUrlAppId",
        "blobStoreUrl",
        "vapidPublicKey",
        "applicationId",
    ],
)
def test_a_patch_cannot_change_what_is_fixed_at_creation(name: str) -> None:
    with pytest.raises(GraphFault, match=f"'{name}' property cannot be changed"):
        read_amendment({"expirationDateTime": after(90), name: "x"}, asked=read_request(valid(), now=NOW), now=NOW)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "either 'expirationDateTime' or 'notificationUrl'"),
        ({"clientState": "x"}, "either 'expirationDateTime' or 'notificationUrl'"),
        ({"encryptionCertificateId": "k"}, "either 'expirationDateTime' or 'notificationUrl'"),
        ({"expirationDateTime": after(90), "colour": "red"}, "does not exist"),
        ({"expirationDateTime": after(90), "encryptionCertificateId": "k"}, "are required"),
        ({"expirationDateTime": after(10_081)}, "can only be 10080 minutes"),
        ({"expirationDateTime": after(-1)}, "in the future"),
        ({"notificationUrl": "http://example.com/"}, "HTTPS"),
        ({"notificationUrl": PUSH["notificationUrl"]}, "Web Push cannot be changed"),
    ],
)
def test_a_patch_that_breaks_a_rule_says_which(body: dict[str, Any], says: str) -> None:
    with pytest.raises(GraphFault, match=re.escape(says)) as refused:
        read_amendment(body, asked=read_request(valid(), now=NOW), now=NOW)
    assert refused.value.status == 400


def test_a_teams_subscription_without_a_lifecycle_url_cannot_be_renewed_for_more_than_an_hour() -> None:
    body = valid(resource="teams/getAllMessages", expirationDateTime=after(60))
    asked = read_request(body, now=NOW)
    assert read_amendment({"expirationDateTime": after(60)}, asked=asked, now=NOW)
    with pytest.raises(GraphFault, match="lifecycleNotificationUrl"):
        read_amendment({"expirationDateTime": after(61)}, asked=asked, now=NOW)


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
    _, made = await app.call("POST", "/v1.0/subscriptions", wanted(expirationDateTime=soon(graph, 60)))
    graph.clock.advance(timedelta(minutes=61))
    assert (await app.call("GET", f"/v1.0/subscriptions/{made['id']}"))[0] == 404
    again = wanted(expirationDateTime=soon(graph, 60))
    assert (await app.call("POST", "/v1.0/subscriptions", again))[0] == 201


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


USER_A, USER_B = "aaaaaaaa-0000-4000-8000-00000000000a", "bbbbbbbb-0000-4000-8000-00000000000b"
SUBSCRIPTIONS = "/v1.0/subscriptions"


def acting_for(graph: Simulator, app: App, user_id: str) -> App:
    token = graph.authority.user_token(
        audience=graph.http_url,
        app_id=APP_ID,
        tenant_id=graph.tenant_id,
        named={"oid": user_id, "sub": "x"},
        scopes="Mail.Read",
    )
    return App(app.session, app.base, token)


async def ids_of(app: App) -> list[str]:
    return [each["id"] for each in (await app.call("GET", SUBSCRIPTIONS))[1]["value"]]


async def test_who_acts_for_a_user_sees_the_users_and_the_app_alone_sees_all_of_its_own(
    app: App, wanted: Wanted, graph: Simulator
) -> None:
    mail = wanted(resource="me/messages", lifecycleNotificationUrl=None)
    for_a, for_b = acting_for(graph, app, USER_A), acting_for(graph, app, USER_B)
    _, of_a = await for_a.call("POST", SUBSCRIPTIONS, mail)
    _, of_b = await for_b.call("POST", SUBSCRIPTIONS, mail)
    _, own = await app.call("POST", SUBSCRIPTIONS, wanted(resource=f"users/{USER_A}/messages"))
    assert (of_a["creatorId"], of_b["creatorId"]) == (USER_A, USER_B)
    assert own["creatorId"] not in {USER_A, USER_B}
    assert await ids_of(for_a) == [of_a["id"]]
    assert await ids_of(for_b) == [of_b["id"]]
    assert await ids_of(app) == [of_a["id"], of_b["id"], own["id"]]
    assert (await for_a.call("GET", f"{SUBSCRIPTIONS}/{of_b['id']}"))[0] == 404
    assert (await for_a.call("DELETE", f"{SUBSCRIPTIONS}/{own['id']}"))[0] == 404


async def test_nobody_is_missed_when_subscriptions_go_while_the_list_is_read(
    app: App, wanted: Wanted, graph: Simulator
) -> None:
    graph.knobs.turn({"subscription_page": 2, "empty_pages": True})
    made = []
    for number in range(5):
        body = wanted(resource=f"users/u{number}/messages", lifecycleNotificationUrl=None)
        made.append((await app.call("POST", SUBSCRIPTIONS, body))[1]["id"])
    _, page = await app.call("GET", SUBSCRIPTIONS)
    assert page["value"] == []
    _, page = await app.call("GET", page["@odata.nextLink"].removeprefix(app.base))
    assert [each["id"] for each in page["value"]] == made[:2]
    for gone in made[:3]:
        await app.call("DELETE", f"{SUBSCRIPTIONS}/{gone}")
    _, page = await app.call("GET", page["@odata.nextLink"].removeprefix(app.base))
    assert [each["id"] for each in page["value"]] == made[3:]
    assert "@odata.nextLink" not in page
    assert (await app.call("GET", f"{SUBSCRIPTIONS}?$skiptoken=strange"))[0] == 400


async def test_a_knob_lets_the_same_combination_exist_twice(app: App, wanted: Wanted, graph: Simulator) -> None:
    mail = wanted(resource="users/u/messages", lifecycleNotificationUrl=None)
    assert (await app.call("POST", SUBSCRIPTIONS, mail))[0] == 201
    assert (await app.call("POST", SUBSCRIPTIONS, mail))[0] == 409
    graph.knobs.duplicate_subscriptions = "accept"
    assert (await app.call("POST", SUBSCRIPTIONS, mail))[0] == 201
    assert len(await ids_of(app)) == 2


@pytest.mark.parametrize("resource", ["users/{user}/memberOf", "/me/drives", "groups('1')/sites", "security/incidents"])
async def test_a_knob_lets_things_be_subscribed_to_that_never_tell_anything(
    app: App, wanted: Wanted, graph: Simulator, receiver: Receiver, resource: str
) -> None:
    person = graph.world.people[0]
    named = acting_for(graph, app, person.id)
    body = wanted(resource=resource.format(user=person.id), lifecycleNotificationUrl=None)
    status, answer = await named.call("POST", SUBSCRIPTIONS, body)
    assert (status, answer["error"]["code"]) == (400, "InvalidRequest")
    graph.knobs.unsupported_resources = "accept"
    status, made = await named.call("POST", SUBSCRIPTIONS, body)
    assert (status, made["resource"]) == (201, body["resource"])
    assert (await named.call("POST", SUBSCRIPTIONS, body))[0] == 409
    path, until = f"{SUBSCRIPTIONS}/{made['id']}", {"expirationDateTime": soon(graph, 90)}
    assert (await named.call("PATCH", path, until))[0] == 200
    user = graph.world.find(f"users/{person.id}")
    assert user
    for change in (acts.edit(graph.world, user, "another name"), acts.upload(graph.world, person, "plan.docx", 1)):
        assert graph.publisher.notices(change) == []
    assert receiver.bodies == []
    assert (await named.call("DELETE", path))[0] == 204


@pytest.mark.parametrize("resource", ["galaxies", "galaxies/1/stars", "users//memberOf", "/", "?$filter=x"])
async def test_what_graph_does_not_have_at_all_is_refused_whatever_the_knobs(
    app: App, wanted: Wanted, graph: Simulator, resource: str
) -> None:
    graph.knobs.unsupported_resources = "accept"
    status, _ = await app.call("POST", SUBSCRIPTIONS, wanted(resource=resource, lifecycleNotificationUrl=None))
    assert status == 400


async def test_a_canceled_deletion_may_have_been_done_or_not(app: App, wanted: Wanted, graph: Simulator) -> None:
    made = []
    for person in graph.world.people:
        body = wanted(resource=f"users/{person.id}/messages", lifecycleNotificationUrl=None)
        made.append((await app.call("POST", SUBSCRIPTIONS, body))[1]["id"])
    graph.knobs.deletes_canceled = 1.0
    for each in made:
        status, answer = await app.call("DELETE", f"{SUBSCRIPTIONS}/{each}")
        assert (status, answer["error"]["code"]) == (503, "ExtensionError")
        assert answer["error"]["message"] == "Operation: Delete; Exception: [A task was canceled.]"
    left = await ids_of(app)
    assert 0 < len(left) < len(made)
    graph.knobs.deletes_canceled = 0.0
    for each in made:
        assert (await app.call("DELETE", f"{SUBSCRIPTIONS}/{each}"))[0] == (204 if each in left else 404)
    assert await ids_of(app) == []


async def test_which_deletions_are_canceled_is_a_matter_of_the_seed(wanted: Wanted) -> None:
    async def answers(seed: int) -> list[tuple[int, bool]]:
        async with Simulator(seed=seed, time_scale=100) as graph, aiohttp.ClientSession() as session:
            token = graph.authority.access_token(
                audience="https://graph.microsoft.com", app_id=APP_ID, tenant_id=graph.tenant_id, roles=[]
            )
            app = App(session, graph.http_url, token)
            graph.knobs.turn({"deletes_canceled": 0.5})
            found = []
            for number in range(20):
                body = wanted(resource=f"users/{number}/messages", lifecycleNotificationUrl=None)
                _, made = await app.call("POST", SUBSCRIPTIONS, body)
                status, _ = await app.call("DELETE", f"{SUBSCRIPTIONS}/{made['id']}")
                found.append((status, made["id"] in await ids_of(app)))
            return found

    first = await answers(1)
    assert first == await answers(1) != await answers(2)
    assert {status for status, _ in first} == {204, 503}


async def test_aliases_mean_the_same_resource(app: App, wanted: Wanted, graph: Simulator) -> None:
    person = graph.world.people[0]
    by_id = wanted(resource=f"users/{person.id}/mailFolders/inbox/messages", lifecycleNotificationUrl=None)
    by_name = by_id | {"resource": f"/Users/{person.address.upper()}/mailFolders('Inbox')/messages"}
    assert (await app.call("POST", SUBSCRIPTIONS, by_id))[0] == 201
    assert (await app.call("POST", SUBSCRIPTIONS, by_name))[0] == 409


async def test_a_deleted_subscription_is_gone_for_calls_but_may_go_on_hearing(
    app: App, wanted: Wanted, graph: Simulator
) -> None:
    def heard() -> list[str]:
        reach = (graph.tenant_id, "users", frozenset[tuple[str, str]]())
        now = graph.clock.now()
        return [each.id for each in graph.subscriptions.hearing([reach], "updated", now=now)]

    graph.knobs.orphan_seconds = 3600.0
    body = wanted(resource="users", changeType="updated", lifecycleNotificationUrl=None)
    _, made = await app.call("POST", SUBSCRIPTIONS, body)
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    assert (await app.call("DELETE", path))[0] == 204
    assert [(await app.call(method, path))[0] for method in ("GET", "DELETE")] == [404, 404]
    assert heard() == [made["id"]]
    graph.clock.advance(timedelta(hours=1, minutes=1))
    assert heard() == []


async def test_users_created_are_subscribed_to_in_vain(app: App, wanted: Wanted, graph: Simulator) -> None:
    body = wanted(resource="users", changeType="created,updated", lifecycleNotificationUrl=None)
    assert (await app.call("POST", SUBSCRIPTIONS, body))[0] == 201
    reach, now = (graph.tenant_id, "users", frozenset[tuple[str, str]]()), graph.clock.now()
    assert not list(graph.subscriptions.hearing([reach], "created", now=now))
    assert list(graph.subscriptions.hearing([reach], "updated", now=now))


async def test_a_certificate_is_rotated_by_patch_and_the_one_before_is_remembered(
    app: App, wanted: Wanted, rich: dict[str, Any], graph: Simulator
) -> None:
    _, made = await app.call("POST", SUBSCRIPTIONS, wanted(**rich))
    rotation = {
        "expirationDateTime": soon(graph, 90),
        "encryptionCertificate": rich["encryptionCertificate"],
        "encryptionCertificateId": "key-2",
    }
    status, patched = await app.call("PATCH", f"{SUBSCRIPTIONS}/{made['id']}", rotation)
    assert (status, patched["encryptionCertificateId"]) == (200, "key-2")
    (subscription,) = graph.subscriptions.live(now=graph.clock.now())
    certificates = subscription.certificate, subscription.previous_certificate
    assert [each.id for each in certificates if each] == ["key-2", "key-1"]


async def test_preferences_are_kept_and_others_ignored(app: App, wanted: Wanted, graph: Simulator) -> None:
    headers = {
        "Authorization": f"Bearer {app.token}",
        "Prefer": 'idtype = "immutableId" , includesecuritywebhooks,respond-async',
    }
    async with app.session.post(f"{app.base}{SUBSCRIPTIONS}", json=wanted(), headers=headers) as answer:
        assert answer.status == 201
    (subscription,) = graph.subscriptions.live(now=graph.clock.now())
    assert subscription.preferences == {'IdType="ImmutableId"', "includesecuritywebhooks"}


async def test_a_browsers_subscription_exists_and_never_shows_its_secret(app: App, wanted: Wanted) -> None:
    body = wanted(**PUSH, resource="users/u/messages", lifecycleNotificationUrl=None)
    status, made = await app.call("POST", SUBSCRIPTIONS, body)
    assert (status, made["webPushEncryptionSecret"]) == (201, None)
    assert made["vapidPublicKey"] == PUSH["vapidPublicKey"]
    _, first = await app.call("GET", f"{SUBSCRIPTIONS}/getVapidPublicKey()")
    _, second = await app.call("GET", f"{SUBSCRIPTIONS}/getVapidPublicKey")
    assert first["value"] == second["value"]
    assert len(base64.urlsafe_b64decode(first["value"] + "=")) == 65


async def test_what_was_saved_is_there_again_after_a_restart(
    app: App, wanted: Wanted, rich: dict[str, Any], graph: Simulator
) -> None:
    bodies = [
        wanted(**rich),
        wanted(**PUSH, resource="users/u/messages?$select=id", lifecycleNotificationUrl=None),
        wanted(resource="drives/d/root", changeType="updated", notificationQueryOptions="$filter=a eq 1"),
    ]
    for body in bodies:
        assert (await app.call("POST", SUBSCRIPTIONS, body))[0] == 201
    now, again = graph.clock.now(), Subscriptions(clock=graph.clock)
    again.restore(json.loads(json.dumps(graph.subscriptions.saved())))
    before, after_ = graph.subscriptions.live(now=now), again.live(now=now)
    assert [each.printed(with_client_state=True) for each in after_] == [
        each.printed(with_client_state=True) for each in before
    ]
    assert again.saved() == graph.subscriptions.saved()
    assert again.counts.printed() == graph.subscriptions.counts.printed()
    for kept in before:
        assert [each.id for each in again.hearing([kept.reach], "updated", now=now)] == [kept.id]


async def test_the_subscription_of_a_deleted_users_mailbox_is_listed_and_nothing_can_be_done_with_it(
    app: App, wanted: Wanted, graph: Simulator
) -> None:
    person = graph.world.people[0]
    mail = wanted(resource=f"users/{person.address}/messages", lifecycleNotificationUrl=None)
    _, made = await app.call("POST", SUBSCRIPTIONS, mail)
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    user = graph.world.find(f"users/{person.id}")
    assert user is not None
    acts.delete(graph.world, user)
    for method, at, body, operation in (
        ("DELETE", path, None, "Delete"),
        ("PATCH", path, {"expirationDateTime": soon(graph, 90)}, "Update"),
        ("POST", f"{path}/reauthorize", None, "Reauthorize"),
    ):
        status, answer = await app.call(method, at, body)
        assert (status, answer["error"]["code"]) == (404, "ExtensionError")
        assert answer["error"]["message"].startswith(f"Operation: {operation}; Exception: [Status Code: NotFound")
    status, answer = await app.call("GET", path)
    assert (status, "storage extension" in answer["error"]["message"]) == (500, True)
    assert await ids_of(app) == [made["id"]]
    graph.clock.advance(timedelta(hours=3))
    assert await ids_of(app) == []
