"""`docs/dlp.md` says what there is, and its examples work."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from local.__main__ import main
from shared.dlp.checks import CHECKS
from shared.dlp.kinds import KINDS
from shared.dlp.parts import PARTS
from shared.dlp.rules import NOT_READ, read_rules

ROOT: Final = Path(__file__).parents[3]
GUIDE: Final = (ROOT / "docs/dlp.md").read_text("utf-8")


def test_every_kind_check_part_and_property_is_named() -> None:
    schema = json.loads((ROOT / "shared/schemas/dlp_rules.schema.json").read_bytes())["$defs"]
    properties = {*schema["rule"]["properties"], *schema["except"]["properties"]}
    properties |= {
        *schema["rule"]["properties"]["near"]["properties"],
        *schema["rule"]["properties"]["recipients"]["properties"],
    }
    words = set(re.findall(r"[A-Za-z0-9_.-]+", GUIDE))

    assert {*KINDS, *CHECKS, *PARTS, NOT_READ, *properties} - words == set()


def test_every_kind_is_described_as_the_code_does() -> None:
    for name, kind in KINDS.items():
        assert f"| `{name}` | {kind.what}{' · *weak*' if kind.weak else ''} |" in GUIDE


def test_the_example_is_a_file_of_rules() -> None:
    example = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)[0]
    rules = read_rules(example.encode(), classifiers={})
    matches = rules.scan({"body": {"contentType": "text", "content": "K-12345678 asked about projekt falke"}})

    assert [match.rule for match in matches] == ["customer-number", "project-falcon"]


def test_the_first_command_shows_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    [text] = re.findall(r'local dlp --text "(.*?)"', GUIDE)
    [shown] = re.findall(r"```\n(high .*?)```", GUIDE, re.DOTALL)

    assert main(["dlp", "--rules", str(ROOT / "dlp_rules.json"), "--text", text]) == 0
    assert capsys.readouterr().out == shown
