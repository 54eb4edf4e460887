"""What an operator may order or ask, with a function key: `POST /api/manage/catch-up`, `GET /api/manage/event-hub`."""

import json

import azure.functions as func

from shared.hub_check import HubCheck
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


def build_event_hub(check: HubCheck) -> func.Blueprint:
    """Register the function ``manage_event_hub``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("manage_event_hub")
    @blueprint.route("manage/event-hub", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def event_hub(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker insists on the parameter
        """Look at everything that pull mode depends on, and say what is wrong with it and what to do."""
        code, answer = await check.answer()
        return func.HttpResponse(json.dumps(answer), status_code=code, mimetype="application/json")

    return blueprint
