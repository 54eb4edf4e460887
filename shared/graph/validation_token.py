"""validationTokens: the JWTs that prove that a body with encrypted items comes from Graph's change tracking.

Signature, audience, issuer and lifetime are checked as those of every token (`signed_token`); here it is the publisher, in
``appid`` (v1) or ``azp`` (v2).
https://learn.microsoft.com/graph/change-notifications-with-resource-data#validating-the-authenticity-of-notifications
"""

import re
from dataclasses import dataclass

import jwt

from shared.errors import GraphProtocolError
from shared.graph.signed_token import LONGEST_TOKEN, SignedClaims, SignedTokenJudge

PUBLISHER_APP_ID = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""Microsoft Graph Change Tracking, in the global cloud; unconfirmed for the national ones, hence a setting."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_PUBLISHER_CLAIM = {"1.0": "appid", "2.0": "azp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineToken:
    """A token that passed every check: the tenant it speaks for, and until when (seconds since the epoch)."""

    tenant_id: str
    not_before: float
    expires: float


class TokenJudge(SignedTokenJudge[GenuineToken]):
    """Checks validation tokens."""

    def __init__(self, *, audiences: frozenset[str], publisher_app_id: str = PUBLISHER_APP_ID) -> None:
        super().__init__("a validation token", audiences=audiences)
        self._publisher = publisher_app_id.lower()

    def _read_claims(self, claims: SignedClaims) -> GenuineToken:
        if claims.version not in _PUBLISHER_CLAIM:
            raise GraphProtocolError("a validation token is neither of version 1.0 nor 2.0")
        publisher = claims.rest.get(_PUBLISHER_CLAIM[claims.version])
        if not isinstance(publisher, str) or publisher.lower() != self._publisher:
            raise GraphProtocolError("a validation token was issued to another publisher than Graph's change tracking")
        return GenuineToken(tenant_id=claims.tenant_id, not_before=claims.not_before, expires=claims.expires)


def claimed_tenant(token: str) -> str:
    """Read the tenant that a token claims, unverified, to keep only what may concern an item; empty if unreadable."""
    if len(token) > LONGEST_TOKEN or not _COMPACT.fullmatch(token):
        return ""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return ""
    tenant_id = claims.get("tid")
    return tenant_id.lower() if isinstance(tenant_id, str) else ""
