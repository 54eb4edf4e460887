import re
from typing import Any, Literal

import jwt
import pytest
from cryptography.hazmat.primitives import hashes

from local.graph.simulator import Simulator
from tests.local.graph.press import opened
from tests.local.graph.stand import App, Key, Receiver, Wanted


async def test_a_basic_teams_notification_has_graphs_shape(
    app: App, wanted: Wanted, receiver: Receiver, graph: Simulator
) -> None:
    _, made = await app.call("POST", "/v1.0/subscriptions", wanted())
    posted = await app.control("post", {"where": "General", "text": "<hello> & welcome"})
    await receiver.until(lambda: len(receiver.bodies) == 1)
    assert set(receiver.bodies[0]) == {"value"}
    (item,) = receiver.items
    assert re.fullmatch(
        r"teams\('[0-9a-f-]{36}'\)/channels\('19:\w+@thread\.tacv2'\)/messages\('\d{13}'\)", item["resource"]
    )
    assert item["changeType"].lower() == "created"
    assert {name: item[name] for name in ("subscriptionId", "clientState", "tenantId", "resource")} == {
        "subscriptionId": made["id"],
        "clientState": "our secret",
        "tenantId": graph.tenant_id,
        "resource": posted["resource"],
    }
    assert item["resourceData"] == {
        "@odata.type": "#Microsoft.Graph.chatMessage",
        "@odata.id": item["resource"],
        "id": item["resource"].split("'")[-2],
    }
    assert "id" not in item
    status, message = await app.call("GET", f"/v1.0/{item['resource']}")
    assert (status, message["etag"]) == (200, posted["version"])
    assert message["body"] == {"contentType": "html", "content": "<p>&lt;hello&gt; &amp; welcome</p>"}


async def test_a_deleted_teams_message_stays_readable_and_deleted_mail_is_gone(
    app: App, wanted: Wanted, receiver: Receiver
) -> None:
    world = await app.control("world")
    mailbox = world["mailboxes"][0]
    mail = wanted(resource=f"users/{mailbox['address']}/mailFolders('inbox')/messages")
    for body in (wanted(), mail):
        assert (await app.call("POST", "/v1.0/subscriptions", body))[0] == 201
    versions: dict[str, list[str]] = {}
    for where in ("General", mailbox["address"]):
        steps = [await app.control("post", {"where": where, "text": "one"})]
        resource = steps[0]["resource"]
        steps.append(await app.control("edit", {"resource": resource, "text": "two"}))
        status, content = await app.call("GET", f"/v1.0/{resource}?$select=body")
        assert (status, set(content) - {"id"} >= {"body"}, "from" in content) == (200, True, False)
        assert "two" in content["body"]["content"]
        steps.append(await app.control("delete", {"resource": resource}))
        versions[where] = [step["version"] for step in steps]
    await receiver.until(lambda: len(receiver.items) == 6)
    teams = [item["resource"] for item in receiver.items if item["resource"].startswith("teams")]
    status, gone = await app.call("GET", f"/v1.0/{teams[0]}")
    assert (status, bool(gone["deletedDateTime"]), gone["etag"]) == (200, True, versions["General"][2])
    assert versions["General"] == sorted(set(versions["General"]), key=int)
    mails = [item for item in receiver.items if item["resource"].startswith("Users/")]
    assert (await app.call("GET", f"/v1.0/{mails[0]['resource']}"))[0] == 404
    etags = {item["changeType"]: item["resourceData"]["@odata.etag"] for item in mails}
    assert [etags[change] for change in ("created", "updated", "deleted")] == versions[mailbox["address"]]
    truth = (await app.control("changes"))["changes"]
    assert [row["deleted"] for row in truth] == [False, False, True] * 2
    assert all(item["deleted"] for item in (await app.control("items"))["items"])


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_rich_notification_opens_with_the_subscribers_key_and_carries_a_token(
    app: App,
    wanted: Wanted,
    receiver: Receiver,
    graph: Simulator,
    key: Key,
    rich: dict[str, Any],
    version: Literal["v1", "v2"],
) -> None:
    graph.knobs.turn({"issuers": version})
    for resource in ("chats/getAllMessages", f"users/{graph.world.people[0].id}/messages?$select=subject,from"):
        status, _ = await app.call("POST", "/v1.0/subscriptions", wanted(resource=resource, **rich))
        assert status == 201
    chat = await app.control("post", {"where": "Adele and Alex", "text": "für dich"})
    mail = await app.control("post", {"where": "Adele Vance", "text": "body", "subject": "Hi"})
    await receiver.until(lambda: len(receiver.bodies) == 2)
    contents = {}
    for body in receiver.bodies:
        (item,), (token,) = body["value"], body["validationTokens"]
        encrypted = item["encryptedContent"]
        thumbprint = key.certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a thumbprint
        assert (encrypted["encryptionCertificateId"], encrypted["encryptionCertificateThumbprint"]) == (
            "key-1",
            thumbprint,
        )
        contents[item["resource"]] = opened(encrypted, key)
        claims = jwt.decode(token, options={"verify_signature": False})
        expected = {"v1": (f"https://sts.windows.net/{graph.tenant_id}/", "appid"), "v2": (None, "azp")}[version]
        assert claims["iss"] == (expected[0] or f"{graph.https_url}/{graph.tenant_id}/v2.0")
        assert claims[expected[1]] == "0bf30f3b-4a52-48df-9a82-234910c4a086"
        assert claims["exp"] - claims["iat"] == 86_400
    assert contents[chat["resource"]]["body"]["content"] == "<p>für dich</p>"
    assert contents[chat["resource"]]["etag"] == chat["version"]
    by_mail = contents[mail["resource"]]
    assert (by_mail["subject"], by_mail["@odata.etag"], "body" in by_mail) == ("Hi", mail["version"], False)


