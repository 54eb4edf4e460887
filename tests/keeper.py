"""The app's subscriptions over memory twins, on a clock that moves by ticks; the queue is worked off when a test says so."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_catch_up import MemoryHeardStore
from shared.adapters.memory_subscriptions import (
    MemoryDeclared,
    MemoryEncryptionKeys,
    MemoryGraph,
    MemorySubscriptionStore,
)
from shared.declaration import read_declaration
from shared.results import Summary
from shared.settings import Settings
from shared.silence import HeardRecorder, Silence
from shared.subscriptions import Subscriptions
from tests.builders import NOW
from tests.stand import memory_catch_up

BASE_URL = "https://a.example/api"
ENVIRON = {
    "GRAPH_TENANT_ID": "7e4a0000-0000-4000-8000-000000007e4a",
    "GRAPH_CLIENT_ID": "a99e0000-0000-4000-8000-00000000a99e",
    "PUBLIC_BASE_URL": BASE_URL,
    "CLIENT_STATE_KEY": "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5",
}
TEAMS = {"name": "teams", "resource": "/teams/getAllMessages", "changeType": "created"}
TICK = timedelta(minutes=5)


def mail_of(count: int) -> Mapping[str, Any]:
    users = [f"0000{number:04d}-0000-4000-8000-000000000000" for number in range(count)]
    return {
        "name": "mail",
        "resource": "/users/{user}/messages",
        "changeType": "created",
        "forEach": {"users": users},
    }


@dataclass
class World:
    """Subscriptions over memory twins; the queue is worked off when a test says so."""

    environ: Mapping[str, str] = field(default_factory=dict)
    now: datetime = NOW
    entries: Sequence[Mapping[str, Any]] = (TEAMS,)

    def __post_init__(self) -> None:
        self.graph = MemoryGraph()
        self.store = MemorySubscriptionStore()
        self.queue = MemoryQueue(now=lambda: self.now)
        self.heard_store = MemoryHeardStore()
        self.recorder = HeardRecorder(self.heard_store, lambda: self.now)
        self.declared = MemoryDeclared(None)
        self.declare(*self.entries)
        self.start()

    def start(self) -> None:
        """Start a process."""
        self.subscriptions = Subscriptions(
            declared=self.declared,
            settings=Settings.from_environ({**ENVIRON, **self.environ}),
            graph=self.graph,
            store=self.store,
            work=self.queue,
            catch_up=memory_catch_up(self.graph, MemoryQueue(now=lambda: self.now), lambda: self.now),
            silence=Silence(self.heard_store, lambda: self.now),
            keys=MemoryEncryptionKeys(),
            now=lambda: self.now,
            pause=self._pause,
        )

    async def _pause(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def declare(self, *entries: Mapping[str, Any]) -> None:
        text = json.dumps({"subscriptions": entries}).encode()
        self.declared.current = read_declaration(text, known_handlers=None)

    async def tick(self) -> Summary:
        self.now += TICK
        return await self.subscriptions.renew()

    async def work_off(self) -> None:
        """Work off the queue, each message at its time."""
        while self.queue.messages:
            message = min(self.queue.messages.values(), key=lambda each: each.visible)
            self.now = max(self.now, message.visible)
            await self.subscriptions.work(message.text.encode())
            del self.queue.messages[message.message_id]

    @property
    def heard(self) -> set[str]:
        return {each["resource"] for each in self.graph.subscriptions.values()}
