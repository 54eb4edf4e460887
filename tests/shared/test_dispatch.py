"""Running handlers: every way they end is an outcome, and none of them touches another."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import shared.handlers
from shared.change import Change, Services
from shared.dispatch import Again, Done, GivenUp, describe, find_handlers, on, registrations, run_handlers
from shared.errors import GiveUp, GraphApiError, RetryLater, SettingsError
from shared.graph.resource import read_resource
from shared.routing import ANY, Registration, Route
from tests.builders import NOW, notification
from tests.stand import Handler, Stand

MINUTE = timedelta(minutes=1)


def a_change(**changes: Any) -> Change:
    valid: dict[str, Any] = {
        "subscription": "s",
        "tenant_id": "t",
        "change_type": "created",
        "resource": read_resource("chats/c/messages/m"),
        "version": "1",
        "deleted": False,
        "received": NOW,
        "via": "webhook",
        "item_id": "i",
        "key": "k",
        "notification": notification(),
    }
    return Change(**(valid | changes))


def to(handler: Handler, **changes: Any) -> Route:
    return Route(instance=handler.name, registration=handler.registration(**changes), ids={"message": "m"})


def services(stand: Any) -> Services:
    app: Stand = stand()
    return app.handling.services


async def run(stand: Any, *routes: Route, change: Change | None = None, limit: timedelta = MINUTE) -> Any:
    return await run_handlers(change or a_change(), routes, services(stand), limit=limit)


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (None, Done(instance="h")),
        (RetryLater(), Again(instance="h", error="the handler asked for another attempt")),
        (RetryLater("why", after=MINUTE), Again(instance="h", error="why", after=MINUTE)),
        (GiveUp("because"), GivenUp(instance="h", reason="because")),
        (GiveUp("x" * 1000), GivenUp(instance="h", reason="x" * 500)),
    ],
    ids=repr,
)
async def test_what_a_handler_says_is_its_outcome(stand: Any, trouble: Any, outcome: Any) -> None:
    assert await run(stand, to(Handler("h", [trouble] if trouble else []))) == (outcome,)


async def test_graphs_refusal_says_when_to_come_again(stand: Any) -> None:
    refusal = GraphApiError("GET /x", status=503, code="busy", request_id="r", retry_after=MINUTE)
    [outcome] = await run(stand, to(Handler("h", [refusal])))

    assert outcome == Again(instance="h", error=str(refusal), at_least=MINUTE)


@pytest.mark.parametrize(
    "problem", [ValueError("canary"), KeyError("canary"), ExceptionGroup("canary", [ValueError("canary")])], ids=repr
)
async def test_a_foreign_exception_is_told_by_type_and_place_but_never_by_its_text(
    stand: Any, problem: Exception
) -> None:
    [outcome] = await run(stand, to(Handler("h", [problem])))

    assert outcome.error.startswith(f"{type(problem).__name__} at stand.py:")
    assert "canary" not in repr(outcome)


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert describe(ValueError("canary")) == "ValueError"
    assert describe(SettingsError(["x"])).startswith("SettingsError: ")


async def test_a_handler_is_cancelled_at_its_limit(stand: Any) -> None:
    cancelled: list[bool] = []

    async def wait(_change: Change) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    [outcome] = await run(stand, to(Handler("h", [wait])), limit=timedelta(milliseconds=20))

    assert (outcome, cancelled) == (Again(instance="h", error="took longer than 0 s"), [True])


async def test_a_failing_handler_touches_no_sibling(stand: Any) -> None:
    async def vandalise(change: Change) -> None:
        change.change_type = "vandalised"
        raise ValueError

    first, second = Handler("first", [vandalise]), Handler("second")
    outcomes = await run(stand, to(first), to(second))

    assert [type(outcome) for outcome in outcomes] == [Again, Done]
    assert second.changes[0].change_type == "created"


async def test_handlers_run_side_by_side(stand: Any) -> None:
    meeting = asyncio.Barrier(2)

    async def meet(_change: Change) -> None:
        await meeting.wait()

    outcomes = await run(stand, to(Handler("a", [meet])), to(Handler("b", [meet])))

    assert outcomes == (Done(instance="a"), Done(instance="b"))


async def test_each_handler_is_given_its_ids_and_options(stand: Any) -> None:
    handler = Handler("h")
    chosen = Route(instance="h", registration=handler.registration(), ids={"a": "b"}, options={"to": "x"})
    await run(stand, chosen)

    assert handler.changes[0].ids == {"a": "b"}
    assert handler.services[0].options == {"to": "x"}


async def test_a_fetch_that_takes_too_long_costs_only_those_who_want_the_content(stand: Any) -> None:
    async def never(_change: Change) -> None:
        await asyncio.Event().wait()

    wants, does_not = Handler("wants"), Handler("does-not")
    outcomes = await run(
        stand,
        to(wants, content=True),
        to(does_not),
        change=a_change(_fetch=never),
        limit=timedelta(milliseconds=20),
    )

    assert outcomes == (Again(instance="wants", error="took longer than 0 s"), Done(instance="does-not"))


async def test_cancellation_from_outside_is_not_swallowed(stand: Any) -> None:
    async def wait(_change: Change) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(run(stand, to(Handler("h", [wait]))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# -- finding handlers --------------------------------------------------------------------------------------------------


def module_with(**members: Any) -> ModuleType:
    module = ModuleType("made_up")
    for name, member in members.items():
        member.__module__ = "made_up"
        setattr(module, name, member)
    return module


def test_on_registers_what_it_is_told() -> None:
    @on("a/{b}", change="created", content=True, listed=True)
    @on(ANY, change=["updated", "deleted"])
    async def handle(change: Change, services: Services) -> None: ...

    first, second = registrations(module_with(handle=handle))

    assert first == Registration(
        name="handle", function=handle, template="a/{b}", changes=frozenset({"created"}), content=True, listed=True
    )
    assert (second.template, second.changes) == (ANY, frozenset({"updated", "deleted"}))


def test_a_blocking_handler_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="must be an 'async def'"):

        @on(ANY)  # type: ignore[arg-type]
        def handle(change: Change, services: Services) -> None: ...


def test_what_a_module_only_imports_is_not_its_handler() -> None:
    @on(ANY)
    async def handle(change: Change, services: Services) -> None: ...

    module = module_with(handle=handle)
    handle.__module__ = "elsewhere"

    assert registrations(module) == ()


def test_the_handlers_that_ship_are_found() -> None:
    assert {"dlp", "feed", "forward"} <= {each.name for each in find_handlers(shared.handlers)}


def test_two_handlers_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from shared.handlers import on\n@on('*')\nasync def twin(change, services): ...\n"
    package = tmp_path / "twins_for_a_test"
    package.mkdir()
    for name in ("__init__", "a", "b"):
        (package / f"{name}.py").write_text(source if name != "__init__" else "", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import twins_for_a_test  # type: ignore[import-not-found]  # noqa: PLC0415 - it was made a line ago

    with pytest.raises(SettingsError, match="'twin' is defined in a and b"):
        find_handlers(twins_for_a_test)
    for name in ("twins_for_a_test", "twins_for_a_test.a", "twins_for_a_test.b"):
        sys.modules.pop(name)