async def test_two_subscriptions_at_one_url_share_a_body_and_its_keys_differ(
    app: App, wanted: Wanted, receiver: Receiver, graph: Simulator, rich: dict[str, Any], key: Key
) -> None:
    general = graph.world.places[0]
    for resource in ("teams/getAllMessages", general.collection):
        assert (await app.call("POST", "/v1.0/subscriptions", wanted(resource=resource, **rich)))[0] == 201
    posted = await app.control("post", {"where": "General", "text": "once"})
    await receiver.until(lambda: len(receiver.bodies) == 1)
    first, second = receiver.items
    assert {first["subscriptionId"], second["subscriptionId"]} == {row["subscriptionId"] for row in posted["told"]}
    assert first["encryptedContent"]["dataKey"] != second["encryptedContent"]["dataKey"]
    assert opened(first["encryptedContent"], key) == opened(second["encryptedContent"], key)
    assert len(receiver.bodies[0]["validationTokens"]) == 1


async def test_a_patched_certificate_is_used_from_then_on(
    app: App, wanted: Wanted, receiver: Receiver, rich: dict[str, Any]
) -> None:
    _, made = await app.call("POST", "/v1.0/subscriptions", wanted(**rich))
    renewed = {"expirationDateTime": made["expirationDateTime"], "encryptionCertificateId": "key-2"}
    path = f"/v1.0/subscriptions/{made['id']}"
    status, _ = await app.call("PATCH", path, renewed)
    assert status == 400
    renewed["encryptionCertificate"] = rich["encryptionCertificate"]
    assert (await app.call("PATCH", path, renewed))[0] == 200
    await app.control("post", {"where": "General", "text": "x"})
    await receiver.until(lambda: len(receiver.bodies) == 1)
    assert receiver.items[0]["encryptedContent"]["encryptionCertificateId"] == "key-2"


async def test_a_reply_is_a_message_below_its_thread(app: App, wanted: Wanted) -> None:
    await app.call("POST", "/v1.0/subscriptions", wanted())
    top = await app.control("post", {"where": "General", "text": "top"})
    thread = top["resource"].split("'")[-2]
    reply = await app.control("post", {"where": "General", "text": "reply", "replyTo": thread})
    assert reply["resource"].startswith(top["resource"] + "/replies('")
    plain = reply["resource"].replace("('", "/").replace("')", "")
    status, content = await app.call("GET", f"/v1.0/{plain}")
    assert (status, content["replyToId"]) == (200, thread)


async def test_the_world_follows_from_the_seed() -> None:
    async with Simulator(seed=5) as one, Simulator(seed=5) as two, Simulator(seed=6) as three:
        paths = [[place.path for place in each.world.places] for each in (one, two, three)]
    assert paths[0] == paths[1] != paths[2]


@pytest.mark.parametrize(
    ("resource", "where", "heard"),
    [
        ("teams/getAllMessages", "Launch", True),
        ("teams/getAllMessages", "Adele and Alex", False),
        ("{General}", "General", True),
        ("{General}", "Launch", False),
        ("chats/getAllMessages", "Adele and Alex", True),
        ("{Adele and Alex}", "Adele and Alex", True),
        ("users/adele.vance@contoso.com/chats/getAllMessages", "Adele and Alex", True),
        ("users/megan.bowen@contoso.com/chats/getAllMessages", "Adele and Alex", False),
        ("{Adele Vance}", "Adele Vance", True),
        ("{Adele Vance}", "Megan Bowen", False),
        ("users/ADELE.VANCE@contoso.com/mailFolders/inbox/messages", "Adele Vance", True),
        ("users/adele.vance@contoso.com/mailFolders('archive')/messages", "Adele Vance", False),
        ("users/adele.vance@contoso.com/events", "Adele Vance", False),
    ],
)
async def test_a_change_is_heard_by_exactly_those_who_asked_for_its_place(
    app: App, wanted: Wanted, graph: Simulator, resource: str, where: str, *, heard: bool
) -> None:
    place = graph.world.place(resource.strip("{}"))
    body = wanted(resource=place.collection if place else resource, changeType="created,deleted")
    assert (await app.call("POST", "/v1.0/subscriptions", body))[0] == 201
    posted = await app.control("post", {"where": where, "text": "x"})
    assert bool(posted["told"]) == heard
    edited = await app.control("edit", {"resource": posted["resource"], "text": "y"})
    assert edited["told"] == []
