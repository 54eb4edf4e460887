"""A hub seen through Microsoft's client, with what a consumer has received so far."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.eventhub import EventData, PartitionContext
from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient

from local.eventhubs.emulator import EventHubs

WITHIN_SECONDS = 20
PARTITIONS = 4
# the client's own patience: a test waits for what it asserts, not for a back-off
QUICK = {"retry_backoff_factor": 0.02, "retry_backoff_max": 0.5, "retry_total": 0}
PATIENT = QUICK | {"retry_total": 8}
# the client leaves sockets open when a connection breaks or a receiver is cancelled
CLIENT_LEAKS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not holds():  # noqa: ASYNC110 - the client has no event for what tests wait for
            await asyncio.sleep(0.01)


@dataclass(kw_only=True)
class Received:
    """What a running consumer has got so far."""

    events: list[tuple[str, EventData]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    @property
    def bodies(self) -> list[bytes]:
        return [b"".join(event.body) for _, event in self.events]

    async def until(self, holds: Callable[["Received"], bool]) -> None:
        await until(lambda: holds(self))


@dataclass(kw_only=True)
class Hub:
    """The hub `notifications` of a namespace."""

    namespace: EventHubs
    name: str = "notifications"

    def producer(self, **settings: Any) -> EventHubProducerClient:
        text = self.namespace.connection_string
        return EventHubProducerClient.from_connection_string(text, eventhub_name=self.name, **(QUICK | settings))

    def consumer(self, group: str = "$Default", **settings: Any) -> EventHubConsumerClient:
        text = self.namespace.connection_string
        return EventHubConsumerClient.from_connection_string(text, group, eventhub_name=self.name, **(QUICK | settings))

    async def send(self, *bodies: bytes, **where: str) -> None:
        async with self.producer() as producer:
            await producer.send_batch([EventData(body) for body in bodies], **where)

    @asynccontextmanager
    async def receiving(self, group: str = "$Default", **how: Any) -> AsyncIterator[Received]:
        """Receive in the background, from the beginning of all partitions if not said otherwise."""
        received = Received()

        async def keep(context: PartitionContext, event: EventData | None) -> None:
            if event is not None:
                received.events.append((context.partition_id, event))

        async def note(_: PartitionContext | None, error: Exception) -> None:
            received.errors.append(error)

        async with self.consumer(group, load_balancing_interval=0.2) as consumer:
            task = asyncio.create_task(consumer.receive(keep, **({"starting_position": "-1", "on_error": note} | how)))
            try:
                yield received
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def read(self, count: int, **how: Any) -> list[EventData]:
        """Receive this many events."""
        async with self.receiving(**how) as received:
            await received.until(lambda so_far: len(so_far.events) >= count)
        return [event for _, event in received.events]

    async def outcome(self, **how: Any) -> list[bytes] | str:
        """Receive until there is something: the first bodies, or the text of the first error."""
        async with self.receiving(**how) as received:
            await received.until(lambda so_far: bool(so_far.events or so_far.errors))
        return received.bodies or str(received.errors[0])
