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
from collections.abc import Iterable, Mapping, Sequence
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

    def events(
        self, bodies: Sequence[bytes], binding: Mapping[str, Any], *, first: int, partition: str, key: str | None
    ) -> tuple[Any, dict[str, Any]]:
        """Wrap events as the trigger's binding asks for them, and what the host says of each and of their partition.

        Lists of texts lose what is empty: the host leaves it out. Times have no zone, since .NET drops it.
        """
        numbers = range(first, first + len(bodies))
        when = "2026-11-20T10:00:00"
        placed: list[dict[str, Any]] = [
            {"EnqueuedTimeUtc": when, "SequenceNumber": number, "Offset": str(number * 1000), "PartitionKey": key}
            for number in numbers
        ]
        context = {"PartitionId": partition, "ConsumerGroup": "$Default", "IsCheckpointingAfterInvocation": True}
        metadata = {"PartitionContext": self._json(context)}
        is_binary = str(binding.get("dataType")).lower() == "binary"
        texts = [body.decode(errors="replace") for body in bodies]
        if str(binding.get("cardinality")).lower() != "many":
            metadata |= {
                "Offset": self.text(placed[0]["Offset"]),
                "SequenceNumber": self._json(first),
                "EnqueuedTimeUtc": self._json(when),
                "Properties": self._json({}),
                "SystemProperties": self._json(placed[0]),
            }
            metadata |= {} if key is None else {"PartitionKey": self.text(key)}
            return self._datum(bodies[0], "bytes") if is_binary else self.text(texts[0]), metadata
        metadata |= {
            "OffsetArray": self._list("string", [each["Offset"] for each in placed]),
            "SequenceNumberArray": self._list("sint64", numbers),
            "PartitionKeyArray": self._list("string", [key] * len(bodies) if key else []),
            "EnqueuedTimeUtcArray": self._json([when] * len(bodies)),
            "PropertiesArray": self._json([{}] * len(bodies)),
            "SystemPropertiesArray": self._json(placed),
        }
        given = self._list("bytes", bodies) if is_binary else self._list("string", filter(None, texts))
        return given, metadata

    def _json(self, value: Any) -> Any:
        return self._datum(json.dumps(value), "json")

    def _list(self, kind: str, values: Iterable[Any]) -> Any:
        return self._datum(types.SimpleNamespace(**{kind: list(values)}), f"collection_{kind}")

    def timer(self) -> Any:
        """Wrap a timer's tick."""
        tick = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        return self._datum(json.dumps(tick), "json")

    def trigger(self, name: str) -> Mapping[str, Any]:
        """Tell a function's trigger: the binding with its type, the name of its parameter, and what else was said."""
        for raw in self.functions[name].raw_bindings:
            binding: dict[str, Any] = json.loads(raw)
            if binding["type"].lower().endswith("trigger"):
                return binding
        raise RuntimeError(f"function {name} has no trigger")


async def answer(runtime: Runtime, request: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke what one request asks for, and describe what came of it."""
    name = request["function"]
    body = base64.b64decode(request.get("body", ""))
    trigger = runtime.trigger(name)
    kind = trigger["type"]
    metadata: Mapping[str, Any] = {}
    if kind == "httpTrigger":
        given = runtime.http(request, body)
    elif kind == "queueTrigger":
        given, metadata = runtime.queue(body, dequeue_count=request.get("dequeueCount", 1))
    elif kind == "eventHubTrigger":
        bodies = [base64.b64decode(each) for each in request["events"]]
        given, metadata = runtime.events(
            bodies,
            trigger,
            first=request.get("first", 0),
            partition=request.get("partition", "0"),
            key=request.get("key"),
        )
    else:
        given = runtime.timer()
    worked, returned, outputs, error, _ = await runtime.invoke(name, [(trigger["name"], given)], metadata)
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
    print(json.dumps({"functions": {name: runtime.trigger(name)["type"] for name in runtime.functions}}), file=channel)
    channel.flush()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await answer(runtime, json.loads(line))), file=channel)
        channel.flush()


if __name__ == "__main__":
    sys.path.pop(0)  # this script's own folder: nothing in it is the app's
    asyncio.run(main(Path(sys.argv[1]).resolve()))
