"""What is wrong with the form of a file is said in sentences of ours, with line and path, and without what stands in the file."""

import json

import pytest

from shared.errors import SettingsError
from shared.json_form import problems_of_form, read_json, tell

SCHEMA = "dlp_rules.schema.json"
RULE = {"name": "a", "severity": "low", "kind": "card"}
SECRET = "what-stands-in-the-file"


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"severity": SECRET}, "it must be one of low or medium or high"),
        ({"name": SECRET * 3}, "it must have the form ^[a-z0-9-]{1,40}$"),
        ({"atLeast": 0}, "it must be 1 or more"),
        ({"atLeast": 1000}, "it must be 100 or less"),
        ({"parts": []}, "it must have 1 entry or more"),
        ({"description": SECRET * 100}, "it must have 1000 characters or fewer"),
        ({"senders": [SECRET] * 1001}, "it must have 1000 entries or fewer"),
        ({"near": SECRET}, "it must be object"),
        ({"pattern": SECRET}, "it must have exactly one of kind, pattern, keywords, classifier"),
    ],
)
def test_each_kind_of_problem_has_its_sentence(part: dict[str, object], sentence: str) -> None:
    [(_, said)] = problems_of_form({"rules": [RULE | part]}, SCHEMA)

    assert said == sentence


def test_problems_come_in_the_order_of_their_lines() -> None:
    document = {"rules": [RULE | {"severity": 5}, RULE | {"atLeast": 0}], "odd": 1}
    text = json.dumps(document, indent=1).encode()
    told = list(tell(problems_of_form(document, SCHEMA), text, lambda path: "/".join(map(str, path[:2])) or "all"))

    assert [each.partition(":")[0] for each in told] == ["all", "rules/0", "rules/1"]
    assert told[1].endswith("(line 5, $.rules[0].severity)")
    assert told[2].endswith("(line 12, $.rules[1].atLeast)")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_json_may_come_in_any_of_its_encodings(encoding: str) -> None:
    assert read_json('{"ü": 1}'.encode(encoding), "it") == {"ü": 1}


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b"\xed\xa0\x80"])
def test_what_is_no_json_is_a_problem_of_whoever_wrote_it(text: bytes) -> None:
    with pytest.raises(SettingsError, match="the file: it is not JSON"):
        read_json(text, "the file")
