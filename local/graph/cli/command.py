"""What a command is: its purpose, its arguments, and what it does with a running simulator. The commands themselves: see `commands`."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.graph.cli import reading
from local.graph.control.door import Door

Arguments = argparse.Namespace
Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One argument of a command, as argparse takes it."""

    names: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command. `does` returns the exit code; it prints what it has to say."""

    purpose: str
    example: str
    options: Sequence[Option]
    does: Callable[[Door, Arguments], int]


def option(*names: str, **settings: Any) -> Option:
    """Declare an argument."""
    return Option(names=names, settings=settings)


def calls(path: str, body: Callable[[Arguments], Body], says: Callable[[Any], str]) -> Callable[[Door, Arguments], int]:
    """Return a command that makes one call and says in a sentence what became of it."""

    def does(door: Door, arguments: Arguments) -> int:
        given = {name: value for name, value in body(arguments).items() if value is not None}
        answer = door.control(path, given)
        if not answer.good:
            return reading.refused(answer)
        print(json.dumps(answer.body, indent=2) if arguments.json else says(answer.body))
        return 0

    return does
