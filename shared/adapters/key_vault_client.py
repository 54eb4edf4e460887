"""Requests about one certificate of one Azure Key Vault, by the official SDK; every refusal in words that name the remedy.

Packages and clients are loaded when the first key is wanted: a webhook alone never pays for them. Clients are bound to the
event loop that first used them. Not here: which version is for what (`key_vault`), who we are (`key_vault_identity`).
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from shared.adapters.key_vault_identity import make_vault_identity
from shared.adapters.trust import ca_bundle
from shared.errors import KeysUnavailable
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.keyvault.certificates.aio import CertificateClient
    from azure.keyvault.keys.crypto.aio import CryptographyClient
    from azure.keyvault.secrets.aio import SecretClient

_PATIENCE_SECONDS: Final = 20.0
"""For one question with its retries: a vault that throttles may ask for long pauses, and an envelope is waiting."""
_CONNECT_SECONDS: Final = 3.0
_READ_SECONDS: Final = 10.0
_RETRIES: Final = 2
_TOGETHER: Final = 16
"""A vault unwraps 4,000 times in 10 seconds with a 2,048-bit key, for all instances together (2026-01).
https://learn.microsoft.com/azure/key-vault/general/service-limits"""
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 400, 401, 403, 404
_WORD = re.compile(r"[A-Za-z]{1,40}")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_ROLES: Final[Mapping[str, str]] = {
    "list its versions": "Key Vault Certificate User (or Key Vault Reader)",
    "read its certificate": "Key Vault Certificate User (or Key Vault Reader)",
    "read its private key": "Key Vault Secrets User (or Key Vault Certificate User)",
    "unwrap with its key": "Key Vault Crypto User",
}
"""What a question needs. https://learn.microsoft.com/azure/key-vault/general/rbac-guide (2026-01)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An enabled version of the certificate; times are seconds since the epoch."""

    version: str
    not_before: float
    not_after: float
    created: float
    updated: float


