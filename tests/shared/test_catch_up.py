"""Catching up, against the simulator over HTTP: what went unheard is told once, whatever breaks off in between."""

import asyncio
import itertools
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.graph.simulator import Simulator
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from local.graph.tenant.immutable_ids import under_immutable_id
from local.graph.tenant.places import Place
from shared.adapters.credential import Credential, graph_scope
from shared.adapters.graph_api import GraphApi
from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_catch_up import MemoryGapStore, MemoryScopeStore
from shared.adapters.memory_subscriptions import MemoryDeclared
from shared.catch_up import LOOK_AGAIN, MOST_TROUBLES, CatchUp, Progress
from shared.declaration import DeclaredSubscription
from shared.envelope import Envelope, Item, read_envelope, write_envelope
from shared.errors import GraphApiError, StorageError
from shared.gaps import print_gaps
from shared.graph.client_state import read_client_state
from shared.graph.subscription import LiveSubscription
from shared.ports import Graph, Scope
from shared.settings import Settings
from shared.subscription_work import CatchUpWork
from tests import builders
from tests.stand import Handler, Stand

APP = "a99e0000-0000-4000-8000-00000000a99e"
NAME = "followed"
STATE_KEY = builders.CLIENT_STATE_KEY


def present() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the simulator goes by the real clock


