"""The worker process: loads an app's functions, runs them when the host asks, and ends when the host is gone.

Finding functions is `worker_index`, calling one `worker_invoke`; the host's end of the line is `worker_link`.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local.host.datums import read_datum, write_datum
from local.host.frames import FrameProtocol, Header
from local.host.retry_policy import FIRST, Attempt
from local.host.worker_index import Loaded, index
from local.host.worker_invoke import Invocation, call, running_function


class LogHandler(logging.Handler):
    """Sends each record to the host, from whatever thread it comes."""

    def __init__(self, line: FrameProtocol, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._line = line
        self._loop = loop
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record; a formatting mistake in the app's call is reported as logging does."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - logging's own contract: a bad record must not fail the caller
            self.handleError(record)
            return
        header = {
            "kind": "log",
            "function": running_function.get(),
            "logger": record.name,
            "level": record.levelno,
            "message": text,
        }
        if threading.get_ident() == self._thread:
            self._line.send(header)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._line.send, header)


class Worker:
    """Answers the host's frames."""

    def __init__(self, settings: dict[str, str]) -> None:
        threads = settings.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
        self._pool = ThreadPoolExecutor(int(threads) if threads.isdigit() else None)
        self._functions: dict[str, Loaded] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.line = FrameProtocol(self._frame, _vanish)

    def load(self, app: Path, script: str) -> None:
        """Index the app and tell the host what was found, or why nothing was."""
        try:
            self._functions = index(app, script)
        except Exception as error:  # noqa: BLE001 - whatever the app's import raises is the host's to print
            hint = f" Current sys.path: {' '.join(sys.path)}" if isinstance(error, ImportError) else ""
            text = f"{type(error).__name__}: {error}{hint}"
            self.line.send({"kind": "failed", "error": text, "trace": traceback.format_exc()})
            return
        listed = [
            {"id": f.id, "name": f.name, "bindings": f.raw_bindings, "retry": f.retry} for f in self._functions.values()
        ]
        self.line.send({"kind": "functions", "functions": listed})

    def _frame(self, header: Header, blobs: list[bytes]) -> None:
        task = asyncio.get_running_loop().create_task(self._invoke(header, blobs))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _invoke(self, header: Header, blobs: list[bytes]) -> None:
        """Run one invocation and answer it.

        A BaseException (CancelledError above all) is not caught: as with the real worker the invocation is then
        never answered, and only the host's functionTimeout ends it.
        """
        try:
            inputs = {entry["name"]: read_datum(entry, blobs) for entry in header["inputs"]}
            metadata = {name: read_datum(entry, blobs) for name, entry in header["metadata"].items()}
            function = self._functions[header["function"]]
            attempt = Attempt(**header["attempt"]) if "attempt" in header else FIRST
            invoked = Invocation(id=header["id"], inputs=inputs, metadata=metadata, attempt=attempt)
            returned, outputs = await call(function, invoked, self._pool)
            answer: list[bytes] = []
            frame: dict[str, Any] = {"return": write_datum(returned, answer)}
            frame["outputs"] = {name: write_datum(datum, answer) for name, datum in outputs.items()}
        except Exception as error:  # noqa: BLE001 - a failing function is an answer, not a failing worker
            text = f"{type(error).__name__}: {error}"
            self.line.send({"kind": "done", "id": header["id"], "error": text, "trace": traceback.format_exc()})
            return
        self.line.send({"kind": "done", "id": header["id"], **frame}, answer)


def _vanish() -> None:
    """End at once: the host is gone, so nobody waits for an answer and threads must not hold us."""
    sys.stdout.flush()
    os._exit(0)


async def serve(descriptor: int, app: Path) -> None:
    """Speak with the host on an inherited socket until one of us ends."""
    settings = dict(os.environ)  # noqa: TID251 - the worker is where the app's environment is
    worker = Worker(settings)
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: worker.line, sock=socket.socket(fileno=descriptor))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(LogHandler(worker.line, loop))
    worker.load(app, settings.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py"))
    await loop.create_future()


def main() -> None:
    """Make the app importable as the real worker does (last on the path) and serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--app", type=Path, required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the host, which then takes us with it
    app = arguments.app.resolve()
    del sys.path[0]  # where `local` was found: the app must not see the host's own folder
    sys.path.append(str(app))
    os.chdir(app)
    asyncio.run(serve(arguments.descriptor, app))


if __name__ == "__main__":
    main()
