"""Signing keys and the tokens made with them: access tokens for callers, validation tokens for rich notifications.

Not here: the endpoints that hand them out, see `entra`; and deciding when a notification needs which, see `delivery`.
"""

import asyncio
import base64
import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

PUBLISHER = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""The app "Microsoft Graph Change Tracking", which stands in every validation token."""

GRAPH_AUDIENCES = frozenset({"https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"})
VALIDATION_TOKEN_SECONDS = 24 * 3600
REMINT_AFTER_SECONDS = 600.0
ACCESS_TOKEN_SECONDS = 3599

SHARED_TENANTS = frozenset({"common", "organizations"})

TokenVersion = Literal["v1", "v2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One RSA key of the authority, with the id under which it is published."""

    kid: str
    private: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def make(cls) -> "SigningKey":
        """Make a key; its id is derived from its modulus."""
        private = rsa.generate_private_key(65537, 2048)
        digest = hashlib.sha256(_integer(private.public_key().public_numbers().n).encode()).digest()
        return cls(kid=base64.urlsafe_b64encode(digest[:20]).rstrip(b"=").decode(), private=private)

    def published(self) -> dict[str, str]:
        """Return the key as a JWKS lists it."""
        numbers = self.private.public_key().public_numbers()
        named = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "x5t": self.kid}
        return named | {"n": _integer(numbers.n), "e": _integer(numbers.e)}


@dataclass(slots=True, kw_only=True)
class Authority:
    """Who signs: the issuer names, the current key, and the ones before it that are still published."""

    https_base: str
    tenants: Mapping[str, str]
    """The domain of each tenant by its id; the first is the one that `common` means."""
    keys: list[SigningKey]
    _minted: dict[tuple[str, str, str], tuple[float, str]] = field(default_factory=dict)

    @property
    def tenant_id(self) -> str:
        """The tenant that is meant where none is named."""
        return next(iter(self.tenants))

    def tenant_called(self, name: str) -> str | None:
        """Return a tenant's id by its id or domain, the first one's for a shared name, or None."""
        low = name.lower()
        if low in SHARED_TENANTS:
            return self.tenant_id
        return next((each for each, domain in self.tenants.items() if low in _names(each, domain)), None)

    async def rotate(self, *, forget: bool = False) -> str:
        """Sign with a new key from now on and return its id; `forget` takes the old ones out of the JWKS at once."""
        fresh = await asyncio.to_thread(SigningKey.make)
        self.keys = [fresh] if forget else [fresh, *self.keys]
        self._minted.clear()
        return fresh.kid

    def issuer(self, version: TokenVersion, tenant_id: str) -> str:
        """Return who a token of this version says that it is from; v1 ends in a slash."""
        if version == "v1":
            return f"https://sts.windows.net/{tenant_id}/"
        return f"{self.https_base}/{tenant_id}/v2.0"

    def sign(self, claims: Mapping[str, Any], *, key: SigningKey | None = None) -> str:
        """Sign with the current key, or with a stranger's when a test of the receiver wants that."""
        signer = key or self.keys[0]
        headers = {"kid": self.keys[0].kid, "x5t": self.keys[0].kid}
        return jwt.encode(dict(claims), signer.private, "RS256", headers=headers)

    def user_token(self, *, audience: str, app_id: str, tenant_id: str, named: Mapping[str, str], scopes: str) -> str:
        """Return a delegated access token, v2: an app that acts for a user."""
        claims = self._claims("v2", int(time.time()), tenant_id, ACCESS_TOKEN_SECONDS)
        return self.sign(claims | {"aud": audience, "azp": app_id, "azpacr": "0", "scp": scopes} | dict(named))

    def id_token(self, *, app_id: str, tenant_id: str, claims: Mapping[str, str]) -> str:
        """Return who has signed in, for the app itself."""
        own = self._claims("v2", int(time.time()), tenant_id, ACCESS_TOKEN_SECONDS)
        return self.sign(own | {"aud": app_id} | dict(claims))

    def access_token(self, *, audience: str, app_id: str, tenant_id: str, roles: list[str]) -> str:
        """Return an app-only access token, v2, for whichever audience was asked for."""
        now = int(time.time())
        owner = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant_id}/{app_id}"))
        return self.sign(
            self._claims("v2", now, tenant_id, ACCESS_TOKEN_SECONDS)
            | {
                "aud": audience,
                "azp": app_id,
                "azpacr": "1",
                "oid": owner,
                "sub": owner,
                "roles": roles,
                "idtyp": "app",
            }
        )

    def validation_claims(self, version: TokenVersion, *, app_id: str, tenant_id: str) -> dict[str, Any]:
        """Return what a validation token of this version says; the publisher stands in `appid` or in `azp`."""
        now = int(time.time())
        publisher = {"appid": PUBLISHER, "appidacr": "2"} if version == "v1" else {"azp": PUBLISHER, "azpacr": "2"}
        owner = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant_id}/{PUBLISHER}"))
        claims = self._claims(version, now, tenant_id, VALIDATION_TOKEN_SECONDS)
        return claims | publisher | {"aud": app_id, "oid": owner, "sub": owner}

    def validation_token(self, version: TokenVersion, *, app_id: str, tenant_id: str) -> str:
        """Return a token for this app and tenant, minted at most every ten minutes because RSA signatures cost."""
        wanted = (version, app_id, tenant_id)
        minted_at, token = self._minted.get(wanted, (float("-inf"), ""))
        if time.monotonic() - minted_at > REMINT_AFTER_SECONDS:
            token = self.sign(self.validation_claims(version, app_id=app_id, tenant_id=tenant_id))
            self._minted[wanted] = (time.monotonic(), token)
        return token

    def read(self, token: str, *, audiences: frozenset[str]) -> dict[str, Any]:
        """Return the claims of one of our tokens. Raises `jwt.InvalidTokenError` for any other."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except (ValueError, RecursionError) as broken:  # half a character in it, or a header without end
            raise jwt.InvalidTokenError("not a token") from broken
        known = {key.kid: key.private.public_key() for key in self.keys}
        if kid not in known:
            raise jwt.InvalidTokenError(f"no key {kid}")
        claims: dict[str, Any] = jwt.decode(token, known[kid], algorithms=["RS256"], audience=audiences)
        return claims

    def _claims(self, version: TokenVersion, now: int, tenant_id: str, lifetime: int) -> dict[str, Any]:
        issued = {"iss": self.issuer(version, tenant_id), "iat": now, "nbf": now, "exp": now + lifetime}
        return issued | {"tid": tenant_id, "uti": uuid.uuid4().hex[:22], "ver": "1.0" if version == "v1" else "2.0"}


def _names(tenant_id: str, domain: str) -> tuple[str, str, str]:
    return tenant_id, domain, f"{domain.partition('.')[0]}.onmicrosoft.com"


def _integer(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
