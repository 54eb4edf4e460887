"""Figures beside their targets, and the arithmetic of taking them. Pure; printing is the command line's."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_THOUSAND = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured promise. ``at_least`` turns the target from a ceiling into a floor."""

    name: str
    value: float
    unit: str
    target: float
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.value >= self.target if self.at_least else self.value <= self.target

    def row(self) -> tuple[str, str, str, str]:
        """Write the figure as a row of the table."""
        sign = "≥" if self.at_least else "≤"
        verdict = "met" if self.met else "missed"
        return self.name, _written(self.value, self.unit), f"{sign} {_written(self.target, self.unit)}", verdict

    def as_data(self) -> dict[str, Any]:
        """Write the figure as data, for ``--json``."""
        return {
            "figure": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "atLeast": self.at_least,
            "met": self.met,
            "note": self.note,
        }


def waits(what: str, measured: Mapping[str, tuple[float | None, float]], *, note: str) -> list[Figure]:
    """Make figures of how long something took: milliseconds and their target by percentile; what never came took for ever."""
    return [
        Figure(
            name=f"{what}, {name}",
            value=float("inf") if value is None else value,
            unit="ms",
            target=target,
            note=note,
        )
        for name, (value, target) in measured.items()
    ]


def difference(measured: Sequence[float], baseline: Sequence[float]) -> float:
    """Tell how much more a thing costs than its baseline: the median of pairs that were taken one after the other.

    Whatever slows the machine for a while slows both halves of a pair.
    """
    return statistics.median(more - less for more, less in zip(measured, baseline, strict=True))


def ratio(measured: Sequence[float], baseline: Sequence[float]) -> float:
    """Tell how a thing compares with its baseline: the median quotient of pairs taken one after the other."""
    return statistics.median(one / other for one, other in zip(measured, baseline, strict=True))


def _written(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.0%}"
    return f"{value:,.0f} {unit}" if value >= _THOUSAND else f"{value:.3g} {unit}".strip()
