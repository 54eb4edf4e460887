"""Reading over HTTP: every thing and list by its several names, options, pages, and each workload's 404."""

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote

import aiohttp
import pytest

from local.graph.simulator import Simulator
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from local.graph.tenant.places import Person, Place
from tests.local.graph.asking import Asker

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def asker(graph: Simulator) -> AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker.for_app(session, graph)


@pytest.fixture
async def user(graph: Simulator) -> AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker.for_user(session, graph)


def place(graph: Simulator, workload: str) -> Place:
    return next(each for each in graph.world.places if each.workload == workload)


def write(graph: Simulator, workload: str, text: str = "hello", reply_to: str | None = None) -> Entity:
    where = place(graph, workload)
    return acts.post(graph.world, where, text, author=where.people[0], subject=text, reply_to=reply_to).entity


async def test_everything_can_be_read_by_the_name_in_its_notification_and_in_slashes(
    graph: Simulator, asker: Asker
) -> None:
    write(graph, "mail")
    write(graph, "chat")
    root = write(graph, "channel")
    write(graph, "channel", reply_to=root.id)
    owner = graph.world.people[0]
    acts.add_event(graph.world, owner, "soon")
    acts.add_contact(graph.world, owner, "Kim Akers")
    acts.upload(graph.world, owner, "a.txt", 1)
    kinds = set()
    for entity in graph.world.entities.values():
        for path in (entity.resource, entity.key):
            read = await asker.get(quote(path, safe="/()'"))
            assert read.pop("@odata.context").startswith("https://graph.microsoft.com/v1.0/$metadata#")
            assert read == entity.content
        kinds.add(entity.row.key)
    assert kinds >= {"message", "channel-message", "chat-message", "event", "contact", "user", "group", "drive-item"}


async def test_every_list_can_be_read_and_holds_what_it_lists(graph: Simulator, asker: Asker) -> None:
    write(graph, "mail")
    for key, collection in graph.world.collections.items():
        in_standard_channel = "/channels/" in key and key.endswith("/members")  # those of its team
        if key.startswith(("directory", "groups/")) or key.endswith("/root") or in_standard_channel:
            continue
        listed = await asker.listed(quote(key))
        assert {item["id"] for item in listed} == {graph.world.entities[each].id for each in collection.members}, key


async def test_a_mailbox_is_read_by_id_address_well_known_folder_and_by_its_owner(
    graph: Simulator, asker: Asker, user: Asker
) -> None:
    message, owner = write(graph, "mail"), graph.world.people[0]
    for home in (f"users/{owner.id}", f"users/{owner.address}", f"Users('{owner.address.upper()}')"):
        for folder in ("", "/mailFolders/inbox", "/mailFolders('Inbox')", f"/mailFolders/{message.ids['folder']}"):
            assert [item["id"] for item in await asker.listed(f"{home}{folder}/messages")] == [message.id]
            assert (await asker.get(f"{home}{folder}/messages/{message.id}"))["id"] == message.id
    assert [item["id"] for item in await user.listed("me/mailFolders/inbox/messages")] == [message.id]
    assert (await user.get("me"))["id"] == owner.id
    assert (await user.get(f"Me/Messages('{message.id}')"))["subject"] == "hello"


async def test_an_app_has_no_me(asker: Asker) -> None:
    assert await asker.refused("GET", "me/messages") == (400, "BadRequest")


async def test_properties_can_be_selected(graph: Simulator, asker: Asker) -> None:
    message = write(graph, "mail")
    path = f"users/{graph.world.people[0].id}/messages"
    read = await asker.get(f"{path}/{message.id}?$select=Subject,isRead")
    assert set(read) == {"@odata.context", "@odata.etag", "id", "subject", "isRead"}
    page = await asker.get(f"{path}?$select=subject")
    assert set(page["value"][0]) == {"@odata.etag", "id", "subject"}
    assert page["@odata.context"].endswith("/messages(subject)")


