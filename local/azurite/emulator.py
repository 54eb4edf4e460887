"""Azurite as a process: started on ports of its own, ready when it answers, gone when its owner is.

Everything is kept in memory. Not here: what every emulator has in common, see `local.emulation`.
"""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from local.emulation import READY_WITHIN_SECONDS, Emulator, EmulatorError

ACCOUNT = "devstoreaccount1"
# the emulator's well-known key: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def free_ports(count: int) -> list[int]:
    """Find loopback ports that nobody listens on right now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@dataclass(slots=True, kw_only=True)
class Azurite(Emulator):
    """One storage account.

    ``access_log`` is where it writes a line a request; None for no log. With a ``certificate`` (PEM with its key) it speaks https
    and takes identities' tokens as well as its key.
    """

    title: ClassVar[str] = "Azurite"
    package: ClassVar[str] = "azurite"
    script: ClassVar[Path] = Path(__file__).with_name("fast.js")

    blob_port: int = 0
    queue_port: int = 0
    table_port: int = 0
    access_log: Path | None = None
    certificate: Path | None = None

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

    def start(self) -> Self:
        """Start on ports that stay the same at later starts."""
        if not (self.blob_port and self.queue_port and self.table_port):
            self.blob_port, self.queue_port, self.table_port = free_ports(3)
        # not super(): a slotted dataclass is made anew, and the short form would name the one before
        return Emulator.start(self)

    def arguments(self) -> Sequence[str]:
        """Return Azurite's own command line."""
        ports = ["--blobPort", self.blob_port, "--queuePort", self.queue_port, "--tablePort", self.table_port]
        quiet = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
        log = ["--debug", str(self.access_log)] if self.access_log else []
        pem = str(self.certificate)
        secure = ["--oauth", "basic", "--cert", pem, "--key", pem] if self.certificate else []
        return [*map(str, ports), *quiet, *log, *secure]

    def wait(self) -> None:
        """Wait until all three services answer."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        for port in (self.blob_port, self.queue_port, self.table_port):
            while not _answers(port):
                self.check()
                if time.monotonic() > deadline:
                    self.stop()
                    raise EmulatorError(f"Azurite did not answer on port {port} within {READY_WITHIN_SECONDS} s")
                time.sleep(0.02)


def _answers(port: int) -> bool:
    """Tell whether somebody accepts connections: each service opens its port when it is ready."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
