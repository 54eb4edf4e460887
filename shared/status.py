"""What the app says about itself: which parts run, which do not and why, and how the subscriptions are."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.errors import StorageError
from shared.gaps import print_gaps
from shared.graph.subscription import LiveSubscription
from shared.graph.timestamp import write_timestamp
from shared.key_watch import KeyWatch
from shared.live_watch import LiveWatch
from shared.ports import Clock, Comparison, Declared, GapStore, HubMark, HubMarks, SubscriptionStore
from shared.silence import Silence, print_polled

_MOST_ROWS: Final = 1_000
_MOST_GAPS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The parts by name: an empty tuple for one that runs, else what keeps it from running.

    ``declared`` is None where no part runs that needs the subscriptions file. ``client_state_key`` is the fingerprint of
    CLIENT_STATE_KEY. ``absent`` says of parts that nobody asked for what to do to have them. ``marks`` is None without a hub,
    ``live`` without SignalR.
    """

    parts: Mapping[str, tuple[str, ...]]
    store: SubscriptionStore | None
    now: Clock
    declared: Declared | None = None
    keys: KeyWatch | None = None
    client_state_key: str = ""
    gaps: GapStore | None = None
    silence: Silence | None = None
    marks: HubMarks | None = None
    live: LiveWatch | None = None
    absent: Mapping[str, str] = field(default_factory=dict)

    def health(self) -> tuple[int, str]:
        """Answer 200 while every part runs that this version has, else 503 with what is wrong: no values, only names.

        A broken subscriptions file is degraded and still 200 while the one before it is in force: a probe must not take down
        an app that hears everything it heard before.
        """
        wrong = {part: list(problems) for part, problems in self.parts.items() if problems}
        running = sorted(self.parts.keys() - wrong.keys())
        stands_still = bool(wrong)
        if self.declared is not None and self.declared.problems:
            stands_still |= self.declared.current is None
            wrong["declaration"] = list(self.declared.problems)
        body = {"status": "degraded" if wrong else "ok", "parts": running, "problems": wrong}
        return (503 if stands_still else 200), json.dumps(body)

    async def full(self) -> tuple[int, str]:
        """Answer with the parts and one line for each subscription."""
        running = sorted(part for part, problems in self.parts.items() if not problems)
        left_out: dict[str, Any] = {part: list(problems) for part, problems in self.parts.items() if problems}
        left_out |= {part: [why] for part, why in self.absent.items()}
        body: dict[str, Any] = {"now": write_timestamp(self.now()), "running": running, "leftOut": left_out}
        if self.declared is not None:
            current = self.declared.current
            body["declaration"] = {
                "entries": len(current.subscriptions) if current else None,
                "digest": current.digest[:12] if current else None,
                "problems": list(self.declared.problems),
            }
        if self.keys is not None:
            body["encryption"] = dict(await self.keys.report())
        if self.live is not None:
            body["live"] = dict(self.live.report())
        if self.store is not None:
            try:
                rows = await self.store.list()
                body["clientState"] = _rotation(rows, self.client_state_key)
                if "encryption" in body:
                    body["encryption"] |= {"named": _named(rows)}
                body["subscriptionCount"] = len(rows)
                body["subscriptions"] = [_row(row) for row in _first(rows)]
                body["unknownSubscriptions"] = _unknown(await self.store.last_comparison())
                body["unheard"] = print_polled(await self.silence.polled()) if self.silence else []
                body["gaps"] = print_gaps(await self.gaps.latest(_MOST_GAPS)) if self.gaps else []
                if self.marks is not None:
                    body["pull"] = [_mark(mark) for mark in await self.marks.list()]
            except StorageError as problem:
                body["problem"] = str(problem)
        return 200, json.dumps(body)


def _first(rows: Sequence[LiveSubscription]) -> Sequence[LiveSubscription]:
    """Pick the rows to be shown: all of them, or where they are too many those in trouble before the others."""
    if len(rows) <= _MOST_ROWS:
        return rows
    return sorted(rows, key=lambda row: (not row.problem, row.name))[:_MOST_ROWS]


def _unknown(last: Comparison | None) -> Sequence[str]:
    """List the subscriptions of this app at Graph that nobody knows, as the last search found them."""
    return last.unknown if last else ()


def _rotation(rows: Sequence[LiveSubscription], key: str) -> dict[str, Any]:
    """Say how many subscriptions still have a clientState of an older key: while there is one, the previous key is needed."""
    return {"olderKey": sum(row.subscription_id != "" and not row.digest.endswith(f":{key}") for row in rows)}


def _named(rows: Sequence[LiveSubscription]) -> Mapping[str, int]:
    """Count the subscriptions for each certificate that they name: an older one that nobody names is on its way out."""
    return Counter(row.certificate_id for row in rows if row.certificate_id and row.subscription_id)


def _mark(mark: HubMark) -> dict[str, Any]:
    """Say which events of a partition were begun last: what is behind them in the hub waits for them."""
    return {
        "hub": mark.hub,
        "consumerGroup": mark.consumer_group,
        "partition": mark.partition,
        "sequenceNumber": mark.last,
        "begun": write_timestamp(mark.at),
    }


def _row(row: LiveSubscription) -> dict[str, Any]:
    return {
        "name": row.name,
        "resource": row.resource,
        "subscriptionId": row.subscription_id,
        "generation": row.generation,
        "expires": write_timestamp(row.expires) if row.expires else None,
        "problem": row.problem,
    } | ({"tenantId": row.tenant_id} if row.tenant_id else {})
