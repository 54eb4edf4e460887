"""`python -m local cost`."""

import json

import pytest

from local.__main__ import main
from local.cost.printing import dollars, markdown
from local.cost.tables import prices, sizes


def test_it_shows_every_size_and_what_options_add(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost"]) == 0
    said = capsys.readouterr().out

    assert all(size in said for size in sizes())
    assert "gateway" in said
    assert "Recalled, not looked up" in said
    assert "Assumed, not measured" in said


def test_one_size_shows_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--size", "standard", "--notifications-per-day", "1000000", "--markdown"]) == 0
    said = capsys.readouterr().out

    assert "Functions, memory of an always-ready instance, idle or not" in said
    assert "| together |" in said


def test_as_data_each_line_has_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--size", "standard", "--with", "hub", "gateway", "--json"]) == 0
    [data] = json.loads(capsys.readouterr().out)

    assert data["options"] == ["gateway", "hub"]
    assert data["total"] == pytest.approx(sum(line["dollars"] for line in data["lines"]), abs=0.01)
    assert {line["price"] for line in data["lines"]} <= set(prices())
    assert all(line["source"].startswith("https://") and line["asOf"] for line in data["lines"])


@pytest.mark.parametrize(
    "wrong", [["--notifications-per-day", "-1"], ["--notifications-per-day", "nan"], ["--per-body", "0"]]
)
def test_a_load_that_makes_no_sense_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("amount", "said"), [(0, "$0.00"), (0.001, "< $0.01"), (2.5, "$2.50"), (99.994, "$99.99"), (1234.5, "$1,234")]
)
def test_amounts_are_written_as_somebody_would_say_them(amount: float, said: str) -> None:
    assert dollars(amount) == said


def test_rows_become_a_table_of_markdown() -> None:
    assert markdown([("a", "b"), ("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
