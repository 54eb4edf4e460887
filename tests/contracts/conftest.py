"""One real Azurite a session, and accounts to reach it; every port's suite runs on it and on the memory twin."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from local.azurite.emulator import Azurite
from local.azurite.request_log import RequestLog
from shared.adapters.storage import PATIENT, Patience, Storage
from shared.settings import Settings
from shared.storage_health import StorageHealth
from tests.contracts.twins import StorageMaker, present


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    log: Path = tmp_path_factory.mktemp("azurite") / "requests.log"
    with Azurite(access_log=log) as emulator:
        yield emulator


@pytest.fixture
async def open_storage(azurite: Azurite) -> AsyncIterator[StorageMaker]:
    """Open accounts as separate processes would: each with clients and memory of its own."""
    opened: list[Storage] = []

    def make(patience: Patience = PATIENT, *, connection: str = "", health: StorageHealth | None = None) -> Storage:
        settings = Settings.from_environ({"AzureWebJobsStorage": connection or azurite.connection_string})
        storage = Storage(settings=settings, patience=patience, health=health or StorageHealth(), now=present)
        opened.append(storage)
        return storage

    yield make
    for storage in opened:
        await storage.close()


@pytest.fixture
def storage(open_storage: StorageMaker) -> Storage:
    return open_storage()


@pytest.fixture
def request_log(azurite: Azurite) -> RequestLog:
    """What Azurite is asked from now on."""
    return RequestLog(azurite)


@pytest.fixture
def unique() -> str:
    """A name that no other test uses: the account is shared."""
    return "t" + uuid.uuid4().hex[:20]
