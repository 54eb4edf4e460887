"""ports.KeptDeclaration on blob container ``payloads``, beside ``live/`` and ``dead/``: it never ages out."""

from typing import Final

from shared.adapters.storage import Storage

_CONTAINER: Final = "payloads"
_NAME: Final = "declaration/last-good.json"


class DeclarationBlob:
    """The subscriptions file as it was when it was last good."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def read(self) -> bytes | None:
        """Read what was kept; None if nothing ever was."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        container = await self._storage.container(_CONTAINER)
        with self._storage.errors():
            try:
                stream = await container.download_blob(_NAME)
                return await stream.readall()
            except ResourceNotFoundError:
                return None

    async def write(self, text: bytes) -> None:
        """Keep a text instead of the one before."""
        container = await self._storage.container(_CONTAINER)
        with self._storage.errors():
            await container.upload_blob(_NAME, text, overwrite=True)
