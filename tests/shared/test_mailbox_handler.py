"""Handler `mailbox`: its owner, and nobody else, is told the present state of what has changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import shared.handlers.mailbox
from shared.adapters.memory_live import MemoryClient, MemoryLive
from shared.declaration import CONNECTED
from shared.dispatch import registrations
from shared.errors import GraphApiError
from shared.graph.subscription import LiveSubscription
from shared.live import EPOCH, group_now, own_feed
from shared.routing import Registration
from shared.user_tokens import mailbox_name
from tests import builders
from tests.stand import Stand

ADA, EVE = "00000000-0000-4000-8000-00000000aaaa", "00000000-0000-4000-8000-00000000eeee"
RESOURCE = f"users/{ADA}/messages/AAMk1"
MAIL = {"id": "AAMk1", "subject": "Lunch", "parentFolderId": "inbox-id", "isRead": False, "@odata.etag": 'W/"1"'}


SHOWN = {name: value for name, value in MAIL.items() if name != "@odata.etag"} | {"folder": "inbox-id"}


def _registrations() -> tuple[Registration, ...]:
    return registrations(shared.handlers.mailbox)


@dataclass
class Bench:
    """The receiver with a connected mailbox, whose owner and somebody else are looking."""

    stand: Stand = field(default_factory=lambda: Stand(registrations=_registrations()))

    async def open(self) -> tuple[MemoryClient, MemoryClient]:
        name = mailbox_name(ADA)
        row = LiveSubscription(
            name=name,
            generation=1,
            resource=CONNECTED.resource.replace("{user}", ADA),
            change_type=CONNECTED.change_type,
            include_resource_data=False,
            delivery="webhook",
            immutable_ids=True,
            actor=f"user:{ADA}",
            subscription_id="s",
        )
        await self.stand.subscriptions.save(row)
        live: MemoryLive = self.stand.live
        for person in (ADA, EVE):  # as whoever negotiates does, and again every few minutes
            for epoch in range(3):
                group = group_now(own_feed(person), self.stand.now + epoch * EPOCH)
                await live.join(person, group, ttl=3 * EPOCH)
        return live.connect(await live.connection(ADA)), live.connect(await live.connection(EVE))

    async def tell(self, change_type: str = "created", *, message: str = "AAMk1", etag: str = "1") -> None:
        state = builders.client_state(name=mailbox_name(ADA), generation=1)
        item = builders.notification(
            changeType=change_type,
            resource=f"Users/{ADA}/Messages/{message}",
            resourceData={"@odata.type": "#Microsoft.Graph.Message", "id": message, "@odata.etag": f'W/"{etag}"'},
            clientState=state,
        )
        await self.stand.receive(item)
        await self.stand.run(until=self.stand.now)

    def has(self, **changes: Any) -> None:
        """Say what Graph has of the message now."""
        self.stand.graph.resources[RESOURCE] = MAIL | changes


def told(client: MemoryClient) -> list[Mapping[str, Any]]:
    return [arguments[0] for target, arguments in client.received if target == "mail"]


async def test_what_arrives_is_told_to_its_owner_alone() -> None:
    bench = Bench()
    ada, eve = await bench.open()
    bench.has()
    await bench.tell()

    assert told(ada) == [{"change": "created", "id": "AAMk1", "message": SHOWN, "folder": "inbox-id"}]
    assert told(eve) == []


async def test_it_is_fetched_as_its_owner_by_the_id_that_survives_a_move() -> None:
    bench = Bench()
    await bench.open()
    bench.has()
    await bench.tell()

    assert bench.stand.graph.actors == [f"user:{ADA}"]
    assert bench.stand.graph.preferences == ['IdType="ImmutableId"']


async def test_what_has_left_the_inbox_may_only_have_moved() -> None:
    bench = Bench()
    ada, _ = await bench.open()
    bench.has(parentFolderId="archive-id")
    await bench.tell("deleted")

    [only] = told(ada)
    assert (only["change"], only["folder"], only["message"]["id"]) == ("updated", "archive-id", "AAMk1")


async def test_what_is_gone_is_told_to_be() -> None:
    bench = Bench()
    ada, _ = await bench.open()
    gone = GraphApiError("GET", status=404, code="ErrorItemNotFound")
    bench.stand.graph.troubles = [gone, gone]
    await bench.tell("deleted")
    await bench.tell("updated", etag="2")

    assert told(ada) == [{"change": "deleted", "id": "AAMk1", "message": None, "folder": ""}] * 2


async def test_while_graph_is_away_it_is_told_later() -> None:
    bench = Bench()
    ada, _ = await bench.open()
    bench.has()
    bench.stand.graph.troubles = [GraphApiError("GET", status=503)]
    await bench.tell()
    assert told(ada) == []
    await bench.stand.run()

    assert len(told(ada)) == 1


async def test_while_the_service_for_live_clients_is_away_nothing_is_held_up() -> None:
    bench = Bench()
    await bench.open()
    bench.stand.live.away = True
    bench.has()
    await bench.tell()

    assert (bench.stand.queue.texts, bench.stand.dead_letters.texts) == ([], [])


async def test_a_duplicate_is_told_once() -> None:
    bench = Bench()
    ada, _ = await bench.open()
    bench.has()
    await bench.tell()
    await bench.tell()

    assert len(told(ada)) == 1


async def test_of_a_message_that_is_too_large_its_owner_is_told_that_there_is_one() -> None:
    bench = Bench()
    ada, _ = await bench.open()
    bench.has(body={"contentType": "html", "content": "x" * 300_000})
    await bench.tell()

    [only] = told(ada)
    assert (only["message"], only["folder"], only["id"]) == (None, "inbox-id", "AAMk1")


async def test_a_mailbox_that_is_being_left_tells_nothing() -> None:
    bench = Bench()
    ada, _ = await bench.open()
    bench.has()
    row = bench.stand.subscriptions.rows[mailbox_name(ADA)]
    await bench.stand.subscriptions.save(replace(row, leaving=True))
    await bench.tell()

    assert told(ada) == []
    assert bench.stand.graph.paths == []


def test_it_runs_only_where_it_is_listed() -> None:
    assert all(each.listed for each in _registrations())
