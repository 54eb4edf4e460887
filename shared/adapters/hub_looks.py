"""ports.HubLooks with the clients that really read: Microsoft's for hubs and blobs, plain HTTPS for the authority.

What they raise is read by its class and by the AMQP condition, never shown: such texts have addresses in them, and may have more. A
link that reads is opened without an owner level, so that it never takes a partition from the host. Not here: what follows from what
was seen (`shared.hub_diagnosis`).
"""

import asyncio
import base64
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from shared.adapters.storage import Storage
from shared.adapters.trust import ca_bundle, verify
from shared.errors import StorageError
from shared.graph.additional_payload import CONTAINER
from shared.hub_diagnosis import Look, Outcome, Reader
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.eventhub.aio import EventHubConsumerClient

_SECONDS: Final = 8
"""For a connection; a firewall that swallows packets is told from a slow network by no other means."""
_LISTEN_SECONDS: Final = 3
"""A consumer group that is not there is refused at once; one that has said nothing for so long is there, and its partition is quiet."""
_SCOPE: Final = "https://eventhubs.azure.net/.default"
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BAD_REQUEST: Final = 400

_MEANINGS: Final[tuple[tuple[str, Outcome], ...]] = (
    # another reader with an owner level has the partition: so there is one, and we may read
    ("epoch|ownership|link:stolen", "ok"),
    ("maximum number of allowed receivers|quota|resource-limit", "crowded"),
    ("ip has been prevented|public ?network", "closed"),
    (r"unauthori[sz]ed|invalidsignature|expiredtoken|malformedtoken|cbs token|\b40[13]\b", "denied"),
    (r"not-?found|could not be found|\b404\b", "absent"),
    ("name or service|getaddrinfo|connect call failed|connection refused|timed? ?out|socketerror", "unreachable"),
)
"""What the client's texts mean, the first that fits; https://learn.microsoft.com/azure/event-hubs/troubleshooting-guide."""


class AzureHubLooks:
    """The real things. ``oversize`` is the account of OVERSIZE_STORAGE, None where no setting names one."""

    def __init__(self, settings: Settings, *, oversize: Storage | None) -> None:
        self._settings = settings
        self._oversize = oversize

    async def hub(self) -> Look:
        """Ask for the hub's properties, which the right to read it suffices for."""
        try:
            async with self._client() as client:
                properties = await client.get_eventhub_properties()
        except Exception as problem:  # noqa: BLE001 - whatever a client raises is what was to be found out
            return _read_problem(problem)
        return Look(outcome="ok", detail=str(len(properties["partition_ids"])))

    async def consumer_group(self) -> Look:
        """Listen on the first partition for a moment."""
        try:
            async with self._client() as client:
                partitions = (await client.get_eventhub_properties())["partition_ids"]
                return await _listen(client, partitions[0])
        except Exception as problem:  # noqa: BLE001 - as above
            return _read_problem(problem)

    async def reader(self) -> Reader:
        """Read tenant and object id out of the identity's own token, which only the hub need verify."""
        try:
            async with self._make_identity() as identity:
                token = (await identity.get_token(_SCOPE)).token
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except Exception:  # noqa: BLE001 - there is no identity here, or its token is not ours to read
            return Reader()
        return Reader(tenant_id=str(claims.get("tid", "")).lower(), object_id=str(claims.get("oid", "")).lower())

    async def tenant_of(self, domain: str) -> Look:
        """Read the authority's metadata for the domain: its issuer has the tenant's id in it."""
        return await asyncio.to_thread(self._tenant_of, domain)

    async def container(self) -> Look:
        """List the beginning of the container, which is what reading takes."""
        if self._oversize is None:
            return Look()
        try:
            container = self._oversize.found_container(CONTAINER)
            async for _ in container.list_blobs(results_per_page=1):
                break
        except Exception as problem:  # noqa: BLE001 - as above
            return _read_storage_problem(problem)
        return Look(outcome="ok")

    def _tenant_of(self, domain: str) -> Look:
        from requests import RequestException, Session  # noqa: PLC0415 - heavy, on first use

        url = f"{self._settings.authority}/{quote(domain)}/v2.0/.well-known/openid-configuration"
        try:
            with Session() as session:
                answer = session.get(url, timeout=_SECONDS, verify=verify(self._settings.environ))
                found = _GUID.search(str(answer.json().get("issuer", "")).lower()) if answer.ok else None
        except (RequestException, ValueError, AttributeError) as problem:
            return Look(outcome="unreachable", detail=type(problem).__name__)
        if found is not None:
            return Look(outcome="ok", detail=found[0])
        if answer.status_code == _BAD_REQUEST:
            return Look(outcome="absent")
        return Look(outcome="failed", detail=f"the authority answered {answer.status_code}")

    @asynccontextmanager
    async def _client(self) -> AsyncIterator["EventHubConsumerClient"]:
        """Open a client, and close it with its identity. Raises ValueError for a connection string that is none."""
        from azure.eventhub.aio import EventHubConsumerClient  # noqa: PLC0415 - heavy, on first use

        group, hub = self._settings.event_hub_consumer_group or "$Default", self._settings.event_hub_name
        options: dict[str, Any] = {"retry_total": 0, "auth_timeout": _SECONDS, "socket_timeout": _SECONDS}
        if bundle := ca_bundle(self._settings.environ):
            options["connection_verify"] = bundle
        async with AsyncExitStack() as opened:
            if text := self._settings.event_hub_connection:
                client = EventHubConsumerClient.from_connection_string(text, group, eventhub_name=hub, **options)
            else:
                identity = await opened.enter_async_context(self._make_identity())
                host = self._settings.event_hub_namespace
                client = EventHubConsumerClient(host, hub, group, credential=identity, **options)
            yield await opened.enter_async_context(client)

    def _make_identity(self) -> Any:
        """Make the identity that the host reads with, chosen by the same names."""
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415 - as above

        environ = self._settings.environ
        client_id = environ.get("EventHubConnection__clientId") or None
        if environ.get("EventHubConnection__credential", "").lower() == "managedidentity":
            return ManagedIdentityCredential(client_id=client_id)
        return DefaultAzureCredential(managed_identity_client_id=client_id)


