"""ports.OversizePayloads on blob container ``microsoft-graph-change-notifications``, in an account of its own.

Nothing is ever made or written there: reading is all the right that this takes, and a container that is missing is for whoever
runs the subscriptions to make.
"""

from shared.adapters.storage import Storage
from shared.graph.additional_payload import CONTAINER

_NO_SUCH_RANGE = 416
"""What storage answers where the first bytes of an empty blob are asked for."""


class OversizeBlobs:
    """What Graph wrote there."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def get(self, name: str, *, at_most: int) -> bytes | None:
        """Fetch the beginning of a blob; None if it, or the container, is not there."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        blob = self._storage.found_container(CONTAINER).get_blob_client(name)
        with self._storage.errors():
            try:
                stream = await blob.download_blob(offset=0, length=at_most)
                return await stream.readall()
            except ResourceNotFoundError:
                return None
            except HttpResponseError as problem:
                if problem.status_code == _NO_SUCH_RANGE:
                    return b""
                raise
