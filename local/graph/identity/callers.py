"""Who is calling Graph: the bearer token, read and checked. Not here: what the caller may do; every permission is taken as given."""

from collections.abc import Callable
from dataclasses import dataclass

import jwt
from aiohttp import web

from local.graph.faults import GraphFault
from local.graph.identity.tokens import GRAPH_AUDIENCES, Authority

SCHEME = "Bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An app in a tenant, and the object id of its service principal or of the user for whom it acts."""

    app_id: str
    tenant_id: str
    object_id: str
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Reads callers from requests; `bases` says our own addresses, which are as good an audience as Graph's."""

    authority: Authority
    bases: Callable[[], frozenset[str]]

    def identify(self, request: web.Request) -> Caller:
        """Return who calls. Raises 401 for a token that is missing, expired, for someone else, or not ours."""
        header = request.headers.get("Authorization", "")
        if not header.startswith(SCHEME):
            raise _unauthorized("Access token is empty.")
        try:
            claims = self.authority.read(header.removeprefix(SCHEME), audiences=GRAPH_AUDIENCES | self.bases())
        except jwt.ExpiredSignatureError as expired:
            raise _unauthorized("Lifetime validation failed, the token is expired.") from expired
        except jwt.InvalidAudienceError as other:
            raise _unauthorized("Access token validation failure. Invalid audience.") from other
        except jwt.InvalidTokenError as broken:
            raise _unauthorized("Access token validation failure.") from broken
        if not {"azp", "tid", "oid"} <= set(claims):  # ours, but it only says who somebody is
            raise _unauthorized("Access token validation failure.")
        user_id = claims["oid"] if "scp" in claims else None
        return Caller(app_id=claims["azp"], tenant_id=claims["tid"], object_id=claims["oid"], user_id=user_id)


def _unauthorized(message: str) -> GraphFault:
    return GraphFault(401, "InvalidAuthenticationToken", message)
