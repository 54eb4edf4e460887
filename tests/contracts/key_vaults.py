"""A Key Vault for a test, the adapter that asks it, and a way to unwrap with any key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.graph.simulator import Simulator
from local.keyvault.vault import Vault
from shared.adapters.key_vault import KeyVault
from shared.adapters.key_vault_client import VaultClient
from shared.graph.encrypted_content import EncryptionKey
from shared.settings import Settings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NAME = "earshot"
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - as Graph


@dataclass
class VaultStand:
    """A running vault, and adapters on it as separate processes would have them."""

    vault: Vault
    monotonic: float = 100.0
    now: datetime = NOW
    opened: list[KeyVault] = field(default_factory=list)

    def settings(self, **more: str) -> Settings:
        return Settings.from_environ({"SSL_CERT_FILE": str(self.vault.ca_path)} | more)

    def open(self, *, unwraps: bool = False, name: str = NAME, settings: Settings | None = None) -> KeyVault:
        client = VaultClient(url=self.vault.url, name=name, settings=settings or self.settings(), pause=0.001)
        keys = KeyVault(
            client,
            unwraps=unwraps,
            now=lambda: self.now.timestamp(),  # noqa: PLW0108 - the clock moves
            monotonic=lambda: self.monotonic,
        )
        self.opened.append(keys)
        return keys

    def asked(self, part: str) -> int:
        """How often something was asked for since the vault was started."""
        return sum(part in each for each in self.vault.routes.asked)


@asynccontextmanager
async def running_vault(monkeypatch: pytest.MonkeyPatch, *, page: int = 25) -> AsyncIterator[VaultStand]:
    """Run a vault, and the simulator for tokens of a managed identity."""
    async with Simulator() as simulator, Vault(now=lambda: NOW, page=page) as vault:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{simulator.http_url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        stand = VaultStand(vault)
        yield stand
        for keys in stand.opened:
            await keys.close()


def wrap(private: rsa.RSAPrivateKey, data_key: bytes) -> bytes:
    """Wrap a data key as Graph does."""
    return private.public_key().encrypt(data_key, OAEP)


async def unwrap(key: EncryptionKey, wrapped: bytes) -> bytes:
    """Unwrap here, or wherever the private key is."""
    return await key.unwrap_elsewhere(wrapped) if key.unwrap_elsewhere else key.unwrap(wrapped)
