"""The three tables that a reckoning starts from: prices, figures of ours, sizes of a deployment. Data with date and source."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar

from local.graph.catalogue.reading import read_text

Sure = Literal["published", "quoted", "recalled"]
ASSUMED = "assumed"
"""Stands in `by` where nothing of ours can measure a figure."""

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What ``lot`` of something cost in US dollars; ``free`` of them cost nothing in a month."""

    key: str
    what: str
    per: str
    lot: float
    amount: float
    sure: Sure
    source: str
    as_of: str
    free: float = 0.0

    def of(self, quantity: float) -> float:
        """Reckon what so many cost, nothing given away."""
        return quantity / self.lot * self.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number that the model needs, and who says so."""

    key: str
    value: float
    unit: str
    by: str
    as_of: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A row of `bicep/sizes.bicep`, and the options that its parameter file turns on, as far as they cost anything or limit it."""

    key: str
    words: str
    memory_mb: int
    most_instances: int
    ready_http: int
    ready_processor: int
    ready_hub: int
    hub_units: int
    most_hub_units: int
    hub_partitions: int
    signalr_units: int
    log_quota_gb: int
    options: tuple[str, ...]

    @property
    def gigabytes(self) -> float:
        """Tell the memory of an instance as it is billed."""
        return self.memory_mb / 1024

    @property
    def cores(self) -> float:
        """Tell what share of a core, or how many, come with that memory."""
        return CORES[self.memory_mb]


OPTIONS: Mapping[str, str] = {
    "hub": "pull mode: an Event Hubs namespace, and instances that read it always ready",
    "signalr": "live clients over SignalR",
    "gateway": "an Application Gateway with a firewall before the app",
    "network": "a virtual network with private endpoints",
}
"""What may be turned on besides, by the words of this command; the parameters are in docs/deploy.md."""

CORES: Mapping[int, float] = {512: 0.25, 2048: 1.0, 4096: 2.0}
"""https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#instance-sizes"""


@cache
def prices() -> Mapping[str, Price]:
    """Read the prices by key."""
    return {each.key: each for each in _read("prices.toml", "price", Price)}


@cache
def figures() -> Mapping[str, Figure]:
    """Read our figures by key."""
    return {each.key: each for each in _read("measured.toml", "figure", Figure)}


@cache
def sizes() -> Mapping[str, Size]:
    """Read the sizes by key, the smallest first."""
    return {each.key: each for each in _read("sizes.toml", "size", Size)}


def _read(name: str, table: str, make: type[_Entry]) -> tuple[_Entry, ...]:
    return read_text(files("local.cost").joinpath(name).read_text("utf-8"), table, make, called=name)
