"""How a rule finds something: by a pattern, by words, or by a function. Each gives places in characters, in their order."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from shared.dlp.checks import Check
from shared.dlp.expressions import Expression, Text
from shared.dlp.text import clean
from shared.dlp.values import Classifier, ClassifierError

Span = tuple[int, int]
"""Where something begins and ends."""

_UNSPACED: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Japanese kana
    (0x3400, 0x9FFF),  # Chinese characters
    (0xAC00, 0xD7AF),  # Korean, whose particles follow without a space
    (0x20000, 0x3FFFF),
)
"""Scripts that do without spaces between words: there, a word may begin and end anywhere."""


class Detector(Protocol):
    """Finds something of one kind."""

    @property
    def kind(self) -> str:
        """What it finds, as a match says it."""

    @property
    def suspicion(self) -> str | None:
        """A pattern that occurs wherever something is found; None if only looking can tell."""

    def find(self, text: Text) -> Iterator[Span]:
        """Find every place in a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternDetector:
    """Finds what matches a pattern, and passes a check if there is one.

    ``alone``: a number that is no piece of a longer one, of a phone number, a GUID or a decimal.
    """

    expression: Expression
    kind: str = "pattern"
    check: Check | None = None
    alone: bool = False

    @property
    def suspicion(self) -> str | None:
        """The pattern itself."""
        return self.expression.pattern

    def find(self, text: Text) -> Iterator[Span]:
        """Find every place in a text."""
        yield from text.spans(self.expression.find(text.data, functools.partial(self._accept, text.data)))

    def _accept(self, data: bytes, start: int, end: int) -> bool:
        if self.alone and not stands_alone(data, start, end):
            return False
        return self.check is None or self.check(data[start:end].decode(errors="replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDetector:
    """Finds what a function of ours makes of the places where a pattern occurs."""

    kind: str
    expression: Expression
    inspect: Callable[[bytes, int, int], Iterator[Span]]
    """Given the text's bytes and a place of the pattern in them, gives places in bytes."""

    @property
    def suspicion(self) -> str | None:
        """The pattern."""
        return self.expression.pattern

    def find(self, text: Text) -> Iterator[Span]:
        """Find every place in a text."""
        yield from text.spans(self._found(text.data))

    def _found(self, data: bytes) -> Iterator[Span]:
        behind = 0
        for start, end in self.expression.find(data, lambda *_: True):
            for span in self.inspect(data, start, end):
                if span[0] >= behind:
                    behind = span[1]
                    yield span


@dataclass(frozen=True, slots=True)
class KeywordDetector:
    """Finds words and phrases, however they are capitalised, as whole words."""

    words: Sequence[str]
    kind: str = "keyword"
    _expression: Expression = field(init=False, repr=False)

    def __post_init__(self) -> None:
        alternatives = sorted((clean(word).split() for word in self.words), key=lambda each: -len(" ".join(each)))
        pattern = "|".join(r"\s+".join(map(_quote, each)) for each in alternatives if each)
        object.__setattr__(self, "_expression", Expression(f"(?i)(?:{pattern})"))

    @property
    def suspicion(self) -> str | None:
        """Any of the words."""
        return self._expression.pattern

    def find(self, text: Text) -> Iterator[Span]:
        """Find every place in a text."""
        return text.spans(self._expression.find(text.data, functools.partial(_is_whole, text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierDetector:
    """Finds what a function of the user's finds. How long it takes is limited by the handler's timeout alone."""

    name: str
    function: Classifier
    kind: str = "classifier"

    @property
    def suspicion(self) -> str | None:
        """None: it has to look."""
        return None

    def find(self, text: Text) -> Iterator[Span]:
        """Find every place in a text. Raises ClassifierError for what the function raises, and for places that there are not."""
        whole = len(text.characters)
        for start, length in self._run(text.characters):
            if not 0 <= start < start + length <= whole:
                raise ClassifierError(self.name, "gave a place outside of the text")
            yield start, start + length

    def _run(self, characters: str) -> list[Span]:
        try:
            # sorting and adding fail here for what is no pair of numbers
            return sorted((start + 0, length + 0) for start, length in self.function(characters))
        except Exception as problem:  # noqa: BLE001 - code of the user's, which may raise anything; its words may quote the text
            raise ClassifierError(self.name, f"raised {type(problem).__name__}") from None


def stands_alone(data: bytes, start: int, end: int) -> bool:
    """Tell whether a number is no piece of something longer: of letters and digits, a GUID, an order or phone number, a decimal."""
    before, first = data[max(0, start - 2) : start].rjust(2, b" ")
    last, after = data[end : end + 2].ljust(2, b" ")
    if _wordy(first) or first == ord("+") or _wordy(last) or last == ord("@"):
        return False
    if first in b"-./," and _wordy(before):
        return False
    return not (last in b"-./," and _wordy(after))


def _wordy(byte: int) -> bool:
    return (chr(byte).isalnum() and byte < 0x80) or byte == ord("_")  # noqa: PLR2004 - ASCII


def _is_whole(text: Text, start: int, end: int) -> bool:
    return not (_continues(text.before(start), text.after(start)) or _continues(text.before(end), text.after(end)))


def _continues(one: str, other: str) -> bool:
    """Tell whether two neighbouring characters belong to one word."""
    return all((each.isalnum() or each == "_") and not _is_unspaced(each) for each in (one, other))


def _is_unspaced(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _UNSPACED)


def _quote(word: str) -> str:
    return "".join(character if character.isalnum() else rf"\x{{{ord(character):x}}}" for character in word)
