"""What the app needs around it under Microsoft's worker: a line to that process, and a Graph that knows one message."""

import base64
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from shared.graph.client_state import Delivery, mint_client_state

ROOT = Path(__file__).parents[2]
TENANT = "11111111-1111-4111-8111-111111111111"
KEY = b"k" * 32
NAME = "channels"
MESSAGE = "teams/t-1/channels/c-1/messages/m-1"


@dataclass(frozen=True, kw_only=True)
class Invoked:
    """What came of one invocation."""

    worked: bool
    error: str
    outputs: Mapping[str, Any]
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Worker:
    """The process that runs the app in Microsoft's runtime."""

    process: subprocess.Popen[str]
    functions: Mapping[str, str]

    def invoke(self, function: str, body: bytes = b"", **request: Any) -> Invoked:
        wanted = {"function": function, "body": base64.b64encode(body).decode(), **request}
        told = _ask(self.process, json.dumps(wanted))
        return Invoked(
            worked=told["worked"],
            error=told["error"],
            outputs=told["outputs"],
            status=told.get("status", 0),
            headers={name.lower(): value for name, value in told.get("headers", {}).items()},
            body=base64.b64decode(told.get("body", "")),
        )

    def events(self, function: str, *bodies: bytes, first: int = 0, key: str | None = None) -> Invoked:
        encoded = [base64.b64encode(each).decode() for each in bodies]
        return self.invoke(function, events=encoded, first=first, key=key)

    def post(self, function: str, body: bytes = b"", **query: str) -> Invoked:
        return self.invoke(function, body, method="POST", url=f"http://127.0.0.1/api/{function}", query=query)

    def get(self, function: str, **route: str) -> Invoked:
        return self.invoke(function, method="GET", url="http://127.0.0.1/api/", route=route)


def start_worker(python: Path, environ: Mapping[str, str], log: Path, app: Path = ROOT) -> Worker:
    """Start the process; the app's own log goes to a file, shown if it does not start."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, ROOT / "local/worker313/serve.py", app],
            cwd=log.parent,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    first = process.stdout.readline() if process.stdout else ""
    assert first, f"the worker did not start:\n{log.read_text()[-2000:]}"
    return Worker(process=process, functions=json.loads(first)["functions"])


@contextmanager
def local_host(environ: Mapping[str, str], log: Path, *options: str, app: Path = ROOT) -> Iterator[str]:
    """Run an app in the local host; its address, once it has started."""
    command = [sys.executable, "-m", "local", "host", "--app", str(app), "--port", "0", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(environ), stdout=output, stderr=output)
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while not (found := re.search(r"Host started on (http://\S+)", log.read_text())):
        assert process.poll() is None, f"the host ended:\n{log.read_text()[-2000:]}"
        assert time.monotonic() < deadline, f"the host did not start:\n{log.read_text()[-2000:]}"
        time.sleep(0.05)
    return found[1]


def stop(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _ask(process: subprocess.Popen[str], line: str) -> Any:
    assert process.stdin
    assert process.stdout
    process.stdin.write(line + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    assert answer, f"the worker ended with {process.wait(10)}"
    return json.loads(answer)


@contextmanager
def graph() -> Iterator[str]:
    """A Graph that knows one message, and an identity endpoint that gives anybody a token."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/msi/token"):
                token = {"access_token": "t", "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
                self._send(200, token | {"resource": "r"})
            elif self.path == f"/v1.0/{MESSAGE}":
                self._send(200, {"id": "m-1", "lastModifiedDateTime": "2026-11-20T10:00:00Z", "body": {"content": "x"}})
            else:
                self._send(404, {"error": {"code": "NotFound", "message": "there is no such thing"}})

        def _send(self, status: int, document: Any) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name that http.server gives it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def notification(*, delivery: Delivery = "webhook", **changes: Any) -> dict[str, Any]:
    state = mint_client_state(KEY, tenant_id=TENANT, delivery=delivery, name=NAME, generation=1)
    return {
        "subscriptionId": "22222222-2222-4222-8222-222222222222",
        "clientState": state,
        "tenantId": TENANT,
        "changeType": "created",
        "resource": "teams('t-1')/channels('c-1')/messages('m-1')",
        "subscriptionExpirationDateTime": "2030-01-01T00:00:00Z",
        "resourceData": {"id": "m-1", "@odata.type": "#Microsoft.Graph.chatMessage"},
        **changes,
    }


def body(*items: Any) -> bytes:
    return json.dumps({"value": list(items)}).encode()


def lifecycle(event: str) -> dict[str, Any]:
    item = notification(lifecycleEvent=event)
    del item["changeType"], item["resource"]
    return item
