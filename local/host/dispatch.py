"""One invocation from start to end: announce it, run it in the worker, write its outputs, say how it went.

Triggers decide when and with what; the worker link carries it. Triggers whose functions have a retry policy `persist`.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Mapping

from local.host import console
from local.host.datums import Datum
from local.host.functions import Binding, Function
from local.host.output_rules import OutputError, check_size, queue_messages
from local.host.queue_rules import encode
from local.host.retry_policy import Attempt
from local.host.storage import STORAGE_ERRORS, Storage
from local.host.worker_link import FunctionFailedError, WorkerLink, WorkerLostError, WorkerUnavailableError

RETURN = "$return"
FAILURES = (FunctionFailedError, WorkerLostError, WorkerUnavailableError, OutputError)
"""Every way in which an invocation can fail."""
WRITE_ERRORS: tuple[type[Exception], ...] = (*STORAGE_ERRORS, ValueError)


class Dispatch:
    """Runs functions for all triggers."""

    def __init__(
        self, worker: WorkerLink, storage: Storage, *, base64_queues: bool, shows: Callable[[str], bool]
    ) -> None:
        self._worker = worker
        self._storage = storage
        self._base64 = base64_queues
        self._shows = shows

    async def run(
        self,
        function: Function,
        inputs: Mapping[str, Datum],
        metadata: Mapping[str, Datum],
        reason: str,
        patience: float | None = None,
        *,
        attempt: Attempt | None = None,
    ) -> Datum:
        """Run a function and write its outputs; return what it returned, or raise one of FAILURES."""
        invocation, started = str(uuid.uuid4()), time.perf_counter()
        self._say(function, f"Executing 'Functions.{function.name}' (Reason='{reason}', Id={invocation})")
        try:
            returned, outputs = await self._worker.invoke(
                function.id, invocation, inputs, metadata, patience, attempt=attempt
            )
            await self._write(function, {**outputs, RETURN: returned})
        except FAILURES as error:
            self._finish(function, "Failed", invocation, started)
            console.log(f"Exception while executing function: Functions.{function.name}. {error}")
            if isinstance(error, FunctionFailedError) and error.trace:
                console.log(error.trace.rstrip())
            raise
        self._finish(function, "Succeeded", invocation, started)
        return returned

    async def persist(
        self,
        function: Function,
        inputs: Mapping[str, Datum],
        metadata: Mapping[str, Datum],
        reason: str,
        stopping: asyncio.Event | None = None,
    ) -> bool:
        """Run a function, and again as long as its retry policy says so; tell whether it succeeded in the end.

        A retry is in memory and stays in this host: when the host is stopping the rest of them is left out.
        """
        stopping = stopping or asyncio.Event()
        policy = function.retry
        pauses = policy.pauses(random.Random()) if policy else iter(())  # noqa: S311 - spreads tries, keeps no secret
        attempt = Attempt(most=policy.most) if policy else None
        while True:
            try:
                await self.run(function, inputs, metadata, reason, attempt=attempt)
            except FAILURES as error:
                pause = next(pauses, None)
                if policy is None or attempt is None or pause is None:
                    return False
                trace = error.trace if isinstance(error, FunctionFailedError) else ""
                attempt = Attempt(count=attempt.count + 1, most=policy.most, error=str(error), trace=trace)
            else:
                return True
            console.log(
                f"Waiting for `{pause}` before retrying function execution. "
                f"Next attempt: '{attempt.count}'. Max retry count: '{policy.most}'"
            )
            if await _happens(stopping, pause.total_seconds()):
                return False

    def _finish(self, function: Function, how: str, invocation: str, started: float) -> None:
        duration = round((time.perf_counter() - started) * 1000)
        self._say(function, f"Executed 'Functions.{function.name}' ({how}, Id={invocation}, Duration={duration}ms)")

    def _say(self, function: Function, text: str) -> None:
        if self._shows(f"Function.{function.name}"):
            console.log(text)

    async def _write(self, function: Function, values: Mapping[str, Datum]) -> None:
        queues = [
            (binding, values[name])
            for name, binding in function.outputs.items()
            if binding.type == "queue" and name in values
        ]
        if queues:
            await asyncio.gather(*(self._put(binding, datum) for binding, datum in queues))

    async def _put(self, binding: Binding, datum: Datum) -> None:
        """Write one queue output, message after message, as the host's collector does."""
        name = str(binding.settings["queueName"])
        try:
            queue = self._storage.queue(binding.connection, name)
            for body in queue_messages(datum):
                text = encode(body, is_base64=self._base64)
                check_size(text)
                await queue.put(text)
        except WRITE_ERRORS as error:
            raise OutputError(f"Error while writing to queue {name!r}: {error}") from error


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait so long at most; tell whether it happened."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
