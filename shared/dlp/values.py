"""What a scan gives: where a rule found something, and never what.

A match is kept, sent and shown to people who may not read the message, so it has no field that could hold text.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from shared.errors import EarshotError

Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the mildest to the gravest."""

Classifier = Callable[[str], Iterable[tuple[int, int]]]
"""A detector written in Python: takes the text of one part, gives (start, length) of what it found there, in characters."""


class ClassifierError(EarshotError):
    """A classifier, which is the user's own code, raised something or gave what is no place in its text.

    The message has the name and the type of what was raised, never its words: those may quote the text.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"classifier {name!r} {problem}: mend it, and redrive what failed meanwhile")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where a rule found something. Never what.

    ``rule`` is the rule's name, ``kind`` what it detects (``card``, ``iban``, ``keyword``, ``pattern``, ``classifier`` …).
    ``part`` says in which sort of text: ``body``, ``quoted``, ``subject``, ``attachment``, ``card``; ``part_index`` in
    which one of that sort, from 0. ``start`` and ``length`` count characters of that text as it was taken out.
    """

    rule: str
    kind: str
    severity: Severity
    part: str
    part_index: int
    start: int
    length: int
