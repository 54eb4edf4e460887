"""ports.Payloads on blob container ``payloads``."""

from shared.adapters.storage import Storage
from shared.envelope import DEAD_PAYLOADS, LIVE_PAYLOADS

_CONTAINER = "payloads"


class PayloadBlobs:
    """Claim checks. ``live/`` ages out by a lifecycle rule of the account, ``dead/`` stays."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def put(self, name: str, data: bytes) -> None:
        """Keep a payload, whether or not one of that name is there."""
        container = await self._storage.container(_CONTAINER)
        with self._storage.errors():
            await container.upload_blob(name, data, overwrite=True)

    async def get(self, name: str) -> bytes | None:
        """Fetch a payload; None when it is gone, or when the name is none of ours."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        if not name.startswith((LIVE_PAYLOADS, DEAD_PAYLOADS)):
            return None
        container = await self._storage.container(_CONTAINER)
        with self._storage.errors():
            try:
                stream = await container.download_blob(name)
                return await stream.readall()
            except ResourceNotFoundError:
                return None

    async def bury(self, name: str) -> str:
        """Copy a live payload to ``dead/``."""
        if not name.startswith(LIVE_PAYLOADS):
            return name
        data = await self.get(name)
        if data is None:
            return name
        buried = DEAD_PAYLOADS + name.removeprefix(LIVE_PAYLOADS)
        await self.put(buried, data)
        return buried
