"""Immutable ids: the same item has the same one wherever it goes, to whoever prefers them, and nobody else sees them."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.clock import Clock
from local.graph.content.delta import DeltaTokens
from local.graph.content.delta_reading import DeltaReading, delta_of
from local.graph.content.links import Place
from local.graph.content.odata.query import read_query
from local.graph.content.tokens import Seal
from local.graph.dice import Dice
from local.graph.knobs import Knobs
from local.graph.simulator import Simulator
from local.graph.subscribing.preferences import IMMUTABLE_IDS
from local.graph.tenant import acts
from local.graph.tenant.entity import Change, Entity
from local.graph.tenant.immutable_ids import ITEMS, PREFIX, under_immutable_id
from local.graph.tenant.population import Size, populate
from local.graph.tenant.saving import restore, save
from local.graph.tenant.world import World
from tests.local.graph.asking import Asker
from tests.local.graph.press import Press, opened, press
from tests.local.graph.stand import App, Key, Receiver, Wanted

PREFER = {"Prefer": IMMUTABLE_IDS}
PREFERENCES = frozenset({IMMUTABLE_IDS})
BOX = "users/adele.vance@contoso.com"


@pytest.fixture
async def asker(graph: Simulator) -> AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker.for_app(session, graph)


def receive(world: World, subject: str = "Hello") -> Change:
    owner, author = world.people[:2]
    return acts.receive_mail(world, owner, subject=subject, text=subject, author=author)


async def headers_of(asker: Asker, path: str, prefer: str) -> Mapping[str, str]:
    headers = {"Authorization": f"Bearer {asker.token}", "Prefer": prefer}
    async with asker.session.get(f"{asker.base}/v1.0/{path}", headers=headers) as answer:
        return answer.headers


# reading and writing


@pytest.mark.parametrize(
    "prefer",
    [
        'IdType="ImmutableId"',
        "idtype=immutableid",
        'IDTYPE = "ImmutableID"',
        'odata.maxpagesize=5, IdType="ImmutableId"',
    ],
)
async def test_the_preference_is_understood_in_any_spelling_and_said_to_be_applied(
    graph: Simulator, asker: Asker, prefer: str
) -> None:
    mail = receive(graph.world).entity
    listed = await asker.listed(f"{BOX}/messages", Prefer=prefer)
    assert [each["id"] for each in listed] == [mail.immutable_id]
    assert (await headers_of(asker, f"{BOX}/messages", prefer))["Preference-Applied"] == 'IdType="ImmutableId"'
    assert "Preference-Applied" not in await headers_of(asker, f"{BOX}/messages", "odata.maxpagesize=5")


async def test_it_is_for_the_items_of_outlook_only(graph: Simulator, asker: Asker) -> None:
    receive(graph.world)
    acts.add_event(graph.world, graph.world.people[0], "Planning")
    acts.add_contact(graph.world, graph.world.people[0], "Kim Akers")
    assert "Preference-Applied" not in await headers_of(asker, "users", IMMUTABLE_IDS)
    for path in ("users", f"{BOX}/mailFolders", f"{BOX}/contactFolders", "teams"):
        assert await asker.listed(path, **PREFER) == await asker.listed(path)
    for path in (f"{BOX}/messages", f"{BOX}/events", f"{BOX}/contacts"):
        (ordinary,), (immutable,) = await asker.listed(path), await asker.listed(path, **PREFER)
        assert immutable["id"].startswith(PREFIX)
        assert not ordinary["id"].startswith(PREFIX)
        assert immutable == ordinary | {"id": immutable["id"]}


async def test_both_ids_lead_to_an_item_and_the_preference_says_which_is_answered(
    graph: Simulator, asker: Asker
) -> None:
    mail = receive(graph.world).entity
    for called in (mail.id, mail.immutable_id):
        for path in (f"{BOX}/messages/{called}", f"{BOX}/mailFolders/inbox/messages/{called}"):
            assert (await asker.get(path))["id"] == mail.id
            assert (await asker.get(path, **PREFER))["id"] == mail.immutable_id
    other = "users/megan.bowen@contoso.com"
    assert await asker.refused("GET", f"{other}/messages/{mail.immutable_id}") == (404, "ErrorItemNotFound")


async def test_a_moved_mail_is_found_under_its_immutable_id_only(graph: Simulator, asker: Asker) -> None:
    mail = receive(graph.world).entity
    seen = {mail.id}
    for folder in ("archive", "inbox", "deleteditems"):
        path = f"{BOX}/messages/{mail.immutable_id}"
        status, moved = await asker.ask("POST", f"{path}/move", {"destinationId": folder}, **PREFER)
        assert (status, moved["id"]) == (201, mail.immutable_id)
        now = (await asker.get(path))["id"]
        assert now not in seen
        for gone in seen:
            assert await asker.refused("GET", f"{BOX}/messages/{gone}") == (404, "ErrorItemNotFound")
        seen.add(now)
        (listed,) = await asker.listed(f"{BOX}/mailFolders/{folder}/messages", **PREFER)
        assert listed["id"] == mail.immutable_id


async def test_items_are_changed_copied_and_deleted_by_their_immutable_ids(graph: Simulator, asker: Asker) -> None:
    mail = receive(graph.world).entity
    path = f"{BOX}/messages/{mail.immutable_id}"
    status, patched = await asker.ask("PATCH", path, {"isRead": True}, **PREFER)
    assert (status, patched["id"], patched["isRead"]) == (200, mail.immutable_id, True)
    status, copied = await asker.ask("POST", f"{path}/copy", {"destinationId": "archive"}, **PREFER)
    assert status == 201
    assert copied["id"].startswith(PREFIX)
    assert copied["id"] != mail.immutable_id
    assert (await asker.ask("DELETE", path, **PREFER))[0] == 204
    assert await asker.refused("GET", path) == (404, "ErrorItemNotFound")


async def test_a_draft_that_is_sent_keeps_its_immutable_id(graph: Simulator, asker: Asker) -> None:
    to = [{"emailAddress": {"address": graph.world.people[1].address}}]
    status, draft = await asker.ask("POST", f"{BOX}/messages", {"subject": "Plan", "toRecipients": to}, **PREFER)
    assert status == 201
    assert (await asker.ask("POST", f"{BOX}/messages/{draft['id']}/send", **PREFER))[0] == 202
    (sent,) = await asker.listed(f"{BOX}/mailFolders/sentitems/messages", **PREFER)
    assert (sent["id"], sent["isDraft"]) == (draft["id"], False)
    assert (await asker.get(f"{BOX}/messages/{draft['id']}"))["parentFolderId"] == sent["parentFolderId"]
    assert await asker.listed(f"{BOX}/mailFolders/drafts/messages") == []
    (received,) = await asker.listed("users/megan.bowen@contoso.com/messages", **PREFER)
    assert received["id"] != draft["id"]


async def test_a_request_in_a_batch_has_a_preference_of_its_own(graph: Simulator, asker: Asker) -> None:
    mail = receive(graph.world).entity
    path = f"/{BOX}/messages/{mail.id}"
    parts = [{"id": "1", "method": "GET", "url": path, "headers": PREFER}, {"id": "2", "method": "GET", "url": path}]
    status, answer = await asker.ask("POST", "$batch", {"requests": parts})
    assert status == 200
    by_id = {each["id"]: each for each in answer["responses"]}
    assert [by_id[number]["body"]["id"] for number in "12"] == [mail.immutable_id, mail.id]
    assert by_id["1"]["headers"]["Preference-Applied"] == IMMUTABLE_IDS


# notifications


def ids_in(item: dict[str, Any]) -> set[str]:
    data = item["resourceData"]
    return {item["resource"].rpartition("/")[2], data["@odata.id"].rpartition("/")[2], data["id"]}


async def test_what_is_told_is_named_by_the_kind_of_id_that_the_subscription_prefers(
    key: Key, rich: dict[str, Any]
) -> None:
    async with press() as stand:
        for preferences in (frozenset[str](), PREFERENCES):
            stand.subscribe(f"{BOX}/messages?$select=subject", preferences=preferences, **rich)
        change = receive(stand.world)
        ordinary, immutable = stand.told(change)
        for item, expected in ((ordinary, change.entity.id), (immutable, change.entity.immutable_id)):
            assert ids_in(item) == {expected}
            assert opened(item["encryptedContent"], key)["id"] == expected
        printed = [truth.printed()["resource"] for truth in stand.publisher.truths]
        assert printed == [ordinary["resource"], immutable["resource"]]


@pytest.mark.parametrize("kind", sorted(ITEMS))
async def test_every_item_of_outlook_is_told_by_its_immutable_id(kind: str) -> None:
    async with press() as stand:
        owner = stand.world.people[0]
        stand.subscribe(f"{BOX}/{kind}s", preferences=PREFERENCES)
        change = {
            "message": lambda: receive(stand.world),
            "event": lambda: acts.add_event(stand.world, owner, "Planning"),
            "contact": lambda: acts.add_contact(stand.world, owner, "Kim Akers"),
        }[kind]()
        first = stand.told(change)
        edited = stand.told(acts.edit(stand.world, change.entity, "Changed"))
        deleted = stand.told(acts.delete(stand.world, stand.world.entities[change.entity.key]))
        assert [ids_in(item) for item in (*first, *edited, *deleted)] == [{change.entity.immutable_id}] * 3


def moved(stand: Press, mail: Entity, folder: str) -> dict[str, list[tuple[str, str]]]:
    """Move, and return by subscription what it was told: the change and the id."""
    told: dict[str, list[tuple[str, str]]] = {}
    for change in acts.move_mail(stand.world, mail, folder):
        for item in stand.told(change):
            told.setdefault(item["subscriptionId"], []).append((item["changeType"], item["resourceData"]["id"]))
    return told


async def test_a_move_is_an_update_of_the_mailbox_and_a_coming_and_going_in_its_folders() -> None:
    async with press() as stand:
        ordinary = stand.subscribe(f"{BOX}/messages").id
        box = stand.subscribe(f"{BOX}/messages", preferences=PREFERENCES).id
        inbox = stand.subscribe(f"{BOX}/mailFolders('inbox')/messages", preferences=PREFERENCES).id
        archive = stand.subscribe(f"{BOX}/mailFolders('archive')/messages", preferences=PREFERENCES).id
        mail = receive(stand.world).entity
        told = moved(stand, mail, "archive")
        now = stand.world.find(f"{BOX}/messages/{mail.immutable_id}")
        assert now is not None
        assert told == {
            ordinary: [("deleted", mail.id), ("created", now.id)],
            box: [("updated", mail.immutable_id)],
            inbox: [("deleted", mail.immutable_id)],
            archive: [("created", mail.immutable_id)],
        }


async def test_who_waits_for_new_mail_is_not_told_of_a_mail_that_was_moved() -> None:
    async with press() as stand:
        for asked in ("created", "deleted"):
            stand.subscribe(f"{BOX}/messages", preferences=PREFERENCES, changeType=asked)
        updated = stand.subscribe(f"{BOX}/messages", preferences=PREFERENCES, changeType="updated").id
        mail = receive(stand.world).entity
        assert moved(stand, mail, "archive") == {updated: [("updated", mail.immutable_id)]}


async def test_a_move_out_of_a_filter_is_told_as_deleted_and_into_it_as_created() -> None:
    async with press() as stand:
        inbox = acts.folder_of(stand.world, stand.world.people[0], "inbox")
        stand.subscribe(f"{BOX}/messages?$filter=parentFolderId eq '{inbox}'", preferences=PREFERENCES)
        mail = receive(stand.world).entity
        assert list(moved(stand, mail, "archive").values()) == [[("deleted", mail.immutable_id)]]
        there = stand.world.find(f"{BOX}/messages/{mail.immutable_id}")
        assert there is not None
        assert list(moved(stand, there, "inbox").values()) == [[("created", mail.immutable_id)]]


async def test_a_forgery_does_not_name_the_item_that_it_is_made_from() -> None:
    async with press() as stand:
        stand.subscribe(f"{BOX}/messages", preferences=PREFERENCES)
        change = receive(stand.world)
        (notice,) = stand.publisher.notices(change)
        forged = stand.forger.make("wrong-client-state", notice).notice.notification
        assert forged is not None
        assert ids_in(dict(forged)).isdisjoint({change.entity.id, change.entity.immutable_id})


async def test_the_preference_of_a_subscription_is_fixed_when_it_is_made(
    graph: Simulator, asker: Asker, app: App, receiver: Receiver, wanted: Wanted
) -> None:
    status, made = await asker.ask("POST", "subscriptions", wanted(resource=f"{BOX}/messages"), **PREFER)
    assert status == 201
    later = wanted()["expirationDateTime"]
    assert (await asker.ask("PATCH", f"subscriptions/{made['id']}", {"expirationDateTime": later}))[0] == 200
    posted = await app.control("post", {"where": "Adele Vance", "text": "hello"})
    await receiver.until(lambda: len(receiver.items) == 1)
    mail = graph.world.find(posted["resource"])
    assert mail is not None
    assert ids_in(receiver.items[0]) == {mail.immutable_id}


# delta


@dataclass
class Follower:
    """Somebody who follows the delta of folders; `known` is what it holds of each, by id."""

    clock: Clock = field(default_factory=lambda: Clock(time_scale=1e-9))
    knobs: Knobs = field(default_factory=Knobs)
    links: dict[str, str] = field(default_factory=dict)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.knobs.turn({"delta_lag_seconds": 0})
        size, dice = Size(people=2, teams=0, chats=0, writers=1), Dice(1)
        self.world = populate("t", "Contoso", "contoso.com", size=size, clock=self.clock, dice=dice)
        self.reading = DeltaReading(DeltaTokens(Seal.of(dice), self.clock, self.knobs), self.clock, self.knobs, dice)

    def page(self, url: str, *, immutable: bool, size: int | None = None) -> dict[str, Any]:
        parts = urlsplit(url)
        asked = delta_of(parts.path.strip("/"))
        assert asked is not None
        key, options = self.world.names.canonical(asked[0]), read_query(parse_qsl(parts.query, keep_blank_values=True))
        return self.reading.answer(self.world, key, options, Place(url=parts.path), size, immutable=immutable)

    def sync(self, folder: str, *, immutable: bool = True, size: int | None = None) -> list[dict[str, Any]]:
        """Read a round and take it over; with `immutable` every request says so, else none."""
        url = self.links.get(folder, f"{BOX}/mailFolders/{folder}/messages/delta")
        items: list[dict[str, Any]] = []
        while "@odata.deltaLink" not in (page := self.page(url, immutable=immutable, size=size)):
            items += page["value"]
            url = page["@odata.nextLink"]
        self.links[folder] = page["@odata.deltaLink"]
        items += page["value"]
        held = self.known.setdefault(folder, {})
        for item in items:
            held.pop(item["id"], None)
            if "@removed" not in item:
                held[item["id"]] = item["subject"]
        return items

    def there(self, folder: str) -> dict[str, Any]:
        collection = self.world.collection(f"{BOX}/mailFolders/{folder}/messages")
        assert collection is not None
        return {each.immutable_id: each.content["subject"] for each in self.world.members(collection)}


FOLDERS = ("inbox", "archive")
STEPS = st.lists(st.tuples(st.sampled_from(["receive", "move", "edit", "delete", "read"]), st.integers(0, 99)))


@given(steps=STEPS, size=st.integers(1, 5), duplicates=st.sampled_from([0, 0.5]))
def test_following_folders_under_immutable_ids_gives_what_is_in_them(
    steps: list[tuple[str, int]], size: int, duplicates: float
) -> None:
    follower = Follower()
    follower.knobs.turn({"delta_duplicates": duplicates})
    world = follower.world
    receive(world)
    for folder in FOLDERS:
        follower.sync(folder)
    for what, lot in steps:
        mails = [each for each in world.entities.values() if each.row.key == "message" and not each.deleted]
        mail = mails[lot % len(mails)] if mails else None
        if what == "receive" or mail is None:
            receive(world, f"mail {lot}")
        elif what == "move":
            acts.move_mail(world, mail, FOLDERS[lot % 2])
        elif what == "edit":
            world.update(mail, {"subject": f"edited {lot}"})
        elif what == "delete":
            acts.delete(world, mail)
        else:
            follower.sync(FOLDERS[lot % 2], size=size)
    for folder in FOLDERS:
        items = follower.sync(folder, size=size)
        assert follower.known[folder] == follower.there(folder)
        if not duplicates:
            assert len(items) == len({item["id"] for item in items})
    every = [each.immutable_id for each in world.entities.values() if each.row.key == "message" and not each.deleted]
    assert len(every) == len(set(every))


def test_what_went_away_and_came_back_is_there() -> None:
    follower = Follower()
    mail = receive(follower.world).entity
    follower.sync("inbox")
    away = acts.move_mail(follower.world, mail, "archive")[-1].entity
    acts.move_mail(follower.world, away, "inbox")
    (item,) = follower.sync("inbox")
    assert item["id"] == mail.immutable_id
    assert "@removed" not in item


def test_the_preference_is_each_requests_own_and_links_are_good_with_and_without_it() -> None:
    """As Microsoft's page says: an app that forgets the header on a link gets the other ids from there on."""
    follower = Follower()
    mails = [receive(follower.world, f"mail {number}").entity for number in range(3)]
    page = follower.page(f"{BOX}/mailFolders/inbox/messages/delta", immutable=True, size=1)
    forgotten = follower.page(page["@odata.nextLink"], immutable=False)
    remembered = follower.page(forgotten["@odata.nextLink"], immutable=True)
    ids = [item["id"] for each in (page, forgotten, remembered) for item in each["value"]]
    assert ids == [mails[0].immutable_id, mails[1].id, mails[2].immutable_id]
    acts.move_mail(follower.world, mails[0], "archive")
    (item,) = follower.page(remembered["@odata.deltaLink"], immutable=True)["value"]
    assert (item["id"], item["@removed"]) == (mails[0].immutable_id, {"reason": "deleted"})
    (item,) = follower.page(remembered["@odata.deltaLink"], immutable=False)["value"]
    assert item["id"] == mails[0].id


