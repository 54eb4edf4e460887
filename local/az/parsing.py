"""Reads a command line as the real CLI would, and more strictly: no abbreviations, and nothing that the reference does not have."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).with_name("reference.json")


class UsageError(Exception):
    """The command line is wrong; the text is what the CLI would complain of. It ends with 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What was asked: a command's name, and its flags by their first long name. A flag that takes nothing has an empty list."""

    name: str
    flags: Mapping[str, Sequence[str]]

    def one(self, flag: str, default: str = "") -> str:
        """Give the value of a flag that takes one."""
        return self.flags[flag][0] if self.flags.get(flag) else default

    def content(self, flag: str) -> str:
        """Give the value of a flag that takes a text or ``@`` and a file's name."""
        text = self.one(flag)
        return Path(text.removeprefix("@")).read_text(encoding="utf-8") if text.startswith("@") else text


@cache
def commands() -> Mapping[str, Mapping[str, Any]]:
    """Give every command of the reference, with its page and its flags."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(REFERENCE.read_text(encoding="utf-8"))["commands"]
    return found


def read(words: Sequence[str]) -> Command:
    """Read the words behind `az`. Raises UsageError."""
    name = _name(words)
    flags = _flags(name, words[len(name.split()) :])
    table = commands()[name]["flags"]
    if missing := [flag for flag, said in table.items() if said.get("required") and flag not in flags]:
        raise UsageError(f"the following arguments are required: {', '.join(missing)}")
    return Command(name=name, flags=flags)


def _name(words: Sequence[str]) -> str:
    before_flags = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    for length in range(before_flags, 0, -1):
        name = " ".join(words[:length])
        if name in commands():
            return name
    raise UsageError(f"'{' '.join(words[:before_flags])}' is misspelled or not recognized by the system.")


def _flags(name: str, words: Sequence[str]) -> dict[str, list[str]]:
    table = commands()[name]["flags"]
    known = {also: flag for flag, said in table.items() for also in (flag, *said.get("also", ()))}
    flags: dict[str, list[str]] = {}
    current = ""
    for word in words:
        if word.startswith("-") and word != "-":
            flag, equals, value = word.partition("=")
            if flag not in known:
                raise UsageError(f"unrecognized arguments: {word}")
            current = known[flag]
            if current in flags:
                raise UsageError(f"{flag} is given twice")
            flags[current] = [value] if equals else []
        elif not current or _is_full(table[current], flags[current]):
            raise UsageError(f"unrecognized arguments: {word}")
        else:
            flags[current].append(word)
    for flag, values in flags.items():
        _check(flag, table[flag], values)
    return flags


def _is_full(said: Mapping[str, Any], values: Sequence[str]) -> bool:
    takes = said.get("takes")
    return takes == "nothing" or (takes != "several" and len(values) == 1)


def _check(flag: str, said: Mapping[str, Any], values: Sequence[str]) -> None:
    if said.get("takes") not in {"nothing", "perhaps"} and not values:
        raise UsageError(f"argument {flag}: expected one argument")
    choices = said.get("choices")
    if choices and (wrong := [value for value in values if value not in choices]):
        raise UsageError(
            f"{flag}: '{wrong[0]}' is not a valid value for '{flag}'. Allowed values: {', '.join(choices)}."
        )
