"""Whatever goes wrong, in Graph's envelope: one middleware around every handler, and the ids that Graph puts on its answers.

Not here: the faults that a rule raises, see `faults`; limits, see `throttling`.
"""

import logging
import uuid

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from local.graph.clock import utc_now
from local.graph.faults import GraphFault, bad_request, write_envelope
from local.graph.gateway.versions import is_graph

LONGEST_CLIENT_ID = 128
NOT_FOUND, NOT_ALLOWED, TOO_LARGE = 404, 405, 413

log = logging.getLogger(__name__)


@web.middleware
async def answer_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn faults, and whatever else is raised, into Graph's envelope; a caller never sees how we are built."""
    request_id = str(uuid.uuid4())
    client_request_id = _client_request_id(request) or request_id
    try:
        response = await handler(request)
    except GraphFault as fault:
        response = _refuse(request, fault, request_id, client_request_id)
    except web.HTTPException as other:
        if not is_graph(request.path):
            raise
        response = _refuse(request, _translate(request, other), request_id, client_request_id)
    except (web.RequestPayloadError, HttpProcessingError) as garbled:
        log.info("unreadable", extra={"path": request.path, "error": type(garbled).__name__})
        undecodable = bad_request("The request body cannot be decoded as its headers say.")
        response = _write(undecodable, request_id, client_request_id)
    except ConnectionError:
        raise  # the caller hung up: there is nobody to answer
    except Exception as slip:
        # a slip of ours: told once in the log with its traceback, and to the caller as Graph would
        log.exception("failed", extra={"path": request.path, "error": type(slip).__name__})
        unspecified = GraphFault(500, "generalException", "An unspecified error has occurred.")
        response = _write(unspecified, request_id, client_request_id)
    if is_graph(request.path) and not response.prepared:
        response.headers["request-id"] = request_id
        response.headers["client-request-id"] = client_request_id
    return response


def _refuse(request: web.Request, fault: GraphFault, request_id: str, client_request_id: str) -> web.Response:
    log.info("refused", extra={"path": request.path, "status": fault.status, "code": fault.code})
    return _write(fault, request_id, client_request_id)


def _write(fault: GraphFault, request_id: str, client_request_id: str) -> web.Response:
    date = utc_now().strftime("%Y-%m-%dT%H:%M:%S")
    envelope = write_envelope(fault, date=date, request_id=request_id, client_request_id=client_request_id)
    return web.json_response(envelope, status=fault.status, headers=fault.headers)


def _translate(request: web.Request, other: web.HTTPException) -> GraphFault:
    """Say what the web server refused in Graph's words.

    https://learn.microsoft.com/en-us/graph/errors
    """
    if other.status == NOT_FOUND:
        return bad_request(f"Resource not found for the segment '{_strange_segment(request)}'.")
    if other.status == NOT_ALLOWED:
        message = "Specified HTTP method is not allowed for the request target."
        return GraphFault(405, "Request_BadRequest", message, headers={"Allow": other.headers.get("Allow", "")})
    if other.status == TOO_LARGE:
        return GraphFault(TOO_LARGE, "RequestEntityTooLarge", "Request Entity Too Large")
    return GraphFault(other.status, other.reason.replace(" ", ""), other.reason)


def _strange_segment(request: web.Request) -> str:
    """Return the first segment if nothing that we serve begins with it, else the last one."""
    segments = [segment for segment in request.path.split("/")[2:] if segment] or [""]
    known = {resource.canonical.split("/", 3)[2] for resource in request.app.router.resources() if _deep(resource)}
    return segments[-1] if segments[0] in known else segments[0]


def _deep(resource: web.AbstractResource) -> bool:
    return is_graph(resource.canonical) and resource.canonical.count("/") > 1


def _client_request_id(request: web.Request) -> str:
    """Return the caller's own id for the request, if it can stand in a header again."""
    text = request.headers.get("client-request-id", "")
    return text if text.isascii() and text.isprintable() and len(text) <= LONGEST_CLIENT_ID else ""
