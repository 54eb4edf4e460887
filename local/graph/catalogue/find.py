"""Finds what a subscription's resource means.

Both spellings of keys are understood, in any casing, with or without a slash in front: `/Teams('1')/channels('2')/Messages` is
`teams/1/channels/2/messages`. Not here: whether what is found may be asked for, see `subscribing.rules`.
"""

import re

from local.graph.catalogue.reading import CatalogueError, read_file
from local.graph.catalogue.row import Match, Row

CATALOGUE = read_file("resources.toml", "resource", Row)
"""Every kind of resource, in the order of the file."""

UNSUPPORTED = Row(
    key="unsupported",
    name="unsupported resource",
    type="",
    item="",
    paths=(),
    family="other",
    change_types=frozenset({"created", "updated", "deleted"}),
    silent=frozenset({"created", "updated", "deleted"}),
    max_minutes=4_230,
    source="https://learn.microsoft.com/en-us/graph/api/resources/subscription",
    as_of="2026-09",
)
"""What Graph has no notifications for. It has accepted subscriptions to such things all the same, and never told them anything:
microsoft-graph-docs issue 8454. For how long is not known; the lifetime is an old one of many resources."""

ME = "me"
"""Who stands in a path instead of a user, for callers who act for one."""

_KEY = re.compile(r"\('([^']*)'\)")
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")


def by_key(key: str) -> Row:
    """Return a row by its key. Raises KeyError."""
    return _BY_KEY[key]


def find(resource: str) -> Match | None:
    """Return what a subscription's resource means, or None if Graph knows nothing of that name.

    Words beat ids: `teams/getAllMessages` is no team. `me` is the user called `me`.
    """
    path, _, query = resource.partition("?")
    path = slashes(path)
    if path.lower().startswith(f"{ME}/"):
        path = f"users/{path}"
    for pattern, row, template in _BY_LENGTH.get(path.count("/"), ()):
        if fits := pattern.fullmatch(path):
            return Match(row=row, path=template, ids=fits.groupdict(), query=query)
    return None


def unsupported(resource: str) -> Match | None:
    """Return what a resource means that `find` does not know, None for what is no path at all."""
    path, _, query = resource.partition("?")
    first, *rest = slashes(path).lower().split("/")
    if not all((first, *rest)):
        return None
    whose = {"user": ME} if first == ME else {}
    return Match(row=UNSUPPORTED, path="/".join(["users/{user}" if whose else first, *rest]), ids=whose, query=query)


def slashes(path: str) -> str:
    """Turn keys in parentheses into segments: `teams('1')/channels('2')` means `teams/1/channels/2`."""
    return _KEY.sub(r"/\1", path).strip("/")


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(_PLACEHOLDER.sub(r"(?P<\1>[^/]+)", re.escape(template)), re.IGNORECASE)


def _index(rows: tuple[Row, ...]) -> dict[str, Row]:
    found = {row.key: row for row in rows}
    if len(found) != len(rows):
        raise CatalogueError("resources.toml: two rows have the same key")
    return found


def _by_length(rows: tuple[Row, ...]) -> dict[int, list[tuple[re.Pattern[str], Row, str]]]:
    """Return patterns by their number of slashes, those with the fewest ids first."""
    found: dict[int, list[tuple[re.Pattern[str], Row, str]]] = {}
    templates = [(row, path) for row in rows for path in row.paths]
    for row, template in sorted(templates, key=lambda entry: entry[1].count("{")):
        found.setdefault(template.count("/"), []).append((_pattern(template), row, template))
    return found


_BY_KEY = _index((*CATALOGUE, UNSUPPORTED))
_BY_LENGTH = _by_length(CATALOGUE)
