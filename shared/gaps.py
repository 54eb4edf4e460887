"""Gap reports for people: what may have gone unheard, from when to when, and how it was recovered. Pure."""

from collections.abc import Sequence
from datetime import datetime

from shared.graph.timestamp import write_timestamp
from shared.ports import GapReport


def print_gaps(reports: Sequence[GapReport]) -> list[dict[str, object]]:
    """Write reports as ``/api/status`` shows them."""
    return [
        {
            "name": each.name,
            "reason": each.reason,
            "state": "open" if each.closed is None else "closed",
            "from": _write(each.since),
            "to": _write(each.until),
            "opened": _write(each.opened),
            "closed": _write(each.closed),
            "scopes": each.scopes,
            "found": each.found,
            "dispatched": each.dispatched,
            "how": each.how,
            "problem": each.problem,
        }
        for each in reports
    ]


def _write(moment: datetime | None) -> str | None:
    return write_timestamp(moment) if moment else None
