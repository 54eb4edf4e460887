"""Read .NET TimeSpan texts, as host.json and its overrides write durations.

Formatting them is not here: the host never writes one back.
"""

import re
from datetime import timedelta

_TIME_SPAN = re.compile(
    r"\s*(?P<sign>-)?(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2}(?:\.\d{1,7})?))?\s*"
)
HOURS_PER_DAY = 24
MINUTES_PER_HOUR = 60


def read_time_span(text: str) -> timedelta:
    """Read `[-][d.]hh:mm[:ss[.fffffff]]`; ValueError for anything else."""
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time span (hh:mm:ss): {text!r}")
    hours, minutes, seconds = int(match["hours"]), int(match["minutes"]), float(match["seconds"] or 0)
    if hours >= HOURS_PER_DAY or minutes >= MINUTES_PER_HOUR or seconds >= MINUTES_PER_HOUR:
        raise ValueError(f"a part of this time span is out of range: {text!r}")
    span = timedelta(days=int(match["days"] or 0), hours=hours, minutes=minutes, seconds=seconds)
    return -span if match["sign"] else span


def read_span_or_seconds(text: str) -> timedelta:
    """Read a time span, or a plain number as seconds.

    .NET reads a plain number as *days*; nobody means that for a retry delay, so here it is seconds.
    """
    try:
        return timedelta(seconds=float(text))
    except ValueError:
        return read_time_span(text)
