"""The simulator's own figures can be taken, and are far from their limits."""

from typing import Any

import pytest

from local.bench.simulated_load import measure_simulator

LOAD = (
    "basic notifications delivered, one core",
    "rich notifications delivered, one core",
    "50,000 subscriptions held",
)


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return {figure.name.removeprefix("simulator: "): figure for figure in measure_simulator(quick=True)}


def test_every_figure_is_taken(figures: dict[str, Any]) -> None:
    assert set(figures) == {*LOAD, "start"}


@pytest.mark.parametrize("name", LOAD)
def test_load_and_memory_keep_their_promise_even_on_a_busy_machine(figures: dict[str, Any], name: str) -> None:
    assert figures[name].met, figures[name].row()
