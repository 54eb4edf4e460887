"""How Graph compares what is in JSON: texts without regard to case, times as times, null with anything.

Not here: which values are compared, see `filtering`. Nothing here raises, whatever it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from local.graph.content.odata.lexing import read_moment

Comparison = Callable[[Any, Any], bool]
_TYPES = "microsoft.graph."


def follow(content: Any, path: Sequence[str]) -> Any:
    """Return what a path leads to: None where there is nothing. Property names have no case, as in Graph.

    The name of a type in it is a cast: what is of another type has nothing behind it.
    """
    for name in path:
        if not isinstance(content, Mapping):
            return None
        if name.lower().startswith(_TYPES):
            content = content if str(content.get("@odata.type")).lower() == f"#{name.lower()}" else None
            continue
        content = content[name] if name in content else _without_case(content, name)
    return content


def _without_case(content: Mapping[str, Any], name: str) -> Any:
    low = name.lower()
    return next((value for key, value in content.items() if key.lower() == low), None)


def equal(left: Any, right: Any) -> bool:
    """Say whether two values are the same to Graph."""
    left, right = _alike(left, right)
    return type_of(left) == type_of(right) != "structure" and bool(left == right)


def less(left: Any, right: Any) -> bool:
    """Say whether one value comes before another; values of different kinds, and nulls, have no order."""
    left, right = _alike(left, right)
    ordered = type_of(left) == type_of(right) in {"text", "number", "moment"}
    return ordered and bool(left < right)


def order(value: Any) -> tuple[int, Any]:
    """Return what to sort a property by; nulls come first, as in OData."""
    kind = type_of(value)
    if kind == "text":
        moment = read_moment(value)
        return (3, moment.timestamp()) if moment else (4, value.lower())
    if kind in {"number", "truth"}:
        return (2 if kind == "number" else 1, value)
    return (0, 0)


def type_of(value: Any) -> str:
    """Return which kind of value this is, as far as comparing goes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "moment" if isinstance(value, datetime) else "structure"


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    if isinstance(left, str) and isinstance(right, str):
        first, second = read_moment(left), read_moment(right)
        return (first, second) if first and second else (left.lower(), right.lower())
    if isinstance(left, str) and isinstance(right, datetime):
        return read_moment(left), right
    if isinstance(left, datetime) and isinstance(right, str):
        return left, read_moment(right)
    return left, right


COMPARISONS: Mapping[str, Comparison] = {
    "eq": equal,
    "ne": lambda left, right: not equal(left, right),
    "lt": less,
    "gt": lambda left, right: less(right, left),
    "le": lambda left, right: less(left, right) or _same_and_present(left, right),
    "ge": lambda left, right: less(right, left) or _same_and_present(left, right),
}


def _same_and_present(left: Any, right: Any) -> bool:
    return left is not None and equal(left, right)


def _text(test: Callable[[str, str], bool]) -> Comparison:
    def compare(left: Any, right: Any) -> bool:
        return isinstance(left, str) and isinstance(right, str) and test(left.lower(), right.lower())

    return compare


FUNCTIONS: Mapping[str, Comparison] = {
    "contains": _text(lambda text, part: part in text),
    "startswith": _text(str.startswith),
    "endswith": _text(str.endswith),
}
