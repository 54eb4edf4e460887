"""Who is in the groups that the subscriptions file names: asked of Graph, and remembered while Graph does not answer.

Users only, also through groups within groups; devices, contacts and apps in a group have nothing to hear.
https://learn.microsoft.com/graph/api/group-list-transitivemembers (2026-03)
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from shared.errors import EarshotError, GraphProtocolError
from shared.ports import Graph
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_PAGE: Final = 999
_MOST_PAGES: Final = 1000
_USER: Final = "#microsoft.graph.user"


class GroupMembers:
    """The users of groups. A group whose members could not be read completely keeps those it had."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[str, tuple[str, ...]] = {}

    async def read(self, groups: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """Read the members of each group, by object id; a group of which nothing was ever read is left out."""
        wanted = dict.fromkeys(groups)
        for group in wanted:
            try:
                self._known[group] = await self._read(group)
            except EarshotError as problem:
                fields = {"group": group, "known": len(self._known.get(group, ())), "problem": str(problem)}
                log_line(_LOGGER, logging.WARNING, "a group's members could not be read: those known stay", fields)
        return {group: self._known[group] for group in wanted if group in self._known}

    async def _read(self, group: str) -> tuple[str, ...]:
        # without a cast to users: it needs ConsistencyLevel: eventual, whose index lags behind
        path = f"/groups/{group}/transitiveMembers?$select=id&$top={_PAGE}"
        users: dict[str, None] = {}
        for _ in range(_MOST_PAGES):
            answer = await self._graph.request("GET", path)
            users |= dict.fromkeys(_users(answer))
            following = answer.get("@odata.nextLink")
            if following is None:
                return tuple(users)
            path = _relative(following)
        raise GraphProtocolError(f"group {group} has more than {_MOST_PAGES} pages of members")


def _users(answer: Mapping[str, Any]) -> Iterable[str]:
    members = answer.get("value")
    if not isinstance(members, list):
        raise GraphProtocolError("a page of a group's members has no value")
    for member in members:
        if isinstance(member, dict) and str(member.get("@odata.type")).lower() == _USER:
            if not isinstance(member.get("id"), str) or not member["id"]:
                raise GraphProtocolError("a member of a group has no id")
            yield member["id"]


def _relative(link: object) -> str:
    """Take a link's path: whatever host it names, only Graph is asked, and only there goes our token."""
    _, version, path = str(link).partition("/v1.0/")
    if not version or not path:
        raise GraphProtocolError("the link to the next page of a group's members is none")
    return f"/{path}"
