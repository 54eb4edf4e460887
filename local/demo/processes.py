"""The processes of a stage: started with a log file each, ready when they say so, ended in order.

A process that ends while starting is an error that shows the last it said.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STOP_WITHIN_SECONDS = 8


class StageError(Exception):
    """Something of the stage cannot be set up; the text says what, and what to do."""


@dataclass(slots=True, kw_only=True)
class Running:
    """One process and its log."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def tail(self, lines: int = 12) -> str:
        """Read the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def wait_for_line(self, start: str, *, within: float) -> str:
        """Wait until its log has a line that begins so, and return that line. Raises StageError."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            for line in self.log.read_text(errors="replace").splitlines():
                if line.startswith(start):
                    return line
            if self.process.returncode is not None:
                raise StageError(f"{self.name} ended while starting; it said:\n{self.tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise StageError(f"{self.name} was not ready within {within:.0f} s; it said:\n{self.tail()}")
            await asyncio.sleep(0.03)

    async def stop(self) -> None:
        """End it, and whatever it started."""
        if self.process.returncode is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), _STOP_WITHIN_SECONDS)
        if self.process.returncode is None:
            self._signal(signal.SIGKILL)
            await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


async def start(name: str, command: Sequence[str], *, folder: Path, environ: Mapping[str, str], log: Path) -> Running:
    """Start a process in a group of its own, so that Ctrl-C reaches only its owner."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(name=name, process=process, log=log)
