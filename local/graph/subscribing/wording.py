"""In whose words a subscription is refused: Graph's, or those of the workload behind it; the codes have varied over the years.

What varies is the code and the frame of the message. The status stays, and so does what is wrong: whoever goes by these is right
in every wording. Not here: the refusals themselves, see `rules`, `handshake` and `gateway.throttling`.
"""

from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from local.graph.faults import GraphFault
from local.graph.gateway.calls import read_target
from local.graph.gateway.versions import is_graph
from local.graph.knobs import Knobs

OPERATIONS: Mapping[str, str] = {"POST": "Create", "PATCH": "Update", "DELETE": "Delete"}
STATUS_CODES: Mapping[int, str] = {400: "BadRequest", 503: "ServiceUnavailable"}
"""What of a refusal comes in other words, and how workloads call it: microsoft-graph-docs issue 13616 shows the frame."""
VARIED = frozenset({"InvalidRequest", "ValidationError", "ServiceUnavailable"})


def in_other_words(knobs: Knobs) -> Middleware:
    """Return the middleware."""

    @web.middleware
    async def reword(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except GraphFault as fault:
            if knobs.refusal_code == "usual" or not is_graph(request.path):
                raise
            operation = _operation(request.method, request.path)
            if operation is None:
                raise
            raise reworded(fault, knobs.refusal_code, operation) from fault

    return reword


def reworded(fault: GraphFault, code: str, operation: str) -> GraphFault:
    """Return a refusal under another code; ExtensionError is a workload's, and frames the message too."""
    if fault.status not in STATUS_CODES or fault.code not in VARIED:
        return fault
    if code == "ExtensionError":
        why = f"Operation: {operation}; Exception: [Status Code: {STATUS_CODES[fault.status]}; Reason: {fault.message}]"
        return GraphFault(fault.status, code, why, headers=fault.headers)
    return fault if fault.code == "ServiceUnavailable" else GraphFault(fault.status, code, fault.message)


def _operation(method: str, path: str) -> str | None:
    family = read_target(method, path).family
    if family == "reauthorize":
        return "Reauthorize"
    return OPERATIONS.get(method) if family == "subscription-writes" else None
