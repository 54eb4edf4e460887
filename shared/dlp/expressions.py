"""Regular expressions that cannot run away: RE2's, found in a text of any length in time proportional to it.

RE2 has neither look-around nor back references, which is why: https://github.com/google/re2/wiki/Syntax. Texts are searched as UTF-8; places
are bytes until somebody asks for characters. Not here: what an expression is for (`shared.dlp.detectors`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.errors import EarshotError

_LARGEST_PROGRAM: Final = 5_000
"""Instructions of a compiled pattern. A search costs at most this times the text, when RE2's quick way needs too much memory."""

_MEMORY: Final = 1 << 20
_MEMORY_TOGETHER: Final = 64 << 20
_FIRST_LOOK: Final = 1024
_LONGEST_BEGINNING: Final = 256
_NO_REFERENCES: Final = "back references are not possible here; write the alternatives out"
_REMEDIES: Final = (
    ("(?=", "looking ahead is not possible here; match what follows too, or use `near` or `except`"),
    ("(?!", "looking ahead is not possible here; use `except` for what is no finding"),
    ("(?<=", "looking behind is not possible here; match what precedes too, or use `near`"),
    ("(?<!", "looking behind is not possible here; begin with \\b, or use `except` for what is no finding"),
    ("(?>", "atomic groups are not possible here, nor needed: nothing is tried twice; write (?:…)"),
    ("(?x", "verbose patterns are not possible here; write it without spaces and comments"),
    ("(?#", "comments are not possible here; the rule has a description"),
    ("(?(", "conditions are not possible here; write two rules"),
    ("operator: (?P", _NO_REFERENCES),
    ("sequence: \\k", _NO_REFERENCES),
    ("\\Z", "\\Z is \\z here"),
    (
        "invalid repetition size",
        "something is repeated more than 1,000 times; use + or *, or `atLeast` to count findings",
    ),
    ("bad repetition operator", "one repetition follows another (a++, a**): one is enough, nothing is tried twice"),
    ("no argument for repetition", "there is nothing before a *, + or ?; write \\* for the character itself"),
    ("missing ]", "a [ has no ]"),
    ("missing )", "a ( has no )"),
    ("unexpected )", "a ) has no ("),
    ("too large", "the pattern is too large; repeat less, or split it into several rules"),
)
_BACK_REFERENCES: Final = tuple(f"\\{digit}" for digit in range(1, 10))


class ExpressionError(EarshotError):
    """A pattern that cannot be used. The text says why, and what to write instead, without quoting it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text as people count it and as RE2 reads it."""

    characters: str
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, characters: str) -> "Text":
        """Encode a text that has no surrogates."""
        return cls(characters, characters.encode())

    def spans(self, found: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Turn places in bytes, in their order, into starts and ends in characters."""
        if len(self.data) == len(self.characters):
            yield from found
            return
        offset = place = 0
        for start, end in found:
            place += self._count(offset, start)
            length = self._count(start, end)
            yield place, place + length
            place, offset = place + length, end

    def before(self, offset: int) -> str:
        """Give the character before a byte; none at the beginning."""
        return self.data[max(0, offset - 4) : offset].decode(errors="ignore")[-1:]

    def after(self, offset: int) -> str:
        """Give the character that begins at a byte; none at the end."""
        return self.data[offset : offset + 4].decode(errors="ignore")[:1]

    def _count(self, start: int, end: int) -> int:
        return len(self.data[start:end].decode(errors="ignore"))


class Expression:
    """One pattern, compiled. Raises ExpressionError for what RE2 does not know and for what would find nothing or everything."""

    __slots__ = ("_compiled", "pattern")

    def __init__(self, pattern: str) -> None:
        import re2  # noqa: PLC0415 - 4 ms and a megabyte that only a reader of rules pays

        self.pattern = pattern
        try:
            self._compiled = re2.compile(pattern.encode(), _options(_MEMORY))
        except UnicodeEncodeError as problem:
            raise ExpressionError("it has half a character (a surrogate) in it") from problem
        except re2.error as problem:
            raise ExpressionError(_remedy(str(problem))) from problem
        if self._compiled.programsize > _LARGEST_PROGRAM:
            raise ExpressionError(_remedy("too large"))
        if self._compiled.search(b""):
            raise ExpressionError("it matches the empty text, which is everywhere; ask for one character at least")

    def fullmatch(self, characters: str) -> bool:
        """Tell whether the whole of a text matches."""
        return self._compiled.fullmatch(characters.encode(errors="replace")) is not None

    def find(self, data: bytes, accept: Callable[[int, int], bool]) -> Iterator[tuple[int, int]]:
        """Give the places of what is accepted, one after the other.

        What is refused may hold something else, so the search goes on with its second byte, unless it is so long that this
        would take the square of it. `a.*b|a` makes every search look at the whole rest for a `b`, and a text of nothing but `a` would take the square of
        its length. So a search looks a thousand bytes ahead first, and at all the rest only if there is nothing.
        """
        position = 0
        while (found := self._next(data, position)) is not None:
            start, end = found
            accepted = start < end and accept(start, end)
            if accepted:
                yield start, end
            position = end if accepted or end - start > _LONGEST_BEGINNING else start + 1

    def _next(self, data: bytes, position: int) -> tuple[int, int] | None:
        if position > len(data):
            return None
        ahead = min(position + _FIRST_LOOK, len(data))
        found = self._compiled.search(data, position, ahead)
        if ahead < len(data) and (found is None or found.end() == ahead):
            found = self._compiled.search(data, position)
        return None if found is None else found.span()


class ExpressionSet:
    """Many patterns, sought in one pass: which of them occur, though not where.

    Where RE2 runs out of memory on a text, it says that nothing occurs, and says no more
    (https://github.com/google/re2/issues/136). Every set therefore has one pattern that always occurs: if even that is not found,
    every pattern is called a suspect, which costs time and misses nothing.
    """

    __slots__ = ("_everything", "_set")

    def __init__(self, patterns: Sequence[str], *, memory: int = _MEMORY_TOGETHER) -> None:
        import re2  # noqa: PLC0415 - as above

        self._everything = range(len(patterns))
        self._set: Any = re2.Set.SearchSet(_options(memory))
        try:
            for pattern in (*patterns, ""):
                self._set.Add(pattern.encode())
            self._set.Compile()
        except re2.error:
            self._set = None  # each is fine by itself, and together they do not fit

    def suspects(self, data: bytes) -> Sequence[int]:
        """Tell which patterns occur in a text, by their numbers, in order; perhaps some more."""
        found = self._set.Match(data) if self._set is not None else None
        if not found:
            return self._everything
        return sorted(number for number in found if number < len(self._everything))


def _options(memory: int) -> Any:
    import re2  # noqa: PLC0415 - as above

    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False  # RE2 would write the pattern to stderr
    return options


def _remedy(problem: str) -> str:
    for symptom, remedy in _REMEDIES:
        if symptom in problem.replace("\\\\", "\\"):
            return remedy
    if any(reference in problem.replace("\\\\", "\\") for reference in _BACK_REFERENCES):
        return _NO_REFERENCES
    return "it is no regular expression that RE2 knows (https://github.com/google/re2/wiki/Syntax)"
