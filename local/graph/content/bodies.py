"""Bodies of write operations: JSON that is held against what Graph lets one set, property by property.

Not here: what is then done with them, see `mail`, `messaging`, `calendars` and `tenancy`.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.graph.content.odata.lexing import read_moment
from local.graph.faults import GraphFault, bad_request
from local.graph.identity.callers import Caller
from local.graph.tenant.entity import Change, Entity
from local.graph.tenant.places import Person
from local.graph.tenant.world import World

Check = Callable[[Any], bool]
Writable = Mapping[str, Check]

DEEPEST = 100
"""How many objects and lists may lie within one another; what is deeper could be read, but not written out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that wants to change something; `key` is the canonical path."""

    world: World
    caller: Caller
    method: str
    key: str
    raw: bytes

    def body(self) -> dict[str, Any]:
        """Return the body. Raises 400 for what is no JSON object."""
        try:
            body = json.loads(self.raw or b"{}")
        except (ValueError, RecursionError) as broken:
            raise bad_request("Unable to read JSON request payload. Please ensure Content-Type is correct.") from broken
        if not isinstance(body, dict):
            raise bad_request("The request body must be a JSON object.")
        if _too_deep(body):
            raise bad_request("The depth limit of the request body was exceeded.")
        return body

    def user(self) -> Person:
        """Return who acts. Raises 403 for an app that acts for nobody, or for somebody who is not here."""
        person = self.world.person(self.caller.user_id) if self.caller.user_id else None
        if person is None:
            raise GraphFault(403, "Forbidden", "This operation is only possible with delegated permissions.")
        return person


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an operation did, and what is answered: a status, and the thing that it made or changed, or a whole body."""

    status: int
    changes: Sequence[Change] = ()
    entity: Entity | None = None
    body: Mapping[str, Any] | None = None


def _too_deep(body: Any) -> bool:
    level = [body]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _within(each)]
        if not level:
            return False
    return True


def _within(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def checked(body: Mapping[str, Any], writable: Writable, *, kind: str, known: Collection[str] = ()) -> dict[str, Any]:
    """Return the properties that are to be set. Raises 400 for one that is unknown, cannot be set, or makes no sense."""
    values = {name: value for name, value in body.items() if "@" not in name}
    for name, value in values.items():
        if name in writable:
            if not writable[name](value):
                raise bad_request(f"Invalid value specified for property '{name}' of resource '{kind}'.")
        elif name in known:
            raise bad_request(f"Property '{name}' is read-only and cannot be set.")
        else:
            raise bad_request(f"Could not find a property named '{name}' on type 'microsoft.graph.{kind}'.")
    return values


def text(value: Any) -> bool:
    """Say whether a value is text, or null."""
    return value is None or isinstance(value, str)


def name(value: Any) -> bool:
    """Say whether a value is text with something in it."""
    return isinstance(value, str) and bool(value.strip())


def truth(value: Any) -> bool:
    """Say whether a value is true or false."""
    return isinstance(value, bool)


def texts(value: Any) -> bool:
    """Say whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def record(value: Any) -> bool:
    """Say whether a value is an object."""
    return isinstance(value, dict)


def records(value: Any) -> bool:
    """Say whether a value is a list of objects."""
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def one_of(*choices: str) -> Check:
    """Return a check for an enumeration, in any case."""
    low = {choice.lower() for choice in choices}
    return lambda value: isinstance(value, str) and value.lower() in low


def item_body(value: Any) -> bool:
    """Say whether a value is an itemBody."""
    kind = value.get("contentType", "text") if isinstance(value, dict) else None
    return one_of("text", "html")(kind) and text(value.get("content"))


def recipients(value: Any) -> bool:
    """Say whether a value is a list of recipients with addresses."""
    if not records(value):
        return False
    addresses = [each.get("emailAddress") for each in value]
    return all(
        isinstance(each, dict) and "@" in str(each.get("address")) and text(each.get("name")) for each in addresses
    )


def zoned_time(value: Any) -> bool:
    """Say whether a value is a dateTimeTimeZone."""
    if not isinstance(value, dict) or not isinstance(value.get("dateTime"), str):
        return False
    return read_moment(value["dateTime"]) is not None and isinstance(value.get("timeZone", "UTC"), str)
