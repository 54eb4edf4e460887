"""On which line of a JSON text each of its parts stands: what a person needs to mend it.

Only for a text that the standard library has read: nothing is checked again here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

Path = tuple[str | int, ...]
"""The way to a part from the root: property names and indexes."""

_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+|\n')
_PLAIN: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def find_lines(text: str) -> Mapping[Path, int]:
    """Find the line, counted from 1, on which each part begins; a property's is that of its name."""
    lines: dict[Path, int] = {(): 1}
    path: list[str | int] = []
    line = 1
    for word, follows_name in _words(text):
        if word == "\n":
            line += 1
        elif word == "[":
            lines.setdefault(tuple(path), line)
            path.append(0)
        elif word == "{":
            lines.setdefault(tuple(path), line)
            path.append("")
        elif word in "]}":
            path.pop()
        elif word == ",":
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else ""
        elif follows_name:
            path[-1] = _unquote(word)
            lines[tuple(path)] = line
        elif word != ":":
            lines.setdefault(tuple(path), line)
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Give the line of a part, or that of the nearest part around it that there is."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def write_path(path: Path) -> str:
    """Write a way as JSONPath does: ``$.subscriptions[2].changeType`` (RFC 9535)."""
    steps = (f"[{step}]" if isinstance(step, int) else _write_name(step) for step in path)
    return "$" + "".join(steps)


def _write_name(name: str) -> str:
    return f".{name}" if _PLAIN.fullmatch(name) else f"[{name!r}]"


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Give each word, and whether it is the name of a property: a string before a colon."""
    held: list[str] = []
    for match in _WORD.finditer(text):
        word = match[0]
        if held and word != "\n":
            yield held[0], word == ":"
            yield from (("\n", False) for _ in held[1:])
            held.clear()
        if held or word[0] == '"':
            held.append(word)
        else:
            yield word, False
    yield from ((word, False) for word in held)


def _unquote(word: str) -> str:
    return str(json.loads(word, strict=False))