async def test_pages_neither_repeat_nor_leave_out_anything_while_the_list_changes(
    graph: Simulator, asker: Asker
) -> None:
    first = [write(graph, "mail", f"mail {number}") for number in range(10)]
    path = f"users/{graph.world.people[0].id}/messages?$top=3&$select=subject&$count=true"
    page = await asker.get(path)
    seen, sizes = list(page["value"]), [len(page["value"])]
    assert page["@odata.count"] == 10
    write(graph, "mail", "arrived meanwhile")
    acts.delete(graph.world, first[0])
    while "@odata.nextLink" in page:
        page = await asker.get(page["@odata.nextLink"])
        seen += page["value"]
        sizes.append(len(page["value"]))
    assert sizes[:3] == [3, 3, 3]
    # newest first: the one that was deleted would have been the last
    assert [item["subject"] for item in seen] == [f"mail {number}" for number in range(9, 0, -1)]
    assert {frozenset(item) for item in seen} == {frozenset({"@odata.etag", "id", "subject"})}


async def test_the_caller_may_prefer_a_page_size_and_else_the_knob_says(graph: Simulator, asker: Asker) -> None:
    for _ in range(6):
        write(graph, "mail")
    path = f"users/{graph.world.people[0].id}/messages"
    assert len((await asker.get(path, Prefer="odata.maxpagesize=4"))["value"]) == 4
    graph.knobs.content_page = 5
    assert len((await asker.get(path))["value"]) == 5
    assert len(await asker.listed(path)) == 6


async def test_an_empty_page_may_come_first(graph: Simulator, asker: Asker) -> None:
    graph.knobs.empty_pages = True
    page = await asker.get("users")
    assert page["value"] == []
    assert len((await asker.get(page["@odata.nextLink"]))["value"]) == len(graph.world.people)


@pytest.mark.parametrize("token", ["", "x", "AAAA", "x" * 500])
async def test_a_page_token_that_is_not_ours_is_refused(asker: Asker, token: str) -> None:
    path = f"users?$skiptoken={token}"
    if token:
        assert await asker.refused("GET", path) == (400, "BadRequest")
    else:
        assert (await asker.get(path))["value"]


async def test_a_page_token_belongs_to_its_list(asker: Asker) -> None:
    page = await asker.get("users?$top=1")
    elsewhere = page["@odata.nextLink"].replace("/users?", "/groups?")
    assert await asker.refused("GET", elsewhere) == (400, "BadRequest")


async def test_lists_can_be_filtered_ordered_searched_and_skipped(graph: Simulator, asker: Asker) -> None:
    for text in ("beta", "alpha", "gamma"):
        write(graph, "mail", text)
    path = f"users/{graph.world.people[0].id}/messages?"
    assert [item["subject"] for item in await asker.listed(f"{path}$orderby=subject")] == ["alpha", "beta", "gamma"]
    ordered = await asker.listed(f"{path}$orderby=subject desc&$skip=1&$top=1")
    assert [item["subject"] for item in ordered] == ["beta", "alpha"]
    assert [item["subject"] for item in await asker.listed(f"{path}$filter=startswith(subject,'al')")] == ["alpha"]
    assert [item["subject"] for item in await asker.listed(f'{path}$search="subject:gamma"')] == ["gamma"]


async def test_things_are_counted(graph: Simulator, asker: Asker) -> None:
    write(graph, "mail")
    assert await asker.get(f"users/{graph.world.people[0].id}/messages/$count") == 1
    people = len(graph.world.people)
    assert await asker.get("users/$count", ConsistencyLevel="eventual") == people
    assert await asker.refused("GET", "users/$count") == (400, "Request_BadRequest")


async def test_the_directory_is_searched_by_those_who_accept_eventual_consistency(asker: Asker) -> None:
    path = 'users?$search="displayName:adele"'
    assert await asker.refused("GET", path) == (400, "Request_UnsupportedQuery")
    assert [item["displayName"] for item in await asker.listed(path, ConsistencyLevel="eventual")] == ["Adele Vance"]


