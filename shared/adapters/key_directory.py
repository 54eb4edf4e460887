"""Port ``EncryptionKeys`` on a directory of PEM files, ``<certificate id>.pem``, each a private key and its certificate.

The app never creates key material. Not here: Key Vault, see `key_vault`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from shared.graph.encrypted_content import EncryptionKey, read_encryption_key
from shared.settings import Settings

_LOGGER = logging.getLogger(__name__)
_READ_AGAIN_SECONDS: Final = 5.0
_LONGEST_ID: Final = 128

Stamp = tuple[int, int]
"""A file's modification time and size: the same stamp, the same key."""


class KeyDirectory:
    """Keys by certificate id. The current one is the certificate with the latest ``notBefore`` among the valid."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._now = now
        self._monotonic = monotonic
        self._keys: Mapping[str, tuple[Stamp, EncryptionKey]] = {}
        self._broken: frozenset[tuple[str, Stamp]] = frozenset()
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, certificate_id: str) -> EncryptionKey | None:
        """Find a key; an id that is not known has the directory read again, at most every 5 seconds."""
        if certificate_id not in self._keys:
            async with self._lock:
                if self._monotonic() - self._looked >= _READ_AGAIN_SECONDS:
                    await self._look()
        found = self._keys.get(certificate_id)
        return found[1] if found else None

    async def current(self) -> EncryptionKey | None:
        """Read the directory, and return the key that new subscriptions use; None if there is none that is valid."""
        async with self._lock:
            await self._look()
        now = self._now()
        valid = [key for _, key in self._keys.values() if key.not_before <= now < key.not_after]
        return max(valid, key=lambda key: (key.not_before, key.certificate_id), default=None)

    async def _look(self) -> None:
        self._keys, self._broken = await asyncio.to_thread(self._read_folder)
        self._looked = self._monotonic()

    def _read_folder(self) -> tuple[Mapping[str, tuple[Stamp, EncryptionKey]], frozenset[tuple[str, Stamp]]]:
        """Read what is new or changed; a file that cannot be read is named in the log once, and passed over."""
        keys: dict[str, tuple[Stamp, EncryptionKey]] = {}
        broken: set[tuple[str, Stamp]] = set()
        for path in sorted(self._folder.glob("*.pem")):
            stamp: Stamp = (0, 0)
            try:
                status = path.stat()
                stamp = (status.st_mtime_ns, status.st_size)
                known = self._keys.get(path.stem)
                keys[path.stem] = known if known and known[0] == stamp else (stamp, _read_key(path))
            except (ValueError, TypeError, OSError) as problem:
                broken.add((path.name, stamp))
                if (path.name, stamp) not in self._broken:
                    _LOGGER.warning("encryption key %s cannot be used: %s", path.name, type(problem).__name__)
        return keys, frozenset(broken)


def open_key_directory(settings: Settings) -> KeyDirectory | None:
    """Open the directory that ENCRYPTION_KEYS names; None if it names none."""
    kind, _, place = settings.encryption_keys.partition(":")
    return KeyDirectory(Path(place)) if kind == "directory" else None


def _read_key(path: Path) -> EncryptionKey:
    if len(path.stem) > _LONGEST_ID:
        raise ValueError("an encryptionCertificateId has at most 128 characters")
    return read_encryption_key(path.read_bytes(), certificate_id=path.stem)
