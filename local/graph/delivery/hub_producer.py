"""Puts events into one hub through Microsoft's client: one connection that is kept, and as many events at once as fit.

Not here: what is in an event, see `hub_bodies`; which hub, see `hub_address`.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the client is imported when there is a hub: most have none, and pay nothing for it
    from azure.eventhub import EventDataBatch

PATIENCE_SECONDS = 10
RETRIES, FIRST_PAUSE_SECONDS = 3, 0.1


class HubRefused(Exception):  # noqa: N818 - the hub's word, not an error of ours
    """A hub did not take an event. `final` if it never will, however often it is sent."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


CLOSED = HubRefused("the sender was closed")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Waiting:
    body: bytes
    partition_key: str | None
    sent: asyncio.Future[None]


class HubProducer:
    """Sends to one hub; connects when there is something to send."""

    def __init__(self, connection_string: str, hub: str | None) -> None:
        """Raises ValueError for a connection string that is none, or that names no hub where `hub` is None."""
        from azure.eventhub.aio import EventHubProducerClient  # noqa: PLC0415 - see above

        self._client = EventHubProducerClient.from_connection_string(
            connection_string,
            eventhub_name=hub,
            auth_timeout=PATIENCE_SECONDS,
            retry_total=RETRIES,
            retry_backoff_factor=FIRST_PAUSE_SECONDS,
        )
        self._waiting: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def send(self, body: bytes, *, partition_key: str | None) -> None:
        """Return when the hub has the event. Raises HubRefused if it does not take it."""
        sent = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(body=body, partition_key=partition_key, sent=sent))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        await sent

    async def close(self) -> None:
        """Abandon what is waiting, and disconnect."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        _finish(list(self._waiting), CLOSED)
        self._waiting.clear()
        await self._client.close()

    async def _send_all(self) -> None:
        """Send until nobody waits: whoever comes while something is under way goes together with others next."""
        while self._waiting:
            together: list[_Waiting] = []
            try:
                batch = await self._client.create_batch(partition_key=self._waiting[0].partition_key)
                together = self._fill(batch)
                await self._client.send_batch(batch, timeout=PATIENCE_SECONDS)
            except asyncio.CancelledError:
                _finish(together, CLOSED)
                raise
            except Exception as problem:  # noqa: BLE001 - whatever the client raises, the next events want their turn
                _finish(together or [self._waiting.popleft()], HubRefused(str(problem)))
            else:
                _finish(together)

    def _fill(self, batch: "EventDataBatch") -> list[_Waiting]:
        """Move events from the head of the queue into a batch; raises ValueError if not even the first one fits."""
        from azure.eventhub import EventData  # noqa: PLC0415 - see above

        together: list[_Waiting] = []
        key = self._waiting[0].partition_key
        while self._waiting and self._waiting[0].partition_key == key:
            try:
                batch.add(EventData(self._waiting[0].body))
            except ValueError:
                if not together:
                    raise
                break
            together.append(self._waiting.popleft())
        return together


def _finish(events: list[_Waiting], problem: HubRefused | None = None) -> None:
    for event in events:
        if event.sent.done():  # whoever waited for it has left
            continue
        if problem is None:
            event.sent.set_result(None)
        else:
            event.sent.set_exception(problem)
