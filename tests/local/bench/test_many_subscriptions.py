"""Thousands of subscriptions on a compressed clock, with the app's own plan and executor: within Graph's limits, and in time."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from local.bench.many_subscriptions import measure_many


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    plot = tmp_path_factory.mktemp("plot") / "writes.svg"
    return {figure.name: figure for figure in measure_many(quick=True, plot=plot)}, plot


def test_every_promise_is_kept_even_on_a_busy_machine(measured: tuple[dict[str, Any], Path]) -> None:
    """What is timed may take thrice as long there; what is counted may not be more."""
    figures, _ = measured

    assert len(figures) == 5
    slack = {name: 3 if figure.unit == "s" else 1 for name, figure in figures.items()}
    beyond = {name: each.row() for name, each in figures.items() if each.value > each.target * slack[name]}
    assert beyond == {}


def test_a_tick_with_nothing_due_reads_no_row(measured: tuple[dict[str, Any], Path]) -> None:
    figures, _ = measured

    assert "0 rows read" in figures["a tick with nothing due, 100,000 declared"].note


def test_nothing_expires_and_graph_never_says_429(measured: tuple[dict[str, Any], Path]) -> None:
    figures, _ = measured

    assert "0 of them were answered 429" in figures["100,000 created and renewed: most writes in 20 s"].note
    assert "0 expired" in figures["100,000 renewed: the latest renewal"].note


def test_the_plot_is_a_picture(measured: tuple[dict[str, Any], Path]) -> None:
    _, plot = measured
    picture = ET.fromstring(plot.read_text("utf-8"))  # noqa: S314 - we have just drawn it

    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(picture.findall("{http://www.w3.org/2000/svg}path")) == 3
