"""Azurite as a process: started on ports of its own, ready when it answers, gone when its owner is.

Everything is kept in memory. A restart on the same ports is an outage with loss; `pause` and `resume` are one without.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

ACCOUNT = "devstoreaccount1"
# the emulator's well-known key: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_SCRIPT = Path(__file__).with_name("fast.js")
_PACKAGE = Path(__file__).parent.parent / "node_modules" / "azurite" / "package.json"
_READY_WITHIN_SECONDS = 30


class EmulatorError(Exception):
    """Azurite cannot be started; the text says what to do about it."""


def free_ports(count: int) -> list[int]:
    """Find loopback ports that nobody listens on right now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@dataclass(slots=True, kw_only=True)
class Azurite:
    """One emulator. Use it as a context manager, or `start` and `stop` it.

    ``access_log`` is where it writes a line a request; None for no log. With a ``certificate`` (PEM with its key) it speaks https
    and takes identities' tokens as well as its key.
    """

    blob_port: int = 0
    queue_port: int = 0
    table_port: int = 0
    access_log: Path | None = None
    certificate: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def connection_string(self) -> str:
        """What `AzureWebJobsStorage` is set to."""
        return (
            f"DefaultEndpointsProtocol={'https' if self.certificate else 'http'};AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.address('blob')};"
            f"QueueEndpoint={self.address('queue')};"
            f"TableEndpoint={self.address('table')};"
        )

    def address(self, service: str) -> str:
        """Where ``blob``, ``queue`` or ``table`` answers, with the account's name."""
        port = {"blob": self.blob_port, "queue": self.queue_port, "table": self.table_port}[service]
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{port}/{ACCOUNT}"

    @property
    def pid(self) -> int:
        """The process, for whoever wants to hurt it."""
        if self._process is None:
            raise EmulatorError("Azurite is not running")
        return self._process.pid

    def check(self) -> None:
        """Raise EmulatorError with its last words if it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            said = self._process.stderr.read().decode(errors="replace").strip() if self._process.stderr else ""
            code = self._process.returncode
            self.stop()
            raise EmulatorError(f"Azurite ended with exit code {code}: {said[-500:] or 'it said nothing'}")

    def start(self) -> Self:
        """Start and wait until all three services answer. Raises EmulatorError with what to do."""
        node = shutil.which("node")
        if node is None:
            raise EmulatorError("Node.js is not on the PATH: install version 20 or later, then run 'make setup'")
        if not _PACKAGE.exists():
            raise EmulatorError("Azurite is not installed: run 'make setup' (it runs 'npm ci' in local/)")
        if not (self.blob_port and self.queue_port and self.table_port):
            self.blob_port, self.queue_port, self.table_port = free_ports(3)
        self._process = subprocess.Popen(
            [node, str(_SCRIPT), *self._arguments()],
            stdin=subprocess.PIPE,  # held open for as long as its owner lives: fast.js ends with it
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the owner, who then stops it in order
        )
        self._wait()
        return self

    def _arguments(self) -> list[str]:
        ports = ["--blobPort", self.blob_port, "--queuePort", self.queue_port, "--tablePort", self.table_port]
        quiet = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
        log = ["--debug", str(self.access_log)] if self.access_log else []
        pem = str(self.certificate)
        secure = ["--oauth", "basic", "--cert", pem, "--key", pem] if self.certificate else []
        return [*map(str, ports), *quiet, *log, *secure]

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        for port in (self.blob_port, self.queue_port, self.table_port):
            while not _answers(port):
                self.check()
                if time.monotonic() > deadline:
                    self.stop()
                    raise EmulatorError(f"Azurite did not answer on port {port} within {_READY_WITHIN_SECONDS} s")
                time.sleep(0.02)

    def pause(self) -> None:
        """Stop it from answering, without loss: connections hang, as they do when a network goes."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it; twice is no error."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stderr):
            if stream:
                stream.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _answers(port: int) -> bool:
    """Tell whether somebody accepts connections: each service opens its port when it is ready."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
