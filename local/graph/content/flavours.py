"""What each workload calls things when one reads from it: its 404, how many items a page may have, how its delta speaks.

Not here: the paths of single operations, see `routes`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.graph.faults import GraphFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One workload's manners. `{id}` in `missing` is what was asked for."""

    name: str
    code: str
    missing: str
    most: int
    latest: str = ""
    """The parameter whose value `latest` asks for a delta link at once; empty where there is none."""
    token: str = "$deltatoken"  # noqa: S105 - the name of a parameter
    removed: bool = True
    """Whether what is gone is told as `@removed`; otherwise as a `deleted` facet."""

    def not_found(self, called: str) -> GraphFault:
        """Return the 404 for what is not there, or no longer."""
        return GraphFault(404, self.code, self.missing.format(id=called))


# $top: https://learn.microsoft.com/en-us/graph/api/chat-list-messages (50), …/user-list-messages (1000), …/user-list (999)
OUTLOOK = Flavour(
    name="outlook",
    code="ErrorItemNotFound",
    missing="The specified object was not found in the store.",
    most=1000,
)
TEAMS = Flavour(name="teams", code="NotFound", missing="NotFound", most=50)
DIRECTORY = Flavour(
    name="directory",
    code="Request_ResourceNotFound",
    missing="Resource '{id}' does not exist or one of its queried reference-property objects are not present.",
    most=999,
    latest="$deltatoken",
)
FILES = Flavour(
    name="files",
    code="itemNotFound",
    missing="The resource could not be found.",
    most=5000,
    latest="token",
    token="token",  # noqa: S106 - the name of a parameter
    removed=False,
)
OTHER = Flavour(name="other", code="NotFound", missing="The resource was not found.", most=1000)

_BY_PATH: Mapping[str, Flavour] = {
    r"users/[^/]+/(messages|mailfolders|events|calendar|calendars|calendarview|contacts|contactfolders|todo)(/|$)": OUTLOOK,
    r"users/[^/]+/(chats|joinedteams|teamwork|onlinemeetings)(/|$)": TEAMS,
    r"(teams|chats)(/|$)": TEAMS,
    r"(users|groups|directory|applications)(/|$)": DIRECTORY,
    r"(drives|sites)(/|$)": FILES,
    r"(communications|solutions|appcatalogs|security|reports|copilot|print|admin|storage)(/|$)": OTHER,
}
_COMPILED = tuple((re.compile(pattern), flavour) for pattern, flavour in _BY_PATH.items())


def flavour_of(key: str) -> Flavour:
    """Return the workload of a canonical path. Raises 400 where Graph knows no such segment at all."""
    for pattern, flavour in _COMPILED:
        if pattern.match(key):
            return flavour
    raise unknown_segment(key.partition("/")[0])


def unknown_segment(segment: str) -> GraphFault:
    """Return the 400 for a path that Graph does not have.

    https://learn.microsoft.com/en-us/graph/errors
    """
    return GraphFault(400, "BadRequest", f"Resource not found for the segment '{segment}'.")
