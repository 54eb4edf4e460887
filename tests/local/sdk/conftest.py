"""A running simulator, and Microsoft's own client for an app and for somebody who is signed in.

The SDK is imported late, because only `make test` installs it: each module of tests skips itself where it is missing.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from local.graph.simulator import Simulator
from tests.local.graph.conftest import graph, key, receiver

if TYPE_CHECKING:
    from msgraph.graph_service_client import GraphServiceClient

__all__ = ["graph", "key", "receiver"]


@pytest.fixture
async def client(graph: Simulator) -> "AsyncIterator[GraphServiceClient]":
    """The SDK, for an app."""
    from tests.local.sdk.stand import as_app, connect  # noqa: PLC0415 - see above

    async with as_app(graph) as credential, connect(graph, credential) as made:
        yield made


@pytest.fixture
async def adele(graph: Simulator) -> "AsyncIterator[GraphServiceClient]":
    """The SDK, for the first person of the tenant."""
    from tests.local.sdk.stand import Person, connect  # noqa: PLC0415 - see above

    async with Person(graph, graph.world.people[0].address) as credential, connect(graph, credential) as made:
        yield made
