"""The host put together: settings, worker, triggers and HTTP, from start to a clean end.

Each part is in its own module; the command line is `cli`.
"""

import asyncio
import random
import socket
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from local.host import console
from local.host.admin import Admin, MadeByHand
from local.host.app_settings import merge
from local.host.dispatch import Dispatch
from local.host.frames import Header
from local.host.functions import Function, Stopped, read_functions
from local.host.host_json import HostOptions, read_host_json
from local.host.http_door import HttpDoor
from local.host.hub_listener import HubListener
from local.host.hub_rules import read_address
from local.host.ncrontab import read_crontab
from local.host.polling import Backoff
from local.host.queue_listener import QueueListener
from local.host.queue_rules import poison_queue
from local.host.routes import Route, Routes, read_route
from local.host.storage import Storage
from local.host.time_spans import read_time_span
from local.host.timer_listener import TimerListener
from local.host.worker_link import IndexingError, WorkerLink
from local.stopping import told_to_stop

SECONDS_TO_FINISH = 3.0
LINE_LIMIT = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What runs: each function's listener or route, and how it is run by hand."""

    functions: Sequence[Function]
    routes: Sequence[Route]
    queues: Sequence[QueueListener]
    timers: Sequence[TimerListener]
    hubs: Sequence[HubListener]
    stopped: Sequence[Stopped]

    def by_hand(self) -> dict[str, MadeByHand]:
        """Return how each function that is not HTTP is run by hand."""
        listeners: list[QueueListener | TimerListener | HubListener] = [*self.queues, *self.timers, *self.hubs]
        return {listener.name: listener.run_by_hand for listener in listeners}

    def ending(self) -> Sequence[QueueListener | HubListener]:
        """Return the listeners that have to be told to stop; the others are just cancelled."""
        return (*self.queues, *self.hubs)


async def serve(
    door: socket.socket,
    app: Path,
    environ: Mapping[str, str],
    local: Mapping[str, str],
    only: Collection[str] = (),
) -> int:
    """Run the app on a listening socket until SIGINT or SIGTERM; return the process's exit code."""
    port = door.getsockname()[1]
    settings = merge(environ, local, app=app, port=port)
    options = read_host_json((app / "host.json").read_text(encoding="utf-8"), settings)
    done = told_to_stop()
    storage = Storage(settings)
    worker = WorkerLink(app, settings, options.function_timeout, lambda header: _show(header, options))
    try:
        found = await _unless(done, worker.start())
        dispatch = Dispatch(
            worker, storage, base64_queues=options.queues.base64, shows=lambda name: _is_shown(options, name)
        )
        parts = compose(found, settings, only, options=options, storage=storage, dispatch=dispatch)
        await _run(door, parts, options, worker=worker, dispatch=dispatch, done=done)
    except IndexingError as error:
        console.say(f"Worker failed to load function app.\n{error}")
        return 1
    finally:
        await worker.stop()
        await storage.close()
    return 0


def compose(
    found: Sequence[Mapping[str, Any]],
    settings: Mapping[str, str],
    only: Collection[str],
    *,
    options: HostOptions,
    storage: Storage,
    dispatch: Dispatch,
) -> Parts:
    """Give every function its route or listener; one whose trigger can't be set up is stopped, the others run."""
    readable, stopped = read_functions(found, settings, only=only)
    functions: list[Function] = []
    routes: list[Route] = []
    queues: list[QueueListener] = []
    timers: list[TimerListener] = []
    hubs: list[HubListener] = []
    for function in readable:
        try:
            for output in function.outputs.values():
                if output.type == "queue":
                    storage.check(output.connection)
            if function.trigger.type == "httpTrigger":
                routes.append(read_route(function))
            elif function.trigger.type == "queueTrigger":
                queues.append(_queue_listener(function, options, storage, dispatch))
            elif function.trigger.type == "eventHubTrigger":
                address = read_address(function.trigger, settings)
                checkpoints = storage.checkpoints()
                hubs.append(HubListener(function, address, checkpoints, options=options.event_hubs, dispatch=dispatch))
            else:
                timers.append(_timer_listener(function, dispatch))
        except ValueError as error:
            stopped.append(Stopped(name=function.name, why=f"The '{function.name}' function is in error: {error}"))
        else:
            functions.append(function)
    return Parts(functions=functions, routes=routes, queues=queues, timers=timers, hubs=hubs, stopped=stopped)


