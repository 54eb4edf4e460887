"""The declared subscriptions: subscriptions.json read to values, with everything that is wrong with it said at once.

Not here: what is done about them (`shared.reconcile`), and which handlers exist (the caller says). One entry for many users
(``forEach``) and pull mode are not in this version, and are refused by name.
"""

import functools
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import GraphProtocolError, SettingsError
from shared.graph.catalogue import find
from shared.graph.client_state import Delivery
from shared.graph.resource import read_resource
from shared.routing import HandlerChoice

_SCHEMA = Path(__file__).with_name("schemas") / "subscriptions.schema.json"
_CHANGE_TYPES = ("created", "updated", "deleted")
_SELECT = re.compile(r"[?&]\$select=[^&]+", re.IGNORECASE)
_LONGEST_SENTENCE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSubscription:
    """One entry of subscriptions.json. ``handlers`` is None where every handler that matches is meant."""

    name: str
    resource: str
    change_types: tuple[str, ...]
    include_resource_data: bool = False
    delivery: Delivery = "webhook"
    handlers: tuple[HandlerChoice, ...] | None = None

    @property
    def change_type(self) -> str:
        """The change types as Graph wants them: one text, always in the same order."""
        return ",".join(self.change_types)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Everything that is to be heard. ``digest`` changes when the file says something else."""

    subscriptions: tuple[DeclaredSubscription, ...]
    digest: str
    _by_name: Mapping[str, DeclaredSubscription] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {each.name: each for each in self.subscriptions})

    def find(self, name: str) -> DeclaredSubscription | None:
        """Find a subscription by its name, or by that of one of its instances (``name~instance``)."""
        return self._by_name.get(name) or self._by_name.get(name.partition("~")[0])


def read_declaration(text: bytes, *, known_handlers: frozenset[str] | None) -> Declaration:
    """Read subscriptions.json; handler names are checked unless ``known_handlers`` is None.

    Raises SettingsError with one sentence a problem, each of which names its subscription.
    """
    document = _read_json(text)
    if problems := [*_problems_of_form(document)]:
        raise SettingsError(problems)
    entries = document["subscriptions"]
    subscriptions = tuple(_read_entry(entry) for entry in entries)
    if problems := [*_problems_of_twins(subscriptions), *_problems_of_sense(subscriptions, known_handlers)]:
        raise SettingsError(problems)
    canonical = json.dumps(entries, sort_keys=True, separators=(",", ":"))
    return Declaration(subscriptions=subscriptions, digest=hashlib.sha256(canonical.encode()).hexdigest())


def _read_json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise SettingsError([f"the subscriptions file is not JSON: {problem}"[:_LONGEST_SENTENCE]]) from problem


def _problems_of_form(document: Any) -> Iterator[str]:
    for error in sorted(_validator().iter_errors(document), key=lambda error: str(error.absolute_path)):
        path = list(error.absolute_path)
        where = f" in {'/'.join(str(step) for step in path[2:])}" if path[2:] else ""
        yield f"{_whose(document, path)}: {error.message}{where}"[:_LONGEST_SENTENCE]


def _whose(document: Any, path: Sequence[str | int]) -> str:
    if len(path) < 2 or not isinstance(path[1], int):  # noqa: PLR2004 - "subscriptions" and an index
        return "the subscriptions file"
    entry = document["subscriptions"][path[1]]
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"subscription {name!r}" if isinstance(name, str) else f"subscription number {path[1] + 1}"


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 60 ms that only a reader of the file pays

    return Draft202012Validator(json.loads(_SCHEMA.read_bytes()))


def _read_entry(entry: Mapping[str, Any]) -> DeclaredSubscription:
    asked = {word.strip() for word in entry["changeType"].split(",")}
    return DeclaredSubscription(
        name=entry["name"],
        resource=entry["resource"].strip().lstrip("/"),
        change_types=tuple(word for word in _CHANGE_TYPES if word in asked),
        include_resource_data=entry.get("includeResourceData", False),
        delivery=entry.get("delivery", "webhook"),
        handlers=tuple(_read_handler(choice) for choice in entry["handlers"]) if "handlers" in entry else None,
    )


def _read_handler(choice: str | Mapping[str, Any]) -> HandlerChoice:
    if isinstance(choice, str):
        return HandlerChoice(name=choice)
    [(name, options)] = choice.items()
    return HandlerChoice(name=name, options=options)


def _problems_of_twins(subscriptions: Sequence[DeclaredSubscription]) -> Iterator[str]:
    for name, count in Counter(each.name for each in subscriptions).items():
        if count > 1:
            yield f"subscription {name!r}: the name is used {count} times"
    heard: dict[tuple[str, str], str] = {}
    for each in subscriptions:
        first = heard.setdefault((each.resource, each.change_type), each.name)
        if first != each.name:
            yield f"subscription {each.name!r}: it hears the same as {first!r}, and Graph takes only one: give that one both lists of handlers"


def _problems_of_sense(
    subscriptions: Sequence[DeclaredSubscription], known_handlers: frozenset[str] | None
) -> Iterator[str]:
    for each in subscriptions:
        for problem in (*_problems_with_graph(each), *_problems_with_handlers(each, known_handlers)):
            yield f"subscription {each.name!r}: {problem}"
        if each.delivery == "eventhub":
            yield f"subscription {each.name!r}: pull mode (delivery eventhub) is not in this version"


def _problems_with_graph(declared: DeclaredSubscription) -> Iterator[str]:
    path = declared.resource.partition("?")[0]
    try:
        if read_resource(path).segments[0].lower() == "me":
            yield "/me is whoever signed in, and this version signs in as the app: say users/<id>"
    except GraphProtocolError as problem:
        yield f"{path!r}: {problem}"
    entry = find(declared.resource)
    if entry is None:
        return  # a resource newer than our table: Graph itself will say
    for change_type in declared.change_types:
        if change_type not in entry.kind.change_types:
            known = " or ".join(sorted(entry.kind.change_types))
            yield f"{entry.name} never has changes of type {change_type}, only {known}"
    if declared.include_resource_data and entry.kind.longest_rich is None:
        yield f"{entry.name} has no notifications with resource data: leave includeResourceData out"
    elif declared.include_resource_data and entry.kind.needs_select and not _SELECT.search(declared.resource):
        yield f"{entry.name} with resource data needs $select=<properties> in its resource"


def _problems_with_handlers(declared: DeclaredSubscription, known_handlers: frozenset[str] | None) -> Iterator[str]:
    for choice in declared.handlers or ():
        if known_handlers is not None and choice.name not in known_handlers:
            yield f"there is no handler {choice.name!r}; there are {', '.join(sorted(known_handlers)) or 'none'}"
