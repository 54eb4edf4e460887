"""People who sign in: authorization codes, refresh tokens and exchanges on behalf of a user, without any password that matters.

Codes and refresh tokens are signed tokens for an audience of the simulator's own, so that nothing has to be remembered but which
codes were used. Not here: the endpoints, see `entra`; the shape of tokens, see `tokens`.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from local.graph.identity.tokens import ACCESS_TOKEN_SECONDS, GRAPH_AUDIENCES, Authority
from local.graph.tenant.places import Person

CODE_SECONDS, REFRESH_SECONDS = 600, 90 * 24 * 3600
CODES, REFRESHMENTS = "urn:simulator:code", "urn:simulator:refresh"
GRAPH_SCOPES = "https://graph.microsoft.com/"
NOT_RESOURCES = frozenset({"openid", "profile", "email", "offline_access"})

Form = Mapping[str, str]


class Refused(Exception):  # noqa: N818 - the protocol calls it an error; here it is an answer
    """What the token endpoint answers instead of a token: OAuth's error code and Entra's sentence."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


@dataclass(slots=True, kw_only=True)
class SignIns:
    """Hands out tokens to people of the tenants; `find` returns who somebody is by address or id."""

    authority: Authority
    find: Callable[[str, str], Person | None]
    _used: set[str] = field(default_factory=set)
    _ended: Counter[str] = field(default_factory=Counter)

    def write_code(self, form: Form, tenant_id: str, user: Person) -> str:
        """Return the code that the browser carries back to the app."""
        kept = ("client_id", "redirect_uri", "scope", "nonce", "code_challenge", "code_challenge_method")
        about = {name: form[name] for name in kept if form.get(name)}
        return self._seal(CODES, CODE_SECONDS, about | {"tid": tenant_id, "user": user.id, "jti": uuid.uuid4().hex})

    def end_sessions(self, user_id: str) -> None:
        """Make every refresh token worthless that somebody's apps have by now, as a new password does, or Graph's revokeSignInSessions."""
        self._ended[user_id] += 1

    def by_password(self, form: Form, tenant_id: str) -> dict[str, Any]:
        """Answer the resource owner's password grant: any password will do for somebody who exists."""
        user = self.find(tenant_id, form.get("username", ""))
        if user is None or not form.get("password"):
            raise Refused("invalid_grant", "AADSTS50126: Invalid username or password.")
        return self._answer(form, tenant_id, user, form.get("scope", ""))

    def by_code(self, form: Form, tenant_id: str) -> dict[str, Any]:
        """Answer the authorization code grant: once for each code, to the app and for the address that asked for it."""
        kept = self._open(form.get("code", ""), CODES)
        if kept["jti"] in self._used:
            raise Refused("invalid_grant", "AADSTS54005: The code was already redeemed.")
        if any(kept.get(name) != form.get(name) for name in ("client_id", "redirect_uri")):
            raise Refused("invalid_grant", "AADSTS50011: The code was given to another app or address.")
        if not _proves(form.get("code_verifier", ""), kept):
            raise Refused("invalid_grant", "AADSTS501481: The code_verifier does not match the code_challenge.")
        self._used.add(kept["jti"])
        user = self._known(kept["tid"], kept["user"])
        return self._answer(form, tenant_id, user, form.get("scope") or kept.get("scope", ""), nonce=kept.get("nonce"))

    def by_refresh(self, form: Form, tenant_id: str) -> dict[str, Any]:
        """Answer the refresh grant."""
        kept = self._open(form.get("refresh_token", ""), REFRESHMENTS)
        if kept["client_id"] != form.get("client_id"):
            raise Refused("invalid_grant", "AADSTS700082: The refresh token was given to another app.")
        if kept.get("session", 0) != self._ended[kept["user"]]:
            raise Refused("invalid_grant", "AADSTS50173: The grant has been revoked; a fresh sign-in is needed.")
        return self._answer(form, tenant_id, self._known(kept["tid"], kept["user"]), form.get("scope") or kept["scope"])

    def on_behalf_of(self, form: Form, tenant_id: str) -> dict[str, Any]:
        """Answer an app that shows a user's token for itself and wants one for Graph.

        https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-on-behalf-of-flow
        """
        app_id = form.get("client_id", "")
        try:
            claims = self.authority.read(form.get("assertion", ""), audiences=frozenset({app_id, f"api://{app_id}"}))
        except jwt.InvalidTokenError as broken:
            raise Refused("invalid_grant", "AADSTS500131: The assertion is not a token for this app.") from broken
        if "scp" not in claims:
            raise Refused("invalid_grant", "AADSTS7000114: The assertion is not a user's token.")
        return self._answer(form, tenant_id, self._known(claims["tid"], claims["oid"]), form.get("scope", ""))

    def _answer(
        self, form: Form, tenant_id: str, user: Person, scope: str, *, nonce: str | None = None
    ) -> dict[str, Any]:
        app_id = form.get("client_id", "")
        if not app_id:
            raise Refused("invalid_request", "AADSTS900144: The request body must contain 'client_id'.")
        audience, scopes = _read_scope(scope)
        named = {"name": user.name, "preferred_username": user.address, "oid": user.id, "sub": user.id}
        token = self.authority.user_token(
            audience=audience, app_id=app_id, tenant_id=tenant_id, named=named, scopes=scopes
        )
        kept: dict[str, Any] = {"client_id": app_id, "tid": tenant_id, "user": user.id, "scope": scope}
        kept["session"] = self._ended[user.id]
        client_info = json.dumps({"uid": user.id, "utid": tenant_id}).encode()
        answer = {
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": ACCESS_TOKEN_SECONDS,
            "access_token": token,
            "client_info": base64.urlsafe_b64encode(client_info).rstrip(b"=").decode(),
        }
        if "offline_access" in scope.split():
            answer["refresh_token"] = self._seal(REFRESHMENTS, REFRESH_SECONDS, kept)
        if "openid" in scope.split():
            claims = named | ({"nonce": nonce} if nonce else {})
            answer["id_token"] = self.authority.id_token(app_id=app_id, tenant_id=tenant_id, claims=claims)
        return answer

    def _known(self, tenant_id: str, user_id: str) -> Person:
        user = self.find(tenant_id, user_id)
        if user is None:
            raise Refused("invalid_grant", "AADSTS50034: The user account does not exist.")
        return user

    def _seal(self, audience: str, seconds: int, about: Mapping[str, Any]) -> str:
        return self.authority.sign({"aud": audience, "exp": int(time.time()) + seconds} | dict(about))

    def _open(self, token: str, audience: str) -> dict[str, Any]:
        try:
            return self.authority.read(token, audiences=frozenset({audience}))
        except jwt.InvalidTokenError as broken:
            raise Refused("invalid_grant", "AADSTS70008: The code or token is not ours, or has expired.") from broken


def _read_scope(scope: str) -> tuple[str, str]:
    """Return the audience that scopes are for, and the scopes without it."""
    wanted = [each for each in scope.split() if each not in NOT_RESOURCES]
    if not wanted:
        return GRAPH_SCOPES.rstrip("/"), "User.Read"
    resource, _, _ = wanted[0].rpartition("/")
    names = " ".join(each.rpartition("/")[2] for each in wanted)
    if not resource or resource in GRAPH_AUDIENCES:
        return GRAPH_SCOPES.rstrip("/"), names
    # v2 tokens name an app by its id, whatever address it was asked for by
    return resource.removeprefix("api://"), names


def _proves(verifier: str, kept: Mapping[str, Any]) -> bool:
    """Return whether the app is the one that asked for the code, if it asked in a way that lets it prove that."""
    challenge = kept.get("code_challenge")
    if not challenge:
        return True
    proof = verifier
    if kept.get("code_challenge_method") == "S256":
        proof = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(proof.encode(), challenge.encode())