def _queue_listener(function: Function, options: HostOptions, storage: Storage, dispatch: Dispatch) -> QueueListener:
    connection, name = function.trigger.connection, str(function.trigger.settings["queueName"])
    storage.check(connection)
    poison = poison_queue(name)
    backoff = Backoff(options.queues.max_polling_interval, random.Random())  # noqa: S311 - spreads polls, keeps no secret
    return QueueListener(
        function,
        storage.queue(connection, name),
        storage.queue(connection, poison) if poison else None,
        options=options.queues,
        dispatch=dispatch,
        backoff=backoff,
    )


def _timer_listener(function: Function, dispatch: Dispatch) -> TimerListener:
    text = str(function.trigger.settings.get("schedule") or "")
    at_start = bool(function.trigger.settings.get("runOnStartup"))
    if len(text.split()) > 1:
        return TimerListener(function, read_crontab(text).following, dispatch, at_start=at_start)
    span = read_time_span(text)
    if span < timedelta(seconds=1):
        raise ValueError(f"the schedule {text!r} is shorter than a second")

    def following(moment: datetime) -> datetime:
        return moment + span

    return TimerListener(function, following, dispatch, at_start=at_start)


async def _run(
    door: socket.socket,
    parts: Parts,
    options: HostOptions,
    *,
    worker: WorkerLink,
    dispatch: Dispatch,
    done: asyncio.Event,
) -> None:
    """Serve HTTP and listen until told to stop, then give what runs a little time."""
    port = door.getsockname()[1]
    routes = Routes(parts.routes, options.route_prefix)
    front = HttpDoor(routes, dispatch, Admin(parts.functions, parts.by_hand(), worker))
    server = web.Server(front.answer, access_log=None, auto_decompress=False, max_line_size=LINE_LIMIT)
    runner = web.ServerRunner(server, shutdown_timeout=SECONDS_TO_FINISH)
    await runner.setup()
    await web.SockSite(runner, door).start()
    others = [(f.name, f.trigger.type) for f in parts.functions if f.trigger.type != "httpTrigger"]
    console.list_functions(routes.listing(f"http://localhost:{port}"), others, [item.why for item in parts.stopped])
    ending = [asyncio.create_task(listener.listen()) for listener in parts.ending()]
    timers = [asyncio.create_task(listener.listen()) for listener in parts.timers]
    for task in (*ending, *timers):
        task.add_done_callback(_say_why)
    console.say(f"Host started on http://127.0.0.1:{port}")
    await done.wait()
    console.say("Stopping host...")
    for listener in parts.ending():
        listener.stop()
    if ending:
        await asyncio.wait(ending, timeout=SECONDS_TO_FINISH)
    for task in (*ending, *timers):
        task.cancel()
    await asyncio.gather(*ending, *timers, return_exceptions=True)
    await asyncio.gather(*(listener.finish(SECONDS_TO_FINISH) for listener in parts.ending()))
    await runner.cleanup()


def _say_why(task: asyncio.Task[None]) -> None:
    """A listener that ends by itself is a bug of this host: nobody shall wonder why nothing fires any more."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        console.log(f"A listener ended: {type(error).__name__}: {error}")


async def _unless(done: asyncio.Event, starting: Coroutine[Any, Any, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Wait for the worker to start, but not when told to stop: then there is nothing to run."""
    start, stop = asyncio.create_task(starting), asyncio.create_task(done.wait())
    await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if start.done():
        return start.result()
    start.cancel()
    return []


def _is_shown(options: HostOptions, category: str, level: int = 20) -> bool:
    return level >= options.log_level(category)


def _show(header: Header, options: HostOptions) -> None:
    """Print a log record of the worker, if host.json's level for user code lets it through."""
    category = f"Function.{header['function']}.User" if header["function"] else "Worker"
    if _is_shown(options, category, header["level"]):
        console.log_record(header["logger"], header["level"], header["message"])
