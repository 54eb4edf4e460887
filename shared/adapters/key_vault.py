"""Port ``EncryptionKeys`` on one certificate of an Azure Key Vault: each enabled version is a key, ``<name>-<version>``.

Versions are listed when an id is not known and when the current key is asked for; a version is read once, when it is
first needed. Not here: requests (`key_vault_client`), and what a version's secret looks like (`key_vault_material`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, TypeVar
from urllib.parse import urlsplit

from shared.adapters.key_vault_client import VaultClient, Version
from shared.adapters.key_vault_material import read_secret
from shared.errors import KeysUnavailable
from shared.graph.encrypted_content import EncryptionKey, read_encryption_certificate
from shared.settings import Settings

_LOGGER = logging.getLogger(__name__)
_ASK_AGAIN_SECONDS: Final = 5.0
_TRY_AGAIN_SECONDS: Final = 300.0
"""For a version that was of no use: its secret may be enabled without a change of the version."""
_FIRST_WAIT_SECONDS: Final = 30.0
_LONGEST_WAIT_SECONDS: Final = 900.0

T = TypeVar("T")


class KeyVault:
    """Keys by certificate id. The current one is the version with the latest ``notBefore`` among the valid.

    With ``unwraps`` the private key stays in the vault: keys carry the certificate alone, and data keys are opened there.
    """

    def __init__(
        self,
        vault: VaultClient,
        *,
        unwraps: bool = False,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault = vault
        self._unwraps = unwraps
        self._now = now
        self._monotonic = monotonic
        self._versions: Mapping[str, Version] = {}
        self._keys: dict[str, EncryptionKey] = {}
        self._useless: dict[str, tuple[float, float]] = {}
        self._current: EncryptionKey | None = None
        self._looked = float("-inf")
        self._failed = float("-inf")
        self._failure = ""
        self._away_since: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, certificate_id: str) -> EncryptionKey | None:
        """Find a key; an id that is not known has the versions listed again, at most every 5 seconds."""
        key = self._keys.get(certificate_id)
        if key is not None:
            return key
        async with self._lock:
            if certificate_id not in self._versions and self._monotonic() - self._looked >= _ASK_AGAIN_SECONDS:
                await self._look()
            version = self._versions.get(certificate_id)
            return await self._read(certificate_id, version) if version else None

    async def current(self) -> EncryptionKey | None:
        """List the versions, and return the key that new subscriptions use; the last one known if that cannot be done."""
        async with self._lock:
            try:
                await self._look()
                self._current = await self._newest()
            except KeysUnavailable as problem:
                _LOGGER.warning("the current encryption key cannot be looked up: %s", problem)
        current = self._current
        return current if current and current.not_before <= self._now() < current.not_after else None

    async def close(self) -> None:
        """Close every connection."""
        await self._vault.close()

    async def _newest(self) -> EncryptionKey | None:
        now = self._now()
        valid = [(each, key_id) for key_id, each in self._versions.items() if each.not_before <= now < each.not_after]
        for version, certificate_id in sorted(valid, key=_age, reverse=True):
            key = await self._read(certificate_id, version)
            if key is not None:
                return key
        return None

    async def _look(self) -> None:
        versions = await self._ask(self._vault.versions)
        self._looked = self._monotonic()
        self._versions = {f"{self._vault.name}-{each.version}": each for each in versions}
        self._keys = {
            certificate_id: key for certificate_id, key in self._keys.items() if certificate_id in self._versions
        }

    async def _read(self, certificate_id: str, version: Version) -> EncryptionKey | None:
        """Read a version unless that was done; one that is of no use is named in the log once, and passed over."""
        if certificate_id in self._keys:
            return self._keys[certificate_id]
        stamp, tried = self._useless.get(certificate_id, (-1.0, float("-inf")))
        if stamp == version.updated and self._monotonic() - tried < _TRY_AGAIN_SECONDS:
            return None
        try:
            key = await self._ask(lambda: self._fetch(certificate_id, version))
        except ValueError as problem:
            self._useless[certificate_id] = version.updated, self._monotonic()
            if stamp != version.updated:
                _LOGGER.warning("encryption key %s cannot be used: %s", certificate_id, problem)
            return None
        self._useless.pop(certificate_id, None)
        self._keys[certificate_id] = key
        return key

    async def _fetch(self, certificate_id: str, version: Version) -> EncryptionKey:
        if self._unwraps:
            return read_encryption_certificate(
                await self._vault.certificate(version.version),
                certificate_id=certificate_id,
                unwrap_elsewhere=lambda wrapped: self._noted(self._vault.unwrap(version.version, wrapped)),
            )
        value, content_type = await self._vault.secret(version.version)
        return await asyncio.to_thread(read_secret, value, content_type, certificate_id=certificate_id)

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask the vault something, unless it has just failed to answer. Raises KeysUnavailable."""
        if self._monotonic() - self._failed < _ASK_AGAIN_SECONDS:
            raise KeysUnavailable(self._failure, after=self._wait())
        return await self._noted(question())

    async def _noted(self, answer: Awaitable[T]) -> T:
        """Await an answer, and note whether the vault gives any."""
        try:
            result = await answer
        except KeysUnavailable as problem:
            self._failed = self._monotonic()
            self._failure = str(problem)
            self._away_since = self._failed if self._away_since is None else self._away_since
            raise KeysUnavailable(self._failure, after=self._wait()) from problem
        self._failed, self._away_since = float("-inf"), None
        return result

    def _wait(self) -> timedelta:
        """Say when to ask again: after as long as the vault has been away already, within limits."""
        now = self._monotonic()
        away = now - (now if self._away_since is None else self._away_since)
        return timedelta(seconds=min(max(away, _FIRST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS))


def open_key_vault(settings: Settings) -> KeyVault | None:
    """Open the vault that ENCRYPTION_KEYS names; None if it names none. Nothing is asked before the first key is wanted."""
    kind, _, url = settings.encryption_keys.partition(":")
    if kind not in {"keyvault", "keyvault-unwrap"}:
        return None
    parts = urlsplit(url)
    client = VaultClient(
        url=f"https://{parts.netloc}",
        name=parts.path.removeprefix("/certificates/"),
        settings=settings,
    )
    return KeyVault(client, unwraps=kind == "keyvault-unwrap")


def _age(version: tuple[Version, str]) -> tuple[float, float, str]:
    return version[0].not_before, version[0].created, version[1]
