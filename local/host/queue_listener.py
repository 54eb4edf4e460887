"""Listens to one queue for one function: takes messages, runs them, and does what the rules say with each.

The rules are `queue_rules`, the pauses `polling`. A queue that does not exist yet is an empty one.
"""

import asyncio
import uuid
from datetime import timedelta
from typing import NoReturn

from local.host import console
from local.host.clock import utc_now
from local.host.datums import Datum
from local.host.dispatch import FAILURES, Dispatch
from local.host.functions import Function
from local.host.host_json import QueueOptions
from local.host.polling import Backoff
from local.host.queue_rules import (
    Fate,
    Message,
    after_run,
    decode,
    on_pickup,
    poison_queue,
    trigger_input,
    trigger_metadata,
)
from local.host.storage import STORAGE_ERRORS, Queue

INVISIBILITY = timedelta(minutes=10)
RENEW_EVERY = timedelta(minutes=5)
MESSAGE_LIFE = timedelta(days=7)


class QueueListener:
    """One queue trigger at work."""

    def __init__(
        self,
        function: Function,
        queue: Queue,
        poison: Queue | None,
        *,
        options: QueueOptions,
        dispatch: Dispatch,
        backoff: Backoff,
    ) -> None:
        self._function = function
        self._queue = queue
        self._poison = poison
        self._options = options
        self._dispatch = dispatch
        self._backoff = backoff
        self._running: set[asyncio.Task[None]] = set()
        self._is_failing = False
        self._is_stopping = False

    @property
    def name(self) -> str:
        """The function's name."""
        return self._function.name

    async def listen(self) -> None:
        """Take messages until told to stop; what runs then is left to `finish`."""
        hit = False
        while not self._is_stopping:
            self._queue.bell.clear()
            messages = await self._take()
            for message in messages:
                task = asyncio.create_task(self._handle(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if messages:
                hit = True
                while len(self._running) > self._options.new_batch_threshold and not self._is_stopping:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                continue
            await self._pause(self._backoff.after_hits() if hit else self._backoff.after_nothing())
            hit = False

    def stop(self) -> None:
        """Stop listening after the look under way: to cancel that one would hide its messages for ten minutes."""
        self._is_stopping = True
        self._queue.bell.set()

    async def finish(self, seconds: float) -> None:
        """Give what is running a little time to end."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    async def run_by_hand(self, text: str) -> None:
        """Run the function with a text as if it had been a message, without any queue."""
        now = utc_now()
        message = Message(
            id=str(uuid.uuid4()),
            text=text,
            pop_receipt="",
            dequeue_count=1,
            inserted=now,
            expires=now + MESSAGE_LIFE,
            next_visible=now + INVISIBILITY,
        )
        await self._run(message, text.encode(), "This function was programmatically called via the host APIs.")

    async def _take(self) -> list[Message]:
        """Take a batch; a storage failure is said once, and again when it is over."""
        try:
            messages = await self._queue.take(self._options.batch_size, int(INVISIBILITY.total_seconds()))
        except Exception as error:  # noqa: BLE001 - a listener outlives whatever one look runs into
            if not self._is_failing:
                console.log(
                    f"The listener for function 'Functions.{self._function.name}' can't read its queue: {error}"
                )
            self._is_failing = True
            return []
        if self._is_failing:
            console.log(f"The listener for function 'Functions.{self._function.name}' reads its queue again.")
        self._is_failing = False
        return messages

    async def _pause(self, pause: timedelta) -> None:
        try:
            async with asyncio.timeout(pause.total_seconds()):
                await self._queue.bell.wait()
        except TimeoutError:
            return

    async def _handle(self, message: Message) -> None:
        """Run a message and see to what becomes of it; never raises."""
        body = decode(message.text, is_base64=self._options.base64)
        fate = on_pickup(message.dequeue_count, self._options.max_dequeue_count, self._queue.name)
        receipt = _Receipt(self._queue, message)
        if body is None and self._poison:
            fate = Fate.POISON
        if fate is Fate.RUN:
            keeper = asyncio.create_task(receipt.keep())
            try:
                succeeded = await self._succeeds(message, body if body is not None else message.text.encode())
            finally:
                keeper.cancel()
            fate = after_run(
                succeeded=succeeded,
                dequeue_count=message.dequeue_count,
                limit=self._options.max_dequeue_count,
                queue=self._queue.name,
            )
        try:
            await self._settle(fate, message, receipt)
        except STORAGE_ERRORS as error:
            console.log(f"Message {message.id} of queue '{self._queue.name}' could not be settled: {error}")

    async def _succeeds(self, message: Message, body: bytes) -> bool:
        try:
            await self._run(message, body, f"New queue message detected on '{self._queue.name}'.")
        except (*FAILURES, UnicodeDecodeError):
            return False
        return True

    async def _run(self, message: Message, body: bytes, reason: str) -> None:
        given = trigger_input(body, binary=self._function.trigger.binary)
        inputs: dict[str, Datum] = {self._function.trigger.name: given}
        await self._dispatch.run(self._function, inputs, trigger_metadata(message, given), reason)

    async def _settle(self, fate: Fate, message: Message, receipt: "_Receipt") -> None:
        if fate is Fate.POISON and self._poison:
            console.log(
                f"Message has reached MaxDequeueCount of {self._options.max_dequeue_count} or can't be read. "
                f"Moving message to queue '{poison_queue(self._queue.name)}'."
            )
            await self._poison.put(message.text)
        if fate in {Fate.POISON, Fate.DELETE}:
            await self._queue.delete(message.id, receipt.value)
        elif fate is Fate.RETRY:
            await self._queue.hide(message.id, receipt.value, int(self._options.visibility_timeout.total_seconds()))


class _Receipt:
    """A message's pop receipt, which changes each time its invisibility is renewed."""

    def __init__(self, queue: Queue, message: Message) -> None:
        self._queue = queue
        self._id = message.id
        self.value = message.pop_receipt

    async def keep(self) -> NoReturn:
        """Renew the invisibility again and again until cancelled."""
        while True:
            await asyncio.sleep(RENEW_EVERY.total_seconds())
            try:
                self.value = await self._queue.hide(self._id, self.value, int(INVISIBILITY.total_seconds()))
            except STORAGE_ERRORS as error:
                console.log(f"The invisibility of message {self._id} could not be renewed: {error}")
