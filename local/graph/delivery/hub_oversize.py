"""Items that no event can hold: what makes them large goes into a blob, and the event says which.

Graph's page says that `resource`, `resourceData` and `encryptedContent` are left out of the event and stored in the blob that
`additionalPayloadStorageId` names; the container's name is from an older copy of it. In which form they are stored is not public:
here the blob holds the whole item, as JSON, as it would have been sent.
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-event-hubs#subscriptions-for-rich-notifications-with-large-payloads
"""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.graph.delivery.attempts import write_json
from local.graph.delivery.hub_producer import HubRefused

if TYPE_CHECKING:  # as with the hub's client, few need it
    from azure.storage.blob.aio import ContainerClient

CONTAINER = "microsoft-graph-change-notifications"
STORED = frozenset({"resource", "resourcedata", "encryptedcontent"})


class BlobStores:
    """Writes blobs into the containers that subscribers have made for them, by the connection string of their account."""

    def __init__(self) -> None:
        self._containers: dict[str, ContainerClient] = {}

    async def store(self, connection_string: str, item: Mapping[str, Any]) -> dict[str, Any]:
        """Store an item and return what its event says instead. Raises HubRefused if the container is not there."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - see above

        name = str(uuid.uuid4())
        printed = write_json(item)
        try:
            await self._container(connection_string).upload_blob(name, printed)
        except (AzureError, ValueError) as problem:
            raise HubRefused(f"cannot store a large payload: {type(problem).__name__}") from problem
        return {key: value for key, value in item.items() if key.lower() not in STORED} | {
            "additionalPayloadStorageId": name
        }

    async def close(self) -> None:
        """Disconnect from every account."""
        while self._containers:
            await self._containers.popitem()[1].close()

    def _container(self, connection_string: str) -> "ContainerClient":
        from azure.storage.blob.aio import ContainerClient  # noqa: PLC0415 - see above

        if connection_string not in self._containers:
            made = ContainerClient.from_connection_string(connection_string, CONTAINER)
            self._containers[connection_string] = made
        return self._containers[connection_string]
