"""Microsoft's own client reads what is there, for an app and for somebody who is signed in."""

from typing import Any

import pytest

pytest.importorskip("msgraph", reason="no msgraph-sdk: `make test` installs it")

from msgraph.generated.chats.item.messages.messages_request_builder import MessagesRequestBuilder as ChatMessages
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.user import User
from msgraph.generated.teams.item.channels.item.messages.messages_request_builder import (
    MessagesRequestBuilder as ChannelMessages,
)
from msgraph.generated.users.item.calendar_view.calendar_view_request_builder import CalendarViewRequestBuilder
from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder as Mail
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import PageIterator  # type: ignore[import-untyped]

from local.graph.simulator import Simulator
from local.graph.tenant import acts
from tests.local.sdk.stand import asking, to_the_end

MailQuery = Mail.MessagesRequestBuilderGetQueryParameters
ChatQuery = ChatMessages.MessagesRequestBuilderGetQueryParameters
ChannelQuery = ChannelMessages.MessagesRequestBuilderGetQueryParameters
UsersQuery = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters
CalendarQuery = CalendarViewRequestBuilder.CalendarViewRequestBuilderGetQueryParameters


async def test_mail_is_selected_filtered_ordered_and_paged_to_the_end(
    graph: Simulator, client: GraphServiceClient
) -> None:
    owner, author, other = graph.world.people[:3]
    for number in range(12):
        sender = author if number % 2 else other
        acts.receive_mail(graph.world, owner, subject=f"mail {number:02}", text="text", author=sender)
    messages = client.users.by_user_id(owner.address).messages
    query = MailQuery(
        select=["subject", "from"],
        filter=f"from/emailAddress/address eq '{author.address}' and subject ge 'mail 03'",
        orderby=["subject desc"],
        top=2,
        count=True,
    )
    first = await messages.get(asking(query))
    assert first is not None
    assert first.odata_count == 5
    assert [len(first.value or []), bool(first.odata_next_link)] == [2, True]
    found, _ = await to_the_end(messages, first)
    assert [each.subject for each in found] == [f"mail {number:02}" for number in (11, 9, 7, 5, 3)]
    assert {each.from_.email_address.address for each in found} == {author.address}
    assert {each.body for each in found} == {None}
    assert await messages.count.get() == 12


async def test_the_sdks_own_iterator_reads_every_page(graph: Simulator, client: GraphServiceClient) -> None:
    owner, author, *_ = graph.world.people
    for number in range(7):
        acts.receive_mail(graph.world, owner, subject=f"mail {number}", text="", author=author)
    first = await client.users.by_user_id(owner.id).messages.get(asking(MailQuery(top=3)))
    seen: list[Any] = []

    def take(message: Any) -> bool:
        seen.append(message.subject)
        return True

    await PageIterator(first, client.request_adapter).iterate(take)
    assert sorted(seen) == [f"mail {number}" for number in range(7)]


async def test_channels_and_chats_are_read_with_their_replies(graph: Simulator, client: GraphServiceClient) -> None:
    world, author = graph.world, graph.world.people[0]
    channel_place, chat_place = graph.world.places[0], next(p for p in graph.world.places if p.workload == "chat")
    thread = acts.post(world, channel_place, "a question", author=author).entity
    answers = [acts.post(world, channel_place, f"no {n}", author=author, reply_to=thread.id).entity for n in range(3)]
    said = [acts.post(world, chat_place, f"hi {n}", author=author).entity for n in range(3)]
    channel = client.teams.by_team_id(channel_place.ids["team"]).channels.by_channel_id(channel_place.ids["channel"])
    message = channel.messages.by_chat_message_id(thread.id)
    read = await message.get()
    assert read is not None
    assert read.body is not None
    assert (read.id, read.body.content, read.created_date_time) == (thread.id, "<p>a question</p>", thread.created)
    replies, _ = await to_the_end(message.replies, await message.replies.get(asking(ChannelQuery(top=2))))
    assert {(each.id, each.reply_to_id) for each in replies} == {(answer.id, thread.id) for answer in answers}
    (reply,) = [await message.replies.by_chat_message_id1(answers[0].id).get()]
    assert reply is not None
    assert reply.id == answers[0].id
    expanded = await channel.messages.get(asking(ChannelQuery(expand=["replies"])))
    assert expanded is not None
    assert [len(each.replies or []) for each in expanded.value or []] == [3]
    chat = client.chats.by_chat_id(chat_place.ids["chat"])
    since = said[1].modified.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    query = ChatQuery(filter=f"lastModifiedDateTime gt {since}", orderby=["lastModifiedDateTime desc"])
    later = await chat.messages.get(asking(query))
    assert later is not None
    assert [each.id for each in later.value or []] == [said[2].id]


