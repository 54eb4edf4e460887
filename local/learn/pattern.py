"""Abridged answers: JSON or text in which `…` stands for whatever is left out. Pure.

As a member of an object it allows others, as an element of a list any number of them, as a value anything; inside a text it stands
for any characters. What is not left out must be there, and what is not shown must not.
"""

import json
import re
from typing import Any

GAP = "…"

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|…|[{}\[\],:]|[^"…{}\[\],:]+', re.DOTALL)


def difference(expected: str, actual: str) -> str:
    """Say in one line where an answer differs from what was expected of it; nothing if it does not."""
    if not expected.startswith(("{", "[")):
        return "" if _is_like(expected, actual) else f"{_short(actual)} is not {_short(expected)}"
    try:
        pattern = read_pattern(expected)
    except ValueError as problem:
        return f"what is shown looks like JSON and is none: {problem}"
    try:
        value = json.loads(actual)
    except ValueError:
        return f"{_short(actual)} is not JSON"
    return _compare(pattern, value, "$")


def read_pattern(text: str) -> Any:
    """Return abridged JSON as a value, a gap as the text `…`, in an object as a member of that name. Raises ValueError."""
    written: list[str] = []
    open_brackets: list[str] = []
    last = ""
    for token in _TOKEN.findall(text):
        if token == GAP:
            member = open_brackets[-1:] == ["{"] and last in {"{", ","}
            written.append(f'"{GAP}": "{GAP}"' if member else f'"{GAP}"')
        else:
            written.append(token)
        if token in {"{", "["}:
            open_brackets.append(token)
        elif token in {"}", "]"} and open_brackets:
            open_brackets.pop()
        last = token if token.strip() else last
    return json.loads("".join(written))


def _compare(pattern: Any, value: Any, where: str) -> str:
    if pattern == GAP:
        return ""
    if isinstance(pattern, dict) and isinstance(value, dict):
        return _compare_objects(pattern, value, where)
    if isinstance(pattern, list) and isinstance(value, list):
        return _compare_lists(pattern, value, where)
    if isinstance(pattern, str) and isinstance(value, str):
        return "" if _is_like(pattern, value) else f"{where} is {_short(value)}, not {_short(pattern)}"
    # True == 1 in Python, and not in JSON
    same = type(pattern) is type(value) and pattern == value
    return "" if same else f"{where} is {_short(json.dumps(value))}, not {_short(json.dumps(pattern))}"


def _compare_objects(pattern: dict[str, Any], value: dict[str, Any], where: str) -> str:
    named = {name: each for name, each in pattern.items() if name != GAP}
    if missing := sorted(named.keys() - value.keys()):
        return f"{where} has no {', '.join(missing)}"
    if GAP not in pattern and (more := sorted(value.keys() - named.keys())):
        return f"{where} has also {', '.join(more)}"
    return next(
        (found for name, each in named.items() if (found := _compare(each, value[name], f"{where}.{name}"))), ""
    )


def _compare_lists(pattern: list[Any], value: list[Any], where: str) -> str:
    head = pattern.index(GAP) if GAP in pattern else len(pattern)
    tail = pattern[head + 1 :]
    shown = head + len(tail)
    if len(value) < shown or (GAP not in pattern and len(value) > shown):
        return f"{where} has {len(value)} elements, not {shown}"
    pairs = [*zip(pattern[:head], range(head), strict=True)]
    pairs += zip(tail, range(len(value) - len(tail), len(value)), strict=True)
    return next((found for each, index in pairs if (found := _compare(each, value[index], f"{where}[{index}]"))), "")


def _is_like(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split(GAP))), text, re.DOTALL) is not None


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]} …"  # noqa: PLR2004 - a line of a terminal or two
