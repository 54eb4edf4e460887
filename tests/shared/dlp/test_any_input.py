"""Whatever comes as rules or as a message: a value or the error that is promised, and no match that reveals a text."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dlp.checks import CHECKS, load_check
from shared.dlp.kinds import KINDS
from shared.dlp.parts import parts_of
from shared.dlp.rules import RuleSet, read_rules
from shared.dlp.values import Match
from shared.errors import SettingsError
from tests.strategies import JSON_VALUES, SURROGATES_INCLUDED

SAMPLE = json.loads((Path(__file__).parents[3] / "dlp_rules.json").read_bytes())
CANARY = "canary"
EVERYTHING = read_rules(
    json.dumps(
        {
            "rules": [
                *({"name": kind, "severity": "high", "kind": kind} for kind in KINDS),
                {
                    "name": "canary",
                    "severity": "medium",
                    "keywords": [CANARY],
                    "near": {"words": ["mine"], "otherwise": "low"},
                },
                {
                    "name": "anything",
                    "severity": "low",
                    "pattern": r"\S{3,}",
                    "recipients": {"outside": ["contoso.com"]},
                },
                {"name": "mine", "severity": "low", "classifier": "mine", "senders": ["contoso.com"]},
            ]
        }
    ).encode(),
    classifiers={"mine": lambda text: [(place, 1) for place in range(0, len(text), 7)]},
)


def _read(text: bytes) -> RuleSet | tuple[str, ...]:
    """Read rules, or all that is wrong with them; anything else that is raised fails the test."""
    try:
        return read_rules(text, classifiers={})
    except SettingsError as problem:
        return problem.problems


@given(st.binary(max_size=200))
def test_any_bytes_are_rules_or_a_problem(text: bytes) -> None:
    assert _read(text)


@given(
    JSON_VALUES | st.fixed_dictionaries({"rules": st.lists(JSON_VALUES, max_size=3)}, optional={"except": JSON_VALUES})
)
def test_any_json_is_rules_or_a_problem(document: Any) -> None:
    assert _read(json.dumps(document).encode())


PLACES = [
    (number, name, *inner)
    for number, rule in enumerate(SAMPLE["rules"])
    for name, held in rule.items()
    for inner in ([()] + ([(each,) for each in held] if isinstance(held, dict) else []))
]


@given(st.sampled_from(PLACES), JSON_VALUES | st.text(st.sampled_from("ab()[]{}*+?|\\^$.,09:=!<>PZ-"), max_size=12))
def test_a_good_file_with_one_strange_value_is_rules_or_a_problem(place: tuple[Any, ...], value: Any) -> None:
    document = json.loads(json.dumps(SAMPLE))
    held = document["rules"]
    for step in place[:-1]:
        held = held[step]
    held[place[-1]] = value

    read = _read(json.dumps(document).encode())
    if isinstance(read, RuleSet):
        assert read.scan({"body": {"content": "<p>any text 4111</p>"}}) is not None
    else:
        assert read
        assert all(each.startswith(("rule ", "the rules file: ")) and len(each) < 600 for each in read)


PROPERTIES = ["body", "uniqueBody", "bodyPreview", "subject", "summary", "attachments", "from", "sender", "mentions"]
PROPERTIES += ["toRecipients", "ccRecipients", "bccRecipients"]
INNER = ["content", "contentType", "name", "user", "id", "emailAddress", "address", "userIdentityType", "mentioned"]
INNER += ["messagePreview", "originalMessageContent"]
TEXTS = st.sampled_from(
    [
        "<p>4012888888881881</p>",
        "DE89370400440532013000",
        f"my {CANARY} is mine",
        "text",
        "html",
        "messageReference",
        "a@evil.example",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | JSON_VALUES | TEXTS.map(json.dumps),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(INNER), inner, max_size=5),
)


@given(st.dictionaries(st.sampled_from(PROPERTIES) | SURROGATES_INCLUDED, VALUES, max_size=8))
def test_any_object_is_scanned_and_every_match_lies_in_a_part(content: dict[str, Any]) -> None:
    parts = {(part.sort, part.index): part for part in parts_of(content)}
    for match in EVERYTHING.scan(content):
        text = parts[match.part, match.part_index].text

        assert 0 <= match.start < match.start + match.length <= len(text)
        assert match.rule in EVERYTHING.names
        if match.rule == "canary":
            assert text[match.start : match.start + match.length].casefold() == CANARY


@given(TEXTS, st.dictionaries(st.sampled_from(PROPERTIES), VALUES, max_size=8))
def test_scanning_twice_gives_the_same(text: str, content: dict[str, Any]) -> None:
    content = content | {"body": {"content": text}}

    assert EVERYTHING.scan(content) == EVERYTHING.scan(json.loads(json.dumps(content)))


def test_no_match_reveals_what_it_found() -> None:
    """It has only words that stand in the rules, and numbers."""
    content = {"body": {"content": f"{CANARY} 4012888888881881"}, "subject": CANARY, "attachments": [{"name": CANARY}]}
    words = {
        *EVERYTHING.names,
        *KINDS,
        "keyword",
        "pattern",
        "classifier",
        "low",
        "medium",
        "high",
        "body",
        "subject",
        "attachment",
    }
    matches = EVERYTHING.scan(content)

    assert len(matches) >= 3
    assert {field.name for field in fields(Match)} == {
        "rule",
        "kind",
        "severity",
        "part",
        "part_index",
        "start",
        "length",
    }
    for match in matches:
        values = [getattr(match, field.name) for field in fields(Match)]
        assert all(isinstance(value, int) or value in words for value in values)


def test_no_error_and_no_repr_shows_a_text() -> None:
    scanned = repr(EVERYTHING.scan({"body": {"content": f"hidden-{CANARY}-text 4012888888881881"}}))

    assert "hidden" not in scanned
    assert "4012" not in scanned


@pytest.mark.parametrize("name", CHECKS)
@given(text=st.text(st.sampled_from("0123456789ABCXYZabc -./+")) | st.text(max_size=30))
def test_a_check_says_yes_or_no_to_any_text(name: str, text: str) -> None:
    assert load_check(name)(text) in {True, False}


@pytest.mark.parametrize("name", CHECKS)
def test_what_is_far_too_long_is_no_number(name: str) -> None:
    assert load_check(name)("1" * 100_000) is False
