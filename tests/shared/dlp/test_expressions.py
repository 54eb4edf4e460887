"""Patterns cannot run away, what RE2 does not know is refused with a remedy, and a set that gives up misses nothing."""

import time
from itertools import pairwise

import pytest

from shared.dlp.expressions import Expression, ExpressionError, ExpressionSet, Text

EVIL_PATTERNS = (
    "(a+)+$",
    "([a-zA-Z]+)*!",
    "(a|aa)+$",
    "(a|a?)+!",
    "(.*a){20}!",
    "(.*)*b|a",
    "a.*b|a",
    "(?:a|b|ab)*c",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    r"([a-zA-Z0-9._-]+)*@x",
    "(x+x+)+y",
    "(?:a?){100}a{100}",
)
"""Patterns that made the news, with which a backtracking engine needs longer than the universe has."""


@pytest.mark.parametrize("pattern", EVIL_PATTERNS)
@pytest.mark.parametrize("piece", ["a", "x", "ab", "aaaaaaaaaaaaaaaaaaaa!", "a@"])
def test_catastrophic_patterns_are_not(pattern: str, piece: str) -> None:
    expression = Expression(pattern)
    data = (piece * (100_000 // len(piece))).encode()
    began = time.perf_counter()
    sum(1 for _ in expression.find(data, lambda *_: True))

    assert time.perf_counter() - began < 60


@pytest.mark.parametrize("pattern", [r"\d+", r"\d{4,}", "[0-9 ]*1", "1.*2|1", r"(?:1|11){1,500}"])
def test_refusing_everything_takes_no_square_either(pattern: str) -> None:
    began = time.perf_counter()

    assert list(Expression(pattern).find(b"1" * 200_000, lambda *_: False)) == []
    assert time.perf_counter() - began < 60


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("(?=a)", "ahead"),
        ("(?!a)", "except"),
        ("(?<=a)", "near"),
        (r"(?<!\d)\d", r"\b"),
        (r"(a)\1", "back references"),
        ("(?P<x>a)(?P=x)", "back references"),
        (r"(?P<x>a)\k<x>", "back references"),
        (r"\y", "no regular expression"),
        ("(?>a)", "atomic"),
        ("(?x) a", "verbose"),
        ("(?#a)b", "comments"),
        ("(a)(?(1)b|c)", "conditions"),
        (r"a\Z", r"\z"),
        ("a{1,2000}", "1,000"),
        ("((a{100}){100}){100}", "1,000"),
        ("a++", "one repetition"),
        ("*a", "nothing before"),
        ("[a", "no ]"),
        ("(a", "no )"),
        ("a)", "no ("),
        ("a{900}b{900}a{900}b{900}a{900}b{900}", "too large"),
        ("a*", "empty text"),
        ("^", "empty text"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_re2_does_not_know_is_refused_with_a_remedy(
    pattern: str, remedy: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression(pattern)

    assert remedy in str(caught.value)
    assert pattern not in str(caught.value) or len(pattern) < 4
    assert capfd.readouterr().err == ""


def test_a_match_is_found_wherever_it_lies_and_however_long_it_is() -> None:
    expression = Expression("begin[^!]*end")
    data = b"x" * 5_000 + b"begin" + b"-" * 5_000 + b"end!" + b"y" * 3_000 + b"beginend"
    spans = list(expression.find(data, lambda *_: True))

    assert [data[start : start + 5] for start, _ in spans] == [b"begin", b"begin"]
    assert [end - start for start, end in spans] == [5_008, 8]


def test_what_surrounds_a_place_is_seen_although_the_search_begins_there() -> None:
    data = b"cat concat " + b"." * 2_000 + b"cats cat"

    assert [start for start, _ in Expression(r"\bcat\b").find(data, lambda *_: True)] == [0, len(data) - 3]
    assert list(Expression("t$").find(data, lambda *_: True)) == [(len(data) - 1, len(data))]
    assert list(Expression("^cat").find(data, lambda *_: True)) == [(0, 3)]


def test_what_is_refused_may_be_the_beginning_of_something_else() -> None:
    found = Expression(r"\d{4}").find(b"1234567", lambda start, _: start == 2)

    assert list(found) == [(2, 6)]


@pytest.mark.parametrize("characters", ["plain", "ü😀x漢字ü", "", "😀"])
def test_places_in_bytes_become_places_in_characters(characters: str) -> None:
    text = Text.of(characters)
    offsets = [len(characters[:place].encode()) for place in range(len(characters) + 1)]
    spans = list(pairwise(offsets))

    assert list(text.spans(spans)) == [(place, place + 1) for place in range(len(characters))]
    assert [text.after(start) for start, _ in spans] == list(characters)
    assert [text.before(end) for _, end in spans] == list(characters)


def test_a_set_tells_which_patterns_occur() -> None:
    patterns = ExpressionSet(["a+b", "c", r"\d{3}", "(?i)ü"])

    assert list(patterns.suspects(b"xxaab123")) == [0, 2]
    assert list(patterns.suspects("Ü".encode())) == [3]
    assert list(patterns.suspects(b"")) == []
    assert list(ExpressionSet([]).suspects(b"x")) == []


def test_patterns_that_do_not_fit_together_are_all_suspects() -> None:
    patterns = [f"[a-q][^u-z]{{{count}}}x" for count in range(10, 30)]
    data = ("abcdefghijklmnopq" * 2_000 + "x").encode()
    everything = list(range(len(patterns)))

    assert list(ExpressionSet(patterns).suspects(data)) == everything
    assert list(ExpressionSet(patterns).suspects(b"nothing")) == []
    assert list(ExpressionSet(patterns, memory=60_000).suspects(b"nothing")) == everything


class _Exhausted:
    """What RE2 gives when it runs out of memory in the middle of a text: nothing, and no reason."""

    def Match(self, _: bytes) -> None:  # noqa: N802 - RE2's name
        return None


def test_a_set_that_gives_up_on_a_text_suspects_everything() -> None:
    """https://github.com/google/re2/issues/136: otherwise it would be a silent miss."""
    patterns = ExpressionSet(["a", "b"])
    patterns._set = _Exhausted()

    assert list(patterns.suspects(b"a")) == [0, 1]
