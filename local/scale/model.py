"""Loads that so many changes a day put on everything, held against the limits. Pure.

Changes come in ten busy hours of a day, and in the busiest second thrice as many as in a usual one of those. What is not reckoned:
bursts of another kind (a migration that moves a million mails), and how evenly Graph spreads what it sends.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Literal

from local.cost.model import Load, cpu_ms, envelopes_per_body, gigabytes_logged, instances_wanted
from local.cost.tables import Size
from local.graph.catalogue.reading import read_text

Delivery = Literal["webhook", "hub"]
Source = Literal["teams", "mail"]

PEAK = 3.0
"""How many times a usual second of the busy hours its busiest has."""

EARLIEST_RENEWAL = 0.48
"""Of a lifetime: the share after which the first subscriptions are renewed (README, "Nothing goes unheard")."""

# https://learn.microsoft.com/graph/change-notifications-overview#subscription-lifetime
LIFETIME_MINUTES: Mapping[tuple[Source, bool], int] = {
    ("teams", True): 4_320,
    ("teams", False): 4_320,
    ("mail", True): 1_440,
    ("mail", False): 10_080,
}
"""The longest, by what is heard and whether with resource data."""

MOST = 1e10
"""Changes a day beyond which nobody need look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit, the load that is held against it, and what moves it."""

    key: str
    what: str
    load: str
    limit: float
    unit: str
    moved_by: str
    sure: Literal["published", "quoted", "recalled", "ours"]
    source: str
    as_of: str
    times: str = ""
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is heard, and how."""

    changes_per_day: float
    size: Size
    source: Source = "teams"
    """``teams``: one subscription for a tenant. ``mail``: one for each mailbox."""
    delivery: Delivery = "webhook"
    rich: bool = True
    feed: bool = True
    per_body: float = 10.0
    live: bool = False
    """Whether live clients are connected."""
    entries: int = 1
    """Declared, among which the changes are spread."""
    changes_per_mailbox: float = 100.0
    changes_per_client: float = 1_000.0
    """Changes of a day for each live client that is connected at the same time."""

    @property
    def ways(self) -> frozenset[str]:
        """Tell what limits may be particular about."""
        return frozenset({self.delivery, *(["live"] if self.live else [])})

    def as_load(self) -> Load:
        """Give the part that costs are reckoned from."""
        return Load(notifications_per_day=self.changes_per_day, per_body=self.per_body, rich=self.rich, feed=self.feed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A load held against a limit."""

    limit: Limit
    load: float
    allowed: float
    met_at: float = field(default=math.inf)
    """Changes a day from which on the load is above what is allowed; infinite where it never is."""

    @property
    def share(self) -> float:
        """Tell how much of what is allowed is used."""
        return self.load / self.allowed if self.allowed else (math.inf if self.load else 0.0)


@cache
def limits() -> tuple[Limit, ...]:
    """Read the limits."""
    text = files("local.scale").joinpath("limits.toml").read_text("utf-8")
    return read_text(text, "limit", Limit, called="limits.toml")


def hold(workload: Workload, table: Sequence[Limit], values: Mapping[str, float]) -> list[Held]:
    """Hold every load against its limit: the limit that is met first comes first."""
    held = []
    for limit in table:
        if limit.on and not workload.ways & set(limit.on):
            continue
        allowed = limit.limit * _many(workload, limit.times)
        if not allowed:  # an option that this size does not have
            continue
        load = loads(workload, values)[limit.load]
        held.append(
            Held(limit=limit, load=load, allowed=allowed, met_at=_met_at(workload, limit.load, allowed, values))
        )
    return sorted(held, key=lambda each: (each.met_at, -each.share))


def loads(workload: Workload, values: Mapping[str, float]) -> dict[str, float]:
    """Reckon every load of the busiest second."""
    load = workload.as_load()
    changes = busiest_second(workload)
    bodies = changes / workload.per_body
    envelopes = bodies * envelopes_per_body(load, values)
    webhook, size = workload.delivery == "webhook", workload.size
    http = instances_wanted(size, bodies, cpu_ms(load, "http", values), values) if webhook else 0
    processing = instances_wanted(size, envelopes, cpu_ms(load, "processor", values), values)
    of_queue = values["queue-requests-per-envelope"] if webhook else 0.0
    of_feed = values["table-requests-per-change-in-feed"] if workload.feed else 0.0
    return {
        "ledger-rows-per-second": changes * values["entities-per-change-in-ledger"],
        "storage-requests-per-second": envelopes * (of_queue + values["table-requests-per-envelope"])
        + changes * of_feed,
        "table-rows-per-second": changes
        * (values["entities-per-change-in-ledger"] + workload.feed * values["entities-per-change-in-feed"]),
        "envelopes-per-second": envelopes,
        "bodies-per-second": bodies,
        "megabytes-per-second": changes * values["bytes-per-rich" if workload.rich else "bytes-per-basic"] / 1e6,
        "http-instances": http,
        "processor-instances": processing,
        "hub-instances": processing,
        "instances-megabytes": (http + processing) * size.memory_mb,
        "renewals-per-second": subscriptions(workload) / _lifetime_seconds(workload) / EARLIEST_RENEWAL,
        "teams-subscriptions": subscriptions(workload) if workload.source == "teams" else 0.0,
        "reads-per-second": 0.0 if workload.rich else changes,
        "log-rows-per-second": envelopes * values["log-lines-per-envelope"] + (bodies if webhook else 0.0) + envelopes,
        "log-gigabytes-per-day": _logged(workload, values),
        "live-clients": workload.changes_per_day / workload.changes_per_client,
    }


def subscriptions(workload: Workload) -> float:
    """Tell how many there are: one an entry, or one a mailbox."""
    if workload.source == "teams":
        return workload.entries
    return max(workload.entries, math.ceil(workload.changes_per_day / workload.changes_per_mailbox))


def busiest_second(workload: Workload) -> float:
    """Tell the changes of the busiest second."""
    return workload.as_load().per_second * PEAK


def instances(workload: Workload, values: Mapping[str, float]) -> tuple[int, int]:
    """Tell how many instances answer Graph and how many process in the busiest second."""
    reckoned = loads(workload, values)
    return int(reckoned["http-instances"]), int(reckoned["processor-instances"])


def _logged(workload: Workload, values: Mapping[str, float]) -> float:
    bodies = workload.changes_per_day / workload.per_body
    envelopes = bodies * envelopes_per_body(workload.as_load(), values)
    executions = 1 + bodies / envelopes if workload.delivery == "webhook" else bodies / envelopes
    return gigabytes_logged(envelopes, executions=executions, values=values)


def _lifetime_seconds(workload: Workload) -> float:
    return LIFETIME_MINUTES[workload.source, workload.rich] * 60.0


def _many(workload: Workload, times: str) -> float:
    return {
        "": 1,
        "entries": workload.entries,
        "most-instances": workload.size.most_instances,
        "hub-units": workload.size.most_hub_units,
        "hub-partitions": workload.size.hub_partitions,
        "signalr-units": workload.size.signalr_units,
        "log-quota": workload.size.log_quota_gb,
    }[times]


def _met_at(workload: Workload, load: str, allowed: float, values: Mapping[str, float]) -> float:
    """Find from how many changes a day on the load is above the limit: loads only grow with them."""

    def above(changes: float) -> bool:
        return loads(replace(workload, changes_per_day=changes), values)[load] > allowed

    low, high = 0.0, 1.0
    while not above(high):
        low, high = high, high * 2
        if high > MOST:
            return math.inf
    while high - low > max(1.0, low * 1e-4):
        middle = (low + high) / 2
        low, high = (low, middle) if above(middle) else (middle, high)
    return high
