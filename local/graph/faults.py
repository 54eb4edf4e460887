"""Graph's way of saying no: one exception and the envelope that carries it. Which rule was broken is said where the rule is."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class GraphFault(Exception):  # noqa: N818 - Graph says "error" for the envelope; this is what goes into it
    """An answer other than the one asked for: status, code, a message in Graph's words, and headers such as `Retry-After`."""

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] = NO_HEADERS) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def invalid(message: str) -> GraphFault:
    """Return the 400 that POST and PATCH answer for a property that breaks a rule."""
    return GraphFault(400, "InvalidRequest", message)


def bad_request(message: str) -> GraphFault:
    """Return the 400 that Graph's own gateway answers for a request that it cannot even hand on."""
    return GraphFault(400, "BadRequest", message)


def validation_failed(message: str) -> GraphFault:
    """Return the 400 for a handshake that did not succeed."""
    return GraphFault(400, "ValidationError", message)


def denied() -> GraphFault:
    """Return the 403 for an app that lacks a permission.

    https://learn.microsoft.com/en-us/graph/resolve-auth-errors
    """
    return GraphFault(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def not_found() -> GraphFault:
    """Return the 404 for a subscription or an item that is not (or no longer) there."""
    return GraphFault(404, "ResourceNotFound", "The object was not found.")


def throttled(seconds: int) -> GraphFault:
    """Return the 429 for calls that come too fast; the seconds are whole ones of the caller's clock.

    https://learn.microsoft.com/en-us/graph/throttling
    """
    headers = {"Retry-After": str(seconds)}
    return GraphFault(429, "TooManyRequests", "Please retry again later.", headers=headers)


def unavailable(seconds: int) -> GraphFault:
    """Return the 503 of a service that is busy, with when to come again."""
    headers = {"Retry-After": str(seconds)}
    return GraphFault(503, "ServiceUnavailable", "The service is temporarily unavailable.", headers=headers)


def write_envelope(fault: GraphFault, *, date: str, request_id: str, client_request_id: str) -> dict[str, Any]:
    """Print a fault in the envelope that every Graph error has.

    https://learn.microsoft.com/en-us/graph/errors
    """
    inner = {"date": date, "request-id": request_id, "client-request-id": client_request_id}
    return {"error": {"code": fault.code, "message": fault.message, "innerError": inner}}
