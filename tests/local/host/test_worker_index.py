"""What the worker accepts of a function's parameters, and what it refuses."""

import typing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import azure.functions as func
import pytest

from local.host.datums import Datum
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
    function: Loaded, inputs: dict[str, Datum], metadata: dict[str, Datum]
) -> tuple[Datum, dict[str, Datum]]:
    with ThreadPoolExecutor(1) as pool:
        return await call(function, Invocation(id="invocation", inputs=inputs, metadata=metadata), pool)


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
