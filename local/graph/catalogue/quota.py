"""How many subscriptions Graph allows, and of what one is counted.

Not here: counting, see `subscribing.counting`; the numbers, see `quotas.toml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from local.graph.catalogue.find import CATALOGUE, by_key
from local.graph.catalogue.reading import CatalogueError, read_file
from local.graph.catalogue.row import Match

BY_CALLER = frozenset({"app", "tenant", "creator"})
BY_PLACE = frozenset({"kind", "path"})
DEFAULT_WORDS = "{whose} has reached its limit of '{limit}' '{kind}' subscription on {what}."
"""As in the refusals that users saw: App '…' has reached its limit of '1' '…' subscription on tenant '…'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One limit: at most so many subscriptions to these rows (or to these paths of theirs) for each combination of `per`."""

    key: str
    rows: tuple[str, ...]
    paths: tuple[str, ...] = ()
    per: tuple[str, ...]
    limit: int
    status: int = 403
    code: str = "Forbidden"
    says: str = DEFAULT_WORDS
    source: str
    as_of: str

    def counts_at(self, path: str) -> bool:
        """Return whether subscriptions to a path of one of the rows are counted."""
        ids = [name for name in self.per if name not in BY_CALLER | BY_PLACE]
        return path in self.paths if self.paths else all(f"{{{name}}}" in path for name in ids)

    def count_of(self, match: Match, ids: Mapping[str, str], caller: Mapping[str, str]) -> tuple[str, ...] | None:
        """Return what one subscription is counted under, None if an app that acts for nobody is not counted."""
        given = {**ids, **caller, "kind": match.row.key, "path": match.path}
        if any(name not in given for name in self.per):
            return None
        return self.key, *(given[name] for name in self.per)

    def message(self, match: Match, counted: tuple[str, ...]) -> str:
        """Return what the refusal says; it names the limit and what it is counted by."""
        named = dict(zip(self.per, counted[1:], strict=True))
        app = named.pop("app", None)
        what = " and ".join(f"{name} '{value}'" for name, value in named.items() if name not in BY_PLACE)
        whose = f"App '{app}'" if app else "Everybody together"
        kind = match.row.name.upper()
        return self.says.format(whose=whose, limit=self.limit, kind=kind, what=what or "all tenants")


def quotas_at(match: Match) -> tuple[Quota, ...]:
    """Return the quotas that a subscription to a place is counted in."""
    return _AT.get((match.row.key, match.path), ())


def _checked(quotas: tuple[Quota, ...]) -> tuple[Quota, ...]:
    for quota in quotas:
        strange = set(quota.rows) - {row.key for row in CATALOGUE}
        paths = set(chain.from_iterable(by_key(key).paths for key in quota.rows if key not in strange))
        if strange or not set(quota.paths) <= paths or not any(quota.counts_at(path) for path in paths):
            raise CatalogueError(f"quotas.toml, quota {quota.key}: unknown row, unknown path or nothing to count")
    return quotas


QUOTAS = _checked(read_file("quotas.toml", "quota", Quota))
"""Every quota that Graph states."""

_AT = {
    (row.key, path): tuple(quota for quota in QUOTAS if row.key in quota.rows and quota.counts_at(path))
    for row in CATALOGUE
    for path in row.paths
}
