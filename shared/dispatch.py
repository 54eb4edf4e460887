"""Runs the handlers of one change and turns what they do into outcomes. Claims and re-queueing are the pipeline's.

A handler is cancelled at its timeout, before anyone may take over its claim. What it raises never reaches its siblings
and never, with its text, a log: an exception's message may quote the content.
"""

import asyncio
import importlib
import inspect
import pkgutil
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType

from shared.change import Change, Services
from shared.errors import EarshotError, GiveUp, GraphApiError, RetryLater, SettingsError
from shared.routing import HandlerFunction, Registration, Route

_ATTRIBUTE = "__earshot_handlers__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The handler finished."""

    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The handler has to run again: after a time of its own, or when the schedule says, but not before Graph wants it."""

    instance: str
    error: str
    after: timedelta | None = None
    at_least: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The handler will never succeed, and says why."""

    instance: str
    reason: str


Outcome = Done | Again | GivenUp


def on(
    template: str,
    *,
    change: str | Iterable[str] | None = None,
    content: bool = False,
    listed: bool = False,
) -> Callable[[HandlerFunction], HandlerFunction]:
    """Make an async function a handler of the changes that match.

    Args:
        template: a resource path with placeholders, such as ``teams/{team}/channels/{channel}/messages/{message}``,
            or `ANY`. Both of Graph's spellings match it.
        change: ``created``, ``updated``, ``deleted``, or several of them; None for all.
        content: fetch the resource first where a notification is basic.
        listed: run only for subscriptions that name the handler in their ``handlers``.
    """
    kinds = frozenset([change] if isinstance(change, str) else change or ())

    def register(function: HandlerFunction) -> HandlerFunction:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(
                f"handler {function.__name__!r} must be an 'async def': a blocking one would stall everything"
            )
        registration = Registration(
            name=function.__name__, function=function, template=template, changes=kinds, content=content, listed=listed
        )
        setattr(function, _ATTRIBUTE, (registration, *getattr(function, _ATTRIBUTE, ())))
        return function

    return register


def registrations(module: ModuleType) -> tuple[Registration, ...]:
    """Collect the handlers that a module defines, in the order of their names."""
    return tuple(
        registration
        for _, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__
        for registration in getattr(function, _ATTRIBUTE, ())
    )


def find_handlers(package: ModuleType) -> tuple[Registration, ...]:
    """Import every module of a package and collect its handlers.

    Raises SettingsError if two modules define handlers of one name: the ledger could not tell them apart.
    """
    found: list[Registration] = []
    owners: dict[str, str] = {}
    problems: list[str] = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for registration in registrations(module):
            if owners.setdefault(registration.name, info.name) != info.name:
                problems.append(
                    f"handler {registration.name!r} is defined in {owners[registration.name]} and {info.name}"
                )
            found.append(registration)
    if problems:
        raise SettingsError(problems)
    return tuple(found)


async def run_handlers(
    change: Change, routes: Sequence[Route], services: Services, *, limit: timedelta
) -> tuple[Outcome, ...]:
    """Run the handlers of one change side by side, each within its time limit. Never raises.

    Where one of them wants the content of a basic notification, it is fetched once for all; a deletion's is gone.
    """
    unfetched = ""
    at_least: timedelta | None = None
    if not change.deleted and any(each.registration.content for each in routes):
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await change.fetch()
        except GraphApiError as refusal:
            unfetched, at_least = str(refusal), refusal.retry_after
        except TimeoutError:
            unfetched = _too_long(limit)
        except Exception as problem:  # noqa: BLE001 - a failing fetch costs its own handlers, never their siblings
            unfetched = describe(problem)
    outcomes = [
        Again(instance=each.instance, error=unfetched, at_least=at_least)
        for each in routes
        if unfetched and each.registration.content
    ]
    runnable = [each for each in routes if not (unfetched and each.registration.content)]
    if len(runnable) == 1:  # the usual case: what would run side by side with nothing needs no task of its own
        return (*outcomes, await _run(change, runnable[0], services, limit))
    return (*outcomes, *await asyncio.gather(*(_run(change, each, services, limit) for each in runnable)))


async def _run(change: Change, chosen: Route, services: Services, limit: timedelta) -> Outcome:
    theirs = replace(change, ids=chosen.ids)
    given = replace(services, options=chosen.options) if chosen.options else services
    try:
        async with asyncio.timeout(limit.total_seconds()):
            await chosen.registration.function(theirs, given)
    except RetryLater as word:
        return Again(instance=chosen.instance, error=_told(word), after=word.after)
    except GiveUp as word:
        return GivenUp(instance=chosen.instance, reason=_told(word))
    except GraphApiError as refusal:
        return Again(instance=chosen.instance, error=str(refusal), at_least=refusal.retry_after)
    except TimeoutError:
        return Again(instance=chosen.instance, error=_too_long(limit))
    except Exception as problem:  # noqa: BLE001 - a handler is other people's code: whatever it raises means *again*
        return Again(instance=chosen.instance, error=describe(problem))
    return Done(instance=chosen.instance)


def _too_long(limit: timedelta) -> str:
    return f"took longer than {limit.total_seconds():.0f} s"


def describe(problem: BaseException) -> str:
    """Describe an exception by type and place; its text only where it is our own, made for people to read."""
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    text = f": {problem}" if isinstance(problem, EarshotError) else ""
    return f"{type(problem).__name__}{place}{text}"


def _told(word: EarshotError) -> str:
    return str(word)[:500]
