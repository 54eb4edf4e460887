"""What people's programs may call, described for them: `GET /api/openapi.json`, for anybody."""

import azure.functions as func

from blueprints.answering import respond
from shared.answers import Answer


def build(description: Answer) -> func.Blueprint:
    """Register the function ``openapi``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("openapi")
    @blueprint.route("openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def openapi(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker insists on the parameter
        """Describe the API."""
        return respond(description)

    return blueprint
