"""What each kind of item's notification says, and whom a filter lets hear of it."""

import re
from typing import Any

import pytest

from local.graph.catalogue.find import CATALOGUE, by_key
from local.graph.subscribing.saving import restore, save
from local.graph.tenant import acts
from tests.local.graph.press import TENANT, opened, press
from tests.local.graph.stand import Key

EVERY_PATH = [(row.key, path) for row in CATALOGUE for path in row.paths]
NEEDED = {"communications/presences": "?$filter=id in ('user-1')"}
ENTRA, OUTLOOK = {"user", "group"}, {"message", "event", "contact"}


def named(path: str) -> str:
    return re.sub(r"\{(\w+)\}", r"\1-1", path)


def allowed(key: str) -> str:
    return ",".join(sorted(by_key(key).change_types))


@pytest.mark.parametrize(("kind", "path"), EVERY_PATH)
async def test_every_kind_of_item_is_told_of_at_each_of_its_places(kind: str, path: str, rich: dict[str, Any]) -> None:
    row = by_key(kind)
    async with press() as desk:
        more = rich if row.only_rich else {}
        desk.subscribe("/" + named(path) + NEEDED.get(path, ""), changeType=allowed(kind), **more)
        change = desk.create(row)
        if "created" not in row.change_types and not row.nameless:
            assert desk.told(change) == []
            change = desk.world.update(change.entity, {"changed": True})
        (item,) = desk.told(change)
    entity = change.entity
    assert item["changeType"] == ("updated" if kind in ENTRA or row.nameless else change.change_type)
    assert item["tenantId"] == TENANT
    assert ("organizationId" in item) == (kind in {"presence", "meeting-call-event", "emergency-call"})
    if row.nameless:
        assert item["resource"] == named(path)
        assert item["resourceData"] == (None if kind == "personal-drive-item" else {"@odata.type": row.type})
        return
    data = item["resourceData"]
    assert item["resource"] == data["@odata.id"] == entity.resource
    assert (data["id"], data["@odata.type"]) == (entity.id, row.type)
    assert (data.get("@odata.etag") == entity.version) == (kind in OUTLOOK)
    assert ("sequenceNumber" in data) == (kind in ENTRA)


@pytest.mark.parametrize("kind", sorted({row.key for row in CATALOGUE if row.max_rich_minutes and row.paths}))
async def test_every_kind_that_can_have_resource_data_has_it(kind: str, rich: dict[str, Any], key: Key) -> None:
    row = by_key(kind)
    async with press() as desk:
        select = "?$select=subject" if row.family == "outlook" else ""
        desk.subscribe(named(row.paths[0]) + select, changeType=allowed(kind), **rich)
        change = desk.create(row, subject="x", other="y")
        if "created" not in row.change_types:
            change = desk.world.update(change.entity, {"subject": "z"})
        (item,) = desk.told(change)
    content = opened(item["encryptedContent"], key)
    assert content["id"] == change.entity.id
    assert content["subject"] == change.entity.content["subject"]
    assert ("other" in content) == (row.family != "outlook")
    assert content["@odata.context"].startswith("https://graph.microsoft.com/v1.0/$metadata#")
    assert content["@odata.context"].endswith("/$entity")


async def test_the_directory_numbers_its_events_in_ticks_beyond_what_a_float_holds() -> None:
    async with press() as desk:
        desk.subscribe("users", changeType="updated,deleted")
        person = desk.world.entities[f"users/{desk.world.people[0].id}"]
        (item,) = desk.told(desk.world.update(person, {"jobTitle": "Boss"}))
    data = item["resourceData"]
    assert data["organizationId"] == TENANT
    assert re.fullmatch(r".{19}\.\d{7}Z", data["eventTime"])
    assert 6.3e17 < data["sequenceNumber"] < 7e17
    assert isinstance(data["sequenceNumber"], int)


async def test_who_is_new_in_the_directory_is_told_as_updated_and_never_as_created() -> None:
    async with press() as desk:
        both = desk.subscribe("users", changeType="created,updated")
        desk.subscribe("users", changeType="created", app="another")
        (item,) = desk.told(desk.create(by_key("user")))
    assert (item["changeType"], item["subscriptionId"]) == ("updated", both.id)


