"""The terms of one subscription held against the catalogue, so that what can never work is said before Graph is asked.

Graph answers 201 to some of these and then stays silent for ever; its own refusals seldom say which property is to blame.
Not here: reading the terms from a file (`shared.declaration`).
https://learn.microsoft.com/graph/outlook-change-notifications-overview (2026-03) has the rules of Outlook's query.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import unquote_plus

from shared.errors import GraphProtocolError
from shared.graph.catalogue import CatalogueEntry, Kind, find
from shared.graph.resource import read_resource

Problem = tuple[str, str]
"""The property that is to blame, as Graph calls it, and a sentence."""

_NOT_IN_RICH: Final = ("$top", "$skip", "$orderby", "$search", "$count")
_NOT_SELECTED: Final = frozenset({"body", "uniqueBody"})
_EXTENDED: Final = re.compile(r"(?:single|multi)ValueExtendedProperties(?:\(|$)", re.IGNORECASE)
_FUNCTION: Final = re.compile(r"\(\w+=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a subscription asks of Graph. ``immutable_ids`` and ``lifetime`` are None where nothing is said of them."""

    resource: str
    change_types: tuple[str, ...]
    include_resource_data: bool = False
    lifetime: timedelta | None = None
    notification_query_options: str = ""
    immutable_ids: bool | None = None


def problems_with(terms: Terms, *, unchecked: bool = False) -> Iterator[Problem]:
    """Say everything that can never work; ``unchecked`` leaves all but the form of the path to Graph."""
    problem = problem_with_path(terms.resource)
    if problem or unchecked:
        yield from [("resource", problem)] if problem else []
        return
    entry = find(terms.resource)
    if entry is None:
        yield (
            "resource",
            (
                "Graph has no notifications for it that we know of, and what it does not know it may accept and never "
                'send: if you are sure, say "unchecked": true'
            ),
        )
        return
    yield from _problems_with_changes(terms, entry)
    yield from _problems_with_data(terms, entry)
    yield from _problems_with_lifetime(terms, entry)
    yield from _problems_with_options(terms, entry)


def problem_with_path(resource: str) -> str:
    """Say what is wrong with a resource's path as such; empty if nothing is."""
    path = resource.partition("?")[0]
    if _FUNCTION.search(path):
        return (
            "a path with a function's parameters cannot be heard in this version: no page shows how its items are named"
        )
    try:
        if read_resource(path).segments[0].lower() == "me":
            return "/me is whoever signed in, and this version signs in as the app: say users/<id>"
    except GraphProtocolError as problem:
        return str(problem)
    return ""


def _problems_with_changes(terms: Terms, entry: CatalogueEntry) -> Iterator[Problem]:
    known = " or ".join(sorted(entry.kind.change_types))
    for change_type in terms.change_types:
        if change_type not in entry.kind.change_types:
            yield "changeType", f"{entry.name} never has changes of type {change_type}, only {known}"


def _problems_with_data(terms: Terms, entry: CatalogueEntry) -> Iterator[Problem]:
    query = dict(_read_query(terms.resource))
    kind = entry.kind
    if terms.include_resource_data and kind.longest_rich is None:
        yield (
            "includeResourceData",
            f"{entry.name} has no notifications with resource data: leave includeResourceData out",
        )
    if "$select" in query and not kind.takes_select:
        yield "resource", f"{entry.name} takes no $select"
    if terms.include_resource_data and kind.needs_select:
        yield from (("resource", sentence) for sentence in _problems_with_rich_query(query, entry))


def _problems_with_rich_query(query: dict[str, str], entry: CatalogueEntry) -> Iterator[str]:
    selected = [name.strip() for name in query.get("$select", "").split(",") if name.strip()]
    if not selected:
        yield f"{entry.name} with resource data needs $select=<properties> in its resource"
    for name in selected:
        if name in _NOT_SELECTED:
            yield f"{entry.name} with resource data does not take {name} in $select: fetch it instead"
    for option in _NOT_IN_RICH:
        if option in query:
            yield f"{entry.name} with resource data takes no {option}"
    if "$expand" in query and not _EXTENDED.match(query["$expand"]):
        yield f"{entry.name} with resource data takes $expand for extended properties only"


def _problems_with_lifetime(terms: Terms, entry: CatalogueEntry) -> Iterator[Problem]:
    longest = _longest(entry.kind, rich=terms.include_resource_data)
    if terms.lifetime is not None and terms.lifetime > longest:
        with_data = " with resource data" if terms.include_resource_data else ""
        yield (
            "lifetimeMinutes",
            f"{entry.name}{with_data} lives {longest // timedelta(minutes=1)} minutes at most; leave it out for the longest",
        )


def _problems_with_options(terms: Terms, entry: CatalogueEntry) -> Iterator[Problem]:
    if terms.notification_query_options and not entry.kind.query_options:
        yield "notificationQueryOptions", f"{entry.name} has none: a $filter belongs into its resource"
    if terms.immutable_ids and not entry.kind.immutable_ids:
        yield "immutableIds", f"{entry.name} has no immutable ids: they are Outlook's"


def _longest(kind: Kind, *, rich: bool) -> timedelta:
    return (kind.longest_rich if rich else None) or kind.longest


def _read_query(resource: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, resource.partition("?")[2].split("&")):
        name, _, value = part.partition("=")
        yield unquote_plus(name).strip().lower(), unquote_plus(value)
