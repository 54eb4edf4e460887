"""Microsoft's own client works through a mailbox, and writes to chats, calendars, address books and drives."""

from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("msgraph", reason="no msgraph-sdk: `make test` installs it")

from msgraph.generated.chats.item.messages.item.set_reaction.set_reaction_post_request_body import (
    SetReactionPostRequestBody,
)
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.chat_message import ChatMessage
from msgraph.generated.models.chat_message_policy_violation import ChatMessagePolicyViolation
from msgraph.generated.models.chat_message_policy_violation_dlp_action_types import (
    ChatMessagePolicyViolationDlpActionTypes,
)
from msgraph.generated.models.chat_message_policy_violation_policy_tip import ChatMessagePolicyViolationPolicyTip
from msgraph.generated.models.chat_message_policy_violation_verdict_details_types import (
    ChatMessagePolicyViolationVerdictDetailsTypes,
)
from msgraph.generated.models.contact import Contact
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.event import Event
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.models.user import User
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
from msgraph.generated.users.item.messages.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
from msgraph.graph_service_client import GraphServiceClient

from local.graph.simulator import Simulator
from local.graph.tenant import acts
from local.graph.tenant.places import Person as Somebody


async def inbox_of(client: GraphServiceClient, person: Somebody, folder: str = "inbox") -> list[Any]:
    own = client.users.by_user_id(person.id).mail_folders.by_mail_folder_id(folder)
    page = await own.messages.get()
    assert page is not None
    return page.value or []


async def test_a_mail_is_read_answered_filed_and_deleted(graph: Simulator, client: GraphServiceClient) -> None:
    owner, author, *_ = graph.world.people
    mail = acts.receive_mail(graph.world, owner, subject="Invoice", text="Is it paid?", author=author).entity
    messages = client.users.by_user_id(owner.id).messages
    marked = await messages.by_message_id(mail.id).patch(Message(is_read=True, categories=["Red category"]))
    assert marked is not None
    assert (marked.is_read, marked.categories, marked.subject) == (True, ["Red category"], "Invoice")
    await messages.by_message_id(mail.id).reply.post(ReplyPostRequestBody(comment="It is."))
    (answer,) = await inbox_of(client, author)
    assert (answer.subject, answer.conversation_id) == ("RE: Invoice", marked.conversation_id)
    assert answer.from_.email_address.address == owner.address
    moved = await messages.by_message_id(mail.id).move.post(MovePostRequestBody(destination_id="archive"))
    assert moved is not None
    assert moved.id != mail.id
    assert await inbox_of(client, owner) == []
    assert [each.id for each in await inbox_of(client, owner, "archive")] == [moved.id]
    await messages.by_message_id(str(moved.id)).delete()
    assert await inbox_of(client, owner, "archive") == []


async def test_a_mail_is_sent_and_arrives(graph: Simulator, client: GraphServiceClient) -> None:
    author, reader, *_ = graph.world.people
    written = Message(
        subject="Lunch",
        body=ItemBody(content_type=BodyType.Html, content="<p>At noon?</p>"),
        to_recipients=[Recipient(email_address=EmailAddress(address=reader.address))],
    )
    body = SendMailPostRequestBody(message=written, save_to_sent_items=True)
    await client.users.by_user_id(author.id).send_mail.post(body)
    (sent,) = await inbox_of(client, author, "sentitems")
    (arrived,) = await inbox_of(client, reader)
    assert (arrived.subject, arrived.body.content_type) == ("Lunch", BodyType.Html)
    assert (sent.is_read, arrived.is_read, sent.id == arrived.id) == (True, False, False)


async def test_somebody_writes_in_a_chat_and_answers_in_a_channel(graph: Simulator, adele: GraphServiceClient) -> None:
    world = graph.world
    channel_place, chat_place = world.places[0], next(place for place in world.places if place.workload == "chat")
    chat = adele.chats.by_chat_id(chat_place.ids["chat"])
    said = await chat.messages.post(ChatMessage(body=ItemBody(content="Hello")))
    assert said is not None
    assert said.from_ is not None
    assert said.from_.user is not None
    assert (said.from_.user.id, said.chat_id) == (world.people[0].id, chat_place.ids["chat"])
    thread = acts.post(world, channel_place, "Who can help?", author=world.people[1]).entity
    channel = adele.teams.by_team_id(channel_place.ids["team"]).channels.by_channel_id(channel_place.ids["channel"])
    replies = channel.messages.by_chat_message_id(thread.id).replies
    answer = await replies.post(ChatMessage(body=ItemBody(content="I can.")))
    assert answer is not None
    assert answer.reply_to_id == thread.id


