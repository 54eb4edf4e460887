"""The storage account: asynchronous clients made on first use, and one word for everything that goes wrong with it.

Clients are bound to the event loop that first used them. The transport does not look at proxy settings or .netrc on
every call: that halves its CPU time, and a Functions app reaches its storage directly.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.adapters.table_transaction import TableTransactions, Write, make_client
from shared.errors import StorageError
from shared.settings import Settings
from shared.storage_health import StorageHealth

if TYPE_CHECKING:
    import aiohttp
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.data.tables.aio import TableClient, TableServiceClient
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

_SUFFIXES = {
    "global": "core.windows.net",
    "usgov": "core.usgovcloudapi.net",
    "usgov-dod": "core.usgovcloudapi.net",
    "china": "core.chinacloudapi.cn",
}
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite (the emulator's well-known account)
_EMULATOR = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request to storage may take: tries after the first, and seconds for each."""

    retries: int
    backoff: float
    connect: float
    read: float


PROMPT = Patience(retries=0, backoff=0, connect=1, read=1.5)
"""On the way to Graph's answer, which has to leave within 3 seconds."""

PATIENT = Patience(retries=2, backoff=0.4, connect=3, read=10)
"""Behind the queue: storage's own hiccups pass; for more than that the message comes back by itself."""


