"""Sets up everything that the demo needs on free loopback ports, and takes it down again.

Real Azurite, the Graph simulator, a sink for `forward`, the app in its host; an Event Hubs namespace between Graph and the app where
pull mode is wanted, and a SignalR service behind it where people look on. Nothing of the caller's own settings reaches the app: it runs on exactly what is written here.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp

from local.azurite.emulator import Azurite, free_ports
from local.demo.processes import Running, StageError, start
from local.demo.sink import Sink
from local.demo.watching import RULES
from local.emulation import Emulator, EmulatorError
from local.eventhubs.emulator import EventHubs
from local.keys.material import ensure_encryption_key, make_client_state_key, make_signing_key
from local.signalr.service import SignalRService

ROOT = Path(__file__).resolve().parents[2]
CLIENT_ID = "5d2a7c1e-3b4f-4e6a-9c8d-0f1e2d3c4b5a"
HANDLER_TIMEOUT_SECONDS = 4

_READY_WITHIN_SECONDS = 60.0
_ANY_PORTS = ("--port", "0", "--tls-port", "0")
Part = Literal["pull", "live"]

_NAMESPACE = "earshot.servicebus.windows.net"
_HUB = "notifications"
_OURS = (
    "API_",
    "AZURESIGNALR",
    "EVENTHUB",
    "EVENT_HUB_",
    "OVERSIZE_",
    "TOKEN_CACHE_",
    "WEB_CLIENT_",
    "GRAPH_",
    "AZUREWEBJOBS",
    "CLIENT_STATE_",
    "FORWARD_",
    "ENCRYPTION_",
    "SUBSCRIPTIONS_",
    "AZUREFUNCTIONSJOBHOST__",
)


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that runs, and where."""

    azurite: Azurite
    sink: Sink
    graph_url: str
    host_url: str
    host: Running
    http: aiohttp.ClientSession
    world: dict[str, Any] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    app_folder: Path
    hub: EventHubs | None = None
    signalr: SignalRService | None = None

    @property
    def page_url(self) -> str:
        """Where people look on."""
        return f"{self.host_url}/api/app"

    async def graph(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the simulator's control API."""
        async with self.http.request(method, f"{self.graph_url}{path}", json=body) as answer:
            if answer.status >= 400:  # noqa: PLR2004
                raise StageError(f"the simulator answered {answer.status} to {method} {path}: {await answer.text()}")
            return await answer.json(content_type=None)

    async def app(self, path: str) -> Any:
        """Ask the app."""
        async with self.http.get(f"{self.host_url}{path}") as answer:
            answer.raise_for_status()
            return await answer.json(content_type=None)

    async def worker_pid(self) -> int:
        """Find the process that runs the app's code."""
        status = await self.app("/admin/host/status")
        return int(status["worker"]["pid"])


@asynccontextmanager
async def set_up(
    folder: Path,
    *,
    app: Path = ROOT,
    host_kind: str = "local",
    access_log: Path | None = None,
    graph_options: Sequence[str] = ("--time-scale", "5"),
    handlers: Sequence[str] = (),
    extra: Mapping[str, str] | None = None,
    besides: Collection[Part] = (),
) -> AsyncIterator[Stage]:
    """Start everything and subscribe; on leaving, stop everything. Raises StageError with what to do.

    Args:
        folder: where logs and keys go.
        app: the app to run.
        host_kind: ``local``, or ``func`` for Azure Functions Core Tools.
        access_log: where Azurite writes a line a request.
        graph_options: of the simulator's command line.
        handlers: what the subscriptions name besides ``feed`` and ``forward``.
        extra: settings of the app that replace the stage's own.
        besides: `pull`: chats are heard too, through an event hub, and looked through for what should not be in them;
            `live`: people may sign in, look at their feeds and mailboxes, and see them move.
    """
    async with AsyncExitStack() as stack:
        azurite = Azurite(access_log=access_log)
        stack.callback(azurite.stop)
        hub = EventHubs(hubs={_HUB: 4}) if "pull" in besides else None
        if hub is not None:
            stack.callback(hub.stop)
            await asyncio.to_thread(_start_emulator, hub)
            graph_options = (*graph_options, "--event-hub", f"{_NAMESPACE}={hub.connection_string}")
        sink = Sink(secret=make_signing_key())
        await sink.start()
        stack.push_async_callback(sink.stop)
        starting = asyncio.to_thread(_start_emulator, azurite)
        simulator, _ = await asyncio.gather(_start_simulator(folder, stack, graph_options), starting)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        async with http.get(f"{simulator['http']}/_sim/world") as answer:
            world = await answer.json()
        [port] = free_ports(1)
        environ = _clean_environment() | app_settings(
            folder, azurite=azurite, simulator=simulator, tenant_id=world["tenant"], port=port
        )
        signalr = None
        if "live" in besides:
            signalr = await stack.enter_async_context(SignalRService(origins=(f"http://127.0.0.1:{port}",)))
        told = [*handlers, "feed", {"forward": {"to": sink.url}}]
        watched = _watch(folder, sink.url) if "pull" in besides else None
        environ |= {
            "FORWARD_SIGNING_KEY": sink.secret,
            "SUBSCRIPTIONS_FILE": str(declare(folder, world, told, watched=watched)),
            **(hub_settings(hub, world["domain"]) if hub else {}),
            **(live_settings(signalr) if signalr else {}),
            **(extra or {}),
        }
        host = await start(
            "the host",
            host_command(host_kind, port=port, app=app),
            folder=app if host_kind == "func" else ROOT,
            environ=environ,
            log=folder / "host.log",
        )
        stack.push_async_callback(host.stop)
        stage = Stage(
            azurite=azurite,
            sink=sink,
            graph_url=simulator["http"],
            host_url=f"http://127.0.0.1:{port}",
            host=host,
            http=http,
            world=world,
            environ=environ,
            folder=folder,
            app_folder=app,
            hub=hub,
            signalr=signalr,
        )
        await _until(lambda: _is_up(stage), host, "answer")
        await _subscribe(stage)
        yield stage


def host_command(kind: str, *, port: int, app: Path) -> Sequence[str]:
    """Give the command that runs the app: ours, or Azure Functions Core Tools'. Raises StageError."""
    if kind == "local":
        return [sys.executable, "-m", "local", "host", "--app", str(app), "--port", str(port)]
    func = shutil.which("func")
    if func is None:
        raise StageError(
            "HOST=func needs Azure Functions Core Tools: 'npm install -g azure-functions-core-tools@4', then try again"
        )
    return [func, "start", "--port", str(port), "--python"]


def app_settings(
    folder: Path, *, azurite: Azurite, simulator: Mapping[str, str], tenant_id: str, port: int
) -> dict[str, str]:
    """Give the app's settings; the encryption key that they point at is made."""
    keys = folder / "keys"
    ensure_encryption_key(keys, now=datetime.now(UTC))  # noqa: TID251 - the workshop's present is the machine's
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": azurite.connection_string,
        "AzureWebJobsStorage__Retry__MaxRetries": "1",
        "AzureWebJobsStorage__Retry__Delay": "00:00:00.5",
        "AzureWebJobsStorage__Retry__NetworkTimeout": "00:00:01",
        # a killed worker's messages come back after this long, not after host.json's half minute
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:02",
        "HANDLER_TIMEOUT_SECONDS": str(HANDLER_TIMEOUT_SECONDS),
        "RETRY_FIRST_DELAY_SECONDS": "1",
        "GRAPH_ENDPOINT": simulator["http"],
        "GRAPH_AUTHORITY": simulator["https"],
        "GRAPH_TENANT_ID": tenant_id,
        "GRAPH_CLIENT_ID": CLIENT_ID,
        "GRAPH_CREDENTIAL": "client-secret",
        "GRAPH_CLIENT_SECRET": "the simulator takes any",
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}/api",
        "CLIENT_STATE_KEY": make_client_state_key(),
        "ENCRYPTION_KEYS": f"directory:{keys}",
        "RENEWAL_SCHEDULE": "0 */5 * * * *",
        "SWEEP_SCHEDULE": "0 0 * * * *",
        "SSL_CERT_FILE": simulator["ca"],
        "REQUESTS_CA_BUNDLE": simulator["ca"],
    }