WRONG_OPTIONS = [
    "$filter=subject eq",
    "$top=0",
    "$top=1001",
    "$top=x",
    "$orderby=subject up",
    "$nonsense=1",
    "$skip=-1",
]


@pytest.mark.parametrize("option", WRONG_OPTIONS)
async def test_options_that_make_no_sense_are_refused(graph: Simulator, asker: Asker, option: str) -> None:
    path = f"users/{graph.world.people[0].id}/messages?{option}"
    assert await asker.refused("GET", path) == (400, "BadRequest")


async def test_channel_messages_come_newest_first_without_replies_unless_asked_for(
    graph: Simulator, asker: Asker
) -> None:
    root, other = write(graph, "channel", "root"), write(graph, "channel", "other")
    answer = write(graph, "channel", "answer", reply_to=root.id)
    path = f"{place(graph, 'channel').path}/messages"
    assert [item["id"] for item in await asker.listed(path)] == [other.id, root.id]
    expanded = await asker.listed(f"{path}?$expand=replies")
    assert [[reply["id"] for reply in item["replies"]] for item in expanded] == [[], [answer.id]]
    assert [item["id"] for item in await asker.listed(f"{path}/{root.id}/replies")] == [answer.id]
    assert (await asker.get(f"{path}/{root.id}/replies/{answer.id}"))["replyToId"] == root.id
    assert await asker.refused("GET", f"{path}?$top=51") == (400, "BadRequest")


async def test_a_chat_is_filtered_only_by_what_it_is_ordered_by(graph: Simulator, asker: Asker) -> None:
    since = write(graph, "chat", "early").content["lastModifiedDateTime"]
    late = write(graph, "chat", "late")
    path = f"{place(graph, 'chat').path}/messages?$filter=lastModifiedDateTime gt {since}"
    assert len(await asker.listed(path)) == 2
    assert [each["id"] for each in await asker.listed(f"{path}&$orderby=lastModifiedDateTime desc")] == [late.id]
    assert await asker.refused("GET", f"{path}&$orderby=lastModifiedDateTime asc") == (400, "BadRequest")


async def test_all_messages_of_a_user_or_a_team_can_be_exported_from_a_moment_on(
    graph: Simulator, asker: Asker
) -> None:
    write(graph, "chat", "early")
    root = write(graph, "channel", "early")
    since = root.content["lastModifiedDateTime"]
    said, answer = write(graph, "chat", "late"), write(graph, "channel", "late", reply_to=root.id)
    user_id, team_id = place(graph, "chat").people[0].id, place(graph, "channel").ids["team"]
    option = f"?$filter=lastModifiedDateTime gt {since}"
    assert [each["id"] for each in await asker.listed(f"users/{user_id}/chats/getAllMessages{option}")] == [said.id]
    assert [each["id"] for each in await asker.listed(f"teams/{team_id}/channels/getAllMessages{option}")] == [
        answer.id
    ]
    assert len(await asker.listed(f"teams('{team_id}')/channels/getAllMessages()")) == 2


async def test_a_person_has_chats_teams_a_calendar_a_drive_and_a_presence(graph: Simulator, asker: Asker) -> None:
    person = place(graph, "chat").people[0]
    home = f"users/{person.id}"
    assert [each["id"] for each in await asker.listed(f"{home}/chats")] == [place(graph, "chat").ids["chat"]]
    assert [each["id"] for each in await asker.listed(f"{home}/joinedTeams")] == [place(graph, "channel").ids["team"]]
    assert (await asker.get(f"{home}/calendar"))["isDefaultCalendar"]
    assert (await asker.get(f"{home}/drive/root"))["root"] == {}
    assert (await asker.get(f"{home}/presence"))["availability"] == "Available"
    event = acts.add_event(graph.world, person, "soon").entity
    window = "startDateTime=2000-01-01T00:00:00Z&endDateTime=2999-01-01T00:00:00Z"
    assert [each["id"] for each in await asker.listed(f"{home}/calendarView?{window}")] == [event.id]
    past = window.replace("2999", "2001")
    assert await asker.listed(f"{home}/calendar/calendarView?{past}") == []
    assert await asker.refused("GET", f"{home}/calendarView") == (400, "ErrorInvalidParameter")


