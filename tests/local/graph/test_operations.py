"""What can be done through Graph besides mail: Teams messages, members, calendars, contacts, directory, presence and files."""

import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from local.graph.simulator import Simulator
from local.graph.tenant import acts
from local.graph.tenant.places import Place
from tests.local.graph.asking import Asker
from tests.local.graph.stand import Receiver, Wanted


@pytest.fixture
async def asker(graph: Simulator) -> AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker.for_app(session, graph)


@pytest.fixture
async def user(graph: Simulator) -> AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker.for_user(session, graph)


@pytest.fixture
async def other(graph: Simulator) -> AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker.for_user(session, graph, 2)


def place(graph: Simulator, workload: str) -> Place:
    return next(each for each in graph.world.places if each.workload == workload)


def said(text: str = "hello") -> dict[str, Any]:
    return {"body": {"content": text}}


async def post(user: Asker, path: str, text: str = "hello") -> str:
    status, message = await user.ask("POST", f"{path}/messages", said(text))
    assert status == 201, message
    return f"{path}/messages/{message['id']}"


@pytest.mark.parametrize("workload", ["channel", "chat"])
async def test_a_message_is_written_edited_deleted_and_brought_back(
    graph: Simulator, user: Asker, workload: str
) -> None:
    path = await post(user, place(graph, workload).path, "first words")
    message = await user.get(path)
    assert message["body"] == {"contentType": "text", "content": "first words"}
    assert message["from"]["user"]["id"] == graph.world.people[0].id
    edited = {"messageType": "message", "reactions": [], "body": {"contentType": "html", "content": "<b>other</b>"}}
    assert await user.ask("PATCH", path, edited) == (204, None)
    changed = await user.get(path)
    assert changed["body"]["content"] == "<b>other</b>"
    assert changed["lastEditedDateTime"]
    assert changed["etag"] != message["etag"]
    assert await user.ask("POST", f"{path}/softDelete") == (204, None)
    deleted = await user.get(path)
    assert (bool(deleted["deletedDateTime"]), deleted["body"]["content"]) == (True, "")
    assert await user.ask("POST", f"{path}/undoSoftDelete") == (204, None)
    restored = await user.get(path)
    assert (restored["deletedDateTime"], restored["body"]["content"]) == (None, "<b>other</b>")


async def test_an_answer_belongs_to_its_thread(graph: Simulator, user: Asker, other: Asker) -> None:
    root = await post(user, place(graph, "channel").path)
    status, answer = await other.ask("POST", f"{root}/replies", said("yes"))
    assert (status, answer["replyToId"]) == (201, root.rpartition("/")[2])
    path = f"{root}/replies/{answer['id']}"
    assert await other.ask("PATCH", path, said("no")) == (204, None)
    assert [each["body"]["content"] for each in await user.listed(f"{root}/replies")] == ["no"]
    assert (await user.refused("POST", f"{path}/softDelete"))[0] == 403
    assert await other.ask("POST", f"{path}/softDelete") == (204, None)
    assert (await user.refused("POST", f"{root}0/replies", said())) == (404, "NotFound")


async def test_only_its_author_changes_a_message(graph: Simulator, user: Asker, other: Asker) -> None:
    path = await post(user, place(graph, "chat").path)
    assert await other.refused("PATCH", path, said("mine now")) == (403, "Forbidden")
    assert await other.refused("POST", f"{path}/softDelete") == (403, "Forbidden")


async def test_an_app_that_acts_for_nobody_can_neither_write_nor_edit(
    graph: Simulator, asker: Asker, user: Asker
) -> None:
    path = await post(user, place(graph, "channel").path)
    assert await asker.refused("POST", f"{place(graph, 'channel').path}/messages", said()) == (403, "Forbidden")
    assert await asker.refused("PATCH", path, said()) == (403, "Forbidden")
    assert await asker.refused("POST", f"{path}/setReaction", {"reactionType": "like"}) == (403, "Forbidden")


