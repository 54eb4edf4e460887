"""Every kind against published examples and as many near-misses: what it finds of the ones, and spares of the others.

`pytest -s tests/shared/dlp/test_published.py` prints precision and recall of each kind.
"""

import html
import json
import random
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from shared.dlp.kinds import KINDS
from shared.dlp.parts import parts_of
from shared.dlp.rules import RuleSet, read_rules

PUBLISHED: Final[Mapping[str, Any]] = tomllib.loads(Path(__file__).with_name("published.toml").read_text("utf-8"))
NO_BREAK: Final = "\N{NO-BREAK SPACE}"
CARRIERS: Final = (
    "{}",
    "please take {}, thanks",
    "({})",
    "number: {}.",
    "Ziffern \N{EN DASH} {}\nnext line",
    "卡号\N{FULLWIDTH COLON}{}。",
)


def _rules(*names: str) -> RuleSet:
    rules = [{"name": name, "severity": "high", "kind": name} for name in names]
    return read_rules(json.dumps({"rules": rules}).encode(), classifiers={})


def _plain(text: str) -> dict[str, Any]:
    return {"body": {"contentType": "text", "content": text}}


def _disguises(text: str) -> Iterator[dict[str, Any]]:
    """Give messages that show a reader the same text."""
    for carrier in CARRIERS:
        yield _plain(carrier.format(text))
        yield {"body": {"contentType": "html", "content": f"<p>{html.escape(carrier.format(text))}</p>"}}
    middle = len(text) // 2
    yield _plain(text.replace(" ", NO_BREAK))
    yield _plain("".join(chr(ord(each) + 0xFEE0) if each.isdigit() else each for each in text))
    yield _plain("\N{ZERO WIDTH SPACE}".join(text))
    start, end = html.escape(text[:middle]), html.escape(text[middle:])
    for between in ("</b><b>", "&shy;", "<!-- - -->", '<span title="x"></span>', "</span\n><i\t>"):
        yield {"body": {"contentType": "html", "content": f"<div><b>{start}{between}{end}</b></div>"}}


def _found(rules: RuleSet, content: Mapping[str, Any]) -> list[str]:
    texts = {(part.sort, part.index): part.text for part in parts_of(content)}
    return [
        texts[match.part, match.part_index][match.start : match.start + match.length] for match in rules.scan(content)
    ]


def _samples(kind: str, name: str) -> list[str]:
    return [each.replace("|", "") for each in PUBLISHED[kind].get(name, [])]


def test_every_kind_has_examples_and_near_misses_and_says_where_they_are_from() -> None:
    assert set(PUBLISHED) == set(KINDS)
    for kind, table in PUBLISHED.items():
        assert len(table["found"]) >= 1, kind
        assert len(table["missed"]) + len(table.get("hard", ())) >= len(table["found"]), kind
        assert table["source"]


@pytest.mark.parametrize("kind", KINDS)
def test_precision_and_recall(kind: str) -> None:
    rules = _rules(kind)
    recalled = {text: all(_found(rules, each) for each in _disguises(text)) for text in _samples(kind, "found")}
    spared = {text: not _found(rules, _plain(f"see {text} there")) for text in _samples(kind, "missed")}
    fooled = [text for text in _samples(kind, "hard") if _found(rules, _plain(f"see {text} there"))]
    wrong = len(fooled) + list(spared.values()).count(False)
    true = list(recalled.values()).count(True)
    precision, recall = true / max(1, true + wrong), true / len(recalled)
    sizes = f"({len(recalled)} examples, {len(spared) + len(fooled)} near-misses)"
    print(f"{kind:24} recall {recall:7.1%}  precision {precision:7.1%}  {sizes}")  # noqa: T201 - what -s shows

    assert [text for text, is_found in recalled.items() if not is_found] == []
    assert [text for text, is_spared in spared.items() if not is_spared] == []
    assert fooled == _samples(kind, "hard"), "what is called hard is hard: else it belongs among the missed"
    assert recall == 1
    assert precision >= 0.75


@pytest.mark.parametrize("kind", KINDS)
def test_the_place_of_a_match_is_that_of_the_number(kind: str) -> None:
    rules = _rules(kind)
    for text in _samples(kind, "found"):
        [found] = _found(rules, _plain(f"Grüße 😀 \N{EN DASH} {text} 😀"))

        assert found in text


def _random_numbers(form: str, count: int) -> Iterator[str]:
    dice = random.Random(form)  # noqa: S311 - the same numbers in every run
    for _ in range(count):
        yield "".join(str(dice.randrange(10)) if each == "9" else each for each in form)


FORMS: Final = {
    "card": ("9999 9999 9999 9999", 0.04),
    "iban": ("DE99 9999 9999 9999 9999 99", 0.02),
    "at-svnr": ("9999 999999", 0.1),
    "be-nn": ("99999999999", 0.02),
    "ca-sin": ("999 999 999", 0.1),
    "ch-ahv": ("756.9999.9999.99", 0.13),
    "de-steuer-id": ("99999999999", 0.04),
    "dk-cpr": ("999999-9999", 0.04),
    "gb-nhs": ("999 999 9999", 0.11),
    "nl-bsn": ("999999999", 0.11),
    "no-fodselsnummer": ("99999999999", 0.01),
    "pl-pesel": ("99999999999", 0.02),
    "se-personnummer": ("999999-9999", 0.01),
}


@pytest.mark.parametrize("kind", FORMS)
def test_how_often_a_random_number_of_that_form_is_taken_for_one(kind: str) -> None:
    """What `docs/dlp.md` tells about weak kinds; a card's first digits and its last spare 96 of 100."""
    form, limit = FORMS[kind]
    rules = _rules(kind)
    numbers = list(_random_numbers(form, 2_000))
    taken = sum(bool(rules.scan(_plain(number))) for number in numbers) / len(numbers)
    print(f"{kind:24} {taken:.2%} of random numbers like {form}")  # noqa: T201 - as above

    assert taken <= limit
    assert KINDS[kind].weak == (taken > 0.015) or kind in {"card", "ch-ahv"}, "their first digits are known, and rare"
