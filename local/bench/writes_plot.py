"""A picture of writes to Graph over time, beside Graph's limit: SVG, written by hand because a plotting library would weigh 100 MB."""

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 300, 56, 24, 40, 40
_STYLE = "font: 12px system-ui, sans-serif; fill: #444"


def draw(writes: Sequence[datetime], *, start: datetime, end: datetime, window: timedelta, limit: int) -> str:
    """Draw how many writes each window had; ``writes`` are in order. A column of pixels shows its busiest window."""
    count = int((end - start) / window)
    edges = [bisect_left(writes, start + window * number) for number in range(count + 1)]
    per_window = [after - before for before, after in itertools.pairwise(edges)]
    columns = _WIDTH - _LEFT - _RIGHT
    busiest = [
        max(per_window[count * column // columns : max(count * (column + 1) // columns, count * column // columns + 1)])
        for column in range(columns)
    ]
    high = limit * 1.1

    def y(value: float) -> float:
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / high), 1)

    bars = "".join(f"M{_LEFT + column + 0.5} {y(0)}V{y(value)}" for column, value in enumerate(busiest) if value)
    hours = int((end - start) / timedelta(hours=1))
    ticks = "".join(
        f'<text x="{_LEFT + columns * hour / hours:.0f}" y="{_HEIGHT - 20}" text-anchor="middle">{hour} h</text>'
        for hour in range(0, hours + 1, 6)
    )
    levels = "".join(
        f'<text x="{_LEFT - 8}" y="{y(value) + 4}" text-anchor="end">{value}</text>' for value in (0, limit // 2, limit)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" style="{_STYLE}">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
        f'<text x="{_LEFT}" y="20">{len(writes):,} writes to Graph: how many in each {window.seconds} seconds; '
        f"the line is Graph's limit of {limit}</text>"
        f'<path d="{bars}" stroke="#2563eb" fill="none"/>'
        f'<path d="M{_LEFT} {y(limit)}H{_WIDTH - _RIGHT}" stroke="#dc2626" stroke-dasharray="6 4"/>'
        f'<path d="M{_LEFT} {y(0)}H{_WIDTH - _RIGHT}" stroke="#444"/>{levels}{ticks}</svg>\n'
    )
