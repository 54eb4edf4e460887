"""Reading messages: what a basic notification's receiver asks for next. Current state, and 404 for what is gone.

Not here: lists, searches and delta.
"""

from aiohttp import web

from local.graph.faults import not_found
from local.graph.identity.callers import Callers
from local.graph.tenant.messages import write_content
from local.graph.tenant.world import World


class ContentRoutes:
    """Every path below `/v1.0` that is not a subscription, in both of Graph's spellings."""

    def __init__(self, world: World, callers: Callers) -> None:
        self._world = world
        self._callers = callers

    def routes(self) -> list[web.RouteDef]:
        """Return the one endpoint; it must be registered last."""
        return [web.get("/v1.0/{path:.+}", self.get)]

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one message; a Teams message that was deleted is still there and says so, mail is not."""
        caller = self._callers.identify(request)
        item = self._world.find(request.match_info["path"])
        if item is None or (item.deleted and item.place.workload == "mail"):
            raise not_found()
        names = request.query.get("$select", "")
        selected = frozenset(name.strip().lower() for name in names.split(",") if name.strip())
        return web.json_response(write_content(item, tenant_id=caller.tenant_id, selected=selected))