@dataclass
class Watched:
    """A Graph that counts, and breaks when it is told to."""

    graph: Graph
    paths: list[str] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    troubles: dict[str, list[Exception]] = field(default_factory=dict)
    after: Callable[[str], None] = lambda _path: None

    async def request(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        self.paths.append(path)
        self.tenants.append(options.get("tenant_id", ""))
        for pattern, waiting in self.troubles.items():
            if waiting and re.search(pattern, path):
                raise waiting.pop(0)
        answer = await self.graph.request(method, path, **options)
        self.after(path)
        return answer


@dataclass
class Following:
    """One followed subscription: what catch-up puts onto the queue, and the clock that it goes by."""

    simulator: Simulator
    graph: Watched
    resource: str
    change_types: tuple[str, ...] = ("created", "updated", "deleted")
    immutable: bool = True
    ahead: timedelta = timedelta(0)
    most_pages: int = 60

    def __post_init__(self) -> None:
        self.scopes = MemoryScopeStore()
        self.gaps = MemoryGapStore()
        self.queue = MemoryQueue(now=self.now)
        self.ids = 0

    def now(self) -> datetime:
        return present() + self.ahead

    def new_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"

    @property
    def declared(self) -> DeclaredSubscription:
        return DeclaredSubscription(
            name=NAME,
            resource=self.resource,
            change_types=self.change_types,
            include_resource_data=False,
            immutable_ids=self.immutable,
        )

    @property
    def row(self) -> LiveSubscription:
        return builders.live(
            name=NAME,
            resource=self.resource,
            include_resource_data=False,
            immutable_ids=self.immutable,
            created=present() - timedelta(hours=1),
        )

    @property
    def catch_up(self) -> CatchUp:
        return CatchUp(
            graph=self.graph,
            scopes=self.scopes,
            gaps=self.gaps,
            queue=self.queue,
            client_state_key=STATE_KEY,
            tenant_id=self.simulator.tenant_id,
            now=self.now,
            new_id=self.new_id,
            most_pages=self.most_pages,
        )

    async def lap(self, reason: str = "request", lap: int = 1, since: datetime | None = None) -> Progress:
        order = CatchUpWork(name=NAME, reason=reason, since=since, lap=lap)
        return await self.catch_up.run(self.declared, self.row, order)

    async def run(self, reason: str = "request", since: datetime | None = None, *, laps: int = 100) -> Progress:
        """Call it until it is done, as the queue does."""
        for number in range(1, laps + 1):
            progress = await self.lap(reason, number, since)
            if progress.done:
                return progress
            assert progress.again is not None
            self.ahead += progress.again
        raise AssertionError(f"not done after {laps} laps: {progress}")

    def told(self) -> list[tuple[str, str]]:
        """Take what is on the queue: change type and the last segment of the path, in order."""
        return [(each["changeType"], each["resource"].rpartition("/")[2]) for each in self.notifications()]

    def notifications(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for text in self.queue.texts:
            envelope = read_envelope(text.encode())
            assert envelope.via == "delta"
            assert len(text) <= 61_440
            found += [item.notification or {} for item in envelope.items]
        self.queue.messages.clear()
        return found


Follow = Callable[..., Following]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def follow(simulator: Simulator) -> AsyncIterator[Follow]:
    token = simulator.authority.access_token(
        audience="https://graph.microsoft.com", app_id=APP, tenant_id=simulator.tenant_id, roles=[]
    )
    credential = Credential(lambda: lambda _: (token, present().timestamp() + 3600))
    api = GraphApi(endpoint=simulator.http_url, credential=credential, scope=graph_scope(Settings.from_environ({})))
    yield lambda resource, **changes: Following(simulator, Watched(api), resource, **changes)
    api.close()


def inbox(simulator: Simulator) -> Place:
    return next(place for place in simulator.world.places if place.workload == "mail")


def channel(simulator: Simulator, number: int = 0) -> Place:
    return [place for place in simulator.world.places if place.workload == "channel"][number]


def mail(simulator: Simulator, text: str = "hello") -> Entity:
    place = inbox(simulator)
    return acts.post(simulator.world, place, text, author=place.people[1], subject=text).entity


def owner(simulator: Simulator) -> str:
    return inbox(simulator).people[0].id


def say(simulator: Simulator, text: str, *, number: int = 0, reply_to: str | None = None) -> Entity:
    place = channel(simulator, number)
    return acts.post(simulator.world, place, text, author=place.people[0], reply_to=reply_to).entity


def address(entity: Entity) -> str:
    """The id by which an item of Outlook's is told under immutable ids."""
    return entity.immutable_id or entity.id


# -- the first round, and those after it --------------------------------------------------------------------------------


async def test_the_first_round_of_a_mailbox_is_silent_and_short(follow: Follow, simulator: Simulator) -> None:
    mail(simulator)
    followed = follow(f"users/{owner(simulator)}/messages")
    progress = await followed.run("baseline")

    assert (progress.found, progress.dispatched, followed.told()) == (0, 0, [])
    first = [path for path in followed.graph.paths if "/messages/delta" in path]
    assert len(first) == 5
    assert all("receivedDateTime" in path and "select=id" in path for path in first)
    assert not followed.gaps.reports


async def test_a_baseline_that_is_ordered_twice_tells_nothing_the_second_time_either(
    follow: Follow, simulator: Simulator
) -> None:
    """The message comes again when a worker dies after it was done; what happened meanwhile is heard by notification."""
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    mail(simulator)
    followed.graph.paths.clear()

    assert (await followed.run("baseline")).done

    assert (followed.told(), list(followed.graph.paths)) == ([], [])
    await followed.run("sweep")
    assert len(followed.told()) == 1


async def test_what_changed_since_the_last_round_is_told_by_reference(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    message = mail(simulator, "a secret that must not travel")
    progress = await followed.run("missed", since=present() - timedelta(minutes=1))
    [told] = followed.notifications()

    assert progress.found == 1
    assert told["resource"] == f"users/{owner(simulator)}/messages/{address(message)}"
    assert (told["changeType"], told["tenantId"]) == ("created", simulator.tenant_id)
    assert told["resourceData"]["@odata.etag"] == message.version
    assert told["resourceData"]["id"] == address(message)
    assert "secret" not in json.dumps(told)
    state = read_client_state(told["clientState"], [STATE_KEY], tenant_id=simulator.tenant_id, delivery="webhook")
    assert state is not None
    assert (state.name, state.generation) == (NAME, builders.GENERATION)


async def test_a_round_tells_what_was_made_changed_and_deleted(follow: Follow, simulator: Simulator) -> None:
    kept, edited, deleted = (mail(simulator, text) for text in ("kept", "edited", "deleted"))
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages")
    await followed.run("baseline")
    simulator.world.clock.advance(timedelta(hours=1))
    acts.edit(simulator.world, simulator.world.entities[edited.key], "anew")
    acts.delete(simulator.world, simulator.world.entities[deleted.key])
    new = mail(simulator, "new")
    scope = next(iter(followed.scopes.scopes.values()))
    followed.scopes.scopes[NAME, scope.path] = replace(scope, told=present() + timedelta(minutes=4, seconds=59))
    followed.ahead = timedelta(minutes=6)
    await followed.run()
    told = {last: change for change, last in followed.told()}

    assert told == {address(edited): "updated", address(deleted): "deleted", address(new): "updated"} or told[
        address(new)
    ] in {"created", "updated"}
    assert told[address(deleted)] == "deleted"
    assert address(kept) not in told


async def test_only_what_is_heard_is_told(follow: Follow, simulator: Simulator) -> None:
    deleted = mail(simulator)
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages", change_types=("created",))
    await followed.run("baseline")
    acts.delete(simulator.world, deleted)
    new = mail(simulator)
    await followed.run()

    assert followed.told() == [("created", address(new))]


async def test_a_mail_that_only_moves_is_not_told_as_deleted(follow: Follow, simulator: Simulator) -> None:
    moved = mail(simulator)
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    acts.move_mail(simulator.world, moved, "archive")
    await followed.run()

    told = followed.told()
    assert {last for _, last in told} == {address(moved)}
    assert "deleted" not in {change for change, _ in told}


async def test_under_ordinary_ids_a_move_is_a_deletion_and_something_new(follow: Follow, simulator: Simulator) -> None:
    moved = mail(simulator)
    followed = follow(f"users/{owner(simulator)}/messages", immutable=False)
    await followed.run("baseline")
    acts.move_mail(simulator.world, moved, "archive")
    await followed.run()

    told = {last: change for change, last in followed.told()}
    assert told.pop(moved.id) == "deleted"
    assert list(told.values()) == ["created"]


async def test_who_is_declared_by_name_is_told_by_id(follow: Follow, simulator: Simulator) -> None:
    person = inbox(simulator).people[0]
    followed = follow(f"users/{person.address}/messages")
    await followed.run("baseline")
    message = mail(simulator)
    await followed.run()
    [told] = followed.notifications()

    assert told["resource"] == f"users/{person.id}/messages/{address(message)}"


async def test_a_folder_that_is_new_is_found_and_what_is_in_it_told(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    archive = next(path for _, path in followed.scopes.scopes if "/messages/delta" in path)
    [told_before] = [scope.ids["folder"] for scope in followed.scopes.scopes.values() if scope.path == archive]
    del followed.scopes.scopes[NAME, archive]
    person = inbox(simulator).people[0]
    acts.receive_mail(
        simulator.world, person, subject="x", text="x", author=inbox(simulator).people[1], folder=told_before
    )
    await followed.run()

    assert len(followed.told()) == 1


# -- other workloads ----------------------------------------------------------------------------------------------------


async def test_all_teams_are_followed_channel_by_channel_with_replies(follow: Follow, simulator: Simulator) -> None:
    root = say(simulator, "an old question")
    followed = follow("teams/getAllMessages")
    await followed.run("baseline")
    assert followed.told() == []
    simulator.world.clock.advance(timedelta(minutes=1))
    new = say(simulator, "news", number=1)
    reply = say(simulator, "an answer", reply_to=root.id)
    await followed.run("missed")
    told = followed.notifications()

    place = channel(simulator)
    paths = [each["resource"] for each in told]
    path = f"teams/{place.ids['team']}/channels/{place.ids['channel']}/messages/{root.id}"
    assert f"{path}/replies/{reply.id}" in paths
    assert any(each.endswith(f"/messages/{new.id}") for each in paths)
    versions = {each["resourceData"]["id"]: each["resourceData"]["@odata.etag"] for each in told}
    assert versions[reply.id] == reply.version


async def test_a_deleted_teams_message_is_told_with_its_version(follow: Follow, simulator: Simulator) -> None:
    message = say(simulator, "oops")
    place = channel(simulator)
    followed = follow(f"teams/{place.ids['team']}/channels/{place.ids['channel']}/messages")
    await followed.run("baseline")
    gone = acts.delete(simulator.world, message).entity
    await followed.run()
    [told] = followed.notifications()

    assert (told["changeType"], told["resourceData"]["@odata.etag"]) == ("deleted", gone.version)


async def test_users_begin_with_now_and_are_told_later(follow: Follow, simulator: Simulator) -> None:
    followed = follow("users", change_types=("updated", "deleted"))
    await followed.run("baseline")
    assert followed.graph.paths == ["/users/delta?$deltatoken=latest"]
    person = simulator.world.people[0]
    simulator.world.update(simulator.world.entities[f"users/{person.id}"], {"jobTitle": "Lead"})
    await followed.run("sweep")

    assert followed.told() == [("updated", person.id)]


async def test_one_user_is_followed_alone(follow: Follow, simulator: Simulator) -> None:
    one, other = simulator.world.people[:2]
    followed = follow(f"users/{one.address}", change_types=("updated", "deleted"))
    await followed.run("baseline")
    for person in (one, other):
        simulator.world.update(simulator.world.entities[f"users/{person.id}"], {"jobTitle": "Lead"})
    await followed.run("sweep")

    assert ("updated", one.id) in followed.told()


async def test_a_drive_tells_that_something_changed_once_a_round(follow: Follow, simulator: Simulator) -> None:
    person = simulator.world.people[0]
    followed = follow(f"users/{person.id}/drive/root", change_types=("updated",))
    await followed.run("baseline")
    for number in range(3):
        acts.upload(simulator.world, person, f"{number}.txt", number)
    await followed.run()
    [told] = followed.notifications()

    assert told["resource"] == f"users/{person.id}/drive/root"


async def test_a_calendar_is_followed_and_its_window_moves_on(follow: Follow, simulator: Simulator) -> None:
    person = simulator.world.people[0]
    followed = follow(f"users/{person.id}/events")
    await followed.run("baseline")
    event = acts.add_event(simulator.world, person, "soon").entity
    await followed.run()
    assert followed.told() == [("created", address(event))]

    [scope] = followed.scopes.scopes.values()
    followed.scopes.scopes[NAME, scope.path] = replace(scope, opened=present() - timedelta(days=40))
    await followed.run()
    [scope] = followed.scopes.scopes.values()
    assert scope.link == ""
    later = acts.add_event(simulator.world, person, "later").entity
    progress = await followed.run()
    assert address(later) in {last for _, last in followed.told()}
    assert progress.how == "delta"


async def test_contacts_are_followed_in_their_default_folder(follow: Follow, simulator: Simulator) -> None:
    person = simulator.world.people[0]
    followed = follow(f"users/{person.id}/contacts")
    await followed.run("baseline")
    contact = acts.add_contact(simulator.world, person, "Ada Lovelace").entity
    await followed.run()

    assert followed.told() == [("created", address(contact))]


async def test_a_chat_has_no_delta_and_is_listed_by_time(follow: Follow, simulator: Simulator) -> None:
    place = next(place for place in simulator.world.places if place.workload == "chat")
    followed = follow(f"chats/{place.ids['chat']}/messages")
    await followed.run("baseline")
    assert followed.graph.paths == []
    message = acts.post(simulator.world, place, "hello", author=place.people[0]).entity
    progress = await followed.run("missed")

    assert followed.told() == [("created", message.id)]
    assert progress.how == "window"
    [report] = print_gaps(list(followed.gaps.reports.values()))
    assert (report["state"], report["how"], report["dispatched"]) == ("closed", "window", 1)


async def test_what_cannot_be_followed_says_what_to_do_instead(follow: Follow) -> None:
    followed = follow("chats/getAllMessages")
    progress = await followed.run("missed", since=present() - timedelta(hours=1))
    [report] = followed.gaps.reports.values()

    assert progress.done
    assert progress.how.startswith("not possible: ")
    assert "forEach" in report.how
    assert report.closed is not None


# -- gaps, lost links, and whatever breaks off ----------------------------------------------------------------------------


async def test_after_a_gap_without_a_baseline_what_changed_since_is_told(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/messages")
    before = mail(simulator)
    followed.ahead = timedelta(hours=1)
    since = present() + timedelta(minutes=30)
    await followed.run("gap", since=since)
    assert followed.told() == []

    other = follow(f"users/{owner(simulator)}/messages")
    await other.run("gap", since=present() - timedelta(minutes=30))
    assert address(before) in {last for _, last in other.told()}
    [report] = other.gaps.reports.values()
    assert (report.reason, report.closed is not None, report.dispatched) == ("gap", True, 1)


@pytest.mark.parametrize("resource", ["mail", "users", "channel", "drive"])
async def test_a_lost_link_begins_anew_and_tells_what_changed_since(
    follow: Follow, simulator: Simulator, resource: str
) -> None:
    place, person = channel(simulator), simulator.world.people[0]
    resources = {
        "mail": f"users/{owner(simulator)}/mailFolders/inbox/messages",
        "users": "users",
        "channel": f"teams/{place.ids['team']}/channels/{place.ids['channel']}/messages",
        "drive": f"users/{person.id}/drive/root",
    }
    followed = follow(resources[resource])
    await followed.run("baseline")
    new = {
        "mail": lambda: address(mail(simulator)),
        "channel": lambda: say(simulator, "new").id,
        "users": lambda: person.id,
        "drive": lambda: str(acts.upload(simulator.world, person, "a.txt", 1) and "root"),
    }[resource]()
    simulator.content.tokens.expire_all()
    progress = await followed.run("missed")

    assert new in {last for _, last in followed.told()}
    assert progress.how == "full resync"
    assert (await followed.run("sweep")).found == 0


@pytest.mark.parametrize("kind", ["mail", "chat"])
async def test_who_asks_since_a_time_is_told_everything_since_then_again(
    follow: Follow, simulator: Simulator, kind: str
) -> None:
    """Handlers were broken, say: what was told to them before is told again, and the ledger drops what they handled."""
    place = next(place for place in simulator.world.places if place.workload == kind)
    mailbox = f"users/{owner(simulator)}/mailFolders/inbox/messages"
    followed = follow(mailbox if kind == "mail" else f"chats/{place.ids['chat']}/messages")
    await followed.run("baseline")
    since = present() - timedelta(minutes=1)
    known = acts.post(simulator.world, place, "known", author=place.people[0]).entity
    deleted = acts.post(simulator.world, place, "deleted", author=place.people[0]).entity
    await followed.run("sweep")
    assert {last for _, last in followed.told()} == {address(known), address(deleted)}
    followed.ahead += timedelta(hours=1)
    await followed.run("sweep")
    assert kind == "chat" or followed.told() == []
    followed.told()
    acts.delete(simulator.world, deleted)
    progress = await followed.run("request", since=since)
    told = dict.fromkeys(followed.told())

    assert ("deleted", address(deleted)) in told
    assert address(known) in {last for _, last in told}
    assert progress.how == ("full resync" if kind == "mail" else "window")
    assert (await followed.run("sweep")).how in {"delta", "window"}
    assert kind == "chat" or followed.told() == []


async def test_a_delta_that_lags_is_looked_at_twice(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages")
    await followed.run("baseline")
    simulator.knobs.delta_lag_seconds = 1e6
    message = mail(simulator)
    first = await followed.lap("missed")
    assert (first.done, first.again) == (False, LOOK_AGAIN)
    early = await followed.lap("missed", 2)
    assert not early.done

    simulator.knobs.delta_lag_seconds = 0
    followed.ahead += LOOK_AGAIN
    assert (await followed.lap("missed", 3)).done
    assert followed.told() == [("created", address(message))]


async def test_two_empty_looks_are_enough(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages")
    await followed.run("baseline")
    await followed.run("missed", laps=3)
    [report] = followed.gaps.reports.values()

    assert report.closed is not None
    assert len([path for path in followed.graph.paths if "deltatoken" in path]) == 2


async def test_a_lap_is_bounded_and_the_next_one_goes_on(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages", most_pages=2)
    await followed.run("baseline")
    simulator.knobs.content_page = 3
    wanted = {address(mail(simulator, str(number))) for number in range(20)}
    before = len(followed.graph.paths)
    # the page size that is asked for is ours; the simulator's own is only used by who asks for none
    followed.graph.paths.clear()
    progress = await followed.lap("missed")
    assert len(followed.graph.paths) <= 2
    if not progress.done:
        await followed.run("missed")
    assert {last for _, last in followed.told()} == wanted
    assert before


@dataclass
class Breaking:
    """A store or queue of which one write fails: before it is done, or after it."""

    inner: Any
    writes: "itertools.count[int]"
    step: int
    done: bool

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        return self._breaking(method) if name in {"save", "save_run", "end_run", "put"} else method

    def _breaking(self, method: Any) -> Any:
        async def breaking(*args: Any, **options: Any) -> Any:
            breaks = next(self.writes) == self.step
            if breaks and not self.done:
                raise StorageError("storage did not answer")
            answer = await method(*args, **options)
            if breaks:
                raise StorageError("storage did not answer, though it did what it was asked for")
            return answer

        return breaking


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("step", range(26))
async def test_whichever_write_fails_nothing_is_lost(
    follow: Follow, simulator: Simulator, step: int, *, done: bool
) -> None:
    """The message comes again, and in the end everything was told."""
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    wanted = {address(mail(simulator, str(number))) for number in range(3)}
    writes = itertools.count()
    scopes, queue, gaps = (
        Breaking(inner, writes, step, done) for inner in (followed.scopes, followed.queue, followed.gaps)
    )
    told: set[str] = set()
    lap = 1
    for _ in range(60):
        catch_up = followed.catch_up
        catch_up._scopes, catch_up._gaps = scopes, gaps  # type: ignore[assignment]
        catch_up._walker = replace(catch_up._walker, scopes=scopes, queue=queue)  # type: ignore[arg-type]
        try:
            order = CatchUpWork(name=NAME, reason="missed", lap=lap)
            progress = await catch_up.run(followed.declared, followed.row, order)
        except StorageError:
            followed.ahead += timedelta(minutes=5)
            continue
        finally:
            told |= {last for _, last in followed.told()}
        if progress.done:
            break
        lap += 1
        followed.ahead += progress.again or timedelta(0)

    assert told == wanted
    assert not followed.scopes.runs


async def test_a_round_that_is_told_again_has_the_same_name(follow: Follow, simulator: Simulator) -> None:
    followed = follow("users", change_types=("updated",))
    await followed.run("baseline")
    person = simulator.world.people[0]
    simulator.world.update(simulator.world.entities[f"users/{person.id}"], {"jobTitle": "Lead"})
    before = dict(followed.scopes.scopes)
    await followed.run()
    first = followed.notifications()
    followed.scopes.scopes = {
        key: replace(scope, etag=followed.scopes.scopes[key].etag) for key, scope in before.items()
    }
    await followed.run()
    again = followed.notifications()
    simulator.world.update(simulator.world.entities[f"users/{person.id}"], {"jobTitle": "None"})
    await followed.run()
    [later] = followed.notifications()

    assert [each["delta"]["round"] for each in first] == [each["delta"]["round"] for each in again]
    assert later["delta"]["round"] != first[0]["delta"]["round"]


async def test_a_scope_is_walked_by_one_worker_at_a_time(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages")
    await followed.run("baseline")
    mail(simulator)
    [scope] = followed.scopes.scopes.values()
    followed.scopes.scopes[NAME, scope.path] = replace(scope, held_until=followed.now() + timedelta(minutes=2))
    followed.graph.paths.clear()
    progress = await followed.lap("missed")

    assert not progress.done
    assert timedelta(minutes=1) < (progress.again or timedelta(0)) < timedelta(minutes=3)
    assert followed.graph.paths == []
    await followed.run("missed")
    assert len(followed.told()) == 1


async def test_graph_is_left_alone_for_as_long_as_it_says(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages")
    await followed.run("baseline")
    mail(simulator)
    wait = timedelta(seconds=77)
    followed.graph.troubles["delta"] = [GraphApiError("GET", status=429, retry_after=wait)]
    progress = await followed.lap("missed")

    assert (progress.done, progress.again) == (False, wait + timedelta(seconds=1))
    assert progress.problem
    await followed.run("missed")
    assert len(followed.told()) == 1


@pytest.mark.parametrize(("status", "laps"), [(403, 3), (503, MOST_TROUBLES), (0, MOST_TROUBLES)])
async def test_a_refusal_that_stays_leaves_the_gap_open_and_the_next_sweep_closes_it(
    follow: Follow, simulator: Simulator, status: int, laps: int
) -> None:
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages")
    await followed.run("baseline")
    message = mail(simulator)
    followed.graph.troubles["delta"] = [GraphApiError("GET", status=status)] * laps
    progress = await followed.run("missed", laps=laps)
    [report] = followed.gaps.reports.values()
    assert progress.problem
    assert report.closed is None

    await followed.run("sweep")
    assert followed.told() == [("created", address(message))]
    [report] = followed.gaps.reports.values()
    assert (report.reason, report.closed is not None, report.dispatched) == ("missed", True, 1)
    assert not followed.scopes.runs


async def test_a_channel_that_is_forbidden_does_not_keep_the_others_from_being_read(
    follow: Follow, simulator: Simulator
) -> None:
    followed = follow("teams/getAllMessages")
    await followed.run("baseline")
    messages = [say(simulator, "news", number=number) for number in range(2)]
    closed = channel(simulator, 0).ids["channel"]
    followed.graph.troubles[closed.replace(".", "[.]")] = [GraphApiError("GET", status=403)] * 3
    progress = await followed.run("missed")
    assert progress.problem.startswith("1 of 5 cannot be read: GET")
    assert "403" in progress.problem
    assert followed.told() == [("created", messages[1].id)]

    await followed.run("sweep")
    assert followed.told() == [("created", messages[0].id)]


async def test_a_folder_that_always_fails_does_not_keep_the_others_from_being_read(
    follow: Follow, simulator: Simulator
) -> None:
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    wanted = mail(simulator)
    there = acts.folder_of(simulator.world, inbox(simulator).people[0], "inbox")
    folders = [scope.ids["folder"] for scope in followed.scopes.scopes.values() if scope.step == 1]
    broken = next(folder for folder in folders if folder != there)
    followed.graph.troubles[re.escape(broken)] = [GraphApiError("GET", status=503)] * 100
    for lap in range(1, 4):
        progress = await followed.lap("missed", lap)
        followed.ahead += progress.again or timedelta(0)

    assert followed.told() == [("created", address(wanted))]


async def test_a_folder_that_is_a_search_is_not_walked(follow: Follow, simulator: Simulator) -> None:
    folders = simulator.world.collections[f"users/{owner(simulator)}/mailfolders"].members
    key = next(iter(folders))
    entity = simulator.world.entities[key]
    simulator.world.entities[key] = replace(
        entity, content={**entity.content, "@odata.type": "#microsoft.graph.mailSearchFolder"}
    )
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    walked = {scope.ids["folder"] for scope in followed.scopes.scopes.values() if scope.step == 1}

    assert len(walked) == len(folders) - 1
    assert entity.id not in walked


async def test_graph_is_asked_in_the_subscription_s_tenant(follow: Follow) -> None:
    followed = follow("users")
    row = replace(followed.row, tenant_id=builders.OTHER_TENANT)
    await followed.catch_up.run(followed.declared, row, CatchUpWork(name=NAME, reason="baseline"))
    assert set(followed.graph.tenants) == {builders.OTHER_TENANT}


async def test_a_link_that_leads_elsewhere_is_not_followed(follow: Follow) -> None:
    followed = follow("users")
    await followed.run("baseline")
    [scope] = followed.scopes.scopes.values()
    followed.scopes.scopes[NAME, scope.path] = replace(scope, link="//evil.example/v1.0/users")
    progress = await followed.lap("sweep")
    assert not progress.done
    assert "away" in progress.problem


async def test_changes_after_the_last_that_was_heard_are_counted(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages")
    await followed.run("baseline")
    mail(simulator, "heard")
    heard_until = present() + timedelta(hours=1)
    assert (await followed.run("silence", since=heard_until, laps=1)).unheard == 0
    assert not followed.gaps.reports
    mail(simulator, "unheard")
    assert (await followed.run("silence", since=present() - timedelta(hours=1))).unheard == 1
    [report] = followed.gaps.reports.values()
    assert (report.reason, report.dispatched, report.closed is not None) == ("silence", 1, True)


async def test_a_folder_that_is_gone_is_forgotten(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    scope = next(scope for scope in followed.scopes.scopes.values() if scope.step == 1)
    gone = replace(scope, path=f"{scope.path}-gone", ids=scope.ids | {"folder": "nowhere"}, link="", told=None, etag="")
    await followed.scopes.save(gone)
    await followed.run("sweep")

    assert (NAME, gone.path) not in followed.scopes.scopes


async def test_another_resource_under_the_same_name_begins_with_a_baseline(
    follow: Follow, simulator: Simulator
) -> None:
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    followed.resource = "users"
    await followed.run("baseline")

    assert {scope.root for scope in followed.scopes.scopes.values()} == {"users"}


async def test_a_second_order_joins_the_first(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/mailFolders/inbox/messages")
    await followed.run("baseline")
    early = present() - timedelta(hours=2)
    await followed.lap("missed", since=present())
    await followed.lap("missed", since=early)
    assert followed.scopes.runs[NAME].since == early
    await followed.run("missed")
    assert (await followed.lap("missed", 2)).done
    assert len(followed.gaps.reports) <= 2


async def test_empty_and_repeated_pages_change_nothing(follow: Follow, simulator: Simulator) -> None:
    simulator.knobs.empty_pages = True
    simulator.knobs.delta_duplicates = 1.0
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    wanted = {address(mail(simulator, str(number))) for number in range(5)}
    await followed.run()

    assert {last for _, last in followed.told()} == wanted


async def test_nothing_is_left_of_what_is_forgotten(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    for _ in range(2):
        await followed.catch_up.forget(NAME)
    assert not followed.scopes.scopes


def test_a_scopes_link_is_no_part_of_what_is_printed() -> None:
    assert "token" not in repr(Scope(name="a", path="p", root="r", link="/x?$deltatoken=token"))


# -- heard and told: one change ------------------------------------------------------------------------------------------


@dataclass
class Both:
    """A subscription that is heard and followed, and a pipeline that both ways lead to."""

    followed: Following
    stand: Stand
    handler: Handler
    heard: int = 0

    def hear(self, entity: Entity, change_type: str, *, rich: bool) -> None:
        """Let Graph's own notification of a change come, as the simulator writes it."""
        simulator = self.followed.simulator
        shown = entity
        if self.followed.immutable:
            shown = under_immutable_id(entity)
        data: dict[str, Any] = {"@odata.type": shown.row.type, "@odata.id": shown.resource, "id": shown.id}
        if shown.row.version == "etag":
            data["@odata.etag"] = shown.version
        self.notification = builders.notification(
            clientState=builders.client_state(name=NAME, tenant_id=simulator.tenant_id),
            tenantId=simulator.tenant_id,
            changeType=change_type,
            resource=shown.resource,
            resourceData=data,
        )
        if rich:
            content = json.dumps(dict(shown.content)).encode()
            self.notification["encryptedContent"] = builders.encrypt(content, builders.certificate())

    async def deliver(self) -> None:
        """Let it travel as the webhook sends it on, once it is judged."""
        self.stand.ids += 1
        item = Item(item_id=f"heard-{self.stand.ids}", notification=self.notification)
        heard = Envelope(via="webhook", received=self.stand.now, items=(item,))
        await self.stand.queue.put(write_envelope(heard))
        await self.stand.run()

    async def follow(self, reason: str = "request") -> None:
        await self.followed.run(reason)
        for text in self.followed.queue.texts:
            await self.stand.queue.put(text)
        self.followed.queue.messages.clear()
        self.stand.now = max(self.stand.now, self.followed.now())
        await self.stand.run()
        assert not self.stand.dead_letters.messages, self.stand.dead_letters.texts


def both(followed: Following) -> Both:
    handler = Handler("feed")
    tenant_id = followed.simulator.tenant_id
    stand = Stand(
        registrations=[handler.registration()],
        declaration=builders.declaration(followed.declared),
        declared=MemoryDeclared(builders.declaration(followed.declared)),
        policy=builders.policy(allowed_tenant_ids=frozenset({tenant_id}), home_tenant_id=tenant_id),
        now=present(),
    )
    stand.subscriptions.rows = {NAME: followed.row}
    return Both(followed, stand, handler)


def make_mail(simulator: Simulator) -> Entity:
    return mail(simulator)


def make_event(simulator: Simulator) -> Entity:
    return acts.add_event(simulator.world, simulator.world.people[0], "soon").entity


def make_contact(simulator: Simulator) -> Entity:
    return acts.add_contact(simulator.world, simulator.world.people[0], "Ada Lovelace").entity


def make_said(simulator: Simulator) -> Entity:
    return say(simulator, "hello")


KINDS: Mapping[str, tuple[Callable[[Simulator], Entity], Callable[[Simulator], str]]] = {
    "mail": (make_mail, lambda simulator: f"users/{owner(simulator)}/messages"),
    "event": (make_event, lambda simulator: f"users/{simulator.world.people[0].id}/events"),
    "contact": (make_contact, lambda simulator: f"users/{simulator.world.people[0].id}/contacts"),
    "channel": (make_said, lambda _: "teams/getAllMessages"),
}


# a basic notification of Teams carries no version: see below
@pytest.mark.parametrize(
    ("kind", "rich"), [(kind, rich) for kind in KINDS for rich in (True, False) if rich or kind != "channel"]
)
async def test_what_was_heard_is_not_handled_again_when_a_delta_tells_it(
    follow: Follow, simulator: Simulator, kind: str, *, rich: bool
) -> None:
    make, resource = KINDS[kind]
    way = both(follow(resource(simulator)))
    await way.followed.run("baseline")
    entity = make(simulator)
    way.hear(entity, "created", rich=rich)
    await way.deliver()
    await way.follow()
    assert [change.via for change in way.handler.changes] == ["webhook"]

    acts.edit(simulator.world, simulator.world.entities[entity.key], "anew")
    await way.follow()
    assert [change.via for change in way.handler.changes] == ["webhook", "delta"]
    way.hear(simulator.world.entities[entity.key], "updated", rich=rich)
    await way.deliver()
    assert len(way.handler.changes) == 2


async def test_a_basic_notification_of_teams_agrees_as_soon_as_somebody_wants_the_content(
    follow: Follow, simulator: Simulator
) -> None:
    way = both(follow("teams/getAllMessages"))
    way.stand.registrations = [way.handler.registration(content=True)]
    await way.followed.run("baseline")
    message = say(simulator, "hello")
    path = f"teams/{channel(simulator).ids['team']}/channels/{channel(simulator).ids['channel']}/messages/{message.id}"
    way.stand.graph.resources[path] = dict(message.content)
    way.hear(message, "created", rich=False)
    await way.deliver()
    await way.follow()

    assert [change.via for change in way.handler.changes] == ["webhook"]


@pytest.mark.parametrize("versioned", [True, False])
async def test_a_deletion_that_was_heard_is_not_handled_again(
    follow: Follow, simulator: Simulator, *, versioned: bool
) -> None:
    message = mail(simulator)
    way = both(follow(f"users/{owner(simulator)}/messages"))
    await way.followed.run("baseline")
    gone = acts.delete(simulator.world, message).entity
    way.stand.now = way.followed.now()
    way.hear(gone, "deleted", rich=False)
    if not versioned:
        del way.notification["resourceData"]["@odata.etag"]
    await way.deliver()
    await way.follow()

    assert [(change.via, change.deleted) for change in way.handler.changes] == [("webhook", True)]


async def test_a_deletion_that_nobody_heard_is_handled_once(follow: Follow, simulator: Simulator) -> None:
    message = mail(simulator)
    way = both(follow(f"users/{owner(simulator)}/messages"))
    await way.followed.run("baseline")
    acts.delete(simulator.world, message)
    before = dict(way.followed.scopes.scopes)
    await way.follow()
    # the worker died before it could write down how far it had come
    way.followed.scopes.scopes = {
        key: replace(scope, etag=way.followed.scopes.scopes[key].etag) for key, scope in before.items()
    }
    await way.follow()

    assert [(change.via, change.deleted) for change in way.handler.changes] == [("delta", True)]


@pytest.mark.parametrize("first_heard", [True, False])
async def test_what_is_restored_and_deleted_again_is_a_second_deletion(
    follow: Follow, simulator: Simulator, *, first_heard: bool
) -> None:
    message = mail(simulator)
    way = both(follow(f"users/{owner(simulator)}/mailFolders/inbox/messages"))
    await way.followed.run("baseline")
    gone = acts.delete(simulator.world, message).entity
    way.stand.now = way.followed.now()
    if first_heard:
        way.hear(gone, "deleted", rich=False)
        await way.deliver()
    await way.follow()
    assert len(way.handler.changes) == 1

    back = simulator.world.undelete(simulator.world.entities[message.key], {})
    simulator.world.delete(back.entity)
    way.followed.ahead += timedelta(minutes=1)
    await way.follow()
    assert [change.deleted for change in way.handler.changes] == [True, True]


async def test_a_late_notification_does_not_hide_a_second_deletion(follow: Follow, simulator: Simulator) -> None:
    message = mail(simulator)
    way = both(follow(f"users/{owner(simulator)}/mailFolders/inbox/messages"))
    await way.followed.run("baseline")
    gone = acts.delete(simulator.world, message).entity
    await way.follow()
    way.hear(gone, "deleted", rich=False)
    await way.deliver()  # of the same deletion, later than the delta told it
    handled = len(way.handler.changes)

    back = simulator.world.undelete(simulator.world.entities[message.key], {})
    simulator.world.delete(back.entity)
    way.followed.ahead += timedelta(minutes=1)
    await way.follow()
    assert len(way.handler.changes) == handled + 1


async def test_two_workers_at_once_lose_nothing_and_walk_each_folder_once(follow: Follow, simulator: Simulator) -> None:
    followed = follow(f"users/{owner(simulator)}/messages")
    await followed.run("baseline")
    wanted = {address(mail(simulator, str(number))) for number in range(5)}
    followed.graph.paths.clear()
    done = await asyncio.gather(*(followed.lap("missed") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(each, Progress) for each in done), done
    walked = [path for path in followed.graph.paths if "/messages/delta" in path]
    await followed.run("missed")

    assert len(walked) == len(set(walked))
    assert {last for _, last in followed.told()} == wanted


@dataclass
class Mailbox:
    """A mailbox in which things happen; ``mails`` are what there ever was, as it is now."""

    simulator: Simulator
    dice: random.Random
    mails: list[str] = field(default_factory=list)

    def happen(self) -> tuple[Entity, str]:
        """Let something happen; the mail as it is then, and what Graph tells of it."""
        there = [key for key in self.mails if not self.entity(key).deleted]
        happening = self.dice.choice([self._new, self._edit, self._delete, self._move])
        return happening(there) if there else self._new(there)

    def entity(self, key: str) -> Entity:
        return self.simulator.world.entities[key]

    def _new(self, _there: list[str]) -> tuple[Entity, str]:
        entity = mail(self.simulator, f"mail {self.dice.random()}")
        self.mails.append(entity.key)
        return entity, "created"

    def _edit(self, there: list[str]) -> tuple[Entity, str]:
        entity = self.entity(self.dice.choice(there))
        return acts.edit(self.simulator.world, entity, f"edit {self.dice.random()}").entity, "updated"

    def _delete(self, there: list[str]) -> tuple[Entity, str]:
        return acts.delete(self.simulator.world, self.entity(self.dice.choice(there))).entity, "deleted"

    def _move(self, there: list[str]) -> tuple[Entity, str]:
        key, folder = self.dice.choice(there), self.dice.choice(["archive", "inbox", "drafts"])
        arrived = acts.move_mail(self.simulator.world, self.entity(key), folder)[1].entity
        self.mails[self.mails.index(key)] = arrived.key
        return arrived, "updated"


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_is_lost_on_the_way_every_state_is_handled_and_none_twice(
    follow: Follow, simulator: Simulator, seed: int
) -> None:
    """Half of the notifications get lost, some rounds are told twice; in the end each mail is handled as it is."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    mailbox = Mailbox(simulator, dice)
    person, author = inbox(simulator).people[:2]
    for folder in ("inbox", "archive", "drafts"):  # else a delta need not tell what came and went before its first item
        acts.receive_mail(simulator.world, person, subject="x", text="x", author=author, folder=folder)
    way = both(follow(f"users/{owner(simulator)}/messages"))
    await way.followed.run("baseline")
    for _ in range(30):
        entity, change_type = mailbox.happen()
        way.stand.now = max(way.stand.now, way.followed.now())
        if dice.random() < 0.5:
            way.hear(entity, change_type, rich=False)
            await way.deliver()
        if dice.random() < 0.3:
            before = dict(way.followed.scopes.scopes)
            await way.follow("sweep")
            if dice.random() < 0.5:  # as if the worker had died before it wrote down how far it had come
                now = way.followed.scopes.scopes
                now |= {key: replace(scope, etag=now[key].etag) for key, scope in before.items()}
        way.followed.ahead += timedelta(seconds=dice.choice([1, 60, 4000]))
    await way.follow("sweep")

    for key in mailbox.mails:
        entity = mailbox.entity(key)
        states = [
            (change.version, change.deleted)
            for change in way.handler.changes
            if change.resource.segments[-1] == address(entity)
        ]
        if entity.deleted:
            assert [deleted for _, deleted in states].count(True) == 1, states
        else:
            assert states.count((entity.version, False)) == 1, states
    keys = [change.key for change in way.handler.changes]
    assert len(keys) == len(set(keys))
