"""The routes of a vault, as the official clients ask: certificates, the secrets and keys beside them, and who may ask.

Tokens are looked at for whom they are meant, and no further: no signature is checked. Not here: deletion and recovery, keys
and secrets that belong to no certificate, and policies beyond what makes a new version.
"""

import binascii
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from local.keyvault.certificates import PKCS12, Certificates, CertificateVersion
from local.keyvault.printing import (
    print_base64url,
    print_certificate,
    print_error,
    print_item,
    print_key,
    print_operation,
    print_secret,
    read_base64url,
)

AUDIENCE: Final = "https://vault.azure.net"
_NAME: Final = re.compile(r"[0-9a-zA-Z-]{1,127}")
_BEARER: Final = "Bearer "

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True, kw_only=True)
class Moods:
    """What a test or a person may have the vault do wrong. Operations: certificates, secrets, keys, unwrap."""

    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Status and code of an error by operation, such as ``{"secrets": (403, "ForbiddenByRbac")}``."""
    away: bool = False
    """Whether every request is answered with 503."""


class VaultRoutes:
    """Requests to one vault, and a list of those that were let in."""

    def __init__(self, certificates: Certificates, moods: Moods, *, authority: str, page: int) -> None:
        self._certificates = certificates
        self._moods = moods
        self._authority = authority
        self._page = page
        self.asked: list[str] = []

    def routes(self) -> Sequence[web.RouteDef]:
        """List them."""
        return [
            web.get("/certificates/{name}/versions", self._guarded("certificates", self._list_versions)),
            web.get("/certificates/{name}/pending", self._guarded("certificates", self._pending)),
            web.post("/certificates/{name}/create", self._guarded("certificates", self._create)),
            web.patch("/certificates/{name}/{version:[^/]*}", self._guarded("certificates", self._update)),
            web.get("/certificates/{name}/{version:[^/]*}", self._guarded("certificates", self._get_certificate)),
            web.get("/certificates/{name}", self._guarded("certificates", self._get_certificate)),
            web.get("/secrets/{name}/{version:[^/]*}", self._guarded("secrets", self._get_secret)),
            web.get("/secrets/{name}", self._guarded("secrets", self._get_secret)),
            web.get("/keys/{name}/{version:[^/]*}", self._guarded("keys", self._get_key)),
            web.get("/keys/{name}", self._guarded("keys", self._get_key)),
            web.post("/keys/{name}/{version}/unwrapkey", self._guarded("unwrap", self._unwrap)),
            web.post("/keys/{name}/{version}/decrypt", self._guarded("unwrap", self._unwrap)),
        ]

    def _guarded(self, operation: str, handler: Handler) -> Handler:
        async def guard(request: web.Request) -> web.StreamResponse:
            if self._moods.away:
                return _error(503, "ServiceUnavailable", "The service is away.")
            if not _is_meant_for_us(request.headers.get("Authorization", "")):
                return self._challenge()
            self.asked.append(f"{request.method} {request.path}")
            if operation in self._moods.refused:
                status, code = self._moods.refused[operation]
                return _error(status, "Forbidden" if status == 403 else code, "Refused as ordered.", code)  # noqa: PLR2004
            return await handler(request)

        return guard

    def _challenge(self) -> web.Response:
        """Say where a token is to be had.

        https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses (2025-06)
        """
        headers = {"WWW-Authenticate": f'Bearer authorization="{self._authority}", resource="{AUDIENCE}"'}
        return _error(401, "Unauthorized", "AKV10000: Request is missing a Bearer token.", headers=headers)

    # -- certificates -------------------------------------------------------------------------------------------------

    async def _list_versions(self, request: web.Request) -> web.StreamResponse:
        name, url = request.match_info["name"], _url(request)
        start = int(request.query.get("$skiptoken", "0"))
        versions = self._certificates.versions(name)
        items = [print_item(url, name, each) for each in versions[start : start + self._page]]
        more = start + self._page < len(versions)
        api, following = request.query.get("api-version", ""), start + self._page
        link = f"{url}{request.path}?api-version={api}&$skiptoken={following}" if more else None
        return web.json_response({"value": items, "nextLink": link})

    async def _get_certificate(self, request: web.Request) -> web.StreamResponse:
        found = self._find(request)
        if found is None:
            return _not_found("CertificateNotFound", "A certificate", request)
        return web.json_response(print_certificate(_url(request), request.match_info["name"], found))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        """Make a version at once, as its policy says; the official client polls for what is done already."""
        name = request.match_info["name"]
        policy = (await _read(request)).get("policy") or {}
        if not _NAME.fullmatch(name):
            return _error(400, "BadParameter", "The certificate's name is not allowed.")
        described = policy.get("x509_props") or {}
        usage = described.get("key_usage")
        self._certificates.make(
            name,
            lasts=timedelta(days=30 * int(described.get("validity_months") or 12)),
            content_type=(policy.get("secret_props") or {}).get("contentType") or PKCS12,
            exportable=(policy.get("key_props") or {}).get("exportable") is not False,
            unwraps=usage is None or "keyEncipherment" in usage,
        )
        return web.json_response(print_operation(_url(request), name), status=202)

    async def _pending(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(print_operation(_url(request), request.match_info["name"]))

    async def _update(self, request: web.Request) -> web.StreamResponse:
        """Enable or disable a version."""
        found = self._find(request)
        if found is None:
            return _not_found("CertificateNotFound", "A certificate", request)
        enabled = ((await _read(request)).get("attributes") or {}).get("enabled")
        if enabled is not None:
            self._certificates.enable(found, enabled=bool(enabled))
        return web.json_response(print_certificate(_url(request), request.match_info["name"], found))

    # -- the secret and the key beside a certificate --------------------------------------------------------------------

    async def _get_secret(self, request: web.Request) -> web.StreamResponse:
        found = self._find(request)
        if found is None:
            return _not_found("SecretNotFound", "A secret", request)
        if not found.enabled:
            message = "Operation get is not allowed on a disabled secret."
            return _error(403, "Forbidden", message, "SecretDisabled")
        return web.json_response(print_secret(_url(request), request.match_info["name"], found))

    async def _get_key(self, request: web.Request) -> web.StreamResponse:
        found = self._find(request)
        if found is None:
            return _not_found("KeyNotFound", "A key", request)
        try:
            return web.json_response(print_key(_url(request), request.match_info["name"], found))
        except ValueError:
            return _error(400, "BadParameter", "Only RSA keys are kept here.")

    async def _unwrap(self, request: web.Request) -> web.StreamResponse:
        found = self._find(request)
        if found is None:
            return _not_found("KeyNotFound", "A key", request)
        if not found.enabled:
            return _error(403, "Forbidden", "Operation unwrapKey is not allowed on a disabled key.", "KeyDisabled")
        if not found.unwraps:
            return _error(
                403, "Forbidden", "Operation unwrapKey is not permitted on this key.", "KeyOperationForbidden"
            )
        asked = await _read(request)
        if asked.get("alg") != "RSA-OAEP":
            return _error(400, "BadParameter", "Only RSA-OAEP is done here, which is the one with SHA-1.")
        try:
            opened = found.unwrap(read_base64url(str(asked.get("value"))))
        except ValueError:
            return _error(400, "BadParameter", "The parameter is incorrect.")
        name = request.match_info["name"]
        kid = f"{_url(request)}/keys/{name}/{found.version}"
        return web.json_response({"kid": kid, "value": print_base64url(opened)})

    def _find(self, request: web.Request) -> CertificateVersion | None:
        return self._certificates.find(request.match_info["name"], request.match_info.get("version", ""))


def _is_meant_for_us(authorization: str) -> bool:
    """Read a token's audience without checking who signed it."""
    parts = authorization.removeprefix(_BEARER).split(".")
    if not authorization.startswith(_BEARER) or len(parts) < 2:  # noqa: PLR2004 - header and claims
        return False
    try:
        claims = json.loads(read_base64url(parts[1]))
    except (ValueError, binascii.Error):
        return False
    return isinstance(claims, dict) and str(claims.get("aud", "")).rstrip("/") == AUDIENCE


async def _read(request: web.Request) -> Mapping[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _url(request: web.Request) -> str:
    return f"https://{request.host}"


def _not_found(code: str, what: str, request: web.Request) -> web.Response:
    name = request.match_info["name"]
    return _error(404, code, f"{what} with (name/id) {name} was not found in this key vault.")


def _error(
    status: int, code: str, message: str, inner: str = "", *, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.json_response(print_error(code, message, inner), status=status, headers=headers)
