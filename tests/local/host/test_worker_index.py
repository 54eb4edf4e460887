"""What the worker accepts of a function's parameters, and what it refuses."""

import typing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import azure.functions as func
import pytest

from local.host.datums import Datum
from local.host.retry_policy import Attempt
from local.host.worker_index import Loaded, LoadError, load
from local.host.worker_invoke import Invocation, call


def loaded(function: Callable[..., Any], *decorate: Callable[[func.FunctionApp], Any]) -> Loaded:
    app = func.FunctionApp()
    for decorator in decorate:
        function = decorator(app)(function)
    return load(app.get_functions()[0])


def queue_trigger(app: func.FunctionApp) -> Any:
    return app.queue_trigger(arg_name="msg", queue_name="q", connection="AzureWebJobsStorage")


def queue_output(app: func.FunctionApp) -> Any:
    return app.queue_output(arg_name="out", queue_name="q", connection="AzureWebJobsStorage")


def timer(app: func.FunctionApp) -> Any:
    return app.timer_trigger(arg_name="timer", schedule="* * * * * *")


def pep_585_list(msg: list[func.QueueMessage]) -> None: ...
def another_name(other: func.QueueMessage) -> None: ...
def out_for_in(msg: func.Out[str]) -> None: ...
def wrong_type(msg: int) -> None: ...
def wrong_context(msg: func.QueueMessage, context: int) -> None: ...
def nothing() -> None: ...
def in_for_out(msg: func.QueueMessage, out: str) -> None: ...
def two_out_types(msg: func.QueueMessage, out: func.Out) -> None: ...  # type: ignore[type-arg]
def out_of_numbers(msg: func.QueueMessage, out: func.Out[int]) -> None: ...


@pytest.mark.parametrize(
    ("function", "has_output", "blame"),
    [
        (pep_585_list, False, "invalid non-type annotation"),
        (another_name, False, "declared in Python but not in the function definition"),
        (out_for_in, False, "must not be azure.functions.Out"),
        (wrong_type, False, "does not match its Python annotation"),
        (wrong_context, False, '"context" parameter'),
        (nothing, False, "not present in Python"),
        (in_for_out, True, "has to be azure.functions.Out"),
        (two_out_types, True, "invalid Out annotation"),
        (out_of_numbers, True, "does not match its Python annotation"),
    ],
)
def test_a_function_that_does_not_fit_its_bindings_is_refused(
    function: Callable[..., Any], blame: str, *, has_output: bool
) -> None:
    with pytest.raises(LoadError, match=blame):
        loaded(function, *([queue_output] if has_output else []), queue_trigger)


def plain(msg: func.QueueMessage) -> None: ...
def as_text(msg: str) -> None: ...
def unannotated(msg): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - what is tested
def with_context(msg: func.QueueMessage, context: func.Context) -> None: ...


@pytest.mark.parametrize("function", [plain, as_text, unannotated, with_context])
def test_the_usual_ways_to_take_a_message_are_accepted(function: Callable[..., Any]) -> None:
    assert set(loaded(function, queue_trigger).inputs) == {"msg"}


def many(msg: func.QueueMessage, out: func.Out[typing.List[str]]) -> None:  # noqa: UP006 - the worker wants typing.List
    out.set([msg.get_body().decode(), str(msg.id)])


async def invoke(
    function: Loaded, inputs: dict[str, Datum], metadata: dict[str, Datum], **attempt: Any
) -> tuple[Datum, dict[str, Datum]]:
    invocation = Invocation(id="invocation", inputs=inputs, metadata=metadata, attempt=Attempt(**attempt))
    with ThreadPoolExecutor(1) as pool:
        return await call(function, invocation, pool)


async def test_a_sync_function_runs_in_a_thread_and_its_list_becomes_json() -> None:
    function = loaded(many, queue_output, queue_trigger)
    returned, outputs = await invoke(function, {"msg": Datum("bytes", b"x")}, {"Id": Datum("string", "7")})
    assert returned == Datum(None, None)
    assert outputs == {"out": Datum("json", '["x", "7"]')}