BLOCKED = {
    "policyViolation": {
        "policyTip": {
            "generalText": "Blocked.",
            "complianceUrl": "https://x.example",
            "matchedConditionDescriptions": ["Card"],
        },
        "verdictDetails": "AllowOverrideWithoutJustification,AllowFalsePositiveOverride",
        "dlpAction": "BlockAccess",
    }
}


async def test_a_message_is_blocked_by_a_policy_and_subscribers_hear_of_it(
    graph: Simulator, asker: Asker, user: Asker, receiver: Receiver, wanted: Wanted
) -> None:
    path = await post(user, place(graph, "channel").path)
    assert (await asker.ask("POST", "subscriptions", wanted(resource="/teams/getAllMessages")))[0] == 201
    assert (await asker.ask("PATCH", path, BLOCKED)) == (200, None)
    assert (await asker.get(path))["policyViolation"] == BLOCKED["policyViolation"]
    await receiver.until(lambda: len(receiver.items) == 1)
    assert receiver.items[0]["changeType"].lower() == "updated"
    assert await user.ask("PATCH", path, BLOCKED) == (204, None)


WRONG_POLICIES: list[Any] = [
    "blocked",
    None,
    {"dlpAction": "Explode"},
    {"dlpAction": 5},
    {"verdictDetails": "AllowOverrideWithJustification,AllowOverrideWithoutJustification"},
    {"verdictDetails": "AllowEverything"},
    {"userAction": "cry"},
    {"policyTip": "Blocked."},
    {"policyTip": {"generalText": 5}},
    {"policyTip": {"colour": "red"}},
    {"justificationText": 5},
    {"colour": "red"},
]


@pytest.mark.parametrize("wrong", WRONG_POLICIES, ids=str)
async def test_a_policy_violation_has_to_be_of_its_form(
    graph: Simulator, asker: Asker, user: Asker, wrong: Any
) -> None:
    path = await post(user, place(graph, "channel").path)
    assert await asker.refused("PATCH", path, {"policyViolation": wrong}) == (400, "BadRequest")
    assert (await asker.get(path))["policyViolation"] is None


async def test_a_policy_violation_comes_alone(graph: Simulator, asker: Asker, user: Asker) -> None:
    path = await post(user, place(graph, "channel").path)
    assert await asker.refused("PATCH", path, BLOCKED | said()) == (400, "BadRequest")


@pytest.mark.parametrize(
    "body", [{}, said(""), said("  "), {"body": "hello"}, {"body": {"content": 5}}, {"colour": 1}], ids=str
)
async def test_a_message_has_to_say_something(graph: Simulator, user: Asker, body: dict[str, Any]) -> None:
    assert await user.refused("POST", f"{place(graph, 'chat').path}/messages", body) == (400, "BadRequest")


async def test_reactions_are_put_and_taken_back(graph: Simulator, user: Asker, other: Asker) -> None:
    path = await post(user, place(graph, "channel").path)
    for each in (user, other, other):
        assert await each.ask("POST", f"{path}/setReaction", {"reactionType": "like"}) == (204, None)
    reactions = (await user.get(path))["reactions"]
    assert {each["user"]["user"]["id"] for each in reactions} == {graph.world.people[0].id, graph.world.people[2].id}
    assert await user.ask("POST", f"{path}/unsetReaction", {"reactionType": "like"}) == (204, None)
    assert len((await user.get(path))["reactions"]) == 1
    assert await user.refused("POST", f"{path}/setReaction", {}) == (400, "BadRequest")


