"""A subscriptions file that changes while the app runs, from the file to Graph and from Graph to the handlers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import MemoryEncryptionKeys, MemoryGraph, MemoryKeptDeclaration
from shared.declaration import Declaration, read_declaration
from shared.declared_state import FileDeclared
from shared.fan_out import instance_name
from shared.graph.subscription import LiveSubscription
from shared.results import Summary
from shared.settings import Settings
from shared.subscriptions import Subscriptions
from tests import builders
from tests.stand import Handler, Stand, memory_catch_up, memory_silence

MakeStand = Callable[..., Stand]

ANN, BOB, CID, DAN = (f"{number}0000000-0000-4000-8000-000000000000" for number in "1234")
GROUP = "abcdef00-0000-4000-8000-00000000000a"
MEMBERS = f"/groups/{GROUP}/transitiveMembers?$select=id&$top=999"
ENVIRON = {
    "GRAPH_TENANT_ID": builders.TENANT,
    "GRAPH_CLIENT_ID": builders.CLIENT_ID,
    "PUBLIC_BASE_URL": "https://a.example/api",
    "CLIENT_STATE_KEY": "Y3VycmVudC1rZXktb2YtdGhpcnR5LXR3by1ieXRlcyE=",
}


@dataclass
class App:
    """A stand whose subscriptions are kept as a file says, by a Graph that has them."""

    stand: Stand
    path: Path
    heard: Handler
    graph: MemoryGraph = field(default_factory=MemoryGraph)
    kept: MemoryKeptDeclaration = field(default_factory=MemoryKeptDeclaration)
    sent: int = 0

    def start(self) -> None:
        """Start a process: what the one before had in memory is gone."""
        declared = FileDeclared(path=self.path, read=_read, kept=self.kept, now=self.stand.clock)
        self.stand.declared = declared
        self.subscriptions = Subscriptions(
            declared=declared,
            settings=Settings.from_environ(ENVIRON),
            graph=self.graph,
            store=self.stand.subscriptions,
            work=MemoryQueue(now=self.stand.clock),
            catch_up=memory_catch_up(self.graph, self.stand.queue, self.stand.clock),
            silence=memory_silence(self.stand.clock),
            keys=MemoryEncryptionKeys(),
            now=self.stand.clock,
        )

    async def declare(self, whom: Any, **changes: Any) -> Summary:
        entry = {"name": "mail", "resource": "/users/{user}/messages", "changeType": "created", "forEach": whom}
        return await self.write(json.dumps({"subscriptions": [entry | changes]}))

    async def write(self, text: str) -> Summary:
        self.path.write_text(text, "utf-8")
        return await self.tick()

    async def tick(self) -> Summary:
        self.stand.now += timedelta(minutes=5)
        return await self.subscriptions.renew()

    @property
    def live(self) -> set[str]:
        return {each["resource"].split("/")[1] for each in self.graph.subscriptions.values()}

    def row(self, user: str) -> LiveSubscription:
        return self.stand.subscriptions.rows[instance_name("mail", user)]

    async def mail(self, to: str, *, row: LiveSubscription | None = None) -> int:
        """Have Graph tell of a mail; how many changes reached the handler."""
        row = row or self.row(to)
        state = builders.client_state(name=row.name, generation=row.generation)
        self.sent += 1
        resource = f"Users/{to}/Messages/{self.sent}"
        data = {"@odata.type": "#Microsoft.Graph.Message", "@odata.etag": "1", "id": str(self.sent)}
        before = len(self.heard.changes)
        await self.stand.receive(
            builders.notification(
                subscriptionId=row.subscription_id, clientState=state, resource=resource, resourceData=data
            )
        )
        await self.stand.run(until=self.stand.now)
        return len(self.heard.changes) - before


def _read(text: bytes) -> Declaration:
    return read_declaration(text, known_handlers=frozenset({"heard"}))


@pytest.fixture
def app(stand: MakeStand, tmp_path: Path) -> App:
    heard = Handler("heard")
    made = stand(heard)
    made.subscriptions.rows.clear()
    app = App(stand=made, path=tmp_path / "subscriptions.json", heard=heard)
    app.start()
    return app


async def test_of_three_users_one_goes_and_another_comes(app: App) -> None:
    await app.declare({"users": [ANN, BOB, CID]})
    assert app.live == {ANN, BOB, CID}
    assert app.graph.preferences == ['IdType="ImmutableId"'] * 3
    assert [await app.mail(user) for user in (ANN, BOB, CID)] == [1, 1, 1]
    kept, gone = app.row(ANN), app.row(CID)

    summary = await app.declare({"users": [ANN, BOB, DAN]})

    assert sorted(each.outcome for each in summary.results) == ["created", "deleted"]
    assert app.live == {ANN, BOB, DAN}
    assert app.row(ANN) == kept
    assert [await app.mail(user) for user in (ANN, BOB, DAN)] == [1, 1, 1]
    assert await app.mail(CID, row=gone) == 0
    assert not app.stand.dead_letters.messages
    assert (await app.tick()).results == ()


async def test_one_users_client_state_does_not_open_anothers_mail(app: App) -> None:
    await app.declare({"users": [ANN, BOB]})

    assert await app.mail(BOB, row=app.row(ANN)) == 0
    assert len(app.stand.dead_letters.messages) == 1


async def test_the_ledger_has_one_partition_for_all_instances(app: App) -> None:
    await app.declare({"users": [ANN, BOB]})
    for user in (ANN, BOB):
        await app.mail(user)

    partitions = {partition for rows in app.stand.ledger_store.periods.values() for partition, _ in rows}
    assert partitions == {"mail"}
    assert {change.subscription for change in app.heard.changes} == {app.row(ANN).name, app.row(BOB).name}


async def test_a_groups_members_come_and_go(app: App) -> None:
    app.graph.pages[MEMBERS] = _members(ANN, BOB)
    await app.declare({"group": GROUP.upper()})
    assert app.live == {ANN, BOB}

    app.graph.pages[MEMBERS] = _members(BOB, CID)
    await app.tick()

    assert app.live == {BOB, CID}
    assert await app.mail(CID) == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_group_that_cannot_be_read_loses_nobody(app: App, *, restarted: bool) -> None:
    app.graph.pages[MEMBERS] = _members(ANN, BOB)
    await app.declare({"group": GROUP})
    del app.graph.pages[MEMBERS]
    if restarted:
        app.start()
    app.stand.now += timedelta(days=5)

    summary = await app.tick()

    assert [each.outcome for each in summary.results] == ["renewed", "renewed"]
    assert app.live == {ANN, BOB}
    assert await app.mail(ANN) == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_broken_file_deletes_nobody_and_everybody_is_heard_and_renewed(app: App, *, restarted: bool) -> None:
    await app.declare({"users": [ANN, BOB]})
    app.path.write_text('{"subscriptions": [', "utf-8")
    if restarted:
        app.start()
    app.stand.now += timedelta(days=5)

    summary = await app.tick()

    assert [each.outcome for each in summary.results] == ["renewed", "renewed"]
    assert app.live == {ANN, BOB}
    assert await app.mail(ANN) == 1


async def test_a_file_that_was_never_good_leaves_everything_alone_and_items_wait(app: App) -> None:
    await app.declare({"users": [ANN]})
    app.kept.text = None
    app.path.write_text("", "utf-8")
    app.start()

    assert (await app.tick()).results == ()
    assert app.live == {ANN}
    assert await app.mail(ANN) == 0
    [(_, waiting)] = app.stand.waiting()
    assert waiting.attempt == 1

    await app.declare({"users": [ANN]})
    await app.stand.run()
    assert len(app.heard.changes) == 1


async def test_a_removed_instance_is_made_anew_by_its_lifecycle_event(app: App) -> None:
    app.graph.pages[MEMBERS] = _members(ANN, BOB)
    await app.declare({"group": GROUP})
    row = app.row(ANN)
    del app.graph.subscriptions[row.subscription_id]
    app.start()  # the event may reach an instance of the app that never asked who is in the group

    work = {"earshot": 1, "name": row.name, "subscriptionId": row.subscription_id}
    await app.subscriptions.work(json.dumps(work | {"lifecycleEvent": "subscriptionRemoved"}).encode())

    assert app.live == {ANN, BOB}
    assert app.row(ANN).generation == 2


async def test_items_are_fetched_with_the_ids_that_they_came_with(app: App) -> None:
    app.stand.registrations = (app.heard.registration(content=True),)
    served = app.stand.graph
    for number in (1, 2):
        served.resources[f"users/{ANN}/messages/{number}"] = {"id": str(number)}
    await app.declare({"users": [ANN]})
    await app.mail(ANN)
    await app.declare({"users": [ANN]}, immutableIds=False)
    await app.mail(ANN)

    assert served.preferences == ['IdType="ImmutableId"', ""]
    assert app.row(ANN).generation == 2


def _members(*users: str) -> dict[str, Any]:
    return {"value": [{"@odata.type": "#microsoft.graph.user", "id": user} for user in users]}
