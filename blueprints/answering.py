"""An answer of ours as the worker wants it."""

import azure.functions as func

from shared.answers import Answer


def respond(answer: Answer) -> func.HttpResponse:
    """Translate an answer."""
    headers = dict(answer.headers) or None
    return func.HttpResponse(answer.body, status_code=answer.status, headers=headers, mimetype=answer.mimetype)
