"""The two HTTP routes that Graph calls: `POST /api/notifications` and `POST /api/lifecycle`.

Both take handshakes, notifications and lifecycle events: Graph may be given one URL for both. What is accepted leaves
through output bindings, which the host writes before it answers; always as a list, because a single string that looks
like JSON is printed anew by the host.
"""

import asyncio
import typing

import azure.functions as func

from shared.graph.handshake import HANDSHAKE_HEADERS
from shared.reception import Reception

_STORAGE = "AzureWebJobsStorage"
_Messages = func.Out[typing.List[str]]


def build(reception: Reception) -> func.Blueprint:
    """Register the functions ``notifications`` and ``lifecycle``."""
    blueprint = func.Blueprint()

    async def answer(req: func.HttpRequest, kept: _Messages, work: _Messages) -> func.HttpResponse:
        token = req.params.get("validationToken")
        try:
            reply = await reception.receive(req.get_body()) if token is None else reception.shake_hands(token)
        except asyncio.CancelledError:  # the worker would never answer; as a failure Graph sends it again
            raise RuntimeError("cancelled") from None
        if reply.envelopes:
            kept.set(list(reply.envelopes))
        if reply.work:
            work.set(list(reply.work))
        headers = HANDSHAKE_HEADERS if reply.body else None
        return func.HttpResponse(reply.body, status_code=reply.status, headers=headers, mimetype="text/plain")

    @blueprint.function_name("notifications")
    @blueprint.route("notifications", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
    @blueprint.queue_output(arg_name="kept", queue_name="notifications", connection=_STORAGE)
    @blueprint.queue_output(arg_name="work", queue_name="subscription-work", connection=_STORAGE)
    async def notifications(
        req: func.HttpRequest, kept: func.Out[typing.List[str]], work: func.Out[typing.List[str]]
    ) -> func.HttpResponse:
        """Take a delivery of change notifications."""
        return await answer(req, kept, work)

    @blueprint.function_name("lifecycle")
    @blueprint.route("lifecycle", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
    @blueprint.queue_output(arg_name="kept", queue_name="notifications", connection=_STORAGE)
    @blueprint.queue_output(arg_name="work", queue_name="subscription-work", connection=_STORAGE)
    async def lifecycle(
        req: func.HttpRequest, kept: func.Out[typing.List[str]], work: func.Out[typing.List[str]]
    ) -> func.HttpResponse:
        """Take a delivery of lifecycle events."""
        return await answer(req, kept, work)

    return blueprint
