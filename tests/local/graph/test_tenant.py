"""The tenant: names, versions, what is listed where, and a story that follows from the seed alone."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.clock import Clock
from local.graph.dice import Dice
from local.graph.tenant import acts
from local.graph.tenant.entity import Change
from local.graph.tenant.people import People, Plan
from local.graph.tenant.population import Size, populate
from local.graph.tenant.saving import restore, save
from local.graph.tenant.world import World

TENANT = "7e4a0000-0000-4000-8000-000000007e4a"


def tenant(seed: int = 1, size: Size | None = None) -> World:
    return populate(TENANT, "Contoso", "contoso.com", size=size or Size(), clock=Clock(), dice=Dice(seed))


def listed(world: World, path: str) -> list[str]:
    collection = world.collection(path)
    assert collection is not None, path
    return [entity.id for entity in world.members(collection)]


def spellings(world: World) -> list[tuple[str, str]]:
    owner = world.people[0]
    inbox, drive = acts.folder_of(world, owner, "inbox"), f"b!{owner.id.replace('-', '')}"
    home, mailbox = f"users/{owner.id}", f"users/{owner.id}/mailfolders/{inbox}/messages"
    team = world.places[0].ids["team"]
    return [
        (f"/Users('{owner.address.upper()}')/Messages", f"{home}/messages"),
        (f"users/{owner.address}/mailFolders('Inbox')/messages", mailbox),
        (f"users/{owner.id.upper()}/mailFolders/{inbox}/messages", mailbox),
        (f"users/{owner.id}/mailFolders/inbox/messages/AAA=", f"{home}/messages/AAA="),
        (f"users/{owner.id}/calendar/events/E", f"{home}/events/E"),
        (f"users/{owner.id}/chats/19:x@thread.v2/messages", "chats/19:x@thread.v2/messages"),
        (f"users/{owner.id}/chats", f"{home}/chats"),
        (f"users/{owner.address}/drive/root/children", f"drives/{drive}/items/root/children"),
        (f"users/{owner.id}/presence", f"communications/presences/{owner.id}"),
        (f"communications/presences('{owner.address}')", f"communications/presences/{owner.id}"),
        (f"groups/{team}/team/channels", f"teams/{team}/channels"),
        (
            f"teams('{team}')/channels('19:c')/messages('1')/replies('2')",
            f"teams/{team}/channels/19:c/messages/1/replies/2",
        ),
    ]


@pytest.mark.parametrize("index", range(12))
def test_everything_has_one_canonical_name(index: int) -> None:
    world = tenant()
    path, name = spellings(world)[index]
    assert world.names.canonical(path) == name
    assert world.names.canonical(name) == name


@given(
    path=st.text(max_size=60)
    | st.lists(st.sampled_from(["users", "me", "mailFolders", "drive", "x", ""])).map("/".join)
)
def test_any_path_has_a_name_that_is_its_own_name(path: str) -> None:
    name = WORLD.names.canonical(path)
    assert WORLD.names.canonical(name) == name


WORLD = tenant()


def test_a_message_is_listed_where_it_lies_and_a_reply_beneath_its_message() -> None:
    world = tenant()
    channel, author = world.places[0], world.people[0]
    message = acts.post(world, channel, "hello", author=author).entity
    reply = acts.post(world, channel, "hi", author=author, reply_to=message.id).entity
    assert listed(world, channel.collection) == [message.id]
    assert listed(world, f"{message.resource}/replies") == [reply.id]
    assert world.find(reply.resource) is reply
    assert reply.reaches == message.reaches


def test_a_deleted_teams_message_stays_and_is_empty_while_a_deleted_mail_is_gone() -> None:
    world = tenant()
    channel, mailbox = world.places[0], next(place for place in world.places if place.workload == "mail")
    message = acts.post(world, channel, "hello", author=world.people[0]).entity
    mail = acts.post(world, mailbox, "hello", author=world.people[1], subject="hi").entity
    assert acts.delete(world, message).change_type == "deleted"
    assert acts.delete(world, mail).change_type == "deleted"
    assert listed(world, channel.collection) == [message.id]
    assert listed(world, mailbox.collection) == []
    kept = world.find(message.resource)
    assert kept
    assert kept.content["deletedDateTime"]
    assert kept.content["body"]["content"] == ""


def test_a_moved_mail_is_gone_in_one_folder_and_new_under_another_id_in_the_other() -> None:
    world = tenant()
    owner = world.people[0]
    mail = acts.receive_mail(world, owner, subject="s", text="t", author=world.people[1]).entity
    left, arrived = acts.move_mail(world, mail, "archive")
    assert (left.change_type, arrived.change_type) == ("deleted", "created")
    assert left.entity.id != arrived.entity.id
    assert arrived.entity.ids["folder"] == acts.folder_of(world, owner, "archive")
    assert listed(world, f"users/{owner.id}/mailFolders/inbox/messages") == []
    assert listed(world, f"users/{owner.id}/mailFolders/archive/messages") == [arrived.entity.id]
    assert listed(world, f"users/{owner.id}/messages") == [arrived.entity.id]


def test_a_removed_user_is_first_an_update_and_only_then_gone() -> None:
    world = tenant()
    user = world.entities[f"users/{world.people[0].id}"]
    softly = acts.delete(world, user)
    assert (softly.change_type, softly.entity.deleted) == ("updated", True)
    assert world.people[0].id not in listed(world, "users")
    assert acts.delete(world, softly.entity).change_type == "deleted"


def test_every_change_has_a_number_of_its_own_and_a_version_that_is_new() -> None:
    world = tenant()
    message = acts.post(world, world.places[0], "a", author=world.people[0])
    edited = acts.edit(world, message.entity, "b")
    reacted = acts.react(world, edited.entity, world.people[1], "like")
    taken_back = acts.react(world, reacted.entity, world.people[1], "like", take_back=True)
    changes = [message, edited, reacted, taken_back]
    assert all(earlier.number < later.number for earlier, later in itertools.pairwise(changes))
    assert len({change.entity.version for change in changes}) == len(changes)
    assert [change.entity.sequence for change in changes] == [1, 2, 3, 4]
    assert reacted.entity.content["reactions"]
    assert not taken_back.entity.content["reactions"]


def test_a_chat_is_heard_by_its_members_names_too() -> None:
    world = tenant()
    chat = next(place for place in world.places if place.workload == "chat")
    change = acts.post(world, chat, "psst", author=chat.people[0])
    heard = {(path, dict(ids).get("user")) for _, path, ids in change.entity.reaches}
    for person in chat.people:
        assert ("users/{user}/chats/getAllMessages", person.id) in heard
    assert ("chats/getAllMessages", None) in heard


def story(seed: int, steps: int = 120) -> list[tuple[str, str, str]]:
    world = tenant(seed)
    plan = Plan(other=0.3, chats=0.3, replies=0.3, reactions=0.2)
    people = People(worlds=[world], plan=plan, dice=Dice(seed).of("chatter", 1))
    changes: list[Change] = [change for _ in range(steps) for change in people.act()]
    return [(each.change_type, each.entity.row.key, _plain(each)) for each in changes]


def _plain(change: Change) -> str:
    # Teams makes ids from the time of day, which no seed repeats
    if "message" not in change.entity.row.key:
        return change.entity.id
    return "" if change.entity.deleted else change.entity.summary


def test_the_same_seed_tells_the_same_story_and_another_another() -> None:
    assert story(7) == story(7) != story(8)
    assert {kind for _, kind, _ in story(7)} >= {
        "channel-message",
        "chat-message",
        "message",
        "event",
        "contact",
        "drive-item",
    }


def test_a_tenant_that_was_saved_goes_on_as_if_nothing_had_happened() -> None:
    world = tenant(3, Size(history=2))
    people = People(worlds=[world], plan=Plan(other=0.3, chats=0.3), dice=Dice(3).of("chatter", 1))
    for _ in range(60):
        people.act()
    saved = json.loads(json.dumps(save(world)))
    again = restore(saved, clock=Clock(), dice=Dice(3), numbers=itertools.count(10_000))
    assert json.loads(json.dumps(save(again))) == saved
    assert {key: entity.reaches for key, entity in again.entities.items()} == {
        key: entity.reaches for key, entity in world.entities.items()
    }
    assert again.names.canonical("users/adele.vance@contoso.com/mailFolders/inbox") == world.names.canonical(
        "users/adele.vance@contoso.com/mailFolders/inbox"
    )


def test_people_without_teams_and_chats_write_mails() -> None:
    world = tenant(size=Size(teams=0, chats=0))
    people = People(worlds=[world], plan=Plan(mail=0.0, chats=0.5), dice=Dice(1).of("chatter", 1))
    assert {change.entity.row.key for _ in range(20) for change in people.act()} == {"message"}
