"""As much of JMESPath as this repository's commands use: names, an index, a filter, and the first of what a filter left.

https://jmespath.org/specification.html
"""

import re
from collections.abc import Callable
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
        found = _each(
            found, lambda each, name=name: each.get(name) if isinstance(each, dict) else None, projected=projected
        )
        if index is not None:
            found = found[int(index)] if isinstance(found, list) and int(index) < len(found) else None
        if key is not None:
            projected = True
            found = [each for each in found or () if _matches(each, key, wanted)]
    if first:
        return found[0] if isinstance(found, list) and found else None
    return found


def _each(value: Any, take: Callable[[Any], Any], *, projected: bool) -> Any:
    if projected and isinstance(value, list):
        return [taken for each in value if (taken := take(each)) is not None]
    return take(value)


def _matches(each: Any, key: str, wanted: str | None) -> bool:
    there = each.get(key) if isinstance(each, dict) else None
    return bool(there) if wanted is None else there == wanted
