"""One entry of the repertoire: a file that says what happens, why it happens in real life, how to let it happen, what to look for.

Values and their reading only. Not here: letting it happen, see `player`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parent


class EntryError(ValueError):
    """A file of the repertoire does not say what it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call: of a control, or of Graph (`"GET /v1.0/users"`). `says` is what to tell a person meanwhile.

    `keep` names what of the answer later steps may use in braces, by a path of names and places: `{ message = "told/0/resource" }`. `status` is what the
    answer must be; any 2xx if nothing is said. `settle`: wait until everything that was sent by hand has been seen through.
    """

    says: str
    control: str | None = None
    graph: str | None = None
    body: Mapping[str, Any] | None = None
    keep: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    times: int = 1
    settle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the entry must have done at a receiver that answers well: counts of what arrived, and what is left."""

    items: int = 0
    """Change notifications that arrive at least, forged ones not counted."""
    most: int | None = None
    """Change notifications that arrive at most, if there is a limit."""
    forged: int = 0
    """Forged items, exactly."""
    lifecycle: Sequence[str] = ()
    """Lifecycle events, at least these."""
    gone: bool = False
    """Whether every subscription has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that can happen: why it does, what a good receiver does, what the judge would say of one that does not."""

    name: str
    title: str
    group: Literal["changes", "delivery", "resource data", "forgeries", "lifecycle", "graph itself"]
    why: str
    source: str
    good: str
    judge: str
    steps: tuple[Step, ...]
    expect: Expected

    def printed(self) -> dict[str, Any]:
        """Return what a list or a page shows."""
        names = ("name", "title", "group", "why", "source", "good", "judge")
        return {name: getattr(self, name) for name in names} | {"steps": [step.says for step in self.steps]}


def repertoire() -> tuple[Entry, ...]:
    """Return every entry, in order of file names. Raises EntryError for a file that is wrong."""
    return tuple(read_entry(path) for path in sorted(FOLDER.glob("*.toml")))


def read_entry(path: Path) -> Entry:
    """Read one file. Raises EntryError."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        steps = tuple(Step(**step) for step in told.pop("steps"))
        entry = Entry(name=path.stem, steps=steps, expect=Expected(**told.pop("expect", {})), **told)
    except (KeyError, TypeError, ValueError) as problem:
        raise EntryError(f"{path.name}: {problem}") from problem
    for number, step in enumerate(steps, start=1):
        if (step.control is None) is (step.graph is None):
            raise EntryError(f"{path.name}: step {number} must name either a control or a call of Graph")
    return entry
