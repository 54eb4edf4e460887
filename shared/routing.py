"""Which handlers a change concerns. Pure: what they do, and when, is dispatch's business."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.graph.resource import Resource, Template

ANY = "*"
"""A template that matches every resource."""

HandlerFunction = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One `@on` of one handler.

    ``content``: the handler wants the resource itself; where a notification is basic, it is fetched first.
    ``listed``: runs only for subscriptions that list it, because it needs to be told something there.
    """

    name: str
    function: HandlerFunction
    template: str
    changes: frozenset[str]
    content: bool = False
    listed: bool = False

    def match(self, resource: Resource, change_type: str) -> Mapping[str, str] | None:
        """Match a change; the template's placeholders, or None. A change type of no kind we know matches no list."""
        if self.changes and change_type not in self.changes:
            return None
        return {} if self.template == ANY else Template(self.template).match(resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerChoice:
    """One entry of a subscription's ``handlers`` list: a name, and what the handler is told there."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    instance: str = field(init=False, compare=False)
    """The name in ledger and ``owed``: one handler with two sets of options is two."""

    def __post_init__(self) -> None:
        instance = self.name
        if self.options:
            told = json.dumps(self.options, sort_keys=True).encode()
            instance += f"~{hashlib.sha256(told).hexdigest()[:8]}"
        object.__setattr__(self, "instance", instance)  # it is asked for with every item


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One handler that a change concerns, with the placeholders that matched and the options it is given."""

    instance: str
    registration: Registration
    ids: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def route(
    resource: Resource,
    change_type: str,
    *,
    registrations: Sequence[Registration],
    choices: Sequence[HandlerChoice] | None,
) -> tuple[Route, ...]:
    """Find the handlers for a change: those listed, or without a list all that match and need no options.

    Each handler once, by its first template that matches.
    """
    wanted = _unlisted(registrations) if choices is None else choices
    found: dict[str, Route] = {}
    for choice in wanted:
        for registration in registrations:
            if registration.name != choice.name or choice.instance in found:
                continue
            ids = registration.match(resource, change_type)
            if ids is not None:
                found[choice.instance] = Route(
                    instance=choice.instance, registration=registration, ids=ids, options=choice.options
                )
    return tuple(found.values())


def still_owed(routes: Iterable[Route], owed: Sequence[str] | None) -> tuple[Route, ...]:
    """Keep the routes that an item still owes; None owes all. A bare name stands for every instance of that handler."""
    if owed is None:
        return tuple(routes)
    return tuple(route for route in routes if route.instance in owed or route.registration.name in owed)


def _unlisted(registrations: Sequence[Registration]) -> tuple[HandlerChoice, ...]:
    names = dict.fromkeys(registration.name for registration in registrations if not registration.listed)
    return tuple(HandlerChoice(name=name) for name in names)
