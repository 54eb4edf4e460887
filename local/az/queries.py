"""As much of JMESPath as this repository's commands use: names, an index, a filter, and the first of what a filter left.

https://jmespath.org/specification.html
"""

import re
from typing import Any, Final

from local.az.parsing import UsageError

_PART: Final = re.compile(r"(\w+)(?:\[(\d+)\]|\[\?(\w+)(?:=='([^']*)')?\])?")
_FIRST: Final = " | [0]"


def query(text: str, value: Any) -> Any:
    """Take a part of a value. Raises UsageError for what this reader does not know; a part that is not there is None."""
    path, first, rest = text.partition(_FIRST)
    found = value
    projected = False
    for part in re.split(r"\.(?![^\[]*\])", path):
        read = _PART.fullmatch(part)
        if read is None or rest:
            raise UsageError(f"the stand-in knows no --query {text}")
        name, index, key, wanted = read.groups()
        found = _each(found, name) if projected else _member(found, name)
        if index is not None:
            found = found[int(index)] if isinstance(found, list) and int(index) < len(found) else None
        if key is not None:
            projected = True
            found = [each for each in found or () if _matches(each, key, wanted)]
    if first:
        return found[0] if isinstance(found, list) and found else None
    return found


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _each(values: Any, name: str) -> Any:
    """Take a member of each that has it: what a filter left goes on as a list."""
    members = (_member(each, name) for each in values or ())
    return [each for each in members if each is not None]


def _matches(each: Any, key: str, wanted: str | None) -> bool:
    there = each.get(key) if isinstance(each, dict) else None
    return bool(there) if wanted is None else there == wanted