async def test_a_group_has_the_members_and_owners_of_its_team(graph: Simulator, asker: Asker) -> None:
    team_id = place(graph, "channel").ids["team"]
    members = await asker.listed(f"groups/{team_id}/members?$select=displayName")
    assert {each["id"] for each in members} == {person.id for person in graph.world.people}
    assert [each["id"] for each in await asker.listed(f"groups/{team_id}/owners")] == [graph.world.people[0].id]


async def test_a_deleted_user_is_found_among_the_deleted_only(graph: Simulator, asker: Asker) -> None:
    person = graph.world.people[2]
    acts.delete(graph.world, graph.world.entities[f"users/{person.id}"])
    assert await asker.refused("GET", f"users/{person.id}") == (404, "Request_ResourceNotFound")
    assert person.id not in {each["id"] for each in await asker.listed("users")}
    deleted = await asker.listed("directory/deletedItems/microsoft.graph.user")
    assert [each["id"] for each in deleted] == [person.id]
    assert (await asker.get(f"directory/deletedItems/{person.id}"))["deletedDateTime"]


async def test_call_records_have_an_empty_list_before_there_are_any(asker: Asker) -> None:
    assert await asker.listed("communications/callRecords") == []


async def test_recordings_are_listed_by_who_organized_the_meeting(graph: Simulator, asker: Asker) -> None:
    owner = graph.world.people[0]
    content = {"id": "r1", "meetingOrganizer": {"user": {"id": owner.id}}}
    ids = {"meeting": "m1", "recording": "r1", "user": owner.id}
    resource = "communications/onlineMeetings('m1')/recordings('r1')"
    acts.sample(graph.world, "call-recording", ids, content, resource)
    assert [each["id"] for each in await asker.listed("communications/onlineMeetings('m1')/recordings")] == ["r1"]
    for person, expected in ((owner, ["r1"]), (graph.world.people[1], [])):
        path = f"users/{person.id}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{person.id}')"
        assert [each["id"] for each in await asker.listed(path)] == expected


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("teams/{team}", "displayName"),
        ("teams/{team}/channels/{channel}", "displayName"),
        ("users/{user}/mailFolders/inbox", "displayName"),
        ("users/{user}", "displayName"),
        ("chats/{chat}", "topic"),
    ],
)
async def test_of_a_thing_one_may_ask_for_its_name_alone(graph: Simulator, asker: Asker, path: str, name: str) -> None:
    ids = place(graph, "channel").ids | place(graph, "chat").ids | {"user": graph.world.people[0].id}
    whole = await asker.get(path.format(**ids))
    answer = await asker.get(f"{path.format(**ids)}?$select={name}")

    assert {key: value for key, value in answer.items() if not key.startswith("@")} == {
        "id": whole["id"],
        name: whole[name],
    }


async def test_a_guest_of_a_team_is_no_user_here(graph: Simulator, asker: Asker) -> None:
    team = graph.world.entities[f"teams/{place(graph, 'channel').ids['team']}"]
    acts.add_member(graph.world, team, Person(id=NOWHERE, name="A guest", address="guest@away.example"))
    members = await asker.listed(f"groups/{team.id}/members")
    assert NOWHERE not in {each["id"] for each in members}
    assert NOWHERE in {each["userId"] for each in await asker.listed(f"teams/{team.id}/members")}
    assert (await asker.get("groups/delta"))["value"]