async def test_somebody_joins_and_leaves_a_chat(graph: Simulator, asker: Asker) -> None:
    path, person = place(graph, "chat").path, graph.world.people[1]
    bound = {
        "@odata.type": "#microsoft.graph.aadUserConversationMember",
        "roles": ["owner"],
        "user@odata.bind": f"https://graph.microsoft.com/v1.0/users('{person.address}')",
    }
    status, member = await asker.ask("POST", f"{path}/members", bound)
    assert (status, member["userId"], member["roles"]) == (201, person.id, ["owner"])
    assert await asker.refused("POST", f"{path}/members", bound) == (400, "BadRequest")
    assert await asker.ask("DELETE", f"{path}/members/{member['id']}") == (204, None)
    assert person.id not in {each["userId"] for each in await asker.listed(f"{path}/members")}
    assert (await asker.ask("POST", f"{path}/members", bound))[0] == 201
    for wrong in ({}, bound | {"roles": ["king"]}, bound | {"user@odata.bind": "https://x/users('nobody')"}):
        assert await asker.refused("POST", f"{path}/members", wrong) == (400, "BadRequest")


async def test_who_joins_a_chat_finds_it_and_hears_of_it_until_they_leave(
    graph: Simulator, asker: Asker, user: Asker, receiver: Receiver, wanted: Wanted
) -> None:
    path, person = place(graph, "chat").path, graph.world.people[1]
    resource = f"/users/{person.id}/chats/getAllMessages"
    assert (await asker.ask("POST", "subscriptions", wanted(resource=resource)))[0] == 201
    bound = {"user@odata.bind": f"https://graph.microsoft.com/v1.0/users/{person.id}"}
    _, member = await asker.ask("POST", f"{path}/members", bound)
    chats = [each["id"] for each in await asker.listed(f"users/{person.id}/chats")]
    assert chats == [place(graph, "chat").ids["chat"]]
    heard = await post(user, path, "welcome")
    await receiver.until(lambda: len(receiver.items) == 1)
    assert receiver.items[0]["resourceData"]["id"] == heard.rpartition("/")[2]
    assert await asker.ask("DELETE", f"{path}/members/{member['id']}") == (204, None)
    assert await asker.listed(f"users/{person.id}/chats") == []
    await post(user, path, "are they gone?")
    bound_again = await asker.ask("POST", f"{path}/members", bound)
    assert bound_again[0] == 201
    await post(user, path, "back")
    await receiver.until(lambda: len(receiver.items) == 2)


async def test_a_standard_channel_has_no_members_of_its_own_and_the_last_of_a_chat_stays(
    graph: Simulator, asker: Asker
) -> None:
    channel, chat = place(graph, "channel").path, place(graph, "chat").path
    bound = {"user@odata.bind": f"https://graph.microsoft.com/v1.0/users/{graph.world.people[1].id}"}
    assert await asker.refused("POST", f"{channel}/members", bound) == (400, "BadRequest")
    first, last = await asker.listed(f"{chat}/members")
    assert await asker.ask("DELETE", f"{chat}/members/{first['id']}") == (204, None)
    assert await asker.refused("DELETE", f"{chat}/members/{last['id']}") == (400, "BadRequest")


async def test_everybody_in_a_standard_channel_is_who_is_in_its_team_until_they_leave_that(
    graph: Simulator, asker: Asker
) -> None:
    where = place(graph, "channel")
    team, person = f"teams/{where.ids['team']}", graph.world.people[0]
    listed = await asker.listed(f"{where.path}/allMembers")
    assert listed == await asker.listed(f"{where.path}/members") == await asker.listed(f"{team}/members")
    one = f"(microsoft.graph.aadUserConversationMember/userId eq '{person.id}')"
    (member,) = await asker.listed(f"{where.path}/allMembers?$filter={one}")
    assert member["userId"] == person.id
    other = one.replace("aadUser", "anonymousGuest")
    assert await asker.listed(f"{where.path}/allMembers?$filter={other}") == []
    assert await asker.ask("DELETE", f"{team}/members/{member['id']}") == (204, None)
    assert await asker.listed(f"{where.path}/allMembers?$filter={one}") == []
    assert await asker.refused("GET", f"{team}/channels/19:none@thread.tacv2/allMembers") == (404, "NotFound")


