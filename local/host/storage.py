"""Queues and checkpoints as the host uses them: clients by connection setting, queues made once, with the host's own retries.

Which message goes where is decided elsewhere; identity-based connections are not supported locally.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.host.queue_rules import Message
from local.host.retries import RetryOptions, persist, read_retry_options

# https://learn.microsoft.com/azure/storage/common/storage-use-azurite (2026-11): a published key, the same for everyone
DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey="
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)
HOST_STORAGE = "AzureWebJobsStorage"
CHECKPOINT_CONTAINER = "azure-webjobs-eventhub"
# quicker than the client's 15 s: who can't renew an ownership in time loses it
CHECKPOINT_RETRIES: Mapping[str, Any] = {"initial_backoff": 1, "increment_base": 2, "retry_total": 3}


class Queue:
    """One queue, and a bell that rings when this host has written to it."""

    def __init__(self, client: QueueClient, options: RetryOptions) -> None:
        self._client = client
        self._options = options
        self.name = str(client.queue_name)
        self.bell = asyncio.Event()

    async def take(self, count: int, visibility: int) -> list[Message]:
        """Take up to so many messages; a queue that does not exist is an empty one. Not retried: polling does that."""
        pages = self._client.receive_messages(messages_per_page=count, visibility_timeout=visibility).by_page()
        try:
            page = await anext(pages)
            return [_message(item) async for item in page]
        except (StopAsyncIteration, ResourceNotFoundError):
            return []

    async def put(self, text: str) -> None:
        """Write one message with the service's default time to live, making the queue if it is missing; ring."""
        try:
            await persist(lambda: self._client.send_message(text), self._options)
        except ResourceNotFoundError:
            await persist(self._create, self._options)
            await persist(lambda: self._client.send_message(text), self._options)
        self.bell.set()

    async def hide(self, message_id: str, pop_receipt: str, seconds: int) -> str:
        """Make a taken message visible after so many seconds, text unchanged; return the new pop receipt."""
        updated = await persist(
            lambda: self._client.update_message(message_id, pop_receipt, visibility_timeout=seconds), self._options
        )
        return str(updated.pop_receipt)

    async def delete(self, message_id: str, pop_receipt: str) -> None:
        """Delete a taken message; one that is gone already is fine."""
        try:
            await persist(lambda: self._client.delete_message(message_id, pop_receipt), self._options)
        except ResourceNotFoundError:
            return

    async def _create(self) -> None:
        try:
            await self._client.create_queue()
        except ResourceExistsError:
            return


def _message(item: object) -> Message:
    fields = vars(item)
    return Message(
        id=str(fields["id"]),
        text=str(fields["content"] or ""),
        pop_receipt=str(fields["pop_receipt"]),
        dequeue_count=int(fields["dequeue_count"] or 1),
        inserted=fields["inserted_on"],
        expires=fields["expires_on"],
        next_visible=fields["next_visible_on"],
    )


class CheckpointContainer:
    """The blobs in which hosts write who reads which partition of a hub, and how far that has come."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string

    async def create(self) -> None:
        """Make the container if it is missing. Not retried: the listener does that."""
        container = ContainerClient.from_connection_string(
            self._connection_string, CHECKPOINT_CONTAINER, transport=_transport(), retry_total=0
        )
        async with container:
            with contextlib.suppress(ResourceExistsError):
                await container.create_container()

    def store(self) -> BlobCheckpointStore:
        """Open the container for the Event Hubs client; whoever gets it closes it."""
        return BlobCheckpointStore.from_connection_string(
            self._connection_string, CHECKPOINT_CONTAINER, transport=_transport(), **CHECKPOINT_RETRIES
        )


def _transport() -> AioHttpTransport:
    """Make a transport that does not read proxy settings anew, which costs a third of each call."""
    return AioHttpTransport(use_env_settings=False)


class Storage:
    """All queues that the app's bindings name, and the host's checkpoints."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._services: dict[str, QueueServiceClient] = {}
        self._queues: dict[tuple[str, str], Queue] = {}

    def check(self, connection: str) -> None:
        """Raise ValueError unless the setting holds a usable connection string."""
        self._service(connection)
        read_retry_options(connection, self._settings)

    def queue(self, connection: str, name: str) -> Queue:
        """Return the queue of that name, always the same object."""
        key = (self._settings[connection], name)
        if key not in self._queues:
            client = self._service(connection).get_queue_client(name)
            self._queues[key] = Queue(client, read_retry_options(connection, self._settings))
        return self._queues[key]

    def checkpoints(self) -> CheckpointContainer:
        """Return the container of checkpoints in the host's own storage, raising ValueError if that is not set."""
        return CheckpointContainer(self._connection_string(HOST_STORAGE))

    def _service(self, connection: str) -> QueueServiceClient:
        if connection not in self._services:
            self._services[connection] = QueueServiceClient.from_connection_string(
                self._connection_string(connection), transport=_transport(), retry_total=0
            )
        return self._services[connection]

    def _connection_string(self, connection: str) -> str:
        text = self._settings.get(connection, "")
        if not text:
            raise ValueError(
                f"Storage account connection string '{connection}' does not exist. Make sure that it is a defined App Setting."
            )
        is_development = "usedevelopmentstorage=true" in text.lower().replace(" ", "")
        return DEVELOPMENT_STORAGE if is_development else text

    async def close(self) -> None:
        """Close every client."""
        for service in self._services.values():
            await service.close()


STORAGE_ERRORS: tuple[type[Exception], ...] = (AzureError, TimeoutError)
"""What a storage operation raises when it fails for good."""
