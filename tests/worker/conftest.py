"""The app, the same code and settings, under Microsoft's runtime on 3.13 and in the local host."""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.azurite.emulator import Azurite, free_ports
from local.keys.material import ensure_encryption_key
from local.worker313.environment import NoWorkerError, ensure_environment, find_python
from shared.adapters.storage import PATIENT, Storage
from shared.adapters.subscription_table import SubscriptionTable
from shared.graph.subscription import LiveSubscription
from shared.settings import Settings
from shared.storage_health import StorageHealth
from tests.worker.standing import KEY, NAME, TENANT, Worker, graph, local_host, start_worker, stop


@pytest.fixture(scope="session")
def python313() -> Path:
    """The interpreter of `.venv313`. Where there is no 3.13 at all the suite is skipped; a failed installation fails."""
    try:
        find_python()
    except NoWorkerError as reason:
        pytest.skip(str(reason))
    return ensure_environment()


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def environ(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Every setting that the app needs, and nothing of ours."""
    folder = tmp_path_factory.mktemp("settings")
    declared = {
        "name": NAME,
        "resource": "/teams/getAllMessages",
        "changeType": "created,updated,deleted",
        "handlers": ["feed"],
    }
    (folder / "subscriptions.json").write_text(json.dumps({"subscriptions": [declared]}))
    ensure_encryption_key(folder / "keys", now=datetime.now(UTC))  # noqa: TID251 - a certificate for now
    (nobody,) = free_ports(1)
    with graph() as url:
        yield {
            "PATH": os.environ["PATH"],  # noqa: TID251 - programs are found by it
            "AzureWebJobsStorage": azurite.connection_string,
            "GRAPH_ENDPOINT": url,
            "GRAPH_AUTHORITY": f"https://127.0.0.1:{nobody}",
            "GRAPH_TENANT_ID": TENANT,
            "GRAPH_CLIENT_ID": "33333333-3333-4333-8333-333333333333",
            "GRAPH_CREDENTIAL": "managed-identity",
            "IDENTITY_ENDPOINT": f"{url}/msi/token",
            "IDENTITY_HEADER": "h",
            "CLIENT_STATE_KEY": base64.b64encode(KEY).decode(),
            "PUBLIC_BASE_URL": "http://127.0.0.1:1/api",
            "RENEWAL_SCHEDULE": "0 0 0 1 1 *",
            "SWEEP_SCHEDULE": "0 0 0 1 1 *",
            "EventHubConnection__fullyQualifiedNamespace": "contoso.servicebus.windows.net",
            "EVENT_HUB_NAME": "notifications",
            "EVENT_HUB_CONSUMER_GROUP": "$Default",
            "SUBSCRIPTIONS_FILE": str(folder / "subscriptions.json"),
            "ENCRYPTION_KEYS": f"directory:{folder / 'keys'}",
        }


@pytest.fixture(scope="session")
def worker(python313: Path, environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = start_worker(python313, environ, tmp_path_factory.mktemp("worker") / "worker.log")
    yield worker
    stop(worker.process)


@pytest.fixture(scope="session")
def host(
    python313: Path,  # noqa: ARG001 - without the worker there is nothing to compare with
    environ: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of a local host that runs the same app; queues are left alone, so that outputs can be looked at."""
    log = tmp_path_factory.mktemp("host") / "host.log"
    functions = ["notifications", "lifecycle", "health", "status", "manage_feeds", "manage_feed_page"]
    with local_host(environ, log, "--functions", *functions) as address:
        yield address


@pytest.fixture
async def storage(azurite: Azurite) -> Storage:
    settings = Settings.from_environ({"AzureWebJobsStorage": azurite.connection_string})
    now = datetime.now(UTC)  # noqa: TID251 - storage goes by a clock of its own
    return Storage(settings=settings, patience=PATIENT, health=StorageHealth(), now=lambda: now)


@pytest.fixture
async def subscribed(storage: Storage) -> None:
    """A row for the declared subscription, which somebody seems to be at for a day: nobody else asks Graph about it."""
    table = SubscriptionTable(storage)
    row = LiveSubscription(
        name=NAME,
        generation=1,
        resource="/teams/getAllMessages",
        change_type="created,updated,deleted",
        include_resource_data=False,
        delivery="webhook",
        subscription_id="22222222-2222-4222-8222-222222222222",
        expires=storage.now() + timedelta(days=2),
        created=storage.now(),
        not_before=storage.now() + timedelta(days=1),
    )
    await table.save(row)  # None where an earlier test has done so
