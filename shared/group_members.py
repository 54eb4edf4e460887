"""Who is in the groups that the subscriptions file names: asked of Graph, and remembered while Graph does not answer.

Users only, also through groups within groups; devices, contacts and apps in a group have nothing to hear. A group is read
when its delta says that somebody came or went, and once a day because a delta does not speak of groups within groups.
https://learn.microsoft.com/graph/api/group-list-transitivemembers (2026-03)
https://learn.microsoft.com/graph/delta-query-groups (2026-03)
"""

import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from shared.errors import EarshotError, GraphProtocolError
from shared.graph.links import relative_path
from shared.ports import Clock, Graph
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_PAGE: Final = 999
_MOST_PAGES: Final = 1000
_READ_AGAIN: Final = timedelta(days=1)
_USER: Final = "#microsoft.graph.user"


class GroupMembers:
    """The users of groups. A group whose members could not be read completely keeps those it had."""

    def __init__(self, graph: Graph, now: Clock) -> None:
        self._graph = graph
        self._now = now
        self._known: dict[str, tuple[str, ...]] = {}
        self._read_at: dict[str, datetime] = {}
        self._links: dict[str, str] = {}

    async def read(self, groups: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """Read the members of each group; one of which nothing was ever read is left out.

        A group is named by its object id, behind its tenant and a slash where that is another than ours.
        """
        wanted = dict.fromkeys(groups)
        for group in wanted:
            try:
                watched = group in self._links
                if watched and await self._is_unchanged(group):
                    continue
                if not watched:
                    await self._begin_to_watch(group)  # before reading: what happens meanwhile is told next time
                self._known[group] = await self._read(group)
                self._read_at[group] = self._now()
            except EarshotError as problem:
                fields = {"group": group, "known": len(self._known.get(group, ())), "problem": str(problem)}
                log_line(_LOGGER, logging.WARNING, "a group's members could not be read: those known stay", fields)
        return {group: self._known[group] for group in wanted if group in self._known}

    async def _is_unchanged(self, group: str) -> bool:
        """Tell whether a group is as it was read. After a change it is read twice: what Graph lists may lag behind what it tells."""
        try:
            told = group not in self._known or await self._walk(group, self._links[group])
        except EarshotError:
            told = True
        if told or self._now() - self._read_at[group] >= _READ_AGAIN:
            del self._links[group]
            return False
        return True

    async def _begin_to_watch(self, group: str) -> None:
        """Ask for a delta link from now on; without one, the group is read every time."""
        with contextlib.suppress(EarshotError):
            group_id = group.rpartition("/")[2]
            await self._walk(group, f"/groups/delta?$filter=id%20eq%20'{group_id}'&$select=members&$deltatoken=latest")

    async def _walk(self, group: str, path: str) -> bool:
        """Follow a delta round to its end; whether it told of anything."""
        told = False
        for _ in range(_MOST_PAGES):
            answer = await self._graph.request("GET", path, tenant_id=group.rpartition("/")[0])
            told = told or bool(answer.get("value"))
            if answer.get("@odata.nextLink") is None:
                self._links[group] = relative_path(answer.get("@odata.deltaLink"))
                return told
            path = relative_path(answer["@odata.nextLink"])
        raise GraphProtocolError(f"the delta of group {group} has more than {_MOST_PAGES} pages")

    async def _read(self, group: str) -> tuple[str, ...]:
        # without a cast to users: it needs ConsistencyLevel: eventual, whose index lags behind
        tenant_id, _, group_id = group.rpartition("/")
        path = f"/groups/{group_id}/transitiveMembers?$select=id&$top={_PAGE}"
        users: dict[str, None] = {}
        for _ in range(_MOST_PAGES):
            answer = await self._graph.request("GET", path, tenant_id=tenant_id)
            users |= dict.fromkeys(_users(answer))
            following = answer.get("@odata.nextLink")
            if following is None:
                return tuple(users)
            path = relative_path(following)
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