async def test_a_message_is_held_back_by_its_policy_and_reacted_to(
    graph: Simulator, client: GraphServiceClient, adele: GraphServiceClient
) -> None:
    place = next(place for place in graph.world.places if place.workload == "chat")
    said = acts.post(graph.world, place, "4111 1111 1111 1111", author=graph.world.people[0]).entity
    message = client.chats.by_chat_id(place.ids["chat"]).messages.by_chat_message_id(said.id)
    tip = ChatMessagePolicyViolationPolicyTip(
        general_text="A card number", matched_condition_descriptions=["Credit Card Number"]
    )
    violation = ChatMessagePolicyViolation(
        dlp_action=ChatMessagePolicyViolationDlpActionTypes.BlockAccess,
        verdict_details=ChatMessagePolicyViolationVerdictDetailsTypes.AllowOverrideWithoutJustification,
        policy_tip=tip,
    )
    await message.patch(ChatMessage(policy_violation=violation))
    read = await message.get()
    assert read is not None
    assert read.policy_violation is not None
    assert read.policy_violation.policy_tip is not None
    assert read.policy_violation.policy_tip.general_text == tip.general_text
    assert graph.world.entities[said.key].content["policyViolation"]["dlpAction"] == "blockAccess"
    own = adele.chats.by_chat_id(place.ids["chat"]).messages.by_chat_message_id(said.id)
    await own.set_reaction.post(SetReactionPostRequestBody(reaction_type="\N{THUMBS UP SIGN}"))
    read = await own.get()
    assert read is not None
    assert [each.reaction_type for each in read.reactions or []] == ["\N{THUMBS UP SIGN}"]


async def test_somebody_who_was_deleted_is_found_in_the_bin_and_restored(
    graph: Simulator, client: GraphServiceClient
) -> None:
    gone = graph.world.people[5].id
    await client.users.by_user_id(gone).delete()
    with pytest.raises(ODataError, match="does not exist"):
        await client.users.by_user_id(gone).get()
    found = await client.directory.deleted_items.graph_user.get()
    assert found is not None
    assert [each.id for each in found.value or []] == [gone]
    restored = await client.directory.deleted_items.by_directory_object_id(gone).restore.post()
    assert isinstance(restored, User)
    back = await client.users.by_user_id(gone).get()
    assert back is not None
    assert back.id == gone


async def test_calendars_address_books_people_and_drives_are_written_to(
    graph: Simulator, client: GraphServiceClient
) -> None:
    owner = graph.world.people[0]
    user = client.users.by_user_id(owner.id)
    start = graph.clock.now()
    meeting = await user.events.post(
        Event(
            subject="Planning",
            start=DateTimeTimeZone(date_time=start.strftime("%Y-%m-%dT%H:%M:%S"), time_zone="UTC"),
            end=DateTimeTimeZone(date_time=(start + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"), time_zone="UTC"),
        )
    )
    assert meeting is not None
    changed = await user.events.by_event_id(str(meeting.id)).patch(Event(subject="Planning, again"))
    assert changed is not None
    assert changed.subject == "Planning, again"
    await user.events.by_event_id(str(meeting.id)).delete()
    contact = await user.contacts.post(Contact(given_name="Kim", surname="Akers"))
    assert contact is not None
    assert contact.id
    await user.patch(User(job_title="Head of everything"))
    read = await user.get()
    assert read is not None
    assert read.job_title == "Head of everything"
    drive = await user.drive.get()
    assert drive is not None
    items = client.drives.by_drive_id(str(drive.id)).items
    item = await items.by_drive_item_id("root:/plan.docx:").content.put(b"a plan")
    assert item is not None
    assert (item.name, item.size) == ("plan.docx", 6)
    by_path = await items.by_drive_item_id("root:/plan.docx:").get()
    assert by_path is not None
    assert by_path.id == item.id
