"""Loads a Functions app through Microsoft's `azure-functions-runtime` and invokes it on request, as the 3.13 worker does.

A script of its own, run by the Python of `.venv313`: it imports nothing of ours but the app. Requests and answers are a
line of JSON each, on stdin and stdout; what anybody prints goes to stderr. No host, no gRPC, no protobuf.
"""

import asyncio
import base64
import importlib
import json
import os
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def _record(name: str, **constants: Any) -> type:
    """Make a stand-in for one protobuf message class: it keeps whatever keywords the runtime gives it."""
    return type(name, (types.SimpleNamespace,), constants)


# every name that indexing and start-up touch in runtime 1.3.0, with the enum values of FunctionRpc.proto
_PROTOS = types.SimpleNamespace(
    BindingInfo=_record("BindingInfo", undefined=0, out=1, inout=2),
    RpcFunctionMetadata=_record("RpcFunctionMetadata"),
    RpcRetryOptions=_record("RpcRetryOptions"),
    WorkerInitResponse=_record("WorkerInitResponse"),
    WorkerMetadata=_record("WorkerMetadata"),
    FunctionMetadataResponse=_record("FunctionMetadataResponse"),
    StatusResult=_record("StatusResult", Failure=0, Success=1),
    RpcException=_record("RpcException"),
)


class Runtime:
    """One app in Microsoft's runtime. Only one may be in a process."""

    def __init__(self) -> None:
        self.functions: dict[str, Any] = {}
        self._native: Any = importlib.import_module("azure_functions_runtime.native_invocation")
        self._datum: Any = importlib.import_module("azure_functions_runtime.bindings.datumdef").Datum

    async def start(self, app: Path) -> None:
        """Do what the worker does when it starts, in the loop that will invoke. Raises RuntimeError if the app fails."""
        runtime: Any = importlib.import_module("azure_functions_runtime")
        sys.path.append(str(app))  # last, as the real one has it
        os.chdir(app)
        runtime.start_threadpool_executor()
        init = types.SimpleNamespace(capabilities={}, function_app_directory=str(app))
        request = types.SimpleNamespace(
            request=types.SimpleNamespace(worker_init_request=init),
            properties={"host": "127.0.0.1", "protos": _PROTOS},
        )
        reply = await runtime.worker_init_request(request)
        if reply.result.status != 1:
            raise RuntimeError(f"{reply.result.exception.message}\n{reply.result.exception.stack_trace}")
        listed = await runtime.functions_metadata_request(request)
        self.functions = {each.name: each for each in listed.function_metadata_results or []}

    async def invoke(self, name: str, inputs: list[Any], metadata: Mapping[str, Any] | None = None) -> Any:
        """Invoke one function: (worked, return value, outputs, error, trace)."""
        return await self._native.invocation_request_native(
            "invocation-1", self.functions[name].function_id, inputs, dict(metadata or {})
        )

    def text(self, value: str) -> Any:
        """Wrap a text as the host sends it."""
        return self._datum(value, "string")

    def http(self, request: Mapping[str, Any], body: bytes) -> Any:
        """Wrap an HTTP request: header names in lower case, the body always bytes."""
        maps = {
            theirs: {name: self.text(value) for name, value in request.get(ours, {}).items()}
            for theirs, ours in (("headers", "headers"), ("params", "route"), ("query", "query"))
        }
        value = {
            "method": self.text(request["method"]),
            "url": self.text(request["url"]),
            "body": self._datum(body, "bytes"),
            **maps,
        }
        return self._datum(value, "http")

    def queue(self, body: bytes, *, dequeue_count: int) -> tuple[Any, dict[str, Any]]:
        """Wrap a queue message that a function takes as bytes, and its metadata: numbers and times are JSON."""
        when = self._datum('"2026-11-20T10:00:00+00:00"', "json")
        times = dict.fromkeys(("InsertionTime", "ExpirationTime", "NextVisibleTime"), when)
        count = self._datum(str(dequeue_count), "json")
        metadata = {"Id": self.text("m-1"), "PopReceipt": self.text("r"), "DequeueCount": count, **times}
        return self._datum(body, "bytes"), metadata

    def events(self, bodies: Sequence[bytes], *, first: int, partition: str) -> tuple[Any, dict[str, Any]]:
        """Wrap a batch of events that a function takes as bytes, and what the host says of each and of their partition."""
        placed = [
            {"EnqueuedTimeUtc": "2026-11-20T10:00:00Z", "SequenceNumber": number, "Offset": str(number * 1000)}
            for number in range(first, first + len(bodies))
        ]
        context = {"PartitionId": partition, "ConsumerGroup": "$Default", "IsCheckpointingAfterInvocation": True}
        metadata = {
            "PartitionContext": self._datum(json.dumps(context), "json"),
            "SystemPropertiesArray": self._datum(json.dumps(placed), "json"),
        }
        return self._datum(types.SimpleNamespace(bytes=list(bodies)), "collection_bytes"), metadata

    def timer(self) -> Any:
        """Wrap a timer's tick."""
        tick = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        return self._datum(json.dumps(tick), "json")

    def trigger(self, name: str) -> tuple[str, str]:
        """Tell a function's trigger: its type and the name of its parameter."""
        for raw in self.functions[name].raw_bindings:
            binding = json.loads(raw)
            if binding["type"].lower().endswith("trigger"):
                return binding["type"], binding["name"]
        raise RuntimeError(f"function {name} has no trigger")


async def answer(runtime: Runtime, request: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke what one request asks for, and describe what came of it."""
    name = request["function"]
    body = base64.b64decode(request.get("body", ""))
    kind, parameter = runtime.trigger(name)
    metadata: Mapping[str, Any] = {}
    if kind == "httpTrigger":
        given = runtime.http(request, body)
    elif kind == "queueTrigger":
        given, metadata = runtime.queue(body, dequeue_count=request.get("dequeueCount", 1))
    elif kind == "eventHubTrigger":
        bodies = [base64.b64decode(each) for each in request["events"]]
        given, metadata = runtime.events(bodies, first=request.get("first", 0), partition=request.get("partition", "0"))
    else:
        given = runtime.timer()
    worked, returned, outputs, error, _ = await runtime.invoke(name, [(parameter, given)], metadata)
    described: dict[str, Any] = {"worked": bool(worked), "error": str(error or "")}
    described["outputs"] = {each: {"type": datum.type, "value": datum.value} for each, datum in dict(outputs).items()}
    if returned is not None and returned.type == "http":
        described["status"] = int(returned.value["status_code"].value)
        described["headers"] = {header: datum.value for header, datum in returned.value["headers"].items()}
        described["body"] = base64.b64encode(returned.value["body"].value).decode()
    return described


async def main(app: Path) -> None:
    """Start the app, say which functions it has, and answer requests until stdin ends."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    runtime = Runtime()
    await runtime.start(app)
    print(json.dumps({"functions": {name: runtime.trigger(name)[0] for name in runtime.functions}}), file=channel)
    channel.flush()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await answer(runtime, json.loads(line))), file=channel)
        channel.flush()


if __name__ == "__main__":
    sys.path.pop(0)  # this script's own folder: nothing in it is the app's
    asyncio.run(main(Path(sys.argv[1]).resolve()))
