"""Reads the catalogue's tables and refuses what they must not contain.

A mistake in a table stops the simulator at its start, with the file, the entry and the field. Not here: the tables themselves, see
`resources.toml` and `quotas.toml`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from importlib.resources import files
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

PACKAGE = "local.graph.catalogue"

Entry = TypeVar("Entry")


class CatalogueError(ValueError):
    """A table of the catalogue says something that makes no sense."""


def read_file(file_name: str, table: str, make: type[Entry]) -> tuple[Entry, ...]:
    """Return one value for each `[[table]]` of a file of ours."""
    return read_text(files(PACKAGE).joinpath(file_name).read_text("utf-8"), table, make, called=file_name)


def read_text(text: str, table: str, make: type[Entry], *, called: str) -> tuple[Entry, ...]:
    """Return one value for each `[[table]]` of a TOML text; `make` is a dataclass whose fields are the keys.

    Raises CatalogueError for anything that does not belong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise CatalogueError(f"{called}: {broken}") from broken
    if set(document) != {table} or not isinstance(document[table], list):
        raise CatalogueError(f"{called}: only [[{table}]] is expected")
    kinds = get_type_hints(make)
    known: dict[str, Field[Any]] = {each.name: each for each in fields(make)}  # type: ignore[arg-type]  # a dataclass
    made = []
    for number, entry in enumerate(document[table], 1):
        where = f"{called}, {table} {entry.get('key', number)}"
        _check_names(entry, known, where)
        made.append(make(**{name: _read(value, kinds[name], f"{where}, {name}") for name, value in entry.items()}))
    return tuple(made)


def _check_names(entry: Mapping[str, Any], known: Mapping[str, Field[Any]], where: str) -> None:
    strange = sorted(set(entry) - set(known))
    if strange:
        raise CatalogueError(f"{where}: unknown {', '.join(strange)}")
    missing = [name for name, each in known.items() if each.default is MISSING and name not in entry]
    if missing:
        raise CatalogueError(f"{where}: missing {', '.join(missing)}")


def _read(value: Any, kind: Any, where: str) -> Any:
    """Return a value of TOML as the type that a field has."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return _read(value, inner[0], where)
    if origin is Literal:
        if value not in inner:
            raise CatalogueError(f"{where}: {value!r} is none of {', '.join(inner)}")
        return value
    if origin in {tuple, frozenset}:
        return _read_list(value, kind, where)
    # TOML's whole numbers may stand for others; its booleans are no numbers
    fits = isinstance(value, int | float) if kind is float else type(value) is kind
    if not fits:
        raise CatalogueError(f"{where}: {value!r} is no {kind.__name__}")
    return value


def _read_list(value: Any, kind: Any, where: str) -> Any:
    inner = get_args(kind)
    wanted = len(inner) if get_origin(kind) is tuple and inner[-1] is not Ellipsis else None
    if not isinstance(value, list) or wanted not in {None, len(value)}:
        raise CatalogueError(f"{where}: a list{f' of {wanted}' if wanted else ''} is expected")
    return get_origin(kind)(_read(each, inner[0], where) for each in value)