async def test_somebody_joins_and_leaves_a_group_by_reference(graph: Simulator, asker: Asker) -> None:
    group, person = f"groups/{place(graph, 'channel').ids['team']}", graph.world.people[3]
    assert await asker.ask("DELETE", f"{group}/members/{person.id}/$ref") == (204, None)
    assert person.id not in {each["id"] for each in await asker.listed(f"{group}/members")}
    gone = await asker.refused("DELETE", f"{group}/members/{person.id}/$ref")
    assert gone == (404, "Request_ResourceNotFound")
    reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{person.id}"}
    assert await asker.ask("POST", f"{group}/members/$ref", reference) == (204, None)
    assert await asker.refused("POST", f"{group}/members/$ref", reference) == (400, "Request_BadRequest")
    assert person.id in {each["id"] for each in await asker.listed(f"{group}/members")}


MEETING = {
    "subject": "Launch",
    "start": {"dateTime": "2030-01-01T10:00:00", "timeZone": "UTC"},
    "end": {"dateTime": "2030-01-01T11:00:00", "timeZone": "UTC"},
    "body": {"contentType": "HTML", "content": "Agenda"},
}


@pytest.mark.parametrize("path", ["events", "calendar/events", "calendars/{calendar}/events"])
async def test_an_event_is_made_changed_and_deleted(graph: Simulator, asker: Asker, path: str) -> None:
    home = f"users/{graph.world.people[0].id}"
    calendar = (await asker.get(f"{home}/calendar"))["id"]
    status, event = await asker.ask("POST", f"{home}/{path.format(calendar=calendar)}", MEETING)
    assert (status, event["subject"], event["bodyPreview"]) == (201, "Launch", "Agenda")
    status, changed = await asker.ask("PATCH", f"{home}/events/{event['id']}", {"subject": "Lunch"})
    assert (status, changed["subject"]) == (200, "Lunch")
    assert changed["@odata.etag"] != event["@odata.etag"]
    assert await asker.ask("DELETE", f"{home}/events/{event['id']}") == (204, None)
    assert await asker.refused("GET", f"{home}/events/{event['id']}") == (404, "ErrorItemNotFound")


@pytest.mark.parametrize(
    "spoilt",
    [
        {"start": None},
        {"end": {"dateTime": "noon"}},
        {"start": {"dateTime": 5}},
        {"showAs": "invisible"},
        {"colour": "red"},
    ],
    ids=str,
)
async def test_an_event_has_to_make_sense(graph: Simulator, asker: Asker, spoilt: dict[str, Any]) -> None:
    path = f"users/{graph.world.people[0].id}/events"
    assert (await asker.refused("POST", path, MEETING | spoilt))[0] == 400
    without = {name: value for name, value in MEETING.items() if name != "end"}
    assert (await asker.refused("POST", path, without))[0] == 400


async def test_a_contact_is_made_changed_and_deleted(graph: Simulator, asker: Asker) -> None:
    home = f"users/{graph.world.people[0].id}"
    status, contact = await asker.ask("POST", f"{home}/contacts", {"givenName": "Kim", "surname": "Akers"})
    assert (status, contact["displayName"]) == (201, "Kim Akers")
    folder = f"{home}/contactFolders/contacts/contacts"
    assert [each["id"] for each in await asker.listed(folder)] == [contact["id"]]
    path = f"{home}/contacts/{contact['id']}"
    assert (await asker.ask("PATCH", path, {"companyName": "Fabrikam"}))[1]["companyName"] == "Fabrikam"
    assert await asker.refused("PATCH", path, {"emailAddresses": "kim"}) == (400, "BadRequest")
    assert await asker.ask("DELETE", path) == (204, None)
    assert await asker.listed(folder) == []


