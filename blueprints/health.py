"""Whether the app is well: `GET /api/health` for anybody, `GET /api/status` for those who hold a function key."""

import azure.functions as func

from shared.status import Status


def build(status: Status) -> func.Blueprint:
    """Register the functions ``health`` and ``status``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("health")
    @blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker insists on the parameter
        """Say which parts run, and which settings are wrong by name; nothing secret, nothing slow."""
        code, body = status.health()
        return func.HttpResponse(body, status_code=code, mimetype="application/json")

    @blueprint.function_name("status")
    @blueprint.route("status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def full_status(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - as above
        """Say which parts run, why others do not, and how every subscription is."""
        code, body = await status.full()
        return func.HttpResponse(body, status_code=code, mimetype="application/json")

    return blueprint
