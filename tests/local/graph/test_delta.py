"""Delta without HTTP: whatever happens, and however it is read, replaying the rounds gives what is there."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.graph.clock import Clock
from local.graph.content.delta import DeltaTokens
from local.graph.content.delta_reading import DeltaReading, delta_of
from local.graph.content.links import Place
from local.graph.content.odata.query import read_query
from local.graph.content.tokens import Seal
from local.graph.dice import Dice
from local.graph.faults import GraphFault
from local.graph.knobs import Knobs
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from local.graph.tenant.population import Size, populate
from local.graph.tenant.world import World

TENANT = "7e4a0000-0000-4000-8000-000000007e4a"
SMALL = Size(people=3, teams=1, chats=1, writers=2)
MANY = 10_000


@dataclass
class Stand:
    """A tenant and a caller of delta; `known` is what the caller holds, by id."""

    knobs: Knobs = field(default_factory=Knobs)
    # hardly runs by itself, so that only `advance` lets anything become visible or old
    clock: Clock = field(default_factory=lambda: Clock(time_scale=1e-9))
    known: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        dice = Dice(1)
        self.world: World = populate(TENANT, "Contoso", "contoso.com", size=SMALL, clock=self.clock, dice=dice)
        self.tokens = DeltaTokens(Seal.of(dice), self.clock, self.knobs)
        self.reading = DeltaReading(self.tokens, self.clock, self.knobs, dice)

    def get(self, url: str, size: int | None = None) -> dict[str, Any]:
        parts = urlsplit(url)
        asked = delta_of(parts.path.strip("/"))
        assert asked is not None
        key = self.world.names.canonical(asked[0])
        options = read_query(parse_qsl(parts.query, keep_blank_values=True))
        return self.reading.answer(self.world, key, options, Place(url=parts.path), size)

    def follow(self, path: str, size: int | None = None) -> list[dict[str, Any]]:
        """Read one whole round and return its items; both links never come together."""
        url, items = self.links.get(path, path), []
        for _ in range(MANY):
            page = self.get(url, size)
            assert ("@odata.nextLink" in page) != ("@odata.deltaLink" in page)
            self.sizes.append(len(page["value"]))
            items += page["value"]
            url = page.get("@odata.nextLink") or page["@odata.deltaLink"]
            if "@odata.deltaLink" in page:
                self.links[path] = url
                return items
        raise AssertionError("a round without an end")

    def apply(self, path: str, items: list[dict[str, Any]]) -> None:
        held = self.known.setdefault(path, {})
        for item in items:
            if "@removed" in item or "deleted" in item:
                held.pop(item["id"], None)
            else:
                held[item["id"]] = {name: value for name, value in item.items() if "@odata.type" not in name}

    def sync(self, path: str, size: int | None = None) -> list[dict[str, Any]]:
        items = self.follow(path, size)
        self.apply(path, items)
        return items

    def inbox(self) -> str:
        return f"users/{self.world.people[0].id}/mailFolders/inbox/messages"

    def mail(self, text: str = "hello") -> Entity:
        place = next(place for place in self.world.places if place.workload == "mail")
        return acts.post(self.world, place, text, author=place.people[1], subject=text).entity

    def listed(self, path: str) -> dict[str, dict[str, Any]]:
        collection = self.world.collection(path)
        assert collection is not None
        return {entity.id: dict(entity.content) for entity in self.world.members(collection)}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["mail", "edit", "delete", "away", "back", "say", "answer", "hide", "file", "fire", "hire", "wait"]
        ),
        st.integers(0, 1000),
    ),
    max_size=25,
)
READS = st.lists(st.tuples(st.integers(1, 7), st.integers(0, 6)), min_size=1, max_size=4)


def act(stand: Stand, what: str, lot: int) -> None:  # noqa: C901, PLR0912 - one line for each thing that people do
    world = stand.world
    mails = list(world.collections[world.names.canonical(stand.inbox())].members)
    archive = list(world.collections[world.names.canonical(stand.inbox().replace("inbox", "archive"))].members)
    channel = next(place for place in world.places if place.workload == "channel")
    said = list(world.collections[f"{channel.key}/messages"].members)
    author = channel.people[lot % len(channel.people)]
    if what == "mail" or (what in {"edit", "delete", "away"} and not mails):
        stand.mail(f"mail {lot}")
    elif what == "edit":
        acts.edit(world, world.entities[mails[lot % len(mails)]], f"edited {lot}")
    elif what == "delete":
        acts.delete(world, world.entities[mails[lot % len(mails)]])
    elif what == "away":
        acts.move_mail(world, world.entities[mails[lot % len(mails)]], "archive")
    elif what == "back" and archive:
        acts.move_mail(world, world.entities[archive[lot % len(archive)]], "inbox")
    elif what == "say" or (what in {"answer", "hide"} and not said):
        acts.post(world, channel, f"said {lot}", author=author)
    elif what == "answer":
        thread = world.entities[said[lot % len(said)]]
        acts.post(world, channel, f"answered {lot}", author=author, reply_to=thread.id)
    elif what == "hide":
        acts.delete(world, world.entities[said[lot % len(said)]])
    elif what == "file":
        acts.upload(world, world.people[0], f"file {lot % 4}.txt", lot)
        if lot % 5 == 0:
            files = world.collections[world.names.canonical(f"users/{world.people[0].id}/drive/root/children")]
            acts.delete(world, world.entities[next(iter(files.members))])
    elif what == "fire":
        users = list(world.collections["users"].members)
        if len(users) > 1:
            acts.delete(world, world.entities[users[lot % len(users)]])
    elif what == "hire":
        gone = [entity for entity in world.entities.values() if entity.row.key == "user" and entity.deleted]
        for user in gone[:1]:
            world.undelete(user, {"deletedDateTime": None})
    else:
        stand.clock.advance(timedelta(seconds=lot / 20))


@settings(max_examples=60, deadline=None)
@given(
    stories=st.lists(st.tuples(STEPS, st.integers(1, 6)), min_size=1, max_size=5),
    duplicates=st.sampled_from([0.0, 0.5, 1.0]),
    lag=st.sampled_from([0.0, 30.0]),
    empty=st.booleans(),
)
def test_replaying_the_rounds_gives_what_is_there_whatever_happened(
    stories: list[tuple[list[tuple[str, int]], int]],
    duplicates: float,
    lag: float,
    empty: bool,  # noqa: FBT001 - drawn
) -> None:
    knobs = Knobs(delta_duplicates=duplicates, delta_lag_seconds=lag, empty_pages=empty)
    stand = Stand(knobs=knobs)
    team = next(place for place in stand.world.places if place.workload == "channel").path
    paths = {
        f"{stand.inbox()}/delta": stand.inbox(),
        "users/delta": "users",
        f"{team}/messages/delta": f"{team}/messages",
        f"users/{stand.world.people[0].id}/drive/root/delta": f"users/{stand.world.people[0].id}/drive/root",
    }
    for steps, size in stories:
        for what, lot in steps:
            act(stand, what, lot)
        for path in paths:
            stand.sync(path, size)
    stand.clock.advance(timedelta(seconds=lag + 1))
    for path, collection in paths.items():
        stand.sync(path, 3)
        assert stand.known[path] == stand.listed(collection)
        assert stand.sync(path) == []


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, meanwhile=STEPS, size=st.integers(1, 4), cut=st.integers(0, 5))
def test_what_happens_while_a_round_is_read_is_told_by_the_next(
    steps: list[tuple[str, int]], meanwhile: list[tuple[str, int]], size: int, cut: int
) -> None:
    stand = Stand()
    path = f"{stand.inbox()}/delta"
    for what, lot in steps:
        act(stand, what, lot)
    url, told = path, 0
    while path not in stand.links:
        page = stand.get(url, size)
        stand.apply(path, page["value"])
        told += 1
        if told == cut + 1:
            for what, lot in meanwhile:
                act(stand, what, lot)
        if "@odata.deltaLink" in page:
            stand.links[path] = page["@odata.deltaLink"]
        url = page.get("@odata.nextLink", "")
    if told <= cut:
        for what, lot in meanwhile:
            act(stand, what, lot)
    stand.sync(path, size)
    assert stand.known[path] == stand.listed(stand.inbox())


def test_a_page_holds_no_more_than_was_asked_for() -> None:
    stand = Stand(knobs=Knobs(delta_duplicates=1.0))
    for number in range(20):
        stand.mail(str(number))
    items = stand.sync(f"{stand.inbox()}/delta", 4)
    assert max(stand.sizes) == 4
    assert len(items) > 20
    assert len({item["id"] for item in items}) == 20


def test_an_entity_comes_once_a_round_as_it_is_now() -> None:
    stand = Stand()
    message = stand.mail()
    path = f"{stand.inbox()}/delta"
    stand.sync(path)
    for number in range(3):
        acts.edit(stand.world, stand.world.entities[message.key], f"edit {number}")
    [item] = stand.sync(path)
    assert item["body"]["content"] == "edit 2"


@pytest.mark.parametrize("gone", ["delete", "move"])
def test_what_has_left_the_folder_is_removed(gone: str) -> None:
    stand = Stand()
    message, path = stand.mail(), f"{stand.inbox()}/delta"
    stand.sync(path)
    if gone == "delete":
        acts.delete(stand.world, message)
    else:
        acts.move_mail(stand.world, message, "archive")
    [item] = stand.sync(path)
    assert item == {"@odata.type": "#microsoft.graph.message", "id": message.id, "@removed": {"reason": "deleted"}}


def test_a_user_is_first_changed_away_then_deleted() -> None:
    stand = Stand()
    stand.sync("users/delta")
    user = stand.world.entities[f"users/{stand.world.people[2].id}"]
    acts.delete(stand.world, user)
    assert stand.sync("users/delta") == [{"id": user.id, "@removed": {"reason": "changed"}}]
    acts.delete(stand.world, stand.world.entities[user.key])
    assert stand.sync("users/delta") == [{"id": user.id, "@removed": {"reason": "deleted"}}]


def test_a_group_tells_who_came_and_who_left() -> None:
    stand = Stand()
    [group] = stand.sync("groups/delta")
    assert {each["id"] for each in group["members@delta"]} == {person.id for person in stand.world.people}
    key = next(key for key in stand.world.collections[f"teams/{group['id']}/members"].members)
    user_id = stand.world.entities[key].content["userId"]
    acts.delete(stand.world, stand.world.entities[key])
    [group] = stand.sync("groups/delta")
    removed = {"@odata.type": "#microsoft.graph.user", "id": user_id, "@removed": {"reason": "deleted"}}
    assert group["members@delta"] == [removed]
    assert stand.sync("groups/delta") == []


def test_a_group_says_nothing_of_members_to_those_who_did_not_select_them() -> None:
    stand = Stand()
    [group] = stand.follow("groups/delta?$select=displayName")
    assert set(group) == {"id", "displayName"}


def test_a_reply_brings_its_thread_back_with_the_replies() -> None:
    stand = Stand()
    channel = next(place for place in stand.world.places if place.workload == "channel")
    root = acts.post(stand.world, channel, "a question", author=channel.people[0]).entity
    path = f"{channel.path}/messages/delta?$expand=replies"
    stand.sync(path)
    answer = acts.post(stand.world, channel, "an answer", author=channel.people[1], reply_to=root.id).entity
    [item] = stand.sync(path)
    assert (item["id"], [reply["id"] for reply in item["replies"]]) == (root.id, [answer.id])


def test_a_deleted_teams_message_is_still_there_and_says_so() -> None:
    stand = Stand()
    channel = next(place for place in stand.world.places if place.workload == "channel")
    message = acts.post(stand.world, channel, "oops", author=channel.people[0]).entity
    path = f"{channel.path}/messages/delta"
    stand.sync(path)
    acts.delete(stand.world, message)
    [item] = stand.sync(path)
    assert item["deletedDateTime"]
    assert "@removed" not in item


def test_a_deleted_file_has_the_deleted_facet() -> None:
    stand = Stand()
    path = f"users/{stand.world.people[0].id}/drive/root/delta"
    stand.sync(path)
    file = acts.upload(stand.world, stand.world.people[0], "a.txt", 5).entity
    assert [item["name"] for item in stand.sync(path)] == ["a.txt"]
    acts.delete(stand.world, file)
    [item] = stand.sync(path)
    assert (item["id"], item["deleted"]) == (file.id, {"state": "deleted"})


@pytest.mark.parametrize(("path", "option"), [("users/delta", "$deltatoken"), ("drive", "token"), ("drive()", "token")])
def test_latest_gives_a_delta_link_at_once_and_later_only_what_comes_after(path: str, option: str) -> None:
    stand = Stand()
    owner = stand.world.people[0]
    start = f"{path}?{option}=latest"
    if path == "drive":
        start = f"users/{owner.id}/drive/root/delta?token=latest"
    elif path == "drive()":
        start = f"users/{owner.id}/drive/root/delta()?token=latest"
    assert stand.sync(start) == []
    acts.upload(stand.world, owner, "new.txt", 1)
    stand.world.update(stand.world.entities[f"users/{owner.id}"], {"jobTitle": "Lead"})
    assert len(stand.sync(start)) == 1


def test_outlook_has_no_latest() -> None:
    stand = Stand()
    with pytest.raises(GraphFault) as refused:
        stand.get(f"{stand.inbox()}/delta?$deltatoken=latest")
    assert refused.value.status == 400


def test_changes_younger_than_the_lag_are_not_seen_yet() -> None:
    stand = Stand(knobs=Knobs(delta_lag_seconds=60))
    stand.clock.advance(timedelta(minutes=5))
    path = f"{stand.inbox()}/delta"
    stand.mail()
    assert stand.sync(path) == []
    stand.clock.advance(timedelta(seconds=61))
    assert len(stand.sync(path)) == 1


def test_the_selection_is_kept_across_rounds_and_links_need_nothing_else() -> None:
    stand = Stand()
    path = f"{stand.inbox()}/delta?$select=subject&$top=2"
    for number in range(5):
        stand.mail(f"mail {number}")
    wanted = {"@odata.type", "@odata.etag", "id", "subject"}
    assert [set(item) for item in stand.sync(path)] == [wanted] * 5
    assert stand.sizes == [2, 2, 1]
    stand.mail("one more")
    assert [set(item) for item in stand.sync(path)] == [wanted]


def test_a_filter_is_kept_and_what_stops_matching_is_removed() -> None:
    stand = Stand()
    message, _ = stand.mail("keep me"), stand.mail("not me")
    path = f"{stand.inbox()}/delta?$filter=contains(bodyPreview,'keep')"
    assert [item["id"] for item in stand.sync(path)] == [message.id]
    acts.edit(stand.world, message, "something else")
    [item] = stand.sync(path)
    assert item["@removed"] == {"reason": "changed"}


WINDOW = "startDateTime={}&endDateTime={}"


def calendar(stand: Stand, days: int = 1) -> str:
    now = stand.clock.now()
    first, last = now - timedelta(days=1), now + timedelta(days=days)
    window = WINDOW.format(first.strftime("%Y-%m-%dT%H:%M:%SZ"), last.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return f"users/{stand.world.people[0].id}/calendarView/delta?{window}"


def test_a_calendar_is_followed_within_its_window() -> None:
    stand = Stand()
    owner = stand.world.people[0]
    inside = acts.add_event(stand.world, owner, "soon").entity
    path = calendar(stand)
    assert [item["subject"] for item in stand.sync(path)] == ["soon"]
    far = {"dateTime": "2099-01-01T10:00:00.0000000", "timeZone": "UTC"}
    stand.world.update(inside, {"start": far, "end": far})
    [item] = stand.sync(path)
    assert item["@removed"] == {"reason": "changed"}


@pytest.mark.parametrize("spoilt", ["", "?startDateTime=2026-01-01T00:00:00Z", "?startDateTime=x&endDateTime=y"])
def test_a_calendar_needs_a_window(spoilt: str) -> None:
    stand = Stand()
    with pytest.raises(GraphFault) as refused:
        stand.get(f"users/{stand.world.people[0].id}/calendarView/delta{spoilt}")
    assert refused.value.status == 400


@pytest.mark.parametrize("option", ["$select=subject", "$filter=isAllDay", "$orderby=subject", "$search=x"])
def test_a_calendars_delta_takes_no_options(option: str) -> None:
    stand = Stand()
    with pytest.raises(GraphFault) as refused:
        stand.get(f"{calendar(stand)}&{option}")
    assert refused.value.status == 400


OLD = [
    ("users/delta", "syncStateNotFound", True),
    ("drive", "resyncRequired", True),
    ("channel", "SyncStateNotFound", True),
    ("inbox", "SyncStateNotFound", False),
]


@pytest.mark.parametrize("how", ["age", "forced"])
@pytest.mark.parametrize(("which", "code", "located"), OLD)
def test_a_token_that_is_too_old_is_gone(which: str, code: str, located: bool, how: str) -> None:  # noqa: FBT001 - a table
    stand = Stand()
    channel = next(place for place in stand.world.places if place.workload == "channel")
    path = {
        "drive": f"users/{stand.world.people[0].id}/drive/root/delta",
        "channel": f"{channel.path}/messages/delta",
        "inbox": f"{stand.inbox()}/delta?$select=subject",
    }.get(which, which)
    stand.sync(path)
    if how == "age":
        stand.clock.advance(timedelta(days=8))
    else:
        stand.tokens.expire_all()
    with pytest.raises(GraphFault) as gone:
        stand.sync(path)
    assert (gone.value.status, gone.value.code) == (410, code)
    assert ("Location" in gone.value.headers) is located
    if located:
        anew = stand.get(gone.value.headers["Location"])
        assert "@odata.deltaLink" in anew


def test_the_fresh_round_after_a_410_selects_what_the_old_one_did() -> None:
    stand = Stand()
    stand.sync("users/delta?$select=displayName")
    stand.tokens.expire_all()
    with pytest.raises(GraphFault) as gone:
        stand.sync("users/delta?$select=displayName")
    assert set(stand.get(gone.value.headers["Location"])["value"][0]) == {"id", "displayName"}


def test_a_token_of_another_collection_is_refused() -> None:
    stand = Stand()
    stand.sync("users/delta")
    token = stand.links["users/delta"].partition("=")[2]
    for path in ("groups/delta", f"{stand.inbox()}/delta"):
        with pytest.raises(GraphFault) as refused:
            stand.get(f"{path}?$deltatoken={token}")
        assert refused.value.status == 400


@given(st.text(min_size=1, max_size=60) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_any_text_that_is_no_token_is_refused(text: str) -> None:
    seal = Seal(b"a key")
    tokens = DeltaTokens(seal, Clock(), Knobs())
    assert seal.open("delta", text) is None
    with pytest.raises(GraphFault) as refused:
        tokens.read(text, "users")
    assert refused.value.status == 400


def test_a_token_that_was_touched_is_refused() -> None:
    seal = Seal(b"a key")
    token = seal.close("delta", ["users", 1])
    assert seal.open("delta", token) == ["users", 1]
    assert seal.open("list", token) is None
    for index in range(len(token) - 1):
        other = "A" if token[index] != "A" else "B"
        assert seal.open("delta", token[:index] + other + token[index + 1 :]) is None


@pytest.mark.parametrize(
    "path", ["chats/delta", "teams/delta", "users/x/messages/delta", "communications/callRecords/delta"]
)
def test_what_has_no_delta_says_so(path: str) -> None:
    with pytest.raises(GraphFault) as refused:
        Stand().get(path)
    assert refused.value.status == 400


@pytest.mark.parametrize("spelling", ["delta", "delta()", "microsoft.graph.delta()", "microsoft.graph.delta", "Delta"])
def test_the_function_may_be_spelt_in_several_ways(spelling: str) -> None:
    assert len(Stand().get(f"users/{spelling}")["value"]) == 3


def test_a_folder_that_does_not_exist_has_no_delta() -> None:
    stand = Stand()
    with pytest.raises(GraphFault) as refused:
        stand.get(f"users/{stand.world.people[0].id}/mailFolders/nowhere/messages/delta")
    assert (refused.value.status, refused.value.code) == (404, "ErrorItemNotFound")