async def test_a_user_is_changed_deleted_restored_and_deleted_for_good(graph: Simulator, asker: Asker) -> None:
    user_id = graph.world.people[2].id
    assert await asker.ask("PATCH", f"users/{user_id}", {"jobTitle": "Lead", "accountEnabled": False}) == (204, None)
    assert (await asker.get(f"users/{user_id}"))["jobTitle"] == "Lead"
    assert await asker.refused("PATCH", f"users/{user_id}", {"id": "x"}) == (400, "BadRequest")
    assert await asker.ask("DELETE", f"users/{user_id}") == (204, None)
    bin_ = f"directory/deletedItems/{user_id}"
    status, restored = await asker.ask("POST", f"{bin_}/restore")
    assert (status, restored["deletedDateTime"]) == (200, None)
    assert (await asker.get(f"users/{user_id}"))["jobTitle"] == "Lead"
    assert await asker.refused("GET", bin_) == (404, "Request_ResourceNotFound")
    assert await asker.ask("DELETE", f"users/{user_id}") == (204, None)
    assert await asker.ask("DELETE", bin_) == (204, None)
    assert await asker.refused("GET", bin_) == (404, "Request_ResourceNotFound")
    assert await asker.refused("POST", f"{bin_}/restore") == (404, "Request_ResourceNotFound")


async def test_presence_is_set_to_what_graph_knows(graph: Simulator, asker: Asker) -> None:
    path = f"users/{graph.world.people[0].id}/presence"
    wanted = {"sessionId": "an app", "availability": "Busy", "activity": "InACall", "expirationDuration": "PT1H"}
    assert await asker.ask("POST", f"{path}/setPresence", wanted) == (200, None)
    assert (await asker.get(path))["activity"] == "InACall"
    assert await asker.refused("POST", f"{path}/setPresence", wanted | {"activity": "Dancing"}) == (400, "BadRequest")
    assert await asker.refused("POST", f"{path}/setPresence", wanted | {"availability": ["Busy"]}) == (
        400,
        "BadRequest",
    )


async def test_a_file_is_uploaded_replaced_renamed_and_deleted(graph: Simulator, asker: Asker) -> None:
    drive = f"users/{graph.world.people[0].id}/drive"
    binary = {"Content-Type": "application/octet-stream"}
    status, item = await asker.ask("PUT", f"{drive}/root:/notes.txt:/content", b"\x00words", **binary)
    assert (status, item["name"], item["size"]) == (201, "notes.txt", 6)
    assert (await asker.ask("PUT", f"{drive}/root:/notes.txt:/content", b"", **binary))[0] == 200
    path = f"{drive}/items/{item['id']}"
    status, replaced = await asker.ask("PUT", f"{path}/content", b"more", **binary)
    assert (status, replaced["size"]) == (200, 4)
    assert replaced["cTag"] != item["cTag"]
    assert (await asker.ask("PATCH", path, {"name": "other.txt"}))[1]["name"] == "other.txt"
    assert await asker.refused("PATCH", path, {"name": ""}) == (400, "BadRequest")
    assert await asker.ask("DELETE", path) == (204, None)
    assert await asker.refused("GET", path) == (404, "itemNotFound")
    assert (await asker.refused("DELETE", f"{drive}/items/root"))[0] == 405
    assert (await asker.refused("PUT", "drives/nope/root:/a.txt:/content", b"x"))[0] == 404


def junk(dice: random.Random) -> Any:
    """Return a body of the kind that nobody should send."""
    deep: Any = "deep"
    for _ in range(dice.choice([1, 90, 300, 900])):
        deep = {"location": deep} if dice.random() < 0.5 else [deep]
    value = dice.choice([None, True, 5, "x", [], {}, ["x"], {"content": 5}, [{"emailAddress": 5}], deep])
    names = [
        "message",
        "body",
        "subject",
        "toRecipients",
        "comment",
        "destinationId",
        "policyViolation",
        "start",
        "end",
    ]
    names += ["reactionType", "roles", "user@odata.bind", "@odata.id", "displayName", "flag", "location", "attendees"]
    return dice.choice([dict.fromkeys(dice.sample(names, 3), value), value, b"\xff\xfe", b"{", b"[" * 3000, b""])


