"""What came of a plan's actions: values for whoever asked, one line a piece for whoever reads the log.

Not here: the doing (`shared.executor`).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from shared.graph.subscription import LiveSubscription
from shared.reconcile import Action
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
GAP: Final = "gap"
"""Why a catch-up is owed after a time in which nothing was heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one action.

    ``outcome`` is created, renewed, recreated, retired, ordered, deleted, adopted, overtaken or failed.
    """

    name: str
    outcome: str
    subscription_id: str = ""
    problem: str = ""
    again: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of a plan."""

    results: tuple[Result, ...] = ()

    @property
    def problems(self) -> Mapping[str, str]:
        """What went wrong, by the subscription's name."""
        return {each.name: each.problem for each in self.results if each.outcome == "failed"}

    @property
    def again(self) -> datetime | None:
        """When the first of those that failed may be tried again."""
        return min((each.again for each in self.results if each.again), default=None)


def settled(row: LiveSubscription, kept: LiveSubscription | None, outcome: str) -> Result:
    """Say that an action is done, or that somebody else wrote its row meanwhile."""
    if kept is None:
        return overtaken(row)
    return Result(name=row.name, outcome=outcome, subscription_id=row.subscription_id)


def overtaken(row: LiveSubscription) -> Result:
    """Say that somebody else is at a subscription."""
    return Result(name=row.name, outcome="overtaken", subscription_id=row.subscription_id)


def log_result(action: Action, result: Result) -> None:
    """Write an action's line."""
    level = logging.WARNING if result.outcome == "failed" else logging.INFO
    fields = {
        "name": result.name,
        "action": type(action).__name__.lower(),
        "outcome": result.outcome,
        "subscriptionId": result.subscription_id or "none",
    }
    if result.problem:
        fields |= {"problem": result.problem, "again": str(result.again or "at the next tick")}
    log_line(_LOGGER, level, "subscription", fields)


def owing(row: LiveSubscription, reason: str, now: datetime, *, since_unknown: bool = False) -> LiveSubscription:
    """Note from when on changes may have gone unheard, which Graph does not replay: in the log, and in the row as a catch-up owed.

    Where nobody knows when it died (``since_unknown``), it is since Graph last said that it lives.
    """
    since = min((row.renewed or row.created if since_unknown else row.expires) or now, now)
    fields = {"name": row.name, "reason": reason, "since": since.isoformat(), "subscriptionId": row.subscription_id}
    log_line(_LOGGER, logging.WARNING, "subscription gap", fields)
    known = row.owed_since if row.owed == GAP else None
    return replace(row, owed=GAP, owed_since=min(since, known or since))
