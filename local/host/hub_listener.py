"""Listens to one event hub for one function: shares its partitions with other hosts, runs batches, writes checkpoints.

The rules are `hub_rules`; receiving and sharing are Microsoft's own client's, with its checkpoint store. As in the real
host a checkpoint is written whether the function succeeded or not, once its retry policy is exhausted, and never on
shutdown or for a partition that was lost: those batches come again.

Two things are otherwise than there: with a batchCheckpointFrequency above 1 a clean end writes no last checkpoint, and
a function with cardinality many that is run by hand gets a list of one event, where Python functions in the real host
get an event that they can't use (https://github.com/Azure/azure-functions-python-worker/issues/1524).
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from azure.eventhub import EventData
from azure.eventhub.aio import EventHubConsumerClient, PartitionContext
from azure.eventhub.amqp import AmqpMessageBodyType
from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

from local.host import console
from local.host.clock import utc_now
from local.host.dispatch import Dispatch
from local.host.functions import Function
from local.host.host_json import EventHubOptions
from local.host.hub_rules import (
    Event,
    HubAddress,
    Partition,
    by_hand,
    is_many,
    place,
    plain_values,
    system_values,
    trigger_input,
    trigger_metadata,
)
from local.host.storage import STORAGE_ERRORS, CheckpointContainer

STOLEN = "amqp:link:stolen"
PAUSE = 1.0
SECONDS_TO_CLOSE = 5.0
LONGEST_TICK = 1.0
SHORTEST_TICK = 0.05
TICKS_PER_WAIT = 4
EPOCH = datetime.fromtimestamp(0, UTC)

# the client logs each broken connection with its inner workings; what matters of it comes through `on_error`
logging.getLogger("azure.eventhub").setLevel(logging.CRITICAL)


class HubListener:
    """One Event Hub trigger at work."""

    def __init__(
        self,
        function: Function,
        address: HubAddress,
        checkpoints: CheckpointContainer,
        *,
        options: EventHubOptions,
        dispatch: Dispatch,
    ) -> None:
        self._function = function
        self._address = address
        self._checkpoints = checkpoints
        self._options = options
        self._dispatch = dispatch
        self._many = is_many(function.trigger)
        self._partitions: dict[str, Partition] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = asyncio.Event()
        self._complaints: set[str] = set()
        self._client: EventHubConsumerClient | None = None
        self._store: BlobCheckpointStore | None = None
        self._receiving: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        return self._function.name

    async def listen(self) -> None:
        """Receive until told to stop; what runs then, and what is open, is left to `finish`."""
        if not await self._has_container():
            return
        interval = self._options.load_balancing_update_interval.total_seconds()
        expiry = self._options.partition_ownership_expiration_interval.total_seconds()
        self._store = self._checkpoints.store()
        self._client = EventHubConsumerClient.from_connection_string(
            self._address.connection_string,
            self._address.consumer_group,
            eventhub_name=self._address.hub,
            checkpoint_store=self._store,
            load_balancing_interval=interval,
            partition_ownership_expiration_interval=expiry,
        )
        self._receiving = asyncio.create_task(
            self._client.receive_batch(
                self._handle,
                max_batch_size=self._most,
                max_wait_time=self._tick(),
                prefetch=max(self._options.prefetch_count, 1),
                starting_position=self._options.start,
                on_error=self._fails,
                on_partition_initialize=self._gained,
                on_partition_close=self._lost,
            )
        )
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({self._receiving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self._receiving.done():
            self._receiving.result()  # it never ends by itself but with an error

    def stop(self) -> None:
        """Begin no other batch, and write no other checkpoint."""
        self._stopping.set()

    async def finish(self, seconds: float) -> None:
        """Give what is running a little time to end, then let go of the partitions, so that others need not wait."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        with contextlib.suppress(TimeoutError):  # what could not be let go expires
            async with asyncio.timeout(SECONDS_TO_CLOSE):
                if self._receiving:
                    self._receiving.cancel()
                    await asyncio.gather(self._receiving, return_exceptions=True)
                if self._client:
                    await self._client.close()
                if self._store:
                    await self._store.close()

    async def run_by_hand(self, text: str) -> None:
        """Run the function with a text as the body of an event that was in no hub."""
        event = by_hand(text, utc_now())
        await self._run([event], "", "This function was programmatically called via the host APIs.", checkpoints=False)

    @property
    def _most(self) -> int:
        return self._options.max_event_batch_size if self._many else 1

    @property
    def _least(self) -> int:
        return self._options.min_event_batch_size if self._many else 1

    def _tick(self) -> float | None:
        """Say how often events that are held back are looked at; None where none ever are."""
        wait = self._options.max_wait_time.total_seconds()
        return max(min(wait / TICKS_PER_WAIT, LONGEST_TICK), SHORTEST_TICK) if self._least > 1 else None

    async def _has_container(self) -> bool:
        """Make the container for checkpoints, however long storage is away; False when told to stop meanwhile."""
        while not self._stopping.is_set():
            try:
                await self._checkpoints.create()
            except Exception as error:  # noqa: BLE001 - a listener outlives whatever one look runs into
                self._complain("can't reach its checkpoints", error)
            else:
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._stopping.wait()
        return False

    async def _gained(self, context: PartitionContext) -> None:
        self._partitions[context.partition_id] = Partition(
            most=self._most,
            least=self._least,
            wait=self._options.max_wait_time.total_seconds(),
            frequency=self._options.batch_checkpoint_frequency,
        )

    async def _lost(self, context: PartitionContext, _reason: object) -> None:
        """Give up what runs for a partition that is ours no more: the client would leave it running to its checkpoint.

        The worker is not told, as in Azure: the function goes on beside the next owner's.
        """
        self._partitions.pop(context.partition_id, None)
        task = self._tasks.pop(context.partition_id, None)
        if task and task is not asyncio.current_task():
            task.cancel()

    async def _fails(self, context: PartitionContext | None, error: Exception) -> None:
        where = f"event hub '{self._address.hub}'"
        if context and STOLEN in str(error):
            console.log(f"Partition {context.partition_id} of {where} went to another host.")
        elif context:
            self._complain(f"can't read partition {context.partition_id} of {where}", error)
        else:
            self._complain(f"can't share the partitions of {where}", error)

    def _complain(self, what: str, error: Exception) -> None:
        """Say a failure once, not each time that it comes back before events do."""
        if what not in self._complaints and not self._stopping.is_set():
            why = " ".join(str(error).split())
            console.log(f"The listener for function 'Functions.{self.name}' {what}: {type(error).__name__}: {why}")
        self._complaints.add(what)

    async def _handle(self, context: PartitionContext, received: Sequence[EventData]) -> None:
        """Run what is to run of the events that came; without a checkpoint they come again, here or elsewhere."""
        partition = self._partitions.get(context.partition_id)
        task = asyncio.current_task()
        if partition is None or task is None or self._stopping.is_set():
            return
        self._complaints.clear()
        self._tasks[context.partition_id] = task
        self._idle.clear()
        try:
            events = [_event(raw) for raw in received]
            for batch in partition.take(events, asyncio.get_running_loop().time()):
                await self._run_batch(context, batch, checkpoints=partition.counts())
        finally:
            self._tasks.pop(context.partition_id, None)
            if not self._tasks:
                self._idle.set()

    async def _run_batch(self, context: PartitionContext, batch: Sequence[Event], *, checkpoints: bool) -> None:
        if self._stopping.is_set():
            return
        await self._run(batch, context.partition_id, place(batch, context.partition_id), checkpoints=checkpoints)
        if checkpoints and not self._stopping.is_set():
            await self._write_checkpoint(context, batch[-1])

    async def _run(self, batch: Sequence[Event], partition_id: str, reason: str, *, checkpoints: bool) -> None:
        trigger = self._function.trigger
        given = trigger_input(batch, many=self._many, binary=trigger.binary)
        metadata = trigger_metadata(
            batch,
            given,
            address=self._address,
            partition_id=partition_id,
            many=self._many,
            checkpoints=checkpoints,
        )
        await self._dispatch.persist(self._function, {trigger.name: given}, metadata, reason, self._stopping)

    async def _write_checkpoint(self, context: PartitionContext, event: Event) -> None:
        """Write how far the partition has come; if that fails, the next checkpoint makes up for it."""
        checkpoint = {
            "fully_qualified_namespace": context.fully_qualified_namespace,
            "eventhub_name": context.eventhub_name,
            "consumer_group": context.consumer_group,
            "partition_id": context.partition_id,
            "offset": event.offset,
            "sequence_number": event.sequence_number,
        }
        assert self._store is not None  # noqa: S101 - events come from a client that has one
        try:
            await self._store.update_checkpoint(checkpoint)
        except STORAGE_ERRORS as error:
            self._complain(
                f"can't write the checkpoint of partition {context.partition_id}, so events may come again", error
            )


def _event(raw: EventData) -> Event:
    """Read what the client gives into plain values."""
    key = raw.partition_key
    return Event(
        body=_body(raw),
        sequence_number=raw.sequence_number or 0,
        offset=raw.offset or "",
        enqueued=raw.enqueued_time or EPOCH,
        partition_key=key.decode(errors="replace") if key else None,
        properties=plain_values(raw.properties or {}),
        system_properties=system_values(raw.system_properties),
    )


def _body(raw: EventData) -> bytes:
    """Return the bytes of an event; AMQP's other kinds of body, which Event Hubs' clients don't send, as their text."""
    if raw.body_type is AmqpMessageBodyType.DATA:
        return b"".join(cast("Iterable[bytes]", raw.body))
    return raw.body_as_str().encode()
