"""The host's admin API: run a function by hand, list functions, tell how the host is.

Keys, draining and restarting are not here.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from local.host import console
from local.host.functions import Function
from local.host.worker_link import WorkerLink

MadeByHand = Callable[[str], Awaitable[object]]
"""Runs a function with the given text as its trigger's value."""
FUNCTIONS = "/admin/functions"


class Admin:
    """Answers `/admin/...`."""

    def __init__(self, functions: Sequence[Function], runs: Mapping[str, MadeByHand], worker: WorkerLink) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._runs = runs
        self._worker = worker
        self._running: set[asyncio.Task[None]] = set()
        self._started = time.monotonic()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Find the operation; 404 for what is not there."""
        path = request.rel_url.path.rstrip("/")
        if path.lower() == "/admin/host/status" and request.method == "GET":
            return web.json_response(self._status())
        if path.lower() == "/admin/host/ping":
            return web.Response()
        if path.lower() == FUNCTIONS and request.method == "GET":
            return web.json_response([_described(function) for function in self._functions.values()])
        prefix, _, name = path.rpartition("/")
        function = self._functions.get(name.lower())
        if prefix.lower() != FUNCTIONS or function is None:
            return web.Response(status=404)
        if request.method == "GET":
            return web.json_response(_described(function))
        return await self._run(function, request) if request.method == "POST" else web.Response(status=405)

    async def _run(self, function: Function, request: web.BaseRequest) -> web.Response:
        run = self._runs.get(function.name)
        if run is None:
            return web.json_response({"message": "an HTTP function is called by its own URL"}, status=400)
        try:
            body = json.loads(await request.content.read())
        except ValueError:
            return web.json_response({"message": 'a JSON body is needed: {"input": "text"}'}, status=400)
        given = body.get("input", "") if isinstance(body, dict) else None
        if not isinstance(given, str):
            return web.json_response({"message": "input has to be a text"}, status=400)
        task = asyncio.create_task(_quietly(run, given))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return web.Response(status=202)

    def _status(self) -> dict[str, Any]:
        return {
            "id": "earshot-local",
            "state": "Running",
            "version": "4.0.0",
            "versionDetails": "local stand-in",
            "processUptime": round((time.monotonic() - self._started) * 1000),
            "functions": sorted(function.name for function in self._functions.values()),
            "worker": {"pid": self._worker.pid, "restarts": self._worker.restarts},
        }


async def _quietly(run: MadeByHand, text: str) -> None:
    try:
        await run(text)
    except Exception as error:  # noqa: BLE001 - nobody waits for this run: its failure is a line on the console
        console.log(f"A run by hand failed: {error}")


def _described(function: Function) -> dict[str, Any]:
    bindings = [function.trigger, *function.outputs.values()]
    return {
        "name": function.name,
        "language": "python",
        "isDisabled": False,
        "config": {"bindings": [dict(binding.settings) for binding in bindings]},
    }
