"""Whether the app is well: `GET /api/health` for anybody, `GET /api/status` for those who hold a function key.

Asking for health also warms the process that answers Graph: it fetches the authority's signing keys if there are none.
"""

import asyncio
import typing

import azure.functions as func

from shared.status import Status


def build(status: Status, *, warm: typing.Callable[[], typing.Awaitable[None]]) -> func.Blueprint:
    """Register the functions ``health`` and ``status``."""
    blueprint = func.Blueprint()
    warming: set[asyncio.Future[None]] = set()  # the loop keeps no strong reference to what it runs

    @blueprint.function_name("health")
    @blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker insists on the parameter
        """Say which parts run, and which settings are wrong by name; nothing secret, nothing slow."""
        if not warming:
            warming.add(asyncio.ensure_future(warm()))
        code, body = status.health()
        return func.HttpResponse(body, status_code=code, mimetype="application/json")

    @blueprint.function_name("status")
    @blueprint.route("status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def full_status(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - as above
        """Say which parts run, why others do not, and how every subscription is."""
        code, body = await status.full()
        return func.HttpResponse(body, status_code=code, mimetype="application/json")

    return blueprint
