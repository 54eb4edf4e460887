"""What `hold` found, as rows of text and as data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from local.cost.printing import Rows
from local.scale.model import Held, Limit, Workload, busiest_second, hold, instances, subscriptions

STEPS: Sequence[float] = tuple(10.0**power for power in range(2, 9))
"""From a hundred to a hundred million changes a day."""

_NEAR = 0.1


def ladder(workload: Workload, table: Sequence[Limit], values: Mapping[str, float]) -> Rows:
    """Write a row for each power of ten: what it takes, and the limits that are met or near."""
    rows: list[Sequence[str]] = [
        (
            "changes a day",
            "in the busiest second",
            "subscriptions",
            "instances (Graph, queue)",
            "met or nearest",
            "moved by",
        )
    ]
    for changes in STEPS:
        at = replace(workload, changes_per_day=changes)
        held = hold(at, table, values)
        met = [each for each in held if each.share > 1]
        nearest = max(held, key=lambda each: each.share)
        said = (
            ", ".join(f"**{each.limit.key}** ({_share(each)})" for each in met)
            or f"{nearest.limit.key} ({_share(nearest)})"
        )
        moved = (met[0] if met else nearest).limit.moved_by if met or nearest.share > _NEAR else "nothing need be"
        answering, processing = instances(at, values)
        rows.append(
            (
                number(changes),
                number(busiest_second(at)),
                number(subscriptions(at)),
                f"{answering:,} + {processing:,}",
                said,
                moved,
            )
        )
    return rows


def table_of(held: Sequence[Held]) -> Rows:
    """Write a row for each limit, the first to be met first."""
    rows: list[Sequence[str]] = [("limit", "load", "allowed", "used", "met from", "moved by")]
    rows += [
        (
            f"{each.limit.key}: {each.limit.what}",
            number(each.load),
            f"{number(each.allowed)} {each.limit.unit}",
            _share(each),
            "never" if math.isinf(each.met_at) else f"{number(each.met_at)} a day",
            each.limit.moved_by,
        )
        for each in held
    ]
    return rows


def as_data(workload: Workload, held: Sequence[Held]) -> dict[str, Any]:
    """Write it as data."""
    return {
        "changesPerDay": workload.changes_per_day,
        "size": workload.size.key,
        "limits": [
            {
                "limit": each.limit.key,
                "load": each.load,
                "allowed": each.allowed,
                "unit": each.limit.unit,
                "share": each.share,
                "metAt": None if math.isinf(each.met_at) else each.met_at,
                "movedBy": each.limit.moved_by,
                "sure": each.limit.sure,
                "source": each.limit.source,
                "asOf": each.limit.as_of,
            }
            for each in held
        ],
    }


def number(value: float) -> str:
    """Write a number with two digits that mean something."""
    for unit, size in (("thousand million", 1e9), ("million", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"  # noqa: PLR2004 - digits


def _share(held: Held) -> str:
    return f"{held.share:.0%}" if held.share >= 0.01 else "< 1%"  # noqa: PLR2004 - a hundredth