async def test_what_outlook_has_deleted_comes_without_its_content(rich: dict[str, Any]) -> None:
    async with press() as desk:
        owner = desk.world.people[0]
        desk.subscribe(f"users/{owner.id}/messages?$select=subject", **rich)
        mail = acts.receive_mail(desk.world, owner, subject="Hi", text="x", author=owner)
        (created,) = desk.told(mail)
        (deleted,) = desk.told(acts.delete(desk.world, mail.entity))
    assert "encryptedContent" in created
    assert "encryptedContent" not in deleted


async def test_members_that_came_later_are_hidden_from_those_who_did_not_ask_for_them(
    rich: dict[str, Any], key: Key
) -> None:
    row = by_key("chat-message")
    async with press() as desk:
        desk.subscribe("chats/getAllMessages", **rich)
        desk.subscribe("chats/getAllMessages", app="b", preferences=frozenset({"include-unknown-enum-members"}), **rich)
        items = desk.told(desk.create(row, messageType="systemEventMessage"))
    kinds = [opened(item["encryptedContent"], key)["messageType"] for item in items]
    assert kinds == ["unknownFutureValue", "systemEventMessage"]


async def test_the_certificate_before_a_patch_may_still_be_used(rich: dict[str, Any]) -> None:
    async with press(turned={"stale_certificates": 1}) as desk:
        made = desk.subscribe("teams/getAllMessages", **rich)
        change = desk.create(by_key("channel-message"))
        labels = [desk.told(change)[0]["encryptedContent"]["encryptionCertificateId"]]
        made.previous = made.current
        made.current = desk.subscribe("chats/getAllMessages", **rich | {"encryptionCertificateId": "key-2"}).current
        labels.append(desk.told(change)[0]["encryptedContent"]["encryptionCertificateId"])
        desk.knobs.turn({"stale_certificates": 0})
        labels.append(desk.told(change)[0]["encryptedContent"]["encryptionCertificateId"])
    assert labels == ["key-1", "key-1", "key-2"]


async def test_an_item_comes_and_goes_with_outlooks_filter() -> None:
    async with press() as desk:
        owner = desk.world.people[0]
        desk.subscribe(f"users/{owner.id}/messages?$filter=isRead eq false")
        plain = desk.subscribe(f"users/{owner.id}/messages", app="b")

        def told(change: Any) -> list[str]:
            return [item["changeType"] for item in desk.told(change) if item["subscriptionId"] != plain.id]

        mail = acts.receive_mail(desk.world, owner, subject="Hi", text="x", author=owner).entity
        read = desk.world.update(mail, {"isRead": True})
        touched = desk.world.update(read.entity, {"importance": "high"})
        unread = desk.world.update(touched.entity, {"isRead": False})
        again = desk.world.update(unread.entity, {"importance": "low"})
        gone = acts.delete(desk.world, again.entity)
        assert [told(each) for each in (read, touched, unread, again, gone)] == [
            ["deleted"],
            [],
            ["created"],
            ["updated"],
            ["deleted"],
        ]


async def test_a_filter_is_heard_of_only_as_what_was_asked_for() -> None:
    async with press() as desk:
        owner = desk.world.people[0]
        desk.subscribe(f"users/{owner.id}/messages?$filter=isRead eq true", changeType="created")
        mail = acts.receive_mail(desk.world, owner, subject="Hi", text="x", author=owner).entity
        read = desk.world.update(mail, {"isRead": True})
        (item,) = desk.told(read)
        assert item["changeType"] == "created"
        assert desk.told(desk.world.update(read.entity, {"importance": "low"})) == []


