"""What the bench of the rules measures is what it says: messages of which one in fifty has something to be found."""

import pytest

from local.bench.figures import Figure
from local.bench.rules import measure_rules


@pytest.fixture(scope="module")
def measured() -> list[Figure]:
    return measure_rules(quick=True)


def test_rates_are_told_for_three_sizes(measured: list[Figure]) -> None:
    rate, growth = measured

    assert rate.at_least
    assert all(f"at {size}" in rate.note for size in (5, 50, 500))
    assert rate.value > 500, "even on a busy machine, a tenth of what is promised"
    assert growth.value < 20, "a hundred times as many rules"


def test_about_two_of_a_hundred_messages_have_findings(measured: list[Figure]) -> None:
    findings = [part.split(" µs, ")[1] for part in measured[1].note.split("; ")]

    assert all(0.5 <= float(each.split("%")[0]) <= 5 for each in findings)
