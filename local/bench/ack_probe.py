"""Measures, in one process, what acknowledging a body costs in CPU time above an empty function given the same body.

A script: run by the Python of `.venv313` it goes through Microsoft's runtime, by any other it calls the functions
directly. Its last line on stdout is JSON.
"""

import asyncio
import importlib.util
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from local.bench.figures import difference  # noqa: E402 - the path comes first
from local.worker313.serve import Runtime  # noqa: E402

_ACCEPTED = 202
_WARM_UP = 20
_CALLS_OF_A_ROUND = 400
"""For the smallest body; larger ones get fewer, so that a round takes about as long."""

Call = Callable[[], Awaitable[Any]]


class ThroughRuntime:
    """The functions as Microsoft's runtime invokes them natively."""

    def __init__(self) -> None:
        self._runtime = Runtime()

    async def start(self) -> None:
        """Load the app."""
        await self._runtime.start(Path(__file__).parent)

    def call(self, name: str, body: bytes) -> Call:
        """Prepare one invocation; decoding the request and encoding the answer are part of it."""
        request = {
            "method": "POST",
            "url": f"http://127.0.0.1/api/{name}",
            "headers": {"content-type": "application/json"},
        }
        given = self._runtime.http(request, body)
        return lambda: self._runtime.invoke(name, [("req", given)])

    @staticmethod
    def status(answer: Any) -> int:
        """Read the status of an answer."""
        return int(answer[1].value["status_code"].value)


class Direct:
    """The functions called by themselves, where there is no such runtime."""

    def __init__(self) -> None:
        self._functions: dict[str, Any] = {}

    async def start(self) -> None:
        """Load the app."""
        module = importlib.import_module("local.bench.measured_app")
        self._functions = {each.get_function_name(): each.get_user_function() for each in module.app.get_functions()}

    def call(self, name: str, body: bytes) -> Call:
        """Prepare one call."""
        func: Any = importlib.import_module("azure.functions")
        request = func.HttpRequest("POST", f"http://127.0.0.1/api/{name}", body=body)
        outputs = {} if name == "empty" else {"kept": _Out(), "work": _Out()}
        return lambda: self._functions[name](req=request, **outputs)

    @staticmethod
    def status(answer: Any) -> int:
        """Read the status of an answer."""
        return int(answer.status_code)


class _Out:
    def set(self, value: Any) -> None:
        """Take a value."""


async def measure(measured: Call, empty: Call, *, rounds: int, calls: int) -> float:
    """Take the difference in milliseconds of CPU a call."""
    for each in (measured, empty):
        await _spend(each, _WARM_UP)
    more, less = [], []
    for _ in range(rounds):
        more.append(await _spend(measured, calls))
        less.append(await _spend(empty, calls))
    return difference(more, less) * 1000


async def _spend(call: Call, calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - began) / calls


async def main(bodies: Mapping[str, bytes], rounds: int) -> None:
    """Measure every body."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # the worker logs at this level: making the line is part of what the app costs, carrying it to the host is not
    logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()])
    for name in ("azure", "azure_functions_runtime"):
        logging.getLogger(name).setLevel(logging.WARNING)
    native = importlib.util.find_spec("azure_functions_runtime") is not None
    through: ThroughRuntime | Direct = ThroughRuntime() if native else Direct()
    await through.start()
    answers: dict[str, Any] = {"native": native, "python": sys.version.partition(" ")[0]}
    for name, body in bodies.items():
        real, empty = through.call("notifications", body), through.call("empty", body)
        status = through.status(await real())
        if status != _ACCEPTED:
            raise RuntimeError(f"{name} was answered {status}")
        answers[name] = await measure(real, empty, rounds=rounds, calls=_CALLS_OF_A_ROUND // (1 + len(body) // 1000))
    answers["empty"] = await _spend(through.call("empty", b"{}"), 1000) * 1000
    print(json.dumps(answers), file=channel)
    channel.flush()


if __name__ == "__main__":
    found = {path.stem: path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*-*[0-9].json"))}
    asyncio.run(main(found, int(sys.argv[2])))
