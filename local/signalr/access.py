"""Who may come in: clients with a token that was made for them here, and callers of the REST API with one of two others.

A caller has signed with the access key for the very address that it asks, or shows a token of Entra's for the service; that is
checked with the keys that the authority publishes. A role is not looked at but for one knob: the simulator's tokens have none.
https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api#use-rest-api (2026-06)
"""

import time
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import jwt
from aiohttp import web

from local.signalr.refusals import Refused

AUDIENCE: Final = "https://signalr.azure.com"
_LONGEST_TOKEN: Final = 4_096
_LEEWAY: Final = 5.0
_BEARER: Final = "Bearer "
_AGAIN: Final = 5.0
"""Seconds between two looks at the authority's keys."""


@dataclass(slots=True, kw_only=True)
class Access:
    """Checks and makes tokens. Without an ``authority`` nobody's token of Entra's is good."""

    key: str = field(repr=False)
    session: aiohttp.ClientSession
    authority: str = ""
    local_auth: bool = True
    """Whether the access key is worth anything; in Azure we turn that off."""
    _keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    _looked: float = float("-inf")

    def client_token(self, audience: str, user: str, minutes: int) -> str:
        """Make a client's token for the address that it connects to."""
        now = int(time.time())
        claims: dict[str, Any] = {"aud": audience, "iat": now, "nbf": now, "exp": now + 60 * minutes}
        return jwt.encode(claims | ({"nameid": user} if user else {}), self.key, "HS256")

    def client(self, request: web.Request, audience: str) -> str:
        """Return the user of a client; empty for one without. Raises 401.

        Browsers cannot give headers to WebSockets and events: there the token is in the query.
        """
        token = _bearer(request) or request.query.get("access_token", "")
        claims = self._by_key(token, [audience])
        return str(claims.get("nameid") or claims.get("sub") or "")

    async def caller(self, request: web.Request, base: str) -> None:
        """Let a caller of the REST API in. Raises 401."""
        token = _bearer(request)
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
        except (jwt.InvalidTokenError, ValueError, RecursionError) as broken:
            raise Refused(401, "Unauthorized", "There is no token, or it is none.") from broken
        if algorithm == "RS256":
            await self._by_entra(token)
        elif self.local_auth:
            self._by_key(token, [base + request.rel_url.raw_path.rstrip("/"), base + request.path.rstrip("/")])
        else:
            raise Refused(401, "Unauthorized", "Access keys are turned off.")

    def _by_key(self, token: str, audiences: list[str]) -> dict[str, Any]:
        if len(token) > _LONGEST_TOKEN:
            raise Refused(413, "RequestEntityTooLarge", "Access token must not be longer than 4K.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.key,
                algorithms=["HS256"],
                audience=audiences,
                leeway=_LEEWAY,
                options={"require": ["exp", "aud"]},
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError) as broken:
            raise Refused(401, "Unauthorized", f"The token is not good: {type(broken).__name__}.") from broken
        return claims

    async def _by_entra(self, token: str) -> None:
        try:
            kid = str(jwt.get_unverified_header(token).get("kid"))
            if kid not in self._keys:
                await self._look()
            key = self._keys.get(kid)
            if key is None:
                raise jwt.InvalidTokenError("no such key")  # noqa: TRY301 - one answer for all of them
            jwt.decode(
                token,
                key.key,
                algorithms=["RS256"],
                audience=AUDIENCE,
                leeway=_LEEWAY,
                options={"require": ["exp", "aud"]},
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError) as broken:
            raise Refused(401, "Unauthorized", f"The token is not good: {type(broken).__name__}.") from broken

    async def _look(self) -> None:
        now = time.monotonic()
        if not self.authority or now - self._looked < _AGAIN:
            return
        self._looked = now
        try:
            async with self.session.get(f"{self.authority}/common/discovery/v2.0/keys") as answer:
                published = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return
        self._keys = {each["kid"]: jwt.PyJWK(each) for each in published["keys"]}


def _bearer(request: web.Request) -> str:
    header = request.headers.get("Authorization", "")
    return header.removeprefix(_BEARER) if header.startswith(_BEARER) else ""
