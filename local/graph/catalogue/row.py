"""One row of the catalogue: a kind of resource, where it can be subscribed to, and what Graph allows there.

Not here: the rows themselves, see `resources.toml`; checking a request against one, see `subscribing.rules`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Family = Literal["teams", "outlook", "directory", "files", "other"]
Spelling = Literal["milliseconds", "etag", "ticks", "none"]
"""How an item's version is told: Teams' milliseconds, Exchange's etag, Entra's sequence number, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A kind of resource. Minutes are the longest lifetimes; rich minutes of None: not enabled for resource data.

    `paths` are what can be subscribed to and `item` is how a notification names what has changed, both with ids as `{name}`.
    `silent` holds change types that are accepted although nothing ever comes of them.
    """

    key: str
    name: str
    type: str
    item: str
    paths: tuple[str, ...]
    family: Family
    change_types: frozenset[str]
    silent: frozenset[str] = frozenset()
    max_minutes: int
    max_rich_minutes: int | None = None
    only_rich: bool = False
    version: Spelling = "none"
    has_versions: bool = False
    """Whether who asked for what is new hears of its later versions too, as updated."""
    nameless: bool = False
    """Whether a notification tells only that something below has changed, without naming it."""
    lifecycle: frozenset[str] = frozenset({"reauthorizationRequired"})
    delta: str | None = None
    permissions: tuple[str, ...] = ()
    delegated_only: bool = False
    latency_seconds: tuple[float, float] | None = None
    source: str
    as_of: str

    def heard(self, asked: frozenset[str]) -> frozenset[str]:
        """Return the change types of notifications that a subscription gets for those that it asked for."""
        told = asked - self.silent
        return told | {"updated"} if self.has_versions and "created" in told else told

    def printed(self) -> dict[str, Any]:
        """Return the row for the control API, under the names that its file has."""
        row = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in row.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A subscription's resource, understood: its row, which of the row's paths, the ids in it, and its query."""

    row: Row
    path: str
    ids: Mapping[str, str]
    query: str = field(default="")