FITTING = """
GET {home}/messages{option}|GET {chat}/messages{option}|GET users{option}|GET users/delta{option}|GET {home}/calendarView{option}
GET {home}/mailFolders/inbox/messages/delta{option}|GET {chat}{option}|GET {channel}/messages/delta{option}|GET groups{option}
POST {home}/sendMail|POST {home}/messages|POST {home}/events|POST {home}/contacts|POST {chat}/messages|POST {said}/setReaction
POST {mail}/reply|POST {mail}/replyAll|POST {mail}/forward|POST {mail}/move|POST {mail}/copy|POST {mail}/send|POST {chat}/members
PATCH {mail}|PATCH {said}|PATCH {home}|PATCH {chat}|PATCH {event}|PUT {home}/drive/root:/a.txt:/content|POST {said}/softDelete
POST {group}/members/$ref|DELETE {group}/members/x/$ref|POST {home}/presence/setPresence|POST {said}/undoSoftDelete|POST {said}/replies
"""
OPTIONS = [
    "",
    "?$filter=a eq",
    "?$top=2",
    "?$skiptoken=x",
    "?$deltatoken=x",
    "?token=latest",
    "?$expand=replies",
    "?$search=x",
]
OPTIONS += [
    "?$select=id",
    "?$orderby=id desc",
    "?$count=true",
    "?startDateTime=1&endDateTime=2",
    "?$filter=isRead",
    "?$skip=9",
]


async def test_whatever_is_asked_nothing_breaks(graph: Simulator, asker: Asker, user: Asker) -> None:
    dice = random.Random(7)  # noqa: S311 - a repeatable test
    owner = graph.world.people[0]
    mail = acts.receive_mail(graph.world, owner, subject="a", text="b", author=graph.world.people[1]).entity
    names = {
        "home": f"users/{owner.id}",
        "chat": place(graph, "chat").path,
        "channel": place(graph, "channel").path,
        "said": await post(user, place(graph, "chat").path),
        "mail": mail.key,
        "event": acts.add_event(graph.world, owner, "soon").entity.key,
        "group": f"groups/{place(graph, 'channel').ids['team']}",
    }
    fitting = [line.strip() for line in FITTING.replace("\n", "|").split("|") if line.strip()]
    seen = set()
    for _ in range(600):
        method, _, path = dice.choice(fitting).format(**names, option=dice.choice(OPTIONS)).partition(" ")
        if dice.random() < 0.2:
            path = dice.choice([*graph.world.entities, "me", "nonsense", "users//messages", "%00", "users/('"])
        body = None if method in {"GET", "DELETE"} else junk(dice)
        status, answer = await dice.choice([asker, user]).ask(method, path, body)
        assert status < 500, (method, path, body, answer)
        assert status < 400 or set(answer["error"]) == {"code", "message", "innerError"}
        seen.add((method, status))
    assert {("GET", 200), ("GET", 400), ("POST", 400), ("POST", 201), ("PATCH", 400), ("PUT", 201)} <= seen


@pytest.mark.parametrize(
    ("path", "status"), [("teams/{team}", 204), ("teams/{team}/channels/{channel}", 204), ("groups/{team}", 204)]
)
async def test_teams_channels_and_groups_are_renamed(graph: Simulator, asker: Asker, path: str, status: int) -> None:
    path = path.format(**place(graph, "channel").ids)
    assert await asker.ask("PATCH", path, {"displayName": "Renamed"}) == (status, None)
    assert (await asker.get(path))["displayName"] == "Renamed"
    assert await asker.refused("PATCH", path, {"displayName": ""}) == (400, "BadRequest")
