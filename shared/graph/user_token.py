"""Access tokens of people for our own API: who calls, and that they call through an app that may call for them.

Delegated tokens only: they carry a scope of ours in ``scp``. A token that an app got for itself carries roles instead, and is
nobody's. Whether its tenant is one of ours is decided here too: the authority signs for every tenant there is.
https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference (2026-01)
"""

from dataclasses import dataclass
from typing import Final

from shared.caller import Caller
from shared.errors import GraphProtocolError
from shared.graph.signed_token import SignedClaims, SignedTokenJudge

_VERSIONS: Final = frozenset({"1.0", "2.0"})
_LONGEST_NAME: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class UserToken:
    """A token that passed every check: whose it is, and between which times it may be believed."""

    caller: Caller
    not_before: float
    expires: float


class UserTokenJudge(SignedTokenJudge[UserToken]):
    """Checks tokens that people show. What an error says is for the log: whoever showed the token learns no reason."""

    def __init__(self, *, audiences: frozenset[str], tenant_ids: frozenset[str], scope: str) -> None:
        super().__init__("a user's token", audiences=audiences)
        self._tenant_ids = tenant_ids
        self._scope = scope

    def _read_claims(self, claims: SignedClaims) -> UserToken:
        if claims.version not in _VERSIONS:
            raise GraphProtocolError("a user's token is neither of version 1.0 nor 2.0")
        if claims.tenant_id not in self._tenant_ids:
            raise GraphProtocolError("a user's token is of a tenant that is none of ALLOWED_TENANT_IDS")
        scopes, user_id = claims.rest.get("scp"), claims.rest.get("oid")
        if claims.rest.get("idtyp") == "app" or not isinstance(scopes, str):
            raise GraphProtocolError("a user's token is an app's own")
        if self._scope not in scopes.split(" "):
            raise GraphProtocolError("a user's token does not carry API_SCOPE")
        if not isinstance(user_id, str) or not user_id:
            raise GraphProtocolError("a user's token names no user")
        name = claims.rest.get("name")
        caller = Caller(
            user_id=user_id.lower(),
            tenant_id=claims.tenant_id,
            name=name[:_LONGEST_NAME] if isinstance(name, str) else "",
        )
        return UserToken(caller=caller, not_before=claims.not_before, expires=claims.expires)
