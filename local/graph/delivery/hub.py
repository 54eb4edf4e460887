"""Delivery into event hubs: finds the hub that a URL means, tries it out, and puts bodies into it, large ones by way of a blob.

Hubs and accounts are reached with connection strings instead of Graph's own identity: a namespace's host or a secret's name is
looked up among those given. Not here: when a body is sent again, see `courier`; whose resource data needs tokens, see `validation`
(what goes into a hub has none).
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-event-hubs
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from local.graph.delivery.hub_address import HubAddress, read_hub_url, read_store_url, refuse_hub_url, refuse_store_url
from local.graph.delivery.hub_bodies import LARGEST_BODY, write_hub_bodies, write_probe
from local.graph.delivery.hub_oversize import BlobStores
from local.graph.delivery.hub_producer import HubProducer, HubRefused
from local.graph.faults import GraphFault, invalid

__all__ = ["HubRefused", "HubSender", "write_hub_bodies"]

NONE: Mapping[str, str] = MappingProxyType({})

log = logging.getLogger(__name__)


class HubSender:
    """Sends to any hub of the tenants whose `domains` these are.

    `hubs` are connection strings by the host of their namespace; `secrets` are those that vaults hold, by the secret's name: of a
    hub with its EntityPath, or of a storage account. `blob_store_of` returns the `blobStoreUrl` of a subscription, by its id.
    """

    def __init__(
        self,
        hubs: Mapping[str, str],
        *,
        domains: Collection[str],
        secrets: Mapping[str, str] = NONE,
        blob_store_of: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._hubs = {host.lower(): connection_string for host, connection_string in hubs.items()}
        self._domains = frozenset(domain.lower() for domain in domains)
        self._secrets = secrets
        self._blob_store_of = blob_store_of
        self._producers: dict[HubAddress, HubProducer] = {}
        self._stores = BlobStores()
        self._undeliverable: set[int] = set()

    @property
    def undeliverable(self) -> int:
        """How many bodies were too large for a hub and had no blob store to go to."""
        return len(self._undeliverable)

    def check_store(self, url: str) -> None:
        """Raise the 400 for a `blobStoreUrl` that names no secret."""
        self._store_secret(url)

    async def probe(self, url: str) -> None:
        """Put a message into a hub that nobody needs to answer. Raises the 400 for one that does not take it.

        The fault's text is from microsoftgraph/msgraph-training-changenotifications issue 41.
        """
        producer = self._producer(url)
        try:
            await producer.send(write_probe(), partition_key=None)
        except HubRefused as refused:
            raise invalid(f"Client EventHubs publishing validation failed {refused}") from refused

    async def send(self, url: str, body: bytes, *, partition_key: str | None = None) -> None:
        """Return when the hub has the body, at least once. Raises HubRefused if it does not take it."""
        try:
            producer = self._producer(url)
            if len(body) >= LARGEST_BODY:
                body = await self._unload(body)
        except GraphFault as fault:
            raise HubRefused(fault.message) from fault
        await producer.send(body, partition_key=partition_key)

    async def close(self) -> None:
        """Disconnect from every hub and account."""
        while self._producers:
            await self._producers.popitem()[1].close()
        await self._stores.close()

    def _producer(self, url: str) -> HubProducer:
        address = read_hub_url(url, self._domains)
        if address not in self._producers:
            found = self._secrets.get(address.secret) if address.secret else self._hubs.get(address.host)
            if found is None:
                raise refuse_hub_url(url)
            try:
                self._producers[address] = HubProducer(found, address.hub)
            except ValueError as broken:
                raise refuse_hub_url(url) from broken
        return self._producers[address]

    def _store_secret(self, url: str) -> str:
        secret = self._secrets.get(read_store_url(url, self._domains))
        if secret is None:
            raise refuse_store_url(url)
        return secret

    async def _unload(self, body: bytes) -> bytes:
        """Put the item of a large body into its subscription's blob store; return the body that remains."""
        items = json.loads(body)["value"]
        store = self._blob_store_of(str(items[0].get("subscriptionId"))) if len(items) == 1 else None
        if store is not None:
            items[0] = await self._stores.store(self._store_secret(store), items[0])
            body = write_hub_bodies(items)[0]
        if len(body) >= LARGEST_BODY:
            self._undeliverable.add(hash(body))
            log.warning("too large for an event hub", extra={"bytes": len(body)})
            raise HubRefused(
                f"{len(body)} bytes are too large for an event hub, and there is no blob store", final=True
            )
        return body
