"""What stands in `{{…}}` on the page: definitions, parts of earlier answers, and moments reckoned from now.

A part of what VS Code's REST Client understands, with the same meaning:
https://github.com/Huachao/vscode-restclient#variables (2022-07)
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_REFERENCE = re.compile(r"\{\{\s*(.+?)\s*\}\}")
_MOMENT = re.compile(r"\$datetime iso8601(?: (-?\d+) ([dhms]))?")
_PART = re.compile(r"([\w-]+)\.response\.body\.(\$.*)")
_KEY = re.compile(r"\.(\w+)|\['([^']+)'\]|\[(\d+)\]")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DEEPEST = 10


class Unknown(Exception):  # noqa: N818 - it reads as what it is
    """Something in braces that nobody has said yet."""


@dataclass(slots=True, kw_only=True)
class Variables:
    """Definitions and answers so far. Definitions are read when they are used, and may name others and answers to come."""

    now: Callable[[], datetime]
    definitions: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str, *, depth: int = 0) -> str:
        """Return a text with everything in braces replaced. Raises Unknown."""
        if depth > _DEEPEST:
            raise Unknown(f"{text} is defined by itself")
        return _REFERENCE.sub(lambda found: self.fill(self._value(found[1]), depth=depth + 1), text)

    def _value(self, reference: str) -> str:
        if found := _MOMENT.fullmatch(reference):
            away = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found[1] else timedelta()
            return (self.now() + away).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        if found := _PART.fullmatch(reference):
            return self._part(found[1], found[2])
        if reference not in self.definitions:
            raise Unknown(f"{reference} is not defined")
        return self.definitions[reference]

    def _part(self, name: str, path: str) -> str:
        if name not in self.answers:
            raise Unknown(f"no call named {name} was made yet")
        keys = list(_KEY.finditer(path, 1))
        if "$" + "".join(key[0] for key in keys) != path:
            raise Unknown(f"{path} is not a path that is understood here")
        try:
            value = json.loads(self.answers[name])
            for key in keys:
                value = value[int(key[3])] if key[3] else value[key[1] or key[2]]
        except (ValueError, LookupError, TypeError) as problem:
            raise Unknown(f"the answer to {name} has no {path}") from problem
        return value if isinstance(value, str) else json.dumps(value)
