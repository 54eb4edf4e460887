"""One's own mailbox at Graph: requests as the person, and which of their folders has which role."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from shared.errors import GraphApiError
from shared.mail_requests import ROLES, Ask, ask_role
from shared.ports import Graph

_AT_ONCE: Final = 3
"""Graph takes four requests at a time for one mailbox from one app (https://learn.microsoft.com/graph/throttling-limits, 2026-09)."""
_MOST_REMEMBERED: Final = 2_000
_NOT_FOUND: Final = 404


class OwnMailbox:
    """Asks Graph as the person. A folder keeps its id for life, so that roles are asked for once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._roles: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    async def ask(self, user_id: str, ask: Ask) -> Mapping[str, Any]:
        """Make one request. Raises GraphApiError."""
        return await self._graph.request(
            ask.method, ask.path, body=ask.body, headers=ask.headers, actor=f"user:{user_id}"
        )

    async def roles(self, user_id: str) -> Mapping[str, str]:
        """Give the roles of folders, by the folder's id. Raises GraphApiError."""
        if user_id in self._roles:
            self._roles.move_to_end(user_id)
            return self._roles[user_id]
        turns = asyncio.Semaphore(_AT_ONCE)
        found = await asyncio.gather(*(self._folder_of(user_id, role, turns) for role in ROLES))
        self._roles[user_id] = {folder: role for folder, role in zip(found, ROLES, strict=True) if folder}
        if len(self._roles) > _MOST_REMEMBERED:
            self._roles.popitem(last=False)
        return self._roles[user_id]

    async def _folder_of(self, user_id: str, role: str, turns: asyncio.Semaphore) -> str:
        """Give the id of the folder with a role; empty if the mailbox has none."""
        async with turns:
            try:
                folder = await self.ask(user_id, ask_role(role))
            except GraphApiError as refusal:
                if refusal.status != _NOT_FOUND:
                    raise
                return ""
        return str(folder.get("id") or "")
