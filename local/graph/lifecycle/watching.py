"""The keeper hears of a new subscription as Graph's answer leaves: a middleware. Not here: watching over it, see `keeper`."""

import json

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from local.graph.gateway.calls import read_target
from local.graph.lifecycle.keeper import Keeper

CREATED = 201


def watch_created(keeper: Keeper) -> Middleware:
    """Return the middleware that looks at what answers POST /subscriptions."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if response.status == CREATED and read_target(request.method, request.path).family == "subscription-writes":
            assert isinstance(response, web.Response)  # noqa: S101 - a subscription is never streamed
            subscription_id = json.loads(response.text or "")["id"]
            subscription = keeper.subscriptions.find(subscription_id, now=keeper.clock.now())
            if subscription:
                keeper.watch(subscription)
        return response

    return watch
