"""Call one function: typed data in, the app's objects made by azure.functions' converters, typed data out.

Reading frames and catching failures is the worker's; what outputs mean is the host's.
"""

import asyncio
import contextvars
import functools
import json
import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from http.cookies import SimpleCookie
from types import MappingProxyType, SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions import meta

from local.host.datums import Datum
from local.host.retry_policy import FIRST, Attempt
from local.host.worker_index import Loaded, Parameter

running_function: contextvars.ContextVar[str] = contextvars.ContextVar("running_function", default="")
_thread_local = threading.local()


class Out(func.Out[Any]):
    """An output parameter."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Keep the value; the last one counts."""
        self._value = val

    def get(self) -> Any:
        """Return what was set, or None."""
        return self._value


class TraceContext:
    """An empty trace: the local host does no distributed tracing."""

    trace_state = trace_parent = ""
    Tracestate = Traceparent = ""
    attributes = Attributes = MappingProxyType[str, str]({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcException:
    """Why the execution before this one failed."""

    source: str = ""
    stack_trace: str = ""
    message: str = ""


class RetryContext:
    """Where this execution stands in its retries: zeros for the first one, and where there is no policy."""

    def __init__(self, attempt: Attempt) -> None:
        self.retry_count = attempt.count
        self.max_retry_count = attempt.most
        self.exception = RpcException(stack_trace=attempt.trace, message=attempt.error) if attempt.error else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What the host sends for one execution."""

    id: str
    inputs: Mapping[str, Datum]
    metadata: Mapping[str, Datum]
    attempt: Attempt = FIRST


class Context(func.Context):
    """What a function's `context` parameter says."""

    thread_local_storage = _thread_local  # type: ignore[assignment]
    invocation_id = function_name = function_directory = ""  # set on each instance
    trace_context = TraceContext()  # type: ignore[assignment]
    retry_context = RetryContext(FIRST)  # type: ignore[assignment]

    def __init__(self, invocation: Invocation, function: Loaded) -> None:
        self.invocation_id = invocation.id
        self.retry_context = RetryContext(invocation.attempt)
        self.function_name = function.name
        self.function_directory = function.directory


async def call(function: Loaded, invocation: Invocation, pool: Executor) -> tuple[Datum, dict[str, Datum]]:
    """Run the function and return its typed return value and outputs; whatever it raises comes through."""
    metadata = {name: meta.Datum(_wrapped(datum), datum.type) for name, datum in invocation.metadata.items()}
    arguments = {name: _decoded(function.inputs[name], datum, metadata) for name, datum in invocation.inputs.items()}
    outputs = {name: Out() for name in function.outputs}
    arguments.update(outputs)
    if function.wants_context:
        arguments["context"] = Context(invocation, function)
    running_function.set(function.name)
    if function.is_async:
        result = await function.call(**arguments)
    else:
        result = await asyncio.get_running_loop().run_in_executor(pool, _in_thread(function, invocation.id, arguments))
    if result is not None and not function.may_return:
        raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
    written = {
        name: _encoded(function.outputs[name], out.get()) for name, out in outputs.items() if out.get() is not None
    }
    return Datum(None, None) if function.returned is None else _encoded(function.returned, result), written


def _in_thread(function: Loaded, invocation: str, arguments: Mapping[str, Any]) -> Any:
    def run() -> Any:
        _thread_local.invocation_id = invocation
        try:
            return function.call(**arguments)
        finally:
            _thread_local.invocation_id = None

    return functools.partial(contextvars.copy_context().run, run)


def _decoded(parameter: Parameter, datum: Datum, metadata: Mapping[str, meta.Datum]) -> Any:
    data = meta.Datum(_wrapped(datum), datum.type)
    try:
        return parameter.converter.decode(data, trigger_metadata=metadata if parameter.is_trigger else {})
    except NotImplementedError:
        raise TypeError(f"unable to decode incoming TypedData: {datum.type!r} for {parameter.converter!r}") from None


def _wrapped(datum: Datum) -> Any:
    """Return a datum's value in the shape in which azure.functions' converters look for it."""
    if datum.type == "http":
        return _http_value(datum.value)
    if datum.type and datum.type.startswith("collection_"):
        return SimpleNamespace(**{datum.type.removeprefix("collection_"): datum.value})
    return datum.value


def _http_value(value: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: meta.Datum(value[name], "string") for name in ("method", "url")}
    maps = {
        name: {key: meta.Datum(text, "string") for key, text in value[name].items()}
        for name in ("headers", "query", "params")
    }
    return {**texts, **maps, "body": meta.Datum(value["body"], "bytes")}


def _encoded(parameter: Parameter, value: Any) -> Datum:
    try:
        data = parameter.converter.encode(value, expected_type=parameter.pytype)
    except NotImplementedError:
        raise TypeError(
            f"unable to encode outgoing TypedData: unsupported type {parameter.converter!r} for Python type {type(value).__name__!r}"
        ) from None
    if data.type == "http":
        return Datum("http", _http_answer(data.value))
    if data.type in {"dict", "list"}:
        return Datum("json", json.dumps(data.value))
    return Datum(data.type, data.value)


def _http_answer(value: Mapping[str, Any]) -> dict[str, Any]:
    cookies: list[SimpleCookie] = value["cookies"] or []
    return {
        "status": int(value["status_code"].value),
        "headers": {name: datum.value for name, datum in value["headers"].items()},
        "cookies": [morsel.OutputString() for cookie in cookies for morsel in cookie.values()],
        "body": value["body"].value,
    }
