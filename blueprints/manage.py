"""What an operator may order: `POST /api/manage/catch-up`, with a function key."""

import json

import azure.functions as func

from shared.subscriptions import Subscriptions


def build(subscriptions: Subscriptions) -> func.Blueprint:
    """Register the function ``manage_catch_up``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("manage_catch_up")
    @blueprint.route("manage/catch-up", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
    async def catch_up(req: func.HttpRequest) -> func.HttpResponse:
        """Have what ``name`` may have missed looked for, ``since`` a time or since it was last looked."""
        code, answer = await subscriptions.answer_catch_up(req.params)
        return func.HttpResponse(json.dumps(answer), status_code=code, mimetype="application/json")

    return blueprint