@dataclass(slots=True, kw_only=True)
class VaultClient:
    """One certificate of one vault. Whatever is asked raises KeysUnavailable where the vault does not answer it."""

    url: str
    name: str
    settings: Settings
    pause: float = 0.4
    """Seconds before a request is tried again, doubled the next time."""
    _made: dict[str, Any] = field(default_factory=dict, repr=False)
    _unwrapping: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_TOGETHER), repr=False)

    async def versions(self) -> list[Version]:
        """List the enabled versions; a certificate without any version at all is not there."""
        listed = 0
        enabled: list[Version] = []
        async with self._asking("list its versions"):
            async for each in self._certificates().list_properties_of_certificate_versions(self.name):
                listed += 1
                if each.enabled and each.version and each.not_before and each.expires_on:
                    enabled.append(
                        Version(
                            version=each.version,
                            not_before=each.not_before.timestamp(),
                            not_after=each.expires_on.timestamp(),
                            created=each.created_on.timestamp() if each.created_on else 0.0,
                            updated=each.updated_on.timestamp() if each.updated_on else 0.0,
                        )
                    )
        if not listed:
            raise self._not_there()
        return enabled

    async def certificate(self, version: str) -> bytes:
        """Read a version's certificate, in DER."""
        async with self._asking("read its certificate"):
            found = await self._certificates().get_certificate_version(self.name, version)
            return bytes(found.cer or b"")

    async def secret(self, version: str) -> tuple[str, str]:
        """Read a version's private key as the vault keeps it, and its content type.

        A secret can be read whatever its dates say: old versions open old items.
        https://learn.microsoft.com/azure/key-vault/secrets/about-secrets (2025-11)
        """
        async with self._asking("read its private key"):
            found = await self._secrets().get_secret(self.name, version)
            return found.value or "", found.properties.content_type or ""

    async def unwrap(self, version: str, wrapped: bytes) -> bytes:
        """Have a data key opened by the vault: RSA-OAEP, which is the one with SHA-1. Raises ValueError if it refuses to.

        https://learn.microsoft.com/rest/api/keyvault/keys/unwrap-key (2025-07)
        """
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - heavy, on first use
        from azure.keyvault.keys.crypto import KeyWrapAlgorithm  # noqa: PLC0415

        async with self._unwrapping, self._asking("unwrap with its key"):
            try:
                return (await self._cryptography(version).unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped)).key
            except HttpResponseError as problem:
                if problem.status_code == _BAD_REQUEST:
                    raise ValueError("the vault cannot open it") from problem
                raise

    async def close(self) -> None:
        """Close every connection."""
        for each in self._made.values():
            await each.close()
        self._made.clear()

    @asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - heavy, on first use

        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                yield
        except HttpResponseError as problem:
            raise self._refusal(what, problem) from problem
        except (AzureError, TimeoutError, OSError) as problem:
            raise KeysUnavailable(f"{self._place()} did not answer ({type(problem).__name__})") from problem

    def _refusal(self, what: str, problem: "HttpResponseError") -> Exception:
        """Put a refusal into words: never the vendor's text, which may quote ids of people and apps."""
        status, words = problem.status_code, _words(problem)
        if status is None or status == _UNAUTHORIZED:
            return KeysUnavailable(
                f"{self._place()} does not know the app ({words}): it needs an identity of the vault's own tenant"
            )
        if what == "read its private key" and (status == _NOT_FOUND or (status == _FORBIDDEN and "Disabled" in words)):
            return ValueError("its secret is disabled or gone, although the certificate's version is not")
        if status == _FORBIDDEN and "KeyOperationForbidden" in words:
            return KeysUnavailable(
                f"{self._place()} has a key that may not {what.partition(' ')[0]}: "
                "make a version whose policy has the key usage keyEncipherment"
            )
        if status == _FORBIDDEN:
            return KeysUnavailable(
                f"{self._place()} does not let the app {what} ({words}): "
                f"give its identity the role {_ROLES[what]}, or let it through the vault's firewall"
            )
        if status == _NOT_FOUND:
            return self._not_there()
        return KeysUnavailable(f"{self._place()} answered {status} ({words})")

    def _not_there(self) -> KeysUnavailable:
        host = urlsplit(self.url).netloc
        return KeysUnavailable(
            f"key vault {host} has no certificate {self.name!r}: make it, or correct ENCRYPTION_KEYS"
        )

    def _place(self) -> str:
        return f"key vault {urlsplit(self.url).netloc}, certificate {self.name!r},"

    # -- clients ------------------------------------------------------------------------------------------------------

    def _certificates(self) -> "CertificateClient":
        from azure.keyvault.certificates.aio import CertificateClient  # noqa: PLC0415 - heavy, on first use

        if "certificates" not in self._made:
            self._made["certificates"] = CertificateClient(self.url, self._identity(), **self._options())
        client: CertificateClient = self._made["certificates"]
        return client

    def _secrets(self) -> "SecretClient":
        from azure.keyvault.secrets.aio import SecretClient  # noqa: PLC0415 - heavy, on first use

        if "secrets" not in self._made:
            self._made["secrets"] = SecretClient(self.url, self._identity(), **self._options())
        client: SecretClient = self._made["secrets"]
        return client

    def _cryptography(self, version: str) -> "CryptographyClient":
        from azure.keyvault.keys.crypto.aio import CryptographyClient  # noqa: PLC0415 - heavy, on first use

        if version not in self._made:
            key_id = f"{self.url}/keys/{self.name}/{version}"
            self._made[version] = CryptographyClient(key_id, self._identity(), **self._options())
        client: CryptographyClient = self._made[version]
        return client

    def _identity(self) -> Any:
        if "identity" not in self._made:
            self._made["identity"] = make_vault_identity(self.settings, retries=_RETRIES, pause=self.pause)
        return self._made["identity"]

    def _options(self) -> dict[str, Any]:
        return {
            "transport": self._transport(),
            "retry_total": _RETRIES,
            "retry_backoff_factor": self.pause,
            # the address a token is for is held against the vault's, but for a stand-in on this machine
            "verify_challenge_resource": urlsplit(self.url).hostname not in _LOOPBACK,
        }

    def _transport(self) -> "AioHttpTransport":
        """Make a transport over one session for all clients; its own would read the authorities' file for every request."""
        import aiohttp  # noqa: PLC0415 - heavy, on first use
        from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415

        if "session" not in self._made:
            context = ssl.create_default_context(cafile=ca_bundle(self.settings.environ))
            self._made["session"] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # as the transport's own: the SDK unpacks
            )
        return AioHttpTransport(
            session=self._made["session"],
            session_owner=False,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )


def _words(problem: "HttpResponseError") -> str:
    """Return the vault's or the authority's own words for a refusal, such as Forbidden and ForbiddenByRbac."""
    error: Any = problem.error
    inner: Any = getattr(error, "innererror", None) or {}
    words = [getattr(error, "code", None), inner.get("code") if isinstance(inner, Mapping) else None]
    known = [word for word in words if isinstance(word, str) and _WORD.fullmatch(word)]
    return " ".join([str(problem.status_code or type(problem).__name__), *known])