async def test_metadata_that_does_not_fit_fails_before_the_function_runs() -> None:
    function = loaded(plain, queue_trigger)
    with pytest.raises(ValueError, match="DequeueCount"):
        await invoke(function, {"msg": Datum("string", "x")}, {"DequeueCount": Datum("string", "x")})


def answering(timer: func.TimerRequest) -> str:
    return f"past due: {timer.past_due}"


async def test_a_return_value_without_a_binding_for_it_fails() -> None:
    with pytest.raises(RuntimeError, match="returned a non-None value"):
        await invoke(loaded(answering, timer), {"timer": Datum("json", '{"IsPastDue": true}')}, {})


def hub(app: func.FunctionApp) -> Any:
    return app.event_hub_message_trigger(arg_name="events", event_hub_name="h", connection="C", cardinality="many")


def retried(strategy: str) -> Callable[[func.FunctionApp], Any]:
    return lambda app: app.retry(strategy=strategy, max_retry_count="2", delay_interval="00:00:01")


def batch(events: typing.List[func.EventHubEvent], out: func.Out[typing.List[str]]) -> None:  # noqa: UP006 - see above
    out.set([f"{event.sequence_number} {event.offset} {event.partition_key} {event.get_body()!r}" for event in events])


ARRAYS = {
    "SystemPropertiesArray": Datum(
        "json", '[{"SequenceNumber": 7, "Offset": "8", "PartitionKey": "k"}, {"SequenceNumber": 8, "Offset": "16"}]'
    ),
    "SequenceNumberArray": Datum("collection_sint64", [7, 8]),
    "PartitionKeyArray": Datum("collection_string", ["k"]),
}


@pytest.mark.parametrize(
    "given", [Datum("collection_bytes", [b"a", b"b"]), Datum("collection_string", ["a", "b"])], ids=["bytes", "texts"]
)
async def test_a_batch_of_events_reaches_the_function_as_a_list(given: Datum) -> None:
    _, outputs = await invoke(loaded(batch, queue_output, hub), {"events": given}, ARRAYS)
    assert outputs == {"out": Datum("json", "[\"7 8 k b'a'\", \"8 16 None b'b'\"]")}


async def test_fewer_bodies_than_metadata_fail_before_the_function_runs() -> None:
    with pytest.raises(AssertionError, match="Number of bodies and metadata mismatched"):
        await invoke(loaded(batch, queue_output, hub), {"events": Datum("collection_string", ["a"])}, ARRAYS)


def pep_585_batch(events: list[func.EventHubEvent]) -> None: ...


def test_a_batch_has_to_be_a_typing_list() -> None:
    with pytest.raises(LoadError, match="invalid non-type annotation"):
        loaded(pep_585_batch, hub)


def test_a_retry_policy_is_handed_on_and_a_wrong_one_stops_the_app() -> None:
    function = loaded(answering, retried("fixed_delay"), timer)
    assert (function.retry or {})["max_retry_count"] == "2"
    assert loaded(answering, timer).retry is None
    with pytest.raises(LoadError, match="not 'linear'"):
        loaded(answering, retried("linear"), timer)


def told(timer: func.TimerRequest, context: func.Context, out: func.Out[str]) -> None:  # noqa: ARG001 - the trigger's
    retry = context.retry_context
    out.set(f"{retry.retry_count} of {retry.max_retry_count}: {retry.exception and retry.exception.message}")


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [({}, "0 of 0: None"), ({"count": 1, "most": -1, "error": "ValueError: x"}, "1 of -1: ValueError: x")],
)
async def test_the_context_tells_the_retry(attempt: dict[str, Any], expected: str) -> None:
    tick = {"timer": Datum("json", '{"IsPastDue": false}')}
    _, outputs = await invoke(loaded(told, queue_output, timer), tick, {}, **attempt)
    assert outputs == {"out": Datum("string", expected)}
