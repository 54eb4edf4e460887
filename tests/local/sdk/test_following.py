"""Microsoft's own client follows deltas: everything once, then what has changed, and what is gone."""

from typing import Any

import pytest

pytest.importorskip("msgraph", reason="no msgraph-sdk: `make test` installs it")

from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder as UsersDelta
from msgraph.generated.users.item.calendar_view.delta.delta_request_builder import DeltaRequestBuilder as CalendarDelta
from msgraph.graph_service_client import GraphServiceClient

from local.graph.simulator import Simulator
from local.graph.tenant import acts
from tests.local.sdk.stand import asking, header_of, to_the_end


def reason(item: Any) -> str | None:
    """Why an item is gone, if it is."""
    removed = item.additional_data.get("@removed")
    return removed["reason"] if removed else None


async def test_a_folder_is_followed_through_arrivals_changes_moves_and_deletions(
    graph: Simulator, client: GraphServiceClient
) -> None:
    world, (owner, author, *_) = graph.world, graph.world.people
    mails = [
        acts.receive_mail(world, owner, subject=f"mail {number}", text="", author=author).entity for number in range(5)
    ]
    delta = client.users.by_user_id(owner.id).mail_folders.by_mail_folder_id("inbox").messages.delta
    first = await delta.get(asking(None, Prefer="odata.maxpagesize=2"))
    assert first is not None
    assert len(first.value or []) == 2
    assert first.odata_delta_link is None
    items, link = await to_the_end(delta, first)
    assert {item.subject for item in items} == {f"mail {number}" for number in range(5)}
    world.update(mails[0], {"isRead": True})
    world.delete(mails[1])
    acts.move_mail(world, mails[2], "archive")
    acts.receive_mail(world, owner, subject="mail 5", text="", author=author)
    items, link = await to_the_end(delta, await delta.with_url(str(link)).get())
    told = {item.id: item for item in items}
    assert told[mails[0].id].is_read
    assert {item.id for item in items if reason(item)} == {mails[1].id, mails[2].id}
    assert "mail 5" in {item.subject for item in items}
    assert len(items) == 4
    items, link = await to_the_end(delta, await delta.with_url(str(link)).get())
    assert (items, bool(link)) == ([], True)


async def test_users_are_followed_with_the_properties_once_selected(
    graph: Simulator, client: GraphServiceClient
) -> None:
    world, delta = graph.world, client.users.delta
    selected = UsersDelta.DeltaRequestBuilderGetQueryParameters(select=["displayName", "jobTitle"])
    items, link = await to_the_end(delta, await delta.get(asking(selected)))
    assert {item.display_name for item in items} == {person.name for person in world.people}
    assert {item.mail for item in items} == {None}
    changed, gone = (world.entities[f"users/{person.id}"] for person in world.people[:2])
    world.update(changed, {"jobTitle": "Head of everything"})
    acts.delete(world, gone)
    items, _ = await to_the_end(delta, await delta.with_url(str(link)).get())
    assert {item.id: (item.job_title, reason(item)) for item in items} == {
        changed.id: ("Head of everything", None),
        gone.id: (None, "changed"),
    }


async def test_groups_are_followed_with_who_comes_and_who_leaves(graph: Simulator, client: GraphServiceClient) -> None:
    world, delta = graph.world, client.groups.delta
    items, link = await to_the_end(delta, await delta.get())
    (group,) = items
    everybody = {str(each["id"]) for each in group.additional_data["members@delta"]}
    assert everybody == {person.id for person in world.people}
    members = client.teams.by_team_id(group.id).members
    listed = await members.get()
    assert listed is not None
    gone = next(each for each in listed.value or [] if getattr(each, "user_id", None) == world.people[3].id)
    await members.by_conversation_member_id(str(gone.id)).delete()
    items, _ = await to_the_end(delta, await delta.with_url(str(link)).get())
    (change,) = items[0].additional_data["members@delta"]
    told = items[0].id, str(change["id"]), change["@removed"]
    assert told == (group.id, world.people[3].id, {"reason": "deleted"})


async def test_a_calendar_is_followed_within_its_window(graph: Simulator, client: GraphServiceClient) -> None:
    world, owner = graph.world, graph.world.people[0]
    meeting = acts.add_event(world, owner, "Planning").entity
    delta = client.users.by_user_id(owner.id).calendar_view.delta
    query = CalendarDelta.DeltaRequestBuilderGetQueryParameters(
        start_date_time="2020-01-01T00:00:00Z", end_date_time="2090-01-01T00:00:00Z"
    )
    items, link = await to_the_end(delta, await delta.get(asking(query)))
    assert [item.subject for item in items] == ["Planning"]
    world.delete(meeting)
    items, _ = await to_the_end(delta, await delta.with_url(str(link)).get())
    assert [(item.id, reason(item)) for item in items] == [(meeting.id, "deleted")]


async def test_a_channel_is_followed_through_replies_edits_and_deletions(
    graph: Simulator, client: GraphServiceClient
) -> None:
    world, place = graph.world, graph.world.places[0]
    thread, other = (acts.post(world, place, text, author=world.people[0]).entity for text in ("one", "two"))
    channel = client.teams.by_team_id(place.ids["team"]).channels.by_channel_id(place.ids["channel"])
    delta = channel.messages.delta
    items, link = await to_the_end(delta, await delta.get())
    assert {item.id for item in items} == {thread.id, other.id}
    acts.edit(world, thread, "one, edited")
    acts.delete(world, other)
    added = acts.post(world, place, "three", author=world.people[1]).entity
    items, _ = await to_the_end(delta, await delta.with_url(str(link)).get())
    told = {item.id: item for item in items}
    assert set(told) == {thread.id, other.id, added.id}
    assert told[thread.id].body.content == "<p>one, edited</p>"
    assert told[other.id].deleted_date_time or reason(told[other.id])


@pytest.mark.parametrize("from_now", [False, True])
async def test_a_drive_is_followed_from_the_beginning_or_from_now(
    graph: Simulator, client: GraphServiceClient, *, from_now: bool
) -> None:
    world, owner = graph.world, graph.world.people[0]
    before = acts.upload(world, owner, "before.docx", 10).entity
    drive = await client.users.by_user_id(owner.id).drive.get()
    assert drive is not None
    root = client.drives.by_drive_id(str(drive.id)).items.by_drive_item_id("root")
    delta: Any = root.delta_with_token("latest") if from_now else root.delta
    items, link = await to_the_end(delta, await delta.get())
    assert {item.name for item in items} == (set() if from_now else {"root", "before.docx"})
    acts.upload(world, owner, "after.docx", 20)
    acts.delete(world, before)
    items, _ = await to_the_end(delta, await delta.with_url(str(link)).get())
    told = {item.name: item for item in items if item.name != "root"}
    assert told["after.docx"].size == 20
    assert [item.id for item in items if item.deleted] == [before.id]


async def test_a_link_that_is_too_old_says_so(graph: Simulator, client: GraphServiceClient) -> None:
    delta = client.users.delta
    _, link = await to_the_end(delta, await delta.get())
    graph.knobs.turn({"delta_token_days": 0.0})
    with pytest.raises(ODataError) as caught:
        await delta.with_url(str(link)).get()
    assert caught.value.response_status_code == 410
    graph.knobs.turn({"delta_token_days": 7.0})
    anew = header_of(caught.value, "Location")
    items, _ = await to_the_end(delta, await delta.with_url(str(anew)).get())
    assert len(items) == len(graph.world.people)