@pytest.mark.parametrize(
    ("resource", "kind", "content", "heard"),
    [
        ("chats/getAllMessages?$filter=from/user/id eq 'me'", "chat-message", {"from": {"user": {"id": "me"}}}, True),
        ("chats/getAllMessages?$filter=from/user/id eq 'me'", "chat-message", {"from": {"user": {"id": "x"}}}, False),
        ("chats/getAllMessages?$search=launch", "chat-message", {"body": {"content": "<p>the Launch</p>"}}, True),
        ("chats/getAllMessages?$search=launch", "chat-message", {"body": {"content": "<p>lunch</p>"}}, False),
        ("communications/callRecords?$filter=type%20eq%20'groupCall'", "call-record", {"type": "groupCall"}, True),
        ("communications/callRecords?$filter=type%20eq%20'groupCall'", "call-record", {"type": "peerToPeer"}, False),
        ("chats/getAllMessages?model=A", "chat-message", {}, True),
    ],
)
async def test_elsewhere_a_condition_lets_through_what_meets_it(
    resource: str, kind: str, content: dict[str, Any], *, heard: bool
) -> None:
    async with press() as desk:
        desk.subscribe(resource, changeType=allowed(kind))
        assert bool(desk.told(desk.create(by_key(kind), **content))) == heard


@pytest.mark.parametrize(
    ("asked", "heard"),
    [("created", ["created", "updated"]), ("updated", ["updated"]), ("created,updated", ["created", "updated"])],
)
async def test_later_versions_of_a_call_record_come_to_who_asked_for_new_ones(asked: str, heard: list[str]) -> None:
    async with press() as desk:
        made = desk.subscribe("communications/callRecords", changeType=asked)
        first = desk.create(by_key("call-record"), version=1)
        later = desk.world.update(first.entity, {"version": 2})
        assert [item["changeType"] for change in (first, later) for item in desk.told(change)] == heard
        assert made.heard == restore(save(made)).heard == set(heard)


async def test_a_presence_is_heard_of_by_those_who_named_it() -> None:
    async with press() as desk:
        first, second, third = desk.world.people[:3]
        desk.subscribe(f"communications/presences?$filter=id in ('{first.id}','{second.id}')", changeType="updated")
        heard = [len(desk.told(acts.set_presence(desk.world, each, "Busy"))) for each in (first, second, third)]
    assert heard == [1, 1, 0]


async def test_query_options_restrict_what_is_told() -> None:
    async with press() as desk:
        desk.subscribe(
            "print/printers/printer-1/jobs",
            changeType="updated",
            notificationQueryOptions="$filter = isFetchable eq true",
        )
        job = desk.create(by_key("print-job"), isFetchable=False).entity
        held = desk.world.update(job, {"name": "x"})
        free = desk.world.update(held.entity, {"isFetchable": True})
        assert [len(desk.told(each)) for each in (held, free)] == [0, 1]


async def test_a_condition_that_cannot_be_read_lets_nothing_through_and_stops_nobody_else() -> None:
    async with press() as desk:
        for options in ("$filter=((", "$filter=isFetchable eq true"):
            desk.subscribe(
                "print/printers/printer-1/jobs", changeType="updated", notificationQueryOptions=options, app=options
            )
        job = desk.create(by_key("print-job"), isFetchable=True).entity
        assert len(desk.told(desk.world.update(job, {"name": "x"}))) == 1


async def test_browsers_push_services_are_told_nothing() -> None:
    async with press() as desk:
        made = desk.subscribe("teams/getAllMessages")
        made.notification_url = "https://fcm.googleapis.com/fcm/send/x"
        assert desk.told(desk.create(by_key("channel-message"))) == []


async def test_the_truth_says_what_happened_in_plain_words() -> None:
    async with press() as desk:
        desk.subscribe("teams/getAllMessages")
        place = desk.world.places[0]
        change = acts.post(desk.world, place, "<b> & co " + "x" * 100, author=place.people[0])
        (notice,) = desk.publisher.notices(change)
        assert notice.truth is not None
        row = notice.truth.printed()
    assert row["text"] == ("<b> & co " + "x" * 100)[:60]
    assert {name: row[name] for name in ("n", "change", "changeType", "resource", "version", "deleted", "rich")} == {
        "n": 1,
        "change": change.number,
        "changeType": "created",
        "resource": change.entity.resource,
        "version": change.entity.version,
        "deleted": False,
        "rich": False,
    }
    assert row["acknowledged"] is None
