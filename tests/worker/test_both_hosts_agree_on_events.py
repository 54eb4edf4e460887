"""One table of event batches goes through the local host, off a real hub, and through Microsoft's runtime."""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.eventhub import EventData, EventHubProducerClient
from azure.storage.queue import QueueClient

from local.azurite.emulator import Azurite
from local.eventhubs.emulator import EventHubs
from tests.worker.standing import Worker, local_host, start_worker, stop

pytestmark = [
    pytest.mark.worker313,
    pytest.mark.azurite,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # the client leaves sockets open
]

APP = (Path(__file__).parent / "hub_app.txt").read_text(encoding="utf-8")
HUBS = ("batch", "texts", "single", "text")
DEADLINE = 30.0

TABLE: dict[str, tuple[str, str | None, tuple[bytes, ...]]] = {
    "bytes": ("batch", None, (b"a", b"", b"\xff\x00", b'{"SequenceNumber": 9}', b"x" * 70_000)),
    "bytes with a key": ("batch", "a chat", (b"a", b"b")),
    "one event in a batch": ("batch", None, (b"",)),
    "texts": ("texts", None, ("häkchen ✓".encode(), b'{"SequenceNumber": 9}', b"[1]")),
    "texts with a key": ("texts", "ключ", (b"a", b"b")),
    "texts that are none": ("texts", None, (b"ok", b"\xff")),
    "texts of which one is empty": ("texts", None, (b"a", b"")),
    "one of bytes": ("single", "a chat", (b"\xff",)),
    "one of no bytes": ("single", None, (b"",)),
    "one text": ("text", "a chat", ("☃".encode(),)),
    "one empty text": ("text", None, (b"",)),
}


@dataclass(kw_only=True)
class LocalHost:
    """The local host, what is on its hubs so far, and what its functions put on queues."""

    log: Path
    storage: str
    hubs: str
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HUBS, 0))
    read: int = 0

    def send(self, hub: str, key: str | None, bodies: tuple[bytes, ...]) -> None:
        where = {"partition_id": "0"} if key is None else {"partition_key": key}
        with EventHubProducerClient.from_connection_string(self.hubs, eventhub_name=hub) as producer:
            producer.send_batch([EventData(body) for body in bodies], **where)
        self.sent[hub] += len(bodies)

    def handled(self, hub: str, key: str | None, bodies: tuple[bytes, ...]) -> Iterator[tuple[int, tuple[bytes, ...]]]:
        """Send events; yield what was handed over together, once it was: its first sequence number, and the bodies."""
        start, self.read = self.sent[hub], len(self.log.read_text())
        self.send(hub, key, bodies)
        deadline = time.monotonic() + DEADLINE
        while not self._is_done(hub):
            assert time.monotonic() < deadline, f"nothing came of it:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.05)
        for first, last in self._places(hub):
            yield first, bodies[first - start : last + 1 - start]

    def _is_done(self, hub: str) -> bool:
        places = self._places(hub)
        ended = self._find(rf"Executed 'Functions\.{hub}' \((\w+)")
        told = ended.count("Failed") == len(self.failures(hub))  # the line after
        return told and len(ended) == len(places) and bool(places) and places[-1][1] == self.sent[hub] - 1

    def failures(self, function: str) -> list[str]:
        """Tell how executions failed since then, as Python would write the exceptions."""
        found = self._find(rf"while executing function: Functions\.{function}\. (\w+): (.*)")
        return [f"{kind}({message!r})" for kind, message in found]

    def take(self, queue: str) -> list[Any]:
        """Take what the function put on its queue."""
        client: QueueClient = QueueClient.from_connection_string(self.storage, queue)
        with client:
            try:
                messages = list(client.receive_messages(messages_per_page=32))
            except ResourceNotFoundError:
                return []
            for message in messages:
                client.delete_message(message)
        return [json.loads(message.content) for message in messages]

    def _places(self, hub: str) -> list[tuple[int, int]]:
        found = self._find(rf"Executing 'Functions\.{hub}' \(Reason='Partition 0, sequence numbers (\d+)-(\d+)")
        return [(int(first), int(last)) for first, last in found]

    def _find(self, pattern: str) -> list[Any]:
        return re.findall(pattern, self.log.read_text()[self.read :])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    (folder / "function_app.py").write_text(APP, encoding="utf-8")
    (folder / "host.json").write_text('{"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}}')
    return folder


@pytest.fixture(scope="module")
def runtime(python313: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    environ = {"PATH": os.environ["PATH"]}  # noqa: TID251 - programs are found by it
    worker = start_worker(python313, environ, tmp_path_factory.mktemp("runtime") / "worker.log", folder)
    yield worker
    stop(worker.process)


@pytest.fixture(scope="module")
def ours(azurite: Azurite, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    log = tmp_path_factory.mktemp("ours") / "host.log"
    with EventHubs(hubs=dict.fromkeys(HUBS, 1)) as namespace:
        environ = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - programs are found by it
            "AzureWebJobsStorage": azurite.connection_string,
            "HUBS": namespace.connection_string,
        }
        with local_host(environ, log, app=folder):
            yield LocalHost(log=log, storage=azurite.connection_string, hubs=namespace.connection_string)


@pytest.mark.parametrize(("function", "key", "bodies"), TABLE.values(), ids=TABLE.keys())
def test_a_batch_is_handed_over_alike(
    runtime: Worker, ours: LocalHost, function: str, key: str | None, bodies: tuple[bytes, ...]
) -> None:
    seen, failed = [], []
    for first, given in ours.handled(function, key, bodies):  # what was sent at once may come in pieces
        theirs = runtime.events(function, *given, first=first, key=key)
        assert theirs.worked is (function != "texts" or all(given)), "only an empty text in a list fails"
        if theirs.worked:
            seen.append(json.loads(json.loads(theirs.outputs["seen"]["value"])[0]))
        else:
            failed.append(theirs.error)
    assert ours.take(function) == seen
    assert ours.failures(function) == failed
