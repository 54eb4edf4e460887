"""Which of several matches in the same place speaks: one secret is one finding, though three rules see it."""

from collections.abc import Iterable
from itertools import groupby

from shared.dlp.parts import PARTS
from shared.dlp.values import SEVERITIES, Match


def resolve(found: Iterable[Match]) -> list[Match]:
    """Leave out each match that lies inside another one as grave or graver; of two in one place, the first given stays.

    A graver match inside of a milder one stays beside it, and so do two that overlap without either holding the other.
    """
    matches = sorted(found, key=_place)
    kept: list[Match] = []
    for _, some in groupby(matches, key=lambda each: (each.part, each.part_index)):
        kept += _of_part(list(some))
    return kept


def _of_part(matches: list[Match]) -> list[Match]:
    # of all that begin no later, how far the longest of each severity or a graver one reaches
    reach = dict.fromkeys(SEVERITIES, -1)
    kept = []
    for match in matches:
        end = match.start + match.length
        if end > reach[match.severity]:
            kept.append(match)
        for severity in SEVERITIES[: SEVERITIES.index(match.severity) + 1]:
            reach[severity] = max(reach[severity], end)
    return kept


def _place(match: Match) -> tuple[int, int, int, int, int]:
    gravity = SEVERITIES.index(match.severity)
    return PARTS.index(match.part), match.part_index, match.start, -match.length, -gravity
