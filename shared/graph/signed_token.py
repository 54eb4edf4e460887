"""Tokens that Microsoft's authority signs, whoever they are for: the keys, the signature, the audience, the lifetime.

RS256 only, with a key by its ``kid``, and the issuer of the token's own version (v1 and v2). What a kind of token says beyond
that is read by its own module: `validation_token` (Graph to us), `user_token` (people to us). Fetching keys is a port's business.
https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens (2026-01)
"""

import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.errors import GraphProtocolError

CLOCK_SKEW_SECONDS = 60
LONGEST_TOKEN = 16_384
_REMEMBER_SECONDS = 3600
_REMEMBER_TOKENS = 1024
# lifetime is judged by ourselves, at the time the token was received; PyJWT would take the wall clock
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


class UnknownSigningKey(Exception):  # noqa: N818 - a question to the caller, who may fetch keys, not a failure
    """The token names a key that we do not have; newer keys may tell."""


class Lasting(Protocol):
    """What a token says once it has passed: between which times, in seconds since the epoch, it may be believed."""

    @property
    def not_before(self) -> float:
        """From when."""
        ...

    @property
    def expires(self) -> float:
        """Until when."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedClaims:
    """What a token of any kind says that was signed for us by the authority: its version, its tenant, and the rest."""

    version: str
    tenant_id: str
    not_before: float
    expires: float
    rest: Mapping[str, Any] = field(repr=False)


Genuine = TypeVar("Genuine", bound=Lasting)


class SignedTokenJudge(ABC, Generic[Genuine]):
    """Checks tokens of one kind, and remembers for up to an hour (never past its expiry) those that passed.

    The memory is keyed by a hash of the whole token, bounded, and emptied when the keys change.
    """

    def __init__(self, kind: str, *, audiences: frozenset[str]) -> None:
        self._kind = kind
        self._audiences = sorted(audiences)
        self._keys: TrustedKeys | None = None
        self._seen: OrderedDict[bytes, tuple[Genuine, float]] = OrderedDict()

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

    def check(self, token: str, *, at: float) -> Genuine:
        """Check one token as of ``at`` (seconds since the epoch).

        Raises GraphProtocolError if it is not genuine, UnknownSigningKey if newer keys are needed to tell.
        """
        fingerprint = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        remembered = self._seen.get(fingerprint)
        if remembered is not None and at < remembered[1]:
            genuine = remembered[0]
        else:
            genuine = self._read_claims(self._verify(token))
            self._remember(fingerprint, genuine, at)
        if not genuine.not_before - CLOCK_SKEW_SECONDS <= at < genuine.expires + CLOCK_SKEW_SECONDS:
            raise GraphProtocolError(f"{self._kind} is outside its lifetime")
        return genuine

    @abstractmethod
    def _read_claims(self, claims: SignedClaims) -> Genuine:
        """Read what makes a token one of this kind. Raises GraphProtocolError."""

    def _remember(self, fingerprint: bytes, genuine: Genuine, at: float) -> None:
        self._seen[fingerprint] = (genuine, min(at + _REMEMBER_SECONDS, genuine.expires))
        self._seen.move_to_end(fingerprint)
        if len(self._seen) > _REMEMBER_TOKENS:
            self._seen.popitem(last=False)

    def _verify(self, token: str) -> SignedClaims:
        if self._keys is None:
            raise UnknownSigningKey
        if len(token) > LONGEST_TOKEN:
            raise GraphProtocolError(f"{self._kind} is longer than any of Microsoft's")
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.by_kid.get(header["kid"]) if isinstance(header.get("kid"), str) else None
        except (jwt.PyJWTError, ValueError, RecursionError) as problem:
            raise GraphProtocolError(f"{self._kind} is no JWT") from problem
        if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
            raise GraphProtocolError(f"{self._kind} is not signed as Microsoft signs: RS256, with a kid")
        if key is None:
            raise UnknownSigningKey
        try:
            claims = jwt.decode(token, key, algorithms=["RS256"], audience=self._audiences, options=_OPTIONS)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as problem:
            raise GraphProtocolError(f"{self._kind} has a bad signature, audience or form") from problem
        return self._from_its_tenant(claims, self._keys)

    def _from_its_tenant(self, claims: Mapping[str, Any], keys: TrustedKeys) -> SignedClaims:
        version, tenant_id = claims.get("ver"), claims.get("tid")
        if not isinstance(version, str) or not isinstance(tenant_id, str):
            raise GraphProtocolError(f"{self._kind} names no version or no tenant")
        issuer = keys.issuers.get(version, "").replace("{tenantid}", tenant_id)
        if not issuer or claims["iss"] != issuer:
            raise GraphProtocolError(f"{self._kind} has another issuer than its tenant's authority")
        try:
            not_before, expires = float(claims["nbf"]), float(claims["exp"])
        except (TypeError, ValueError, OverflowError) as problem:
            raise GraphProtocolError(f"{self._kind}'s lifetime cannot be read") from problem
        return SignedClaims(
            version=version, tenant_id=tenant_id.lower(), not_before=not_before, expires=expires, rest=claims
        )


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
