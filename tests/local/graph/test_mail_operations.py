"""What can be done to mail through Graph: each is a real change in the mailboxes here, and subscribers are told of it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from local.graph.simulator import Simulator
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from local.graph.tenant.places import Person
from tests.local.graph.asking import Asker
from tests.local.graph.stand import Receiver, Wanted


@pytest.fixture
async def asker(graph: Simulator) -> AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker.for_app(session, graph)


def to(*people: Person) -> list[dict[str, Any]]:
    return [{"emailAddress": {"address": person.address}} for person in people]


def outgoing(*people: Person, subject: str = "Lunch?", text: str = "At noon") -> dict[str, Any]:
    body = {"contentType": "Text", "content": text}
    return {"message": {"subject": subject, "body": body, "toRecipients": to(*people)}}


async def folder(asker: Asker, person: Person, name: str) -> list[dict[str, Any]]:
    return await asker.listed(f"users/{person.id}/mailFolders/{name}/messages")


def received(graph: Simulator, text: str = "Shall we?", *also: Person) -> Entity:
    """Somebody writes to the first person here, and to some others."""
    owner, author = graph.world.people[0], graph.world.people[1]
    return acts.receive_mail(
        graph.world, owner, subject="Plans", text=text, author=author, recipients=(owner, *also)
    ).entity


async def test_a_mail_goes_to_everybody_here_and_stays_among_the_sent(graph: Simulator, asker: Asker) -> None:
    author, first, second = graph.world.people[:3]
    body = outgoing(first)
    body["message"]["ccRecipients"] = [*to(second), {"emailAddress": {"name": "Far", "address": "far@away.example"}}]
    body["message"]["bccRecipients"] = to(author)
    assert await asker.ask("POST", f"users/{author.id}/sendMail", body) == (202, None)
    [sent] = await folder(asker, author, "sentitems")
    assert (sent["isRead"], sent["isDraft"], len(sent["bccRecipients"])) == (True, False, 1)
    for person in (first, second, author):
        [arrived] = await folder(asker, person, "inbox")
        assert (arrived["subject"], arrived["bodyPreview"], arrived["isRead"]) == ("Lunch?", "At noon", False)
        assert arrived["from"]["emailAddress"]["address"] == author.address
        assert arrived["bccRecipients"] == []
        assert arrived["ccRecipients"][1]["emailAddress"] == {"name": "Far", "address": "far@away.example"}


async def test_the_preview_of_a_page_is_text(graph: Simulator, asker: Asker) -> None:
    author, reader = graph.world.people[:2]
    body = outgoing(reader)
    page = "<style>p { color: red }</style><p>Fish &amp;\n chips</p><p>at <b>noon</b></p>"
    body["message"]["body"] = {"contentType": "HTML", "content": page}

    await asker.ask("POST", f"users/{author.id}/sendMail", body)

    [arrived] = await folder(asker, reader, "inbox")
    assert (arrived["bodyPreview"], arrived["body"]["content"]) == ("Fish & chips at noon", page)


async def test_a_mail_need_not_be_kept_among_the_sent(graph: Simulator, asker: Asker) -> None:
    author, other = graph.world.people[:2]
    await asker.ask("POST", f"users/{author.address}/sendMail", outgoing(other) | {"saveToSentItems": False})
    assert await folder(asker, author, "sentitems") == []
    assert len(await folder(asker, other, "inbox")) == 1


async def test_a_draft_is_written_changed_and_sent(graph: Simulator, asker: Asker) -> None:
    author, other = graph.world.people[:2]
    status, draft = await asker.ask("POST", f"users/{author.id}/messages", {"subject": "Lun"})
    assert (status, draft["isDraft"], draft["@odata.context"].rpartition("/")[2]) == (201, True, "$entity")
    path = f"users/{author.id}/messages/{draft['id']}"
    assert (await asker.refused("POST", f"{path}/send"))[0] == 400
    changes = {"subject": "Lunch", "toRecipients": to(other), "body": {"contentType": "HTML", "content": "<b>now</b>"}}
    status, changed = await asker.ask("PATCH", path, changes)
    assert (status, changed["subject"], changed["body"]["contentType"]) == (200, "Lunch", "html")
    assert await asker.ask("POST", f"{path}/send") == (202, None)
    assert await folder(asker, author, "drafts") == []
    [arrived] = await folder(asker, other, "inbox")
    [sent] = await folder(asker, author, "sentitems")
    assert arrived["conversationId"] == sent["conversationId"] == draft["conversationId"]


async def test_an_answer_goes_to_whoever_wrote_in_the_same_conversation(graph: Simulator, asker: Asker) -> None:
    message, (owner, author, other) = received(graph), graph.world.people[:3]
    assert await asker.ask("POST", f"users/{owner.id}/messages/{message.id}/reply", {"comment": "Gladly"}) == (
        202,
        None,
    )
    [answer] = await folder(asker, author, "inbox")
    assert (answer["subject"], answer["conversationId"]) == ("RE: Plans", message.content["conversationId"])
    assert answer["body"]["content"].startswith("Gladly")
    assert "Shall we?" in answer["body"]["content"]
    assert await folder(asker, other, "inbox") == []
    await asker.ask("POST", f"users/{author.id}/messages/{answer['id']}/reply", {"comment": "Good"})
    again = await folder(asker, owner, "inbox")
    assert {each["subject"] for each in again} == {"Plans", "RE: Plans"}


async def test_an_answer_is_drafted_and_goes_out_once_however_often_it_is_sent(graph: Simulator, asker: Asker) -> None:
    message, (owner, author) = received(graph), graph.world.people[:2]
    path = f"users/{owner.id}/messages"
    status, draft = await asker.ask("POST", f"{path}/{message.id}/createReply", {"comment": "Gladly"})
    assert (status, draft["isDraft"], draft["subject"]) == (201, True, "RE: Plans")
    assert await folder(asker, author, "inbox") == []
    assert await asker.ask("POST", f"{path}/{draft['id']}/send") == (202, None)
    assert (await asker.refused("POST", f"{path}/{draft['id']}/send"))[0] == 404
    [answer] = await folder(asker, author, "inbox")
    assert answer["conversationId"] == message.content["conversationId"]
    assert answer["body"]["content"].startswith("Gladly")


async def test_an_answer_to_all_goes_to_everybody_but_oneself(graph: Simulator, asker: Asker) -> None:
    owner, author, third, fourth = graph.world.people[:4]
    message = received(graph, "Shall we?", third)
    path = f"users/{owner.id}/messages('{message.id}')/microsoft.graph.replyAll"
    own = {"comment": "All right", "message": {"ccRecipients": to(fourth)}}
    assert await asker.ask("POST", path, own) == (202, None)
    for person in (author, third, fourth):
        assert [each["subject"] for each in await folder(asker, person, "inbox")] == ["RE: Plans"]
    assert len(await folder(asker, owner, "inbox")) == 1


async def test_a_mail_is_passed_on(graph: Simulator, asker: Asker) -> None:
    message, (owner, _, third) = received(graph), graph.world.people[:3]
    path = f"users/{owner.id}/messages/{message.id}/forward"
    assert await asker.ask("POST", path, {"comment": "FYI", "toRecipients": to(third)}) == (202, None)
    [passed] = await folder(asker, third, "inbox")
    assert (passed["subject"], passed["body"]["content"][:3]) == ("FW: Plans", "FYI")
    assert await asker.refused("POST", path, {"comment": "to nobody"}) == (400, "ErrorInvalidRecipients")


async def test_a_mail_is_moved_under_a_new_id_and_copied_beside_the_old_one(graph: Simulator, asker: Asker) -> None:
    message, owner = received(graph), graph.world.people[0]
    path = f"users/{owner.id}/messages/{message.id}"
    status, copied = await asker.ask("POST", f"{path}/copy", {"destinationId": "archive"})
    assert (status, copied["subject"]) == (201, "Plans")
    archive = copied["parentFolderId"]
    status, moved = await asker.ask("POST", f"{path}/move", {"DestinationId": archive})
    assert (status, moved["parentFolderId"]) == (201, archive)
    assert len({message.id, copied["id"], moved["id"]}) == 3
    assert await asker.refused("GET", path) == (404, "ErrorItemNotFound")
    assert {each["id"] for each in await folder(asker, owner, "archive")} == {copied["id"], moved["id"]}
    assert await folder(asker, owner, "inbox") == []


async def test_a_mail_is_marked_flagged_categorised_and_deleted(graph: Simulator, asker: Asker) -> None:
    message, owner = received(graph), graph.world.people[0]
    path = f"users/{owner.id}/messages/{message.id}"
    wanted = {"isRead": True, "flag": {"flagStatus": "flagged"}, "categories": ["Red"], "importance": "high"}
    status, changed = await asker.ask("PATCH", path, wanted)
    assert status == 200
    assert {name: changed[name] for name in wanted} == wanted
    assert changed["@odata.etag"] != message.version
    assert await asker.ask("DELETE", path) == (204, None)
    assert await asker.refused("GET", path) == (404, "ErrorItemNotFound")
    assert await asker.refused("DELETE", path) == (404, "ErrorItemNotFound")


WRONG_CHANGES = [
    {"isRead": "yes"},
    {"isRead": None},
    {"flag": {"flagStatus": "waving"}},
    {"flag": "flagged"},
    {"categories": "Red"},
    {"importance": "extreme"},
    {"subject": "not a draft"},
    {"id": "another"},
    {"colour": "red"},
]


@pytest.mark.parametrize("wrong", WRONG_CHANGES, ids=str)
async def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(
    graph: Simulator, asker: Asker, wrong: dict[str, Any]
) -> None:
    message, owner = received(graph), graph.world.people[0]
    path = f"users/{owner.id}/messages/{message.id}"
    assert await asker.refused("PATCH", path, wrong) == (400, "BadRequest")
    assert (await asker.get(path))["@odata.etag"] == message.version


WRONG_CALLS: list[tuple[str, Any]] = [
    ("sendMail", {}),
    ("sendMail", {"message": "hello"}),
    ("sendMail", {"message": {"subject": "to nobody"}}),
    ("sendMail", {"message": {"toRecipients": [{"emailAddress": {"address": "nobody"}}]}}),
    ("sendMail", {"message": {"toRecipients": "adele@contoso.com"}}),
    ("sendMail", {"message": {"toRecipients": [], "colour": 1}}),
    ("sendMail", b"{"),
    ("sendMail", b"[" * 5_000),
    ("sendMail", []),
    ("messages", {"subject": 5}),
    ("messages", {"body": {"contentType": "markdown", "content": "*"}}),
    ("messages/{id}/reply", {"comment": 5}),
    ("messages/{id}/reply", {"message": []}),
    ("messages/{id}/reply", {"colour": "red"}),
    ("messages/{id}/forward", {"toRecipients": "all"}),
    ("messages/{id}/move", {}),
    ("messages/{id}/copy", {"destinationId": 5}),
    ("messages/{id}/juggle", {}),
]


@pytest.mark.parametrize(("action", "body"), WRONG_CALLS, ids=lambda value: str(value)[:40])
async def test_a_call_that_makes_no_sense_is_refused(graph: Simulator, asker: Asker, action: str, body: Any) -> None:
    message, owner = received(graph), graph.world.people[0]
    before = len(graph.world.entities)
    assert (await asker.refused("POST", f"users/{owner.id}/{action.format(id=message.id)}", body))[0] == 400
    assert len(graph.world.entities) == before


async def test_what_is_not_there_cannot_be_answered_moved_or_written_to(graph: Simulator, asker: Asker) -> None:
    message, owner = received(graph), graph.world.people[0]
    home = f"users/{owner.id}"
    for action in ("reply", "forward", "move", "send"):
        assert (await asker.refused("POST", f"{home}/messages/AAMkAGnope=/{action}", {}))[0] == 404
    nowhere = {"destinationId": "nowhere"}
    assert await asker.refused("POST", f"{home}/messages/{message.id}/move", nowhere) == (404, "ErrorItemNotFound")
    assert (await asker.refused("POST", f"{home}/mailFolders/nowhere/messages", {}))[0] == 404
    assert await asker.refused("POST", "users/nobody@contoso.com/sendMail", {}) == (404, "ErrorInvalidUser")


async def test_a_method_that_a_path_does_not_have_is_not_allowed(graph: Simulator, asker: Asker) -> None:
    owner = graph.world.people[0]
    assert (await asker.refused("PUT", f"users/{owner.id}/messages", {}))[0] == 405
    assert (await asker.refused("POST", f"users/{owner.id}", {}))[0] == 405
    assert (await asker.refused("DELETE", f"users/{owner.id}/calendar"))[0] in {404, 405}


async def test_subscribers_are_told_of_what_was_done(
    graph: Simulator, asker: Asker, receiver: Receiver, wanted: Wanted
) -> None:
    owner = graph.world.people[0]
    resource = f"users/{owner.id}/mailFolders('inbox')/messages"
    status, answer = await asker.ask("POST", "subscriptions", wanted(resource=resource))
    assert status == 201, answer
    await asker.ask("POST", f"users/{graph.world.people[1].id}/sendMail", outgoing(owner))
    await receiver.until(lambda: len(receiver.items) >= 1)
    path = receiver.items[0]["resource"]
    assert (await asker.get(path))["subject"] == "Lunch?"
    await asker.ask("PATCH", path, {"isRead": True})
    await asker.ask("POST", f"{path}/move", {"destinationId": "archive"})
    await receiver.until(lambda: len(receiver.items) >= 3)
    assert [item["changeType"].lower() for item in receiver.items] == ["created", "updated", "deleted"]
