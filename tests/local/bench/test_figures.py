"""The arithmetic of benchmarks, and how figures are written; what they measure is not timed here."""

import json

import pytest
from rich.console import Console

from local.bench.cli import show
from local.bench.figures import Figure, difference, ratio


@pytest.mark.parametrize(
    ("value", "at_least", "met"), [(1.0, False, True), (1.1, False, False), (1.0, True, True), (0.9, True, False)]
)
def test_a_target_is_a_ceiling_or_a_floor(value: float, *, at_least: bool, met: bool) -> None:
    figure = Figure(name="f", value=value, unit="ms", target=1.0, at_least=at_least)
    assert figure.met is met
    assert figure.row() == ("f", f"{value:.3g} ms", "≥ 1 ms" if at_least else "≤ 1 ms", "met" if met else "missed")


def test_shares_are_written_as_percentages() -> None:
    assert Figure(name="f", value=0.934, unit="%", target=0.9, at_least=True).row()[1:3] == ("93%", "≥ 90%")


def test_a_figure_as_data_says_everything() -> None:
    data = Figure(name="f", value=2.0, unit="s", target=1.0, note="how").as_data()
    assert json.loads(json.dumps(data)) == {
        "figure": "f",
        "value": 2.0,
        "unit": "s",
        "target": 1.0,
        "atLeast": False,
        "met": False,
        "note": "how",
    }


def test_whatever_slows_one_round_does_not_count() -> None:
    assert difference([3.0, 30.0, 3.0], [1.0, 28.0, 1.0]) == 2.0
    assert difference([3.0, 90.0, 3.0], [1.0, 1.0, 1.0]) == 2.0
    assert ratio([4.0, 40.0, 1.0], [2.0, 20.0, 1.0]) == 2.0


def test_the_table_shows_figures_notes_and_what_could_not_be_measured() -> None:
    console = Console(record=True, width=100, file=None, quiet=False)
    with console.capture() as captured:
        show(
            console, [Figure(name="ack", value=0.5, unit="ms", target=1, note="how it was taken")], {"start": "no [x]"}
        )
    said = captured.get()
    assert "ack" in said
    assert "met" in said
    assert "how it was taken" in said
    assert "no [x]" in said
