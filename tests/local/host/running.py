"""A local host in a process of its own, seen from outside. Starting and stopping it are fixtures."""

import contextlib
import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

T = TypeVar("T")
DEADLINE = 20.0
SAMPLE_APP = (Path(__file__).parent / "sample_app.txt").read_text(encoding="utf-8")


def until(look: Callable[[], T | None], what: str) -> T:
    """Look again and again until there is something, or the deadline has passed."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE} s for {what}")


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningHost:
    """`python -m local host` in a process of its own, its output in a file."""

    process: subprocess.Popen[bytes]
    log: Path
    queue: str
    port: int = 0
    storage: str = field(default="", repr=False)

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def await_line(self, pattern: str) -> re.Match[str]:
        return until(lambda: re.search(pattern, self.output), f"{pattern!r} in\n{self.output}")

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    @property
    def worker(self) -> dict[str, int]:
        found: dict[str, int] = self.call("GET", "/admin/host/status").json["worker"]
        return found

    def messages(self, suffix: str, count: int) -> list[str]:
        """Take messages from one of the app's queues until there are so many; sorted, for a queue has no order."""
        found: list[str] = []

        def look() -> bool:
            found.extend(message.content for message in client.receive_messages(messages_per_page=32))
            return len(found) >= count

        with open_queue(self.storage, self.queue + suffix) as client:
            until(look, f"{count} messages in {self.queue + suffix}, only {found}")
        return sorted(found)

    def send(self, suffix: str, text: str) -> None:
        with open_queue(self.storage, self.queue + suffix) as client:
            client.send_message(text)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


def open_queue(storage: str, name: str) -> QueueClient:
    client: QueueClient = QueueClient.from_connection_string(storage, name)
    with contextlib.suppress(ResourceExistsError):
        client.create_queue()
    return client


HostStarter = Callable[..., RunningHost]
