"""The functions that keep subscriptions alive, called as the host calls them."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest

from blueprints.subscriptions import build
from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import (
    MemoryDeclared,
    MemoryEncryptionKeys,
    MemoryGraph,
    MemorySubscriptionStore,
)
from shared.declaration import read_declaration
from shared.errors import EnvelopeError, GraphApiError, SettingsError, StorageError
from shared.settings import Settings
from shared.subscriptions import Subscriptions
from tests.stand import memory_catch_up, memory_silence

DECLARED = {
    "subscriptions": [
        {"name": "teams", "resource": "/teams/getAllMessages", "changeType": "created"},
        {"name": "chats", "resource": "/chats/getAllMessages", "changeType": "created"},
    ]
}
ENVIRON = {
    "GRAPH_TENANT_ID": "7e4a0000-0000-4000-8000-000000007e4a",
    "GRAPH_CLIENT_ID": "a99e0000-0000-4000-8000-00000000a99e",
    "PUBLIC_BASE_URL": "https://a.example/api",
    "CLIENT_STATE_KEY": "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5",
}


@dataclass
class Stage:
    """The blueprint's functions over memory twins and a clock that moves when somebody pauses."""

    graph: MemoryGraph = field(default_factory=MemoryGraph)
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    now: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.work = MemoryQueue(now=lambda: self.now)
        self.declared = MemoryDeclared(read_declaration(json.dumps(DECLARED).encode(), known_handlers=None))
        self.subscriptions = Subscriptions(
            declared=self.declared,
            settings=Settings.from_environ(ENVIRON),
            graph=self.graph,
            store=self.store,
            work=self.work,
            catch_up=memory_catch_up(self.graph, MemoryQueue(now=lambda: self.now), lambda: self.now),
            silence=memory_silence(lambda: self.now),
            keys=MemoryEncryptionKeys(),
            now=lambda: self.now,
            pause=self._pause,
        )
        app = func.FunctionApp()
        app.register_functions(build(self.subscriptions))
        self.functions = {function.get_function_name(): function for function in app.get_functions()}

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)

    async def renew(self) -> None:
        await self._function("renewal")(None)

    async def tell(self, **work: Any) -> None:
        await self.take(json.dumps({"earshot": 1, "generation": 1, "received": "2026-11-20T12:00:00Z"} | work).encode())

    async def take(self, body: bytes) -> None:
        await self._function("subscription_work")(func.QueueMessage(body=body))

    def _function(self, name: str) -> Callable[..., Any]:
        user_function: Callable[..., Any] = self.functions[name].get_user_function()
        return user_function

    def count(self, method: str) -> int:
        return sum(each == method for each, _, _ in self.graph.requests)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_names_and_bindings_are_what_the_host_will_see(stage: Stage) -> None:
    bindings = {name: json.loads(str(function))["bindings"] for name, function in stage.functions.items()}

    assert bindings == {
        "renewal": [{"direction": "IN", "type": "timerTrigger", "name": "timer", "schedule": "%RENEWAL_SCHEDULE%"}],
        "subscription_work": [
            {
                "direction": "IN",
                "dataType": "BINARY",
                "type": "queueTrigger",
                "name": "message",
                "queueName": "subscription-work",
                "connection": "AzureWebJobsStorage",
            }
        ],
    }


async def test_the_timer_makes_what_is_declared_and_then_rests(stage: Stage) -> None:
    await stage.renew()
    await stage.renew()

    assert sorted(row.name for row in stage.store.rows.values()) == ["chats", "teams"]
    assert stage.count("POST") == len(stage.graph.requests) == 2


async def test_a_failed_validation_is_tried_again_within_the_same_tick(stage: Stage) -> None:
    stage.graph.troubles["POST"] = [GraphApiError("POST", status=400, message="validation timed out")] * 3

    await stage.renew()

    assert len(stage.graph.subscriptions) == 2
    assert 1 <= len(stage.pauses) <= 3
    assert all(5 <= pause <= 60 for pause in stage.pauses)


async def test_reauthorization_renews_once(stage: Stage) -> None:
    await stage.renew()
    row = stage.store.rows["teams"]
    stage.now += timedelta(minutes=5)

    for _ in range(3):
        await stage.tell(
            lifecycleEvent="reauthorizationRequired", name="teams", subscriptionId=row.subscription_id.upper()
        )

    assert stage.count("PATCH") == 1
    assert stage.store.rows["teams"].renewed == stage.now


async def test_a_removed_subscription_is_made_anew_once(stage: Stage) -> None:
    await stage.renew()
    before = stage.store.rows["teams"].subscription_id
    del stage.graph.subscriptions[before]

    for _ in range(2):
        await stage.tell(lifecycleEvent="subscriptionRemoved", name="teams", subscriptionId=before)

    row = stage.store.rows["teams"]
    assert row.subscription_id in stage.graph.subscriptions
    assert row.subscription_id != before
    assert (row.generation, stage.count("POST")) == (2, 3)


@pytest.mark.parametrize("event", ["missed", "somethingNew"])
async def test_other_events_are_logged_and_change_nothing(
    stage: Stage, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.renew()
    row = stage.store.rows["teams"]

    with caplog.at_level(logging.WARNING):
        await stage.tell(lifecycleEvent=event, name="teams", subscriptionId=row.subscription_id)

    assert stage.store.rows["teams"] == row
    assert event in caplog.text


async def test_an_event_of_a_former_or_unknown_subscription_changes_nothing(stage: Stage) -> None:
    await stage.renew()
    asked = len(stage.graph.requests)

    await stage.tell(lifecycleEvent="subscriptionRemoved", name="teams", subscriptionId="another")
    await stage.tell(lifecycleEvent="subscriptionRemoved", name="strangers", subscriptionId="another")

    assert len(stage.graph.requests) == asked


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b'{"earshot": 2}', b'{"earshot": 1, "name": "teams"}', b"[" * 100_000]
)
async def test_a_message_that_is_not_ours_is_left_to_the_host(stage: Stage, body: bytes) -> None:
    with pytest.raises(EnvelopeError):
        await stage.take(body)


async def test_without_storage_the_message_comes_again(stage: Stage) -> None:
    stage.store.away = True

    with pytest.raises(StorageError):
        await stage.tell(lifecycleEvent="missed", name="teams", subscriptionId="x")
    with pytest.raises(StorageError):
        await stage.renew()


async def test_with_nothing_declared_nothing_is_touched_and_events_come_again(stage: Stage) -> None:
    await stage.renew()
    row, asked = stage.store.rows["teams"], len(stage.graph.requests)
    stage.declared.current = None
    stage.now += timedelta(days=2)

    await stage.renew()
    with pytest.raises(SettingsError):
        await stage.tell(lifecycleEvent="subscriptionRemoved", name="teams", subscriptionId=row.subscription_id)

    assert (stage.store.rows["teams"], len(stage.graph.requests)) == (row, asked)


async def test_an_event_of_what_is_not_declared_any_more_deletes_it(stage: Stage) -> None:
    await stage.renew()
    row = stage.store.rows["teams"]
    stage.declared.current = read_declaration(b'{"subscriptions": []}', known_handlers=None)

    await stage.tell(lifecycleEvent="reauthorizationRequired", name="teams", subscriptionId=row.subscription_id)

    assert "teams" not in stage.store.rows


async def test_cancellation_never_leaves_a_function(stage: Stage) -> None:
    """A worker whose function raises CancelledError does not answer the host at all."""

    def cancel(*_: object) -> None:
        raise asyncio.CancelledError

    stage.graph.before = cancel

    with pytest.raises(RuntimeError, match="cancelled"):
        await stage.renew()