async def test_delta_over_http_heeds_the_header(graph: Simulator, asker: Asker) -> None:
    graph.knobs.turn({"delta_lag_seconds": 0})
    mail = receive(graph.world).entity
    path = f"{BOX}/mailFolders/inbox/messages/delta"
    assert [item["id"] for item in await asker.listed(path)] == [mail.id]
    assert [item["id"] for item in await asker.listed(path, **PREFER)] == [mail.immutable_id]
    assert (await headers_of(asker, path, IMMUTABLE_IDS))["Preference-Applied"] == IMMUTABLE_IDS


# keeping


def test_a_tenant_that_was_saved_knows_its_immutable_ids() -> None:
    follower = Follower()
    mail = receive(follower.world).entity
    away = acts.move_mail(follower.world, mail, "archive")[-1].entity
    saved = json.loads(json.dumps(save(follower.world)))
    again = restore(saved, clock=follower.clock, dice=Dice(1), numbers=follower.world.numbers)
    found = again.find(f"{BOX}/messages/{mail.immutable_id}")
    assert found is not None
    assert (found.id, found.immutable_id) == (away.id, mail.immutable_id)
    back = acts.move_mail(again, found, "inbox")[-1].entity
    assert under_immutable_id(back).resource == f"Users/{again.people[0].id}/Messages/{mail.immutable_id}"
