"""A request's query options, read once: what is asked for, as values.

https://learn.microsoft.com/en-us/graph/query-parameters Not here: which page of a list comes next, see `paging`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.graph.content.odata.comparing import follow, order
from local.graph.content.odata.filtering import Predicate, predicate
from local.graph.content.odata.searching import search
from local.graph.faults import GraphFault

ODATA = frozenset(
    {
        "count",
        "deltatoken",
        "expand",
        "filter",
        "format",
        "orderby",
        "search",
        "select",
        "skip",
        "skiptoken",
        "top",
    }
)
"""Options that Graph takes with or without a dollar sign, lower-cased."""

PARAMETERS = frozenset({"token", "startdatetime", "enddatetime"})
"""Parameters of functions: they have no dollar sign."""

_MAX_PAGE_SIZE = re.compile(r"odata\.maxpagesize\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Order:
    """One property to sort by."""

    path: tuple[str, ...]
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a request asks for. `texts` holds every option as it was written, by its name without the dollar, lower-cased."""

    texts: Mapping[str, str] = field(default_factory=dict)
    select: frozenset[str] = frozenset()
    keep: Predicate | None = None
    found: Predicate | None = None
    orders: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    expand: frozenset[str] = frozenset()

    def allows(self, content: Mapping[str, Any]) -> bool:
        """Say whether an item matches both filter and search."""
        return (self.keep is None or self.keep(content)) and (self.found is None or self.found(content))

    def selected(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties asked for, beside the id and OData's own, or everything."""
        if not self.select:
            return dict(content)
        return {
            name: value
            for name, value in content.items()
            if name == "id" or name.startswith("@") or name.lower() in self.select
        }

    def ordered(self, contents: Iterable[tuple[Mapping[str, Any], Any]]) -> list[Any]:
        """Return what comes with each item, in the order of the items that was asked for."""
        pairs = list(contents)
        for each in reversed(self.orders):
            pairs.sort(key=lambda pair, path=each.path: order(follow(pair[0], path)), reverse=each.descending)  # type: ignore[misc]
        return [what for _, what in pairs]


def read_query(options: Iterable[tuple[str, str]]) -> Query:
    """Read the options of a request, decoded. Raises 400 for one that is unknown, said twice, or makes no sense."""
    texts: dict[str, str] = {}
    for written, text in options:
        name = written.removeprefix("$").lower()
        if written.startswith("$") and name not in ODATA:
            raise _bad(f"The query parameter '{written}' is not supported.")
        if name not in ODATA | PARAMETERS:
            continue
        if name in texts:
            raise _bad(f"Query option '{written}' was specified more than once, but it must be specified at most once.")
        texts[name] = text
    return Query(
        texts=texts,
        select=_names(texts.get("select", "")),
        keep=predicate(texts["filter"]) if texts.get("filter") else None,
        found=search(texts["search"]) if texts.get("search") else None,
        orders=_orders(texts.get("orderby", "")),
        top=_number(texts["top"], "$top") if "top" in texts else None,
        skip=_number(texts.get("skip", "0"), "$skip"),
        count=_truth(texts.get("count", "false")),
        expand=_names(texts.get("expand", "")),
    )


def page_size(prefer: str) -> int | None:
    """Return what `Prefer: odata.maxpagesize=n` asks for, if it does."""
    found = _MAX_PAGE_SIZE.search(prefer)
    return int(found[1]) or None if found else None


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().partition("/")[0].lower() for name in text.split(",") if name.strip())


def _orders(text: str) -> tuple[Order, ...]:
    return tuple(_order(part) for part in text.split(",") if part.strip())


def _order(text: str) -> Order:
    path, *direction = text.split()
    if direction not in ([], ["asc"], ["desc"]) or not re.fullmatch(r"\w+(?:/\w+)*", path):
        raise _bad(f"Syntax error in the $orderby clause '{text.strip()}'.")
    return Order(tuple(path.split("/")), descending=direction == ["desc"])


def _number(text: str, option: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        needs = f"The {option} query option requires a non-negative integer value."
        raise _bad(f"Invalid value '{text}' for {option} query option found. {needs}")
    return int(text)


def _truth(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise _bad(f"Invalid value '{text}' for $count query option found. Valid values are 'true' and 'false'.")
    return text.lower() == "true"


def _bad(message: str) -> GraphFault:
    return GraphFault(400, "BadRequest", message)