async def _listen(client: "EventHubConsumerClient", partition: str) -> Look:
    """Wait for whatever comes first: an event, the news that there is none, or a refusal."""
    heard: asyncio.Future[Look] = asyncio.get_running_loop().create_future()

    async def take(_context: Any, _event: Any) -> None:
        if not heard.done():
            heard.set_result(Look(outcome="ok"))

    async def object_to(_context: Any, problem: Exception) -> None:
        if not heard.done():
            heard.set_result(_read_problem(problem))

    listening: asyncio.Future[None] = asyncio.ensure_future(
        client.receive(
            take,
            on_error=object_to,
            partition_id=partition,
            starting_position="-1",
            prefetch=1,
            max_wait_time=_LISTEN_SECONDS,
        )
    )
    try:
        waited: list[asyncio.Future[Any]] = [heard, listening]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        return heard.result() if heard.done() else Look(outcome="failed", detail="the client stopped listening")
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def _read_problem(problem: BaseException) -> Look:
    from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - heavy, on first use

    causes = list(_causes(problem))
    if any(isinstance(each, ClientAuthenticationError) for each in causes):
        return Look(outcome="failed", detail="there is no identity to ask with")
    if any(isinstance(each, socket.gaierror | TimeoutError | ConnectionError) for each in causes):
        return Look(outcome="unreachable", detail=type(problem).__name__)
    said = " ".join(str(each) for each in causes)
    for pattern, outcome in _MEANINGS:
        if re.search(pattern, said, re.IGNORECASE):
            return Look(outcome=outcome, detail=type(problem).__name__)
    if isinstance(problem, ValueError):
        return Look(outcome="malformed")
    return Look(outcome="failed", detail=type(problem).__name__)


def _read_storage_problem(problem: BaseException) -> Look:
    from azure.core.exceptions import (  # noqa: PLC0415 - heavy, on first use
        ClientAuthenticationError,
        HttpResponseError,
        ResourceNotFoundError,
        ServiceRequestError,
    )

    match problem:
        case ResourceNotFoundError():
            return Look(outcome="absent")
        case HttpResponseError(status_code=401 | 403) | ClientAuthenticationError():
            return Look(outcome="denied")
        case ServiceRequestError() | TimeoutError() | OSError() | StorageError():
            return Look(outcome="unreachable", detail=type(problem).__name__)
        case ValueError():
            return Look(outcome="malformed")
        case _:
            return Look(outcome="failed", detail=type(problem).__name__)


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """Give an exception and what it came from."""
    seen: set[int] = set()
    each: BaseException | None = problem
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
