"""Graph's way of saying no: one exception and the envelope that carries it. Which rule was broken is said where the rule is."""

from typing import Any


class GraphFault(Exception):  # noqa: N818 - Graph says "error" for the envelope; this is what goes into it
    """An answer other than the one asked for: status, code, and a message in Graph's words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def invalid(message: str) -> GraphFault:
    """Return the 400 that POST and PATCH answer for a property that breaks a rule."""
    return GraphFault(400, "InvalidRequest", message)


def validation_failed(message: str) -> GraphFault:
    """Return the 400 for a handshake that did not succeed."""
    return GraphFault(400, "ValidationError", message)


def not_found() -> GraphFault:
    """Return the 404 for a subscription or an item that is not (or no longer) there."""
    return GraphFault(404, "ResourceNotFound", "The object was not found.")


def write_envelope(fault: GraphFault, *, date: str, request_id: str, client_request_id: str) -> dict[str, Any]:
    """Print a fault in the envelope that every Graph error has.

    https://learn.microsoft.com/en-us/graph/errors
    """
    inner = {"date": date, "request-id": request_id, "client-request-id": client_request_id}
    return {"error": {"code": fault.code, "message": fault.message, "innerError": inner}}