async def test_the_directory_is_searched_and_counted_for_who_does_not_mind_waiting(
    graph: Simulator, client: GraphServiceClient
) -> None:
    query = UsersQuery(search='"displayName:adele"', count=True)
    found = await client.users.get(asking(query, ConsistencyLevel="eventual"))
    assert found is not None
    assert [found.odata_count, *(each.id for each in found.value or [])] == [1, graph.world.people[0].id]
    assert await client.users.count.get(asking(None, ConsistencyLevel="eventual")) == len(graph.world.people)
    with pytest.raises(ODataError, match="ConsistencyLevel: eventual") as caught:
        await client.users.get(asking(query))
    assert caught.value.response_status_code == 400


async def test_what_cannot_be_asked_for_is_refused(client: GraphServiceClient) -> None:
    for query in (UsersQuery(filter="displayName eq"), UsersQuery(top=1000)):
        with pytest.raises(ODataError) as caught:
            await client.users.get(asking(query))
        assert caught.value.error is not None
        assert (caught.value.response_status_code, caught.value.error.code) == (400, "BadRequest")


async def test_people_teams_and_files_are_where_they_belong(graph: Simulator, client: GraphServiceClient) -> None:
    world, owner = graph.world, graph.world.people[0]
    found = await client.users.get(asking(UsersQuery(filter=f"startswith(displayName,'{owner.name[:4]}')")))
    assert found is not None
    assert [each.id for each in found.value or []] == [owner.id]
    user = client.users.by_user_id(owner.id)
    joined = await user.joined_teams.get()
    assert joined is not None
    (team,) = joined.value or []
    channels = await client.teams.by_team_id(str(team.id)).channels.get()
    assert channels is not None
    places = [place.ids["channel"] for place in world.places if place.workload == "channel"]
    assert [each.id for each in channels.value or []] == places
    members = await client.teams.by_team_id(str(team.id)).members.get()
    assert members is not None
    assert {getattr(each, "user_id", None) for each in members.value or []} == {person.id for person in world.people}
    people = await client.groups.by_group_id(str(team.id)).members.get()
    assert people is not None
    assert {type(each) for each in people.value or []} == {User}
    file = acts.upload(world, owner, "plan & budget.docx", 120).entity
    drive = await user.drive.get()
    assert drive is not None
    items = client.drives.by_drive_id(str(drive.id)).items
    children = await items.by_drive_item_id("root").children.get()
    assert children is not None
    assert [each.name for each in children.value or []] == ["plan & budget.docx"]
    item = await items.by_drive_item_id(file.id).get()
    assert item is not None
    assert (item.size, item.folder, item.file is not None) == (120, None, True)


async def test_somebody_reads_what_is_their_own(graph: Simulator, adele: GraphServiceClient) -> None:
    world, (owner, guest, *_) = graph.world, graph.world.people
    acts.receive_mail(world, owner, subject="for Adele", text="", author=guest)
    meeting = acts.add_event(world, owner, "Planning", guests=[guest]).entity
    contact = acts.add_contact(world, owner, "Kim Akers").entity
    me = await adele.me.get()
    mail = await adele.me.messages.get()
    events = await adele.me.events.get()
    contacts = await adele.me.contacts.get()
    assert me is not None
    assert mail is not None
    assert events is not None
    assert contacts is not None
    assert (me.id, me.user_principal_name) == (owner.id, owner.address)
    assert [each.subject for each in mail.value or []] == ["for Adele"]
    (event,) = events.value or []
    assert (event.id, event.subject, event.start is not None) == (meeting.id, "Planning", True)
    assert [(each.id, each.display_name) for each in contacts.value or []] == [(contact.id, "Kim Akers")]
    window = CalendarQuery(start_date_time="2020-01-01T00:00:00Z", end_date_time="2090-01-01T00:00:00Z")
    view = await adele.me.calendar_view.get(asking(window))
    assert view is not None
    assert [each.id for each in view.value or []] == [meeting.id]


async def test_an_app_that_acts_for_nobody_has_no_me(client: GraphServiceClient) -> None:
    with pytest.raises(ODataError, match="/me request is only valid with delegated") as caught:
        await client.me.get()
    assert caught.value.response_status_code == 400


async def test_what_is_not_there_is_not_found_in_the_words_of_its_workload(
    graph: Simulator, client: GraphServiceClient
) -> None:
    owner = client.users.by_user_id(graph.world.people[0].id)
    missing: dict[str, Any] = {
        "Request_ResourceNotFound": client.users.by_user_id("nobody@contoso.com"),
        "ErrorItemNotFound": owner.messages.by_message_id("AAMkAGI="),
        "NotFound": client.chats.by_chat_id("19:nobody@thread.v2"),
        "itemNotFound": client.drives.by_drive_id("b!1").items.by_drive_item_id("01ABC"),
    }
    for code, builder in missing.items():
        with pytest.raises(ODataError) as caught:
            await builder.get()
        assert caught.value.error is not None
        assert (caught.value.response_status_code, caught.value.error.code) == (404, code)