MISSING = [
    ("users/{user}/messages/AAMkAGnope=", "ErrorItemNotFound"),
    ("users/{user}/mailFolders/nowhere/messages", "ErrorItemNotFound"),
    ("users/{user}/events/AAMkAGnope=", "ErrorItemNotFound"),
    ("users/{user}/contacts('nope')", "ErrorItemNotFound"),
    ("teams/{team}/channels/19:nope@thread.tacv2/messages/1", "NotFound"),
    ("teams/{nowhere}/channels", "NotFound"),
    ("chats/19:nope@thread.v2", "NotFound"),
    ("chats/19:nope@thread.v2/messages", "NotFound"),
    ("users/{nowhere}", "Request_ResourceNotFound"),
    ("groups/{nowhere}", "Request_ResourceNotFound"),
    ("directory/deletedItems/{user}", "Request_ResourceNotFound"),
    ("drives/nope/items/1", "itemNotFound"),
    ("users/{user}/drive/items/nope", "itemNotFound"),
    ("communications/callRecords/{nowhere}", "NotFound"),
]


@pytest.mark.parametrize(("path", "code"), MISSING)
async def test_each_workload_says_in_its_own_words_what_is_not_there(
    graph: Simulator, asker: Asker, path: str, code: str
) -> None:
    ids = {"user": graph.world.people[0].id, "team": place(graph, "channel").ids["team"], "nowhere": NOWHERE}
    assert await asker.refused("GET", path.format(**ids)) == (404, code)


@pytest.mark.parametrize("path", ["nonsense", "nonsense/1", "users/{user}/nonsense", "Users('{user}')/nonsense"])
async def test_a_segment_that_graph_does_not_have_is_a_bad_request(graph: Simulator, asker: Asker, path: str) -> None:
    assert await asker.refused("GET", path.format(user=graph.world.people[0].id)) == (400, "BadRequest")


async def test_deleted_mail_is_gone_and_a_deleted_teams_message_is_not(graph: Simulator, asker: Asker) -> None:
    mail, said = write(graph, "mail"), write(graph, "chat")
    acts.delete(graph.world, mail)
    acts.delete(graph.world, said)
    assert await asker.refused("GET", mail.resource) == (404, "ErrorItemNotFound")
    assert (await asker.get(said.resource))["deletedDateTime"]


async def test_beta_answers_as_the_current_version_does_and_links_to_itself(graph: Simulator, asker: Asker) -> None:
    page = await asker.get(f"{graph.http_url}/beta/users?$top=1")
    assert page["@odata.nextLink"].startswith(f"{graph.http_url}/beta/users?")
    assert len(await asker.listed(f"{graph.http_url}/beta/users?$top=2")) == len(graph.world.people)


async def test_a_delta_round_is_read_over_http_by_following_links(graph: Simulator, asker: Asker) -> None:
    for number in range(5):
        write(graph, "mail", f"mail {number}")
    url: str = f"users/{graph.world.people[0].address}/mailFolders('inbox')/messages/delta?$select=subject"
    seen, pages = [], 0
    while "$deltatoken" not in url:
        page = await asker.get(url, Prefer="odata.maxpagesize=2")
        seen += [item["subject"] for item in page["value"]]
        url = page.get("@odata.nextLink") or page["@odata.deltaLink"]
        pages += 1
    assert (seen, pages) == ([f"mail {number}" for number in range(5)], 3)
    graph.content.tokens.expire_all()
    assert await asker.refused("GET", url) == (410, "SyncStateNotFound")


async def test_an_expired_directory_token_says_where_to_begin_anew(graph: Simulator, asker: Asker) -> None:
    link = (await asker.get("users/delta?$deltatoken=latest&$select=displayName"))["@odata.deltaLink"]
    graph.clock.advance(timedelta(days=7, minutes=1))
    async with asker.session.get(link, headers={"Authorization": f"Bearer {asker.token}"}) as answer:
        assert answer.status == 410
        anew = answer.headers["Location"]
    assert len((await asker.get(anew))["value"]) == len(graph.world.people)


async def test_a_files_token_may_stand_in_parentheses(graph: Simulator, asker: Asker) -> None:
    path = f"users/{graph.world.people[0].id}/drive/root/delta(token='latest')"
    page = await asker.get(path)
    assert page["value"] == []
    acts.upload(graph.world, graph.world.people[0], "a.txt", 1)
    assert [item["name"] for item in (await asker.get(page["@odata.deltaLink"]))["value"]] == ["a.txt"]
