"""Words of a `$filter`: text cut into names, literals and signs. Not here: what they mean together, see `filtering`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from local.graph.faults import GraphFault

Kind = Literal["name", "literal", "sign", "end"]

_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MOMENT = r"\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:[Zz]|[+-]\d\d:\d\d)?)?"
_NAME = r"[A-Za-z_@$][\w@.$]*"

_WORD = re.compile(
    rf"""(?P<space>\s+)
    | (?P<enum>{_NAME}(?='))?'(?P<text>(?:[^']|'')*)'
    | (?P<guid>{_GUID})(?![\w-])
    | (?P<moment>{_MOMENT})(?![\w-])
    | (?P<number>-?\d{{1,30}}(?:\.\d{{1,30}})?(?:[eE][+-]?\d{{1,3}})?)(?![\w.])
    | (?P<name>{_NAME})
    | (?P<sign>[()/,:])""",
    re.VERBOSE | re.ASCII,
)
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Word:
    """One word and where it begins; `value` is what a literal means."""

    kind: Kind
    text: str
    position: int
    value: Any = None


def words(text: str) -> Iterator[Word]:
    """Cut a filter into words, an "end" last. Raises 400 at the first character that begins none."""
    position = 0
    while position < len(text):
        found = _WORD.match(text, position)
        if found is None:
            raise wrong(text, position)
        if found.lastgroup != "space":
            yield _word(found, text)
        position = found.end()
    yield Word("end", "", position)


def wrong(text: str, position: int) -> GraphFault:
    """Return the 400 for a filter that cannot be read."""
    return GraphFault(400, "BadRequest", f"Invalid filter clause: Syntax error at position {position} in '{text}'.")


def read_moment(text: str) -> datetime | None:
    """Read a time as items have it, with or without an offset (then UTC); None for anything else."""
    if not ("0" <= text[:1] <= "9" and text[4:5] == "-"):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _word(found: re.Match[str], text: str) -> Word:
    whole, position = found[0], found.start()
    if found["text"] is not None:
        return Word("literal", whole, position, found["text"].replace("''", "'"))
    if found["guid"]:
        return Word("literal", whole, position, whole)
    if found["moment"]:
        moment = read_moment(whole)
        if moment is None:
            raise wrong(text, position)
        return Word("literal", whole, position, moment)
    if found["number"]:
        return Word("literal", whole, position, float(whole) if set(whole) & set(".eE") else int(whole))
    if found["name"] in _CONSTANTS:
        return Word("literal", whole, position, _CONSTANTS[whole])
    return Word("name" if found["name"] else "sign", whole, position)
