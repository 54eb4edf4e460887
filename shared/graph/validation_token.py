"""validationTokens: the JWTs that prove that a body with encrypted items comes from Graph's change tracking.

Every token is checked: RS256 only, signature, audience, lifetime, issuer of the token's own version (v1 and v2), and
the publisher in ``appid`` (v1) or ``azp`` (v2). Fetching the signing keys is a port's business.
https://learn.microsoft.com/graph/change-notifications-with-resource-data#validating-the-authenticity-of-notifications
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.errors import GraphProtocolError

PUBLISHER_APP_ID = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""Microsoft Graph Change Tracking, in the global cloud; unconfirmed for the national ones, hence a setting."""

_CLOCK_SKEW_SECONDS = 60
_REMEMBER_SECONDS = 3600
_REMEMBER_TOKENS = 1024
_LONGEST_TOKEN = 16_384
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_PUBLISHER_CLAIM = {"1.0": "appid", "2.0": "azp"}
# lifetime is judged by ourselves, at the time the body was received; PyJWT would take the wall clock
_OPTIONS: dict[str, Any] = {
    "require": ["exp", "nbf", "aud", "iss"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
    "enforce_minimum_key_length": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKeys:
    """The authority's signing keys by ``kid``, and its issuers by token version with ``{tenantid}`` in them."""

    by_kid: Mapping[str, RSAPublicKey] = field(repr=False)
    issuers: Mapping[str, str]
    fetched: float
    """When they were fetched, in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineToken:
    """A token that passed every check: the tenant it speaks for, and until when (seconds since the epoch)."""

    tenant_id: str
    not_before: float
    expires: float


class UnknownSigningKey(Exception):  # noqa: N818 - a question to the caller, who may fetch keys, not a failure
    """The token names a key that we do not have; newer keys may tell."""


class TokenJudge:
    """Checks tokens, and remembers for up to an hour (never past its expiry) those that passed.

    The memory is keyed by a hash of the whole token, bounded, and emptied when the keys change.
    """

    def __init__(self, *, audiences: frozenset[str], publisher_app_id: str = PUBLISHER_APP_ID) -> None:
        self._audiences = sorted(audiences)
        self._publisher = publisher_app_id.lower()
        self._keys: TrustedKeys | None = None
        self._seen: OrderedDict[bytes, tuple[GenuineToken, float]] = OrderedDict()

    @property
    def keys(self) -> TrustedKeys | None:
        """The keys in force; None before any could be had."""
        return self._keys

    def trust(self, keys: TrustedKeys) -> None:
        """Take newly fetched keys; what the old ones vouched for is forgotten."""
        self._keys = keys
        self._seen.clear()

    def forget_keys(self) -> None:
        """Stop trusting keys that are too old; every token is undecided until there are new ones."""
        self._keys = None
        self._seen.clear()

    def check(self, token: str, *, at: float) -> GenuineToken:
        """Check one token as of ``at`` (seconds since the epoch).

        Raises GraphProtocolError if it is not genuine, UnknownSigningKey if newer keys are needed to tell.
        """
        fingerprint = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        remembered = self._seen.get(fingerprint)
        if remembered is not None and at < remembered[1]:
            genuine = remembered[0]
        else:
            genuine = self._verify(token)
            self._remember(fingerprint, genuine, at)
        if not genuine.not_before - _CLOCK_SKEW_SECONDS <= at < genuine.expires + _CLOCK_SKEW_SECONDS:
            raise GraphProtocolError("a validation token is outside its lifetime")
        return genuine

    def _remember(self, fingerprint: bytes, genuine: GenuineToken, at: float) -> None:
        self._seen[fingerprint] = (genuine, min(at + _REMEMBER_SECONDS, genuine.expires))
        self._seen.move_to_end(fingerprint)
        if len(self._seen) > _REMEMBER_TOKENS:
            self._seen.popitem(last=False)

    def _verify(self, token: str) -> GenuineToken:
        if self._keys is None:
            raise UnknownSigningKey
        if len(token) > _LONGEST_TOKEN:
            raise GraphProtocolError("a validation token is longer than any of Graph's")
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.by_kid.get(header["kid"]) if isinstance(header.get("kid"), str) else None
        except (jwt.PyJWTError, ValueError, RecursionError) as problem:
            raise GraphProtocolError("a validation token is no JWT") from problem
        if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
            raise GraphProtocolError("a validation token is not signed as Graph signs: RS256, with a kid")
        if key is None:
            raise UnknownSigningKey
        try:
            claims = jwt.decode(token, key, algorithms=["RS256"], audience=self._audiences, options=_OPTIONS)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as problem:
            raise GraphProtocolError("a validation token has a bad signature, audience or form") from problem
        return self._read_claims(claims, self._keys)

    def _read_claims(self, claims: Mapping[str, Any], keys: TrustedKeys) -> GenuineToken:
        version, tenant_id = claims.get("ver"), claims.get("tid")
        if not isinstance(version, str) or version not in _PUBLISHER_CLAIM or not isinstance(tenant_id, str):
            raise GraphProtocolError("a validation token is neither of version 1.0 nor 2.0, or names no tenant")
        publisher = claims.get(_PUBLISHER_CLAIM[version])
        if not isinstance(publisher, str) or publisher.lower() != self._publisher:
            raise GraphProtocolError("a validation token was issued to another publisher than Graph's change tracking")
        issuer = keys.issuers.get(version, "").replace("{tenantid}", tenant_id)
        if not issuer or claims["iss"] != issuer:
            raise GraphProtocolError("a validation token has another issuer than its tenant's authority")
        try:
            not_before, expires = float(claims["nbf"]), float(claims["exp"])
        except (TypeError, ValueError, OverflowError) as problem:
            raise GraphProtocolError("a validation token's lifetime cannot be read") from problem
        return GenuineToken(tenant_id=tenant_id.lower(), not_before=not_before, expires=expires)


def claimed_tenant(token: str) -> str:
    """Read the tenant that a token claims, unverified, to keep only what may concern an item; empty if unreadable."""
    if len(token) > _LONGEST_TOKEN or not _COMPACT.fullmatch(token):
        return ""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return ""
    tenant_id = claims.get("tid")
    return tenant_id.lower() if isinstance(tenant_id, str) else ""


def read_signing_keys(document: object) -> dict[str, RSAPublicKey]:
    """Read a JWKS document to RSA keys by ``kid``; other keys are passed over. Raises GraphProtocolError."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise GraphProtocolError("the authority's key document is no JWKS")
    found: dict[str, RSAPublicKey] = {}
    for entry in document["keys"]:
        if not isinstance(entry, dict) or entry.get("kty") != "RSA" or not isinstance(entry.get("kid"), str):
            continue
        try:
            key = jwt.PyJWK(entry, algorithm="RS256").key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        found[entry["kid"]] = key
    return found
