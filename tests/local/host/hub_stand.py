"""Hubs, hosts that listen to them, and what the hosts' logs and checkpoints tell. Starting them is the fixtures'."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.eventhub import EventData, EventHubProducerClient
from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

from local.eventhubs.emulator import EventHubs
from tests.local.host.running import HostStarter, RunningHost

HUB_APP = (Path(__file__).parent / "hub_app.txt").read_text(encoding="utf-8")
# a hub for each function of the app, and for each test that looks at hosts that come and go
SEPARATE = {"ordered": 2, "one": 1, "texts": 1, "blank": 1, "failing": 1, "stalling": 2, "crashing": 1}
SHARED = {"moving": 2, "killed": 4, "three": 4, "stopped": 1, "cut": 1, "held-long": 1, "held-short": 1}
OPTIONS = "AzureFunctionsJobHost__extensions__eventHubs__"
QUICK = {
    OPTIONS + "loadBalancingUpdateInterval": "00:00:00.5",
    OPTIONS + "partitionOwnershipExpirationInterval": "00:00:03",
}
# the client leaves sockets open when a connection breaks
CLIENT_LEAKS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@dataclass(kw_only=True)
class Hubs:
    """A namespace of hubs, the storage beside it, and a folder in which files tell functions what to do."""

    namespace: EventHubs
    storage: str
    pace: Path

    def send(self, hub: str, *bodies: str | EventData, **where: str) -> None:
        """Send one batch as Microsoft's client does."""
        text = self.namespace.connection_string
        with EventHubProducerClient.from_connection_string(text, eventhub_name=hub) as producer:
            events = [EventData(body) if isinstance(body, str) else body for body in bodies]
            producer.send_batch(events, **where)

    def start(self, start_host: HostStarter, *functions: str, shared: str = "killed", **settings: str) -> RunningHost:
        """Start a host for functions of hub_app.txt, by default for the one that listens to the hub ``shared``."""
        own = {"HUBS": self.namespace.connection_string, "SHARED": shared, "GROUP": "$Default", "PACE": str(self.pace)}
        names = functions or ("shared",)
        return start_host(HUB_APP, "--functions", *names, storage=self.storage, **(own | QUICK | settings))

    async def checkpoints(self, hub: str) -> dict[str, int]:
        """Read up to which sequence number each partition was handled."""
        rows = await self._read("list_checkpoints", hub)
        return {row["partition_id"]: row["sequence_number"] for row in rows}

    async def owners(self, hub: str) -> dict[str, str]:
        """Read who owns each partition; nobody is an empty text."""
        rows = await self._read("list_ownership", hub)
        return {row["partition_id"]: row["owner_id"] or "" for row in rows}

    async def _read(self, method: str, hub: str) -> Sequence[Any]:
        store = BlobCheckpointStore.from_connection_string(self.storage, "azure-webjobs-eventhub")
        async with store:
            rows: Sequence[Any] = await getattr(store, method)(f"localhost:{self.namespace.port}", hub, "$Default")
        return rows


def said(host: RunningHost, word: str) -> list[str]:
    """Tell what a function has logged so far, line by line."""
    return re.findall(rf"\bhub: {word}: (.*)\.$", host.output, re.MULTILINE)
