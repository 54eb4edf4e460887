"""Bicep as values: expressions, and what a file declares.

https://learn.microsoft.com/azure/azure-resource-manager/bicep/file (2026-04)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any


class BicepError(Exception):
    """A template that cannot be read, or would not deploy."""


# -- expressions --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A string with expressions in it; its parts are text and expressions in turn."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Name:
    """A symbol."""

    name: str


@dataclass(frozen=True)
class Call:
    """A function, or a method where ``of`` is not None."""

    name: str
    arguments: tuple[Any, ...]
    of: Any = None


@dataclass(frozen=True)
class Member:
    """``of.name``; also ``of.?name`` and ``of::name``."""

    of: Any
    name: str


@dataclass(frozen=True)
class Index:
    """``of[at]``."""

    of: Any
    at: Any


@dataclass(frozen=True)
class Operation:
    """One or two operands."""

    sign: str
    operands: tuple[Any, ...]


@dataclass(frozen=True)
class Choice:
    """``condition ? yes : no``."""

    condition: Any
    yes: Any
    no: Any


@dataclass(frozen=True)
class Loop:
    """``[for name in source: body]``; ``index`` is empty where none is named."""

    name: str
    index: str
    source: Any
    body: Any


@dataclass(frozen=True)
class Literal:
    """A string without expressions, a number, true, false, null."""

    value: Any


@dataclass(frozen=True)
class Object:
    """Properties; a key is text or `Text`. Resources within it are apart."""

    entries: tuple[tuple[Any, Any], ...]
    nested: "tuple[Declaration, ...]" = ()


@dataclass(frozen=True)
class Array:
    """Items."""

    items: tuple[Any, ...]


# -- declarations ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A param, var, resource, module or output."""

    kind: str
    name: str
    decorators: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    type: str = ""
    """A param's or an output's type, a resource's ``type@version``, a module's path."""
    value: Any = None
    condition: Any = None
    existing: bool = False

    @property
    def description(self) -> str:
        """The text of its ``@description``."""
        found = self.decorators.get("description", (Literal(""),))[0]
        return str(found.value) if isinstance(found, Literal) else ""


@dataclass(frozen=True, kw_only=True)
class File:
    """What a file declares, by name."""

    params: Mapping[str, Declaration]
    variables: Mapping[str, Declaration]
    resources: Mapping[str, Declaration]
    modules: Mapping[str, Declaration]
    outputs: Mapping[str, Declaration]
    imports: Mapping[str, str]
    """Names from other files, and the files' paths."""
    scope: str = "resourceGroup"


def walk(value: Any) -> Iterator[Any]:
    """Give an expression and everything in it."""
    yield value
    inner = value if isinstance(value, tuple) else vars(value).values() if is_dataclass(value) else ()
    for each in inner:
        yield from walk(each)