def hub_settings(hub: EventHubs, domain: str) -> dict[str, str]:
    """Give what the app is told of an event hub, and what it tells Graph of it."""
    return {
        "EventHubConnection": hub.connection_string,
        "EVENT_HUB_NAME": _HUB,
        "EVENT_HUB_CONSUMER_GROUP": "$Default",
        "EVENT_HUB_NOTIFICATION_URL": f"EventHub:https://{_NAMESPACE}/eventhubname/{_HUB}?tenantId={domain}",
        # a second host that somebody starts gets its share of the partitions at once, not after minutes
        "AzureFunctionsJobHost__extensions__eventHubs__loadBalancingUpdateInterval": "00:00:01",
        "AzureFunctionsJobHost__extensions__eventHubs__partitionOwnershipExpirationInterval": "00:00:05",
    }


def live_settings(signalr: SignalRService) -> dict[str, str]:
    """Give what the app is told of people who look on: by which service they hear, and what keeps their tokens."""
    return {"AzureSignalRConnectionString": signalr.connection_string, "TOKEN_CACHE_KEY": make_client_state_key()}


def _watch(folder: Path, url: str) -> dict[str, Any]:
    """Write rules for what people should not tell each other; the handler that follows them, and where its alerts go."""
    (folder / "dlp_rules.json").write_text(json.dumps(RULES, indent=2), encoding="utf-8")
    return {"dlp": {"rules": "dlp_rules.json", "alert": {"to": url}}}


