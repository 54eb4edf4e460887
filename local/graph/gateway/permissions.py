"""403 for apps whose permission an administrator has revoked: they cannot create or renew subscriptions, nor reauthorize them.

Not here: who is revoked and what becomes of their subscriptions, see `lifecycle`. Any other permission is taken as given.
"""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from local.graph.gateway.calls import read_origin, read_target
from local.graph.gateway.versions import is_graph

RENEWING = frozenset({"POST", "PATCH", "PUT"})
FAMILIES = frozenset({"subscription-writes", "reauthorize"})


def refuse_revoked(check: Callable[[str], None]) -> Middleware:
    """Return the middleware; `check` is given an app's id and raises what the call is answered."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method in RENEWING and is_graph(request.path):
            origin = read_origin(request.headers.get("Authorization", ""))
            if origin and read_target(request.method, request.path).family in FAMILIES:
                check(origin.app_id)
        return await handler(request)

    return refuse
