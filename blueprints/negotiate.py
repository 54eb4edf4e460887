"""The way into live updates: `POST /api/negotiate`, for people who show a token, which is ours to check."""

import azure.functions as func

from blueprints.answering import respond
from shared.negotiation import Negotiation


def build(negotiation: Negotiation) -> func.Blueprint:
    """Register the function ``negotiate``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("negotiate")
    @blueprint.route("negotiate", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
    async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
        """Hand out a connection, and say which feeds it will tell of."""
        return respond(await negotiation.negotiate(req.headers, req.get_body()))

    return blueprint
