"""An emulator written in JavaScript, as a process: started by its owner, ready when it says so or answers, gone when its owner is.

A restart is an outage with loss; `pause` and `resume` are one without. Not here: which emulators there are, see `azurite` and
`eventhubs`.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

READY_WITHIN_SECONDS = 30

_MODULES = Path(__file__).parent / "node_modules"


class EmulatorError(Exception):
    """An emulator cannot be started or has ended; the text says what to do about it."""


@dataclass(slots=True, kw_only=True)
class Emulator:
    """One emulator. Use it as a context manager, or `start` and `stop` it."""

    title: ClassVar[str]
    """What people call it."""
    package: ClassVar[str]
    """The npm package without which it does not run."""
    script: ClassVar[Path]
    speaks: ClassVar[bool] = False
    """Whether what it prints is read; otherwise it goes nowhere, because a pipe that nobody reads fills up."""

    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _errors: IO[bytes] | None = field(default=None, repr=False)

    @property
    def connection_string(self) -> str:
        """What clients connect with."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The process, for whoever wants to hurt it."""
        return self.running.pid

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The process. Raises EmulatorError if there is none."""
        if self._process is None:
            raise EmulatorError(f"{self.title} is not running")
        return self._process

    def start(self) -> Self:
        """Start and wait until it can be used. Raises EmulatorError with what to do."""
        node = shutil.which("node")
        if node is None:
            raise EmulatorError("Node.js is not on the PATH: install version 20 or later, then run 'make setup'")
        if not (_MODULES / self.package / "package.json").exists():
            raise EmulatorError(f"{self.package} is not installed: run 'make setup' (it runs 'npm ci' in local/)")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process runs
        self._process = subprocess.Popen(
            [node, str(self.script), *self.arguments()],
            stdin=subprocess.PIPE,  # held open for as long as its owner lives: the script ends with it
            stdout=subprocess.PIPE if self.speaks else subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the owner, who then stops it in order
        )
        self.wait()
        return self

    def arguments(self) -> Sequence[str]:
        """Return what the script is told."""
        raise NotImplementedError

    def wait(self) -> None:
        """Return when it can be used. Raises EmulatorError if that takes too long."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise EmulatorError with its last words if it has ended by itself."""
        if self._process is None or self._process.poll() is None:
            return
        code, said = self._process.returncode, ""
        if self._errors:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip()
        self.stop()
        raise EmulatorError(f"{self.title} ended with exit code {code}: {said[-500:] or 'it said nothing'}")

    def pause(self) -> None:
        """Stop it from answering, without loss: connections hang, as they do when a network goes."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it; twice is no error."""
        process, self._process = self._process, None
        errors, self._errors = self._errors, None
        if process is not None:
            _end(process)
        if errors is not None:
            errors.close()

    def run_until_told(self) -> int:
        """Run until SIGINT or SIGTERM, saying how to connect; return the exit code."""
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        try:
            with self:
                print(self.connection_string, flush=True)
                ended.wait()
        except EmulatorError as problem:
            print(problem)
            return 1
        return 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
