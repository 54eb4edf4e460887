"""The host's end of the line to its worker: starts it, starts it anew when it dies, and carries invocations.

What an invocation means is `dispatch`'s; the other end is `worker`.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.host import console
from local.host.datums import Datum, read_datum, write_datum
from local.host.frames import FrameProtocol, Header
from local.host.retry_policy import Attempt

ROOT = Path(__file__).resolve().parents[2]
PAUSE_AFTER_FAILED_START = 1.0
SECONDS_TO_VANISH = 2.0


class IndexingError(Exception):
    """The worker could not load the app; the text is ready to be printed."""


class WorkerLostError(Exception):
    """The worker died while it ran this invocation."""


class WorkerUnavailableError(Exception):
    """No worker was there within the time that the caller would wait."""


class FunctionFailedError(Exception):
    """The function raised, or the worker refused its input or output."""

    def __init__(self, error: str, trace: str) -> None:
        super().__init__(error)
        self.trace = trace


class WorkerLink:
    """The one worker process and its successors."""

    def __init__(
        self, app: Path, environ: Mapping[str, str], timeout: timedelta | None, on_log: Callable[[Header], None]
    ) -> None:
        self._app = app
        self._environ = dict(environ)
        self._timeout = None if timeout is None else timeout.total_seconds()
        self._on_log = on_log
        self._waiting: dict[str, asyncio.Future[tuple[Header, list[bytes]]]] = {}
        self._listed: asyncio.Future[list[dict[str, Any]]] | None = None
        self._ready = asyncio.Event()
        self._line: FrameProtocol | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        return self._process.pid if self._process else None

    async def start(self) -> list[dict[str, Any]]:
        """Start the worker and return what it found; IndexingError if it could not load the app."""
        listed = await self._spawn()
        self._keeper = asyncio.create_task(self._keep())
        return listed

    async def invoke(
        self,
        function: str,
        invocation: str,
        inputs: Mapping[str, Datum],
        metadata: Mapping[str, Datum],
        patience: float | None = None,
        *,
        attempt: Attempt | None = None,
    ) -> tuple[Datum, dict[str, Datum]]:
        """Run a function in the worker, waiting for a worker as long as patience lasts (None: as long as it takes)."""
        while not self._ready.is_set():  # again: a worker may come and die before we get our turn
            await self._wait_for_worker(patience)
        blobs: list[bytes] = []
        header = {
            "id": invocation,
            "function": function,
            "inputs": [{"name": name, **write_datum(datum, blobs)} for name, datum in inputs.items()],
            "metadata": {name: write_datum(datum, blobs) for name, datum in metadata.items()},
        }
        if attempt:
            header["attempt"] = asdict(attempt)
        answer, parts = await self._ask(invocation, header, blobs)
        if "error" in answer:
            raise FunctionFailedError(answer["error"], answer["trace"])
        outputs = {name: read_datum(entry, parts) for name, entry in answer["outputs"].items()}
        return read_datum(answer["return"], parts), outputs

    async def stop(self) -> None:
        """End the worker: by closing the line, and by force if that does not do."""
        if self._keeper:
            self._keeper.cancel()
        if self._line:
            self._line.close()
        if self._process:
            try:
                async with asyncio.timeout(SECONDS_TO_VANISH):
                    await self._process.wait()
            except TimeoutError:
                self._kill()
                await self._process.wait()

    async def _wait_for_worker(self, patience: float | None) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._ready.wait()
        except TimeoutError:
            raise WorkerUnavailableError(f"no worker within {patience} s") from None

    async def _ask(self, invocation: str, header: Header, blobs: list[bytes]) -> tuple[Header, list[bytes]]:
        assert self._line is not None  # noqa: S101 - a worker is ready
        answer: asyncio.Future[tuple[Header, list[bytes]]] = asyncio.get_running_loop().create_future()
        self._waiting[invocation] = answer
        self._line.send(header, blobs)
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            self._kill()  # as the host does: nothing else ends a function that does not answer
            raise FunctionFailedError(f"Timeout value of {self._timeout} s exceeded by the function", "") from None
        finally:
            self._waiting.pop(invocation, None)

    async def _spawn(self) -> list[dict[str, Any]]:
        """Start a process and wait until it has listed its functions."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._listed = loop.create_future()
        line = self._line = FrameProtocol(self._frame, lambda: self._lost(line))
        with theirs:
            await loop.create_unix_connection(lambda: line, sock=ours)
            command = ["-u", "-m", "local.host.worker", "--descriptor", str(theirs.fileno()), "--app", str(self._app)]
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *command, cwd=ROOT, env=self._environ, pass_fds=(theirs.fileno(),)
            )
        listed = await self._listed
        self._ready.set()
        return listed

    async def _keep(self) -> None:
        """Start the next worker whenever one has died."""
        while True:
            assert self._process is not None  # noqa: S101 - started
            assert self._line is not None  # noqa: S101 - started
            code = await self._process.wait()
            self._lost(self._line)
            console.log(f"The worker process {self._process.pid} exited with code {code}. Restarting it.")
            self.restarts += 1
            while not self._ready.is_set():
                try:
                    await self._spawn()
                except IndexingError as error:
                    console.log(str(error))
                    self._kill()
                    await asyncio.sleep(PAUSE_AFTER_FAILED_START)

    def _kill(self) -> None:
        self._ready.clear()  # before the line tells us: nobody shall be sent to a dying worker
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _frame(self, header: Header, blobs: list[bytes]) -> None:
        kind = header["kind"]
        if kind == "done":
            answer = self._waiting.get(header["id"])
            if answer and not answer.done():
                answer.set_result((header, blobs))
        elif kind == "log":
            self._on_log(header)
        elif self._listed and not self._listed.done():
            if kind == "functions":
                self._listed.set_result(header["functions"])
            else:
                self._listed.set_exception(IndexingError(f"{header['error']}\n{header['trace']}"))

    def _lost(self, line: FrameProtocol) -> None:
        """Fail what was running; the keeper sees the process end and starts the next.

        Comes twice, from the line and from the keeper, in either order: a line of an earlier worker is no news.
        """
        if line is not self._line:
            return
        self._ready.clear()
        if self._listed and not self._listed.done():
            self._listed.set_exception(IndexingError("The worker process ended before it had loaded the app."))
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(WorkerLostError("The worker process ended while the function ran."))