def declare(
    folder: Path, world: Mapping[str, Any], handlers: Sequence[Any], *, watched: Mapping[str, Any] | None = None
) -> Path:
    """Write the subscriptions file: every channel rich, the mailboxes basic; chats by pull where somebody watches them."""
    rich = {"changeType": "created,updated,deleted", "includeResourceData": True, "handlers": handlers}
    basic = rich | {"includeResourceData": False}
    subscriptions: list[dict[str, Any]] = [{"name": "channels", "resource": "/teams/getAllMessages", **rich}]
    for number, mailbox in enumerate(world["mailboxes"], start=1):
        resource = f"/users/{mailbox['user']}/messages"
        # the simulator's list of changes, which is the truth that everything is held against, has ordinary ids
        subscriptions.append({"name": f"mailbox-{number}", "resource": resource, **basic, "immutableIds": False})
    if watched is not None:
        chats = rich | {"delivery": "eventhub", "handlers": [watched, *handlers]}
        subscriptions.append({"name": "chats", "resource": "/chats/getAllMessages", **chats})
    path = folder / "subscriptions.json"
    path.write_text(json.dumps({"subscriptions": subscriptions}, indent=2), encoding="utf-8")
    return path


def _start_emulator(emulator: Emulator) -> None:
    try:
        emulator.start()
    except EmulatorError as problem:
        raise StageError(str(problem)) from problem


async def _start_simulator(folder: Path, stack: AsyncExitStack, options: Sequence[str]) -> dict[str, str]:
    running = await start(
        "the Graph simulator",
        [sys.executable, "-m", "local", "graph", *_ANY_PORTS, "--state-dir", str(folder / "graph"), *options],
        folder=ROOT,
        environ=_clean_environment(),
        log=folder / "graph.log",
    )
    stack.push_async_callback(running.stop)
    ready: dict[str, str] = json.loads(await running.wait_for_line('{"ready"', within=_READY_WITHIN_SECONDS))
    return ready


def _clean_environment() -> dict[str, str]:
    """The process's environment without anything that the app would take for a setting."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}  # noqa: TID251


async def _is_up(stage: Stage) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with stage.http.get(f"{stage.host_url}/api/health") as answer:
            health = await answer.json(content_type=None)
        if health.get("status") != "ok":
            raise StageError(f"the app is up but not well: {json.dumps(health.get('problems'))}")
        return True
    return False


async def _subscribe(stage: Stage) -> None:
    """Have the app's own timer create the subscriptions, and wait until each has an id."""
    async with stage.http.post(f"{stage.host_url}/admin/functions/renewal", json={}) as answer:
        answer.raise_for_status()

    async def all_live() -> bool:
        rows = (await stage.app("/api/status")).get("subscriptions", [])
        if problems := [f"{row['name']}: {row['problem']}" for row in rows if row["problem"]]:
            raise StageError("subscriptions could not be created:\n" + "\n".join(problems))
        declared = 1 + len(stage.world["mailboxes"]) + (stage.hub is not None)
        return len(rows) >= declared and all(row["subscriptionId"] for row in rows)

    await _until(all_live, stage.host, "create its subscriptions")


async def _until(condition: Any, host: Running, what: str) -> None:
    deadline = asyncio.get_running_loop().time() + _READY_WITHIN_SECONDS
    while not await _ask(condition):
        if host.process.returncode is not None:
            raise StageError(f"the host ended while starting; it said:\n{host.tail()}")
        if asyncio.get_running_loop().time() > deadline:
            raise StageError(
                f"the app did not {what} within {_READY_WITHIN_SECONDS:.0f} s; the host said:\n{host.tail()}"
            )
        await asyncio.sleep(0.05)


async def _ask(condition: Any) -> bool:
    answer: Awaitable[bool] = condition()
    return await answer
