"""What a size costs for a load: fixed, by the notification, and what the next million costs. Pure: tables in, dollars out.

An instance is billed while it executes, for a second at least. Deliveries come by chance, so that of the seconds in a busy hour a share of
1 - exp(-rate x second) has one in it: alone at night each pays its second, in the rush they share it. Not reckoned: traffic out of the
region, what is kept in tables (a feed grows), deployments, and how often the platform looks at the queues of an app that sleeps.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from local.cost.tables import Figure, Price, Size

DAYS = 365 / 12
HOURS = DAYS * 24
SECONDS = HOURS * 3600
"""Of a month."""

# what the modules of bicep/ make besides; a test holds these against them
LOG_ALERTS = 5
PRIVATE_ENDPOINTS = 4
GATEWAY_UNITS = 1
"""Of capacity. None is kept while nobody comes; with requests all day long, one is what is used."""

TIMER_RUNS = HOURS * (60 / 5 + 60 / 15)
"""Of `renewal` and `sweep`, as local.settings.sample.json has them."""

_MILLION = 1_000_000
_BYTES_OF_A_GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is heard. Nobody publishes how many notifications Graph puts into a body: one is the dearest answer."""

    notifications_per_day: float
    per_body: float = 1.0
    rich: bool = True
    feed: bool = True
    delivery: Literal["webhook", "hub"] = "webhook"
    unwrapped: bool = False
    """Whether the vault opens each item (`keyvault-unwrap`), which it is asked for."""
    busy_hours: float = 10.0
    """In which a day's notifications come, evenly; the rest of the day is quiet."""

    @property
    def monthly(self) -> float:
        """Tell the notifications of a month."""
        return self.notifications_per_day * DAYS

    @property
    def per_second(self) -> float:
        """Tell the notifications in a second of the busy hours."""
        return self.notifications_per_day / (self.busy_hours * 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """So much of what one price is for, in a month."""

    price: str
    quantity: float
    fixed: bool
    """Whether it is paid for though nothing be heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one price comes to in a month, after what is free."""

    price: Price
    quantity: float
    dollars: float
    fixed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One size under one load."""

    size: Size
    options: frozenset[str]
    load: Load
    lines: Sequence[Line]
    next_million: float

    @property
    def fixed(self) -> float:
        """Sum what is paid though nothing be heard."""
        return sum(line.dollars for line in self.lines if line.fixed)

    @property
    def moving(self) -> float:
        """Sum what grows with what is heard."""
        return sum(line.dollars for line in self.lines if not line.fixed)

    @property
    def total(self) -> float:
        """Sum everything."""
        return self.fixed + self.moving

    @property
    def largest(self) -> Line:
        """Tell what dominates."""
        return max(self.lines, key=lambda line: line.dollars)


def reckon(
    size: Size,
    load: Load,
    prices: Mapping[str, Price],
    figures: Mapping[str, Figure],
    options: Iterable[str] = (),
) -> Bill:
    """Write the bill of a month; ``options`` are turned on beside those that the size has."""
    chosen = frozenset(options) | frozenset(size.options) | frozenset({"hub"} if load.delivery == "hub" else ())
    values = {key: figure.value for key, figure in figures.items()}
    lines = _lines([*standing(size, chosen, values), *heard(size, load, values)], prices)
    more = replace(load, notifications_per_day=load.notifications_per_day + _MILLION / DAYS)
    dearer = _lines([*standing(size, chosen, values), *heard(size, more, values)], prices)
    next_million = sum(line.dollars for line in dearer) - sum(line.dollars for line in lines)
    return Bill(size=size, options=chosen, load=load, lines=lines, next_million=next_million)


def _lines(everything: Iterable[Used], prices: Mapping[str, Price]) -> list[Line]:
    """Price what is used; what is free goes to what is paid for anyway first."""
    lines: list[Line] = []
    given: dict[str, float] = {key: price.free for key, price in prices.items()}
    for used in everything:
        if not used.quantity:
            continue
        free = min(given[used.price], used.quantity)
        given[used.price] -= free
        price = prices[used.price]
        lines.append(
            Line(price=price, quantity=used.quantity, dollars=price.of(used.quantity - free), fixed=used.fixed)
        )
    return lines


def standing(size: Size, options: frozenset[str], values: Mapping[str, float]) -> list[Used]:
    """List what a size uses in a month in which nothing is heard."""
    ready = size.ready_http + size.ready_processor + (size.ready_hub if "hub" in options else 0)
    quantities = {
        "ready-time": ready * size.gigabytes * SECONDS,
        "flex-time": TIMER_RUNS * values["least-active-seconds"] * size.gigabytes,
        "flex-executions": TIMER_RUNS,
        "queue-requests": size.ready_processor * values["polls-per-second"] * SECONDS,
        "logs": gigabytes_logged(TIMER_RUNS, executions=1, values=values),
        "log-alerts": LOG_ALERTS,
        "blob-writes": size.hub_partitions * values["ownership-writes-per-second"] * SECONDS
        if "hub" in options and size.ready_hub
        else 0,
        "hub-units": size.hub_units * HOURS if "hub" in options else 0,
        "signalr-units": size.signalr_units if "signalr" in options else 0,
        "gateway-hours": HOURS if "gateway" in options else 0,
        "gateway-capacity": GATEWAY_UNITS * HOURS if "gateway" in options else 0,
        "private-endpoints": PRIVATE_ENDPOINTS * HOURS if "network" in options else 0,
        "private-zones": PRIVATE_ENDPOINTS if "network" in options else 0,
    }
    return [Used(price=key, quantity=quantity, fixed=True) for key, quantity in quantities.items()]


def heard(size: Size, load: Load, values: Mapping[str, float]) -> list[Used]:
    """List what a month's notifications use. Of a hub each body is taken as a batch of its own, the dearest way again."""
    bodies = load.monthly / load.per_body
    envelopes = bodies * envelopes_per_body(load, values)
    if not envelopes:
        return []
    quantities = {"table-requests": _table_requests(load, envelopes, values)}
    if load.delivery == "hub":
        groups = {"hub": (bodies, size.ready_hub)}
        quantities["blob-writes"] = bodies
        quantities["hub-events"] = bodies * math.ceil(_body_bytes(load, values) / 65536)
    else:
        groups = {"http": (bodies, size.ready_http), "processor": (envelopes, size.ready_processor)}
        quantities["queue-requests"] = envelopes * values["queue-requests-per-envelope"]
    if load.rich and load.unwrapped:
        quantities["vault-requests"] = load.monthly
    executions = sum(count for count, _ in groups.values())
    logged = gigabytes_logged(envelopes, executions=executions / envelopes, values=values)
    quantities["logs"] = min(logged, size.log_quota_gb * DAYS) if size.log_quota_gb else logged
    used = [Used(price=key, quantity=quantity, fixed=False) for key, quantity in quantities.items()]
    for group, (count, ready) in groups.items():
        used += _executed(size, load, group, executions=count, ready=ready, values=values)
    return _merged(used)


def _executed(
    size: Size, load: Load, group: str, *, executions: float, ready: int, values: Mapping[str, float]
) -> list[Used]:
    """List what a group's executions use: on instances that are always ready first, on others beyond those."""
    count, active = _instances(size, load, group, executions, values)
    share = min(ready / count, 1.0)
    quantities = {
        "ready-active-time": active * share * size.gigabytes,
        "ready-executions": executions * share,
        "flex-time": active * (1 - share) * size.gigabytes,
        "flex-executions": executions * (1 - share),
    }
    return [Used(price=key, quantity=quantity, fixed=False) for key, quantity in quantities.items()]


def cpu_ms(load: Load, group: str, values: Mapping[str, float]) -> float:
    """Tell the CPU time of one execution of a group: a delivery acknowledged, or an envelope brought to its end."""
    host = values["cpu-ms-of-host-per-execution"]
    if group == "http":  # measured together with the processing, and charged there
        return host
    items = load.per_body / (1 if group == "hub" else envelopes_per_body(load, values))
    each = values["cpu-ms-per-basic"] + load.rich * values["cpu-ms-per-rich"]
    if load.feed:
        each += values["cpu-ms-per-change-in-feed"]
    return host + values["cpu-ms-per-envelope"] + items * each


def envelopes_per_body(load: Load, values: Mapping[str, float]) -> int:
    """Tell into how many messages of the queue a body is packed."""
    return max(1, math.ceil(_body_bytes(load, values) / values["envelope-bytes"]))


def instances_wanted(size: Size, per_second: float, milliseconds: float, values: Mapping[str, float]) -> int:
    """Tell how many instances so many executions a second keep as busy as they should be."""
    return max(1, math.ceil(per_second * milliseconds / 1000 / size.cores / values["busy-share"]))


def gigabytes_logged(times: float, *, executions: float, values: Mapping[str, float]) -> float:
    """Tell what so many envelopes, with so many executions each, leave in the log: host.json lets sampling take nothing of it."""
    traces = values["log-bytes-per-envelope"] + values["log-lines-per-envelope"] * values["row-bytes"]
    return times * (traces + executions * values["request-bytes"]) / _BYTES_OF_A_GB


def _instances(size: Size, load: Load, group: str, executions: float, values: Mapping[str, float]) -> tuple[int, float]:
    """Tell how many instances of a group the busy hours want, and for how many seconds of a month they execute together."""
    busy = load.busy_hours * 3600 * DAYS
    rate = executions / busy
    milliseconds = cpu_ms(load, group, values)
    count = instances_wanted(size, rate, milliseconds, values)
    each = rate / count
    working = each * milliseconds / 1000 / size.cores
    return count, count * busy * max(1 - math.exp(-each * values["least-active-seconds"]), working)


def _table_requests(load: Load, envelopes: float, values: Mapping[str, float]) -> float:
    feed = load.monthly * values["table-requests-per-change-in-feed"] if load.feed else 0.0
    return envelopes * values["table-requests-per-envelope"] + feed


def _body_bytes(load: Load, values: Mapping[str, float]) -> float:
    return load.per_body * values["bytes-per-rich" if load.rich else "bytes-per-basic"]


def _merged(used: Sequence[Used]) -> list[Used]:
    sums: dict[str, float] = {}
    for each in used:
        sums[each.price] = sums.get(each.price, 0.0) + each.quantity
    return [Used(price=key, quantity=quantity, fixed=False) for key, quantity in sums.items()]