@dataclass(slots=True, kw_only=True)
class Storage:
    """Clients for one storage account."""

    settings: Settings
    patience: Patience
    health: StorageHealth
    now: Callable[[], datetime]
    ca_bundle: str | None = None
    connection: str = ""
    """Another connection string than the app's own, for a target of `forward`."""
    _made: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    _services: dict[str, Any] = field(default_factory=dict)

    async def table(self, name: str) -> "TableClient":
        """Give the client of a table, which is created if it does not exist. Raises StorageError."""
        client: TableClient = await self._once(f"table {name}", lambda: self._make_table(name))
        return client

    async def queue(self, name: str) -> "QueueClient":
        """Give the client of a queue, which is created if it does not exist. Raises StorageError."""
        client: QueueClient = await self._once(f"queue {name}", lambda: self._make_queue(name))
        return client

    async def container(self, name: str) -> "ContainerClient":
        """Give the client of a blob container, which is created if it does not exist. Raises StorageError."""
        client: ContainerClient = await self._once(f"container {name}", lambda: self._make_container(name))
        return client

    def found_container(self, name: str) -> "ContainerClient":
        """Give the client of a blob container that is somebody else's to make."""
        return self._blob_service().get_container_client(name)

    async def transact(self, table: str, writes: Sequence[Write]) -> list[str]:
        """Write up to a hundred rows of one partition, all or none; their etags.

        Raises TransactionConflict if one row was there or is not what it was, StorageError for everything else.
        """
        await self.table(table)
        with self.errors():
            return await self._transactions().submit(table, writes)

    async def table_names(self, prefix: str) -> list[str]:
        """List the tables whose names begin with a prefix. Raises StorageError."""
        with self.errors():
            # "{" is the character after "z": everything that begins with the prefix lies between
            between = f"TableName ge '{prefix}' and TableName lt '{prefix}{{'"
            return sorted([table.name async for table in self._table_service().query_tables(between)])

    async def drop_table(self, name: str) -> None:
        """Delete a table with all that is in it; one that is gone is no error. Raises StorageError."""
        self._made.pop(f"table {name}", None)
        with self.errors():
            await self._table_service().delete_table(name)

    async def close(self) -> None:
        """Close every connection."""
        for name, service in self._services.items():
            if name != "transactions":  # has nothing of its own to close
                await service.close()
        self._services.clear()
        self._made.clear()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the SDK raises into StorageError, and note whether storage is there at all."""
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - heavy, on first use

        try:
            yield
        except HttpResponseError as problem:
            if problem.status_code is None or problem.status_code >= 500:  # noqa: PLR2004
                self.health.note_failure(self.now())
            if problem.status_code == 404:  # noqa: PLR2004 - somebody deleted a table or queue: make them again on next use
                self._made.clear()
            raise StorageError(f"storage answered {problem.status_code} {problem.reason or ''}".strip()) from problem
        except (AzureError, TimeoutError, OSError) as problem:
            self.health.note_failure(self.now())
            raise StorageError(f"storage did not answer ({type(problem).__name__})") from problem
        else:
            self.health.note_success()

    async def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """Make a client once, however many ask for it at once; a failure is not remembered."""
        task = self._made.get(name)
        if task is None:
            task = asyncio.ensure_future(make())
            self._made[name] = task
        try:
            return await asyncio.shield(task)
        except BaseException:
            if task.done() and self._made.get(name) is task:
                del self._made[name]
            raise

    async def _make_table(self, name: str) -> "TableClient":
        with self.errors():
            return await self._table_service().create_table_if_not_exists(name)

    async def _make_queue(self, name: str) -> "QueueClient":
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415

        client = self._queue_service().get_queue_client(name)
        with self.errors(), suppress(ResourceExistsError):  # the SDK raises for 204 too, and after a retried create
            await client.create_queue()
        return client

    async def _make_container(self, name: str) -> "ContainerClient":
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415

        client = self._blob_service().get_container_client(name)
        with self.errors(), suppress(ResourceExistsError):
            await client.create_container()
        return client

    def _table_service(self) -> "TableServiceClient":
        from azure.data.tables.aio import TableServiceClient  # noqa: PLC0415

        service: TableServiceClient = self._service("table", TableServiceClient)
        return service

    def _transactions(self) -> TableTransactions:
        if "transactions" not in self._services:
            from azure.core.utils import parse_connection_string  # noqa: PLC0415

            service = self._table_service()
            text = self._connection_string()
            connection = parse_connection_string(text) if text else {}
            query = connection.get("sharedaccesssignature", "").lstrip("?")
            client = make_client(
                service.url,
                transport=self._transport(),
                retries=self.patience.retries,
                backoff=self.patience.backoff,
                account=service.account_name or "",
                key=connection.get("accountkey", ""),
                credential=None if connection else self._credential(),
            )
            self._services["transactions"] = TableTransactions(client, service.url, f"?{query}" if query else "")
        return self._services["transactions"]  # type: ignore[no-any-return]

    def _queue_service(self) -> "QueueServiceClient":
        from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415

        service: QueueServiceClient = self._service("queue", QueueServiceClient)
        return service

    def _blob_service(self) -> "BlobServiceClient":
        from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415

        service: BlobServiceClient = self._service("blob", BlobServiceClient)
        return service

    def _service(self, kind: str, client: Any) -> Any:
        if kind not in self._services:
            connection = self._connection_string()
            if connection:
                made = client.from_connection_string(connection, **self._options())
            else:
                own = f"https://{self.settings.storage_account}.{kind}.{_SUFFIXES[self.settings.graph_cloud]}"
                url = getattr(self.settings, f"storage_{kind}_uri") or own
                key = "endpoint" if kind == "table" else "account_url"
                made = client(**{key: url}, credential=self._credential(), **self._options())
            self._services[kind] = made
        return self._services[kind]

    def _connection_string(self) -> str:
        connection = self.connection or self.settings.storage
        return _EMULATOR if connection.strip().rstrip(";") == "UseDevelopmentStorage=true" else connection

    def _options(self) -> dict[str, Any]:
        return {
            "transport": self._transport(),
            "retry_total": self.patience.retries,
            "retry_backoff_factor": self.patience.backoff,
            # queues and blobs have words of their own: without these the first retry comes after 15 seconds
            "initial_backoff": self.patience.backoff,
            "increment_base": 0,
            "random_jitter_range": self.patience.backoff / 2,
        }

    def _transport(self) -> "AioHttpTransport":
        """Make a transport over our session. It takes its time limits here: those given to a client never reach it."""
        from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415

        return AioHttpTransport(
            session=self._session(),
            session_owner=False,
            connection_timeout=self.patience.connect,
            read_timeout=self.patience.read,
        )

    def _session(self) -> "aiohttp.ClientSession":
        """One session for all services. The transport's own would read the authorities' file anew for every request."""
        import aiohttp  # noqa: PLC0415 - heavy, on first use

        if "session" not in self._services:
            context = ssl.create_default_context(cafile=self.ca_bundle)
            self._services["session"] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # as the transport's own: the SDK unpacks
            )
        return self._services["session"]  # type: ignore[no-any-return]

    def _credential(self) -> Any:
        if "identity" not in self._services:
            from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

            environ = self.settings.environ
            client_id = environ.get("AzureWebJobsStorage__clientId") or None
            if environ.get("AzureWebJobsStorage__credential", "").lower() == "managedidentity":
                self._services["identity"] = ManagedIdentityCredential(client_id=client_id)
            else:
                self._services["identity"] = DefaultAzureCredential()
        return self._services["identity"]
