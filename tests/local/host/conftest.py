"""A real Azurite, a small Functions app, and a local host that runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.host.running import SAMPLE_APP, HostStarter, RunningHost, until

ROOT = Path(__file__).parents[3]
AZURITE = ROOT / "local/node_modules/azurite/dist/src/azurite.js"
NODE = shutil.which("node") or "node"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
ACCOUNT = "devstoreaccount1"
# the app's own host.json keeps the functions that it does not know quiet, and tests read what they say
LOUD = {"AzureFunctionsJobHost__logging__logLevel__Function": "Information"}


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A connection string of a real Azurite on free ports."""
    log = tmp_path_factory.mktemp("azurite") / "azurite.log"
    options = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    ports = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"]
    with (
        log.open("wb") as output,
        subprocess.Popen([NODE, AZURITE, *options, *ports], stdout=output, stderr=output) as process,
    ):
        try:
            pattern = r"Queue service is successfully listening at http://127.0.0.1:(\d+)"
            port = until(lambda: re.search(pattern, log.read_text(encoding="utf-8")), "Azurite")[1]
            yield (
                f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
                f"QueueEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
            )
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def start_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostStarter]:
    """Start hosts of apps written for the test; all are stopped afterwards."""
    running: list[RunningHost] = []

    def start(
        app: str = SAMPLE_APP, *options: str, storage: str = "", ready: bool = True, **settings: str
    ) -> RunningHost:
        folder = tmp_path_factory.mktemp("app")
        queue = f"q{uuid.uuid4().hex[:12]}"
        values = {"AzureWebJobsStorage": storage, "QUEUE": queue, "SCHEDULE": "0 0 0 1 1 *", **LOUD, **settings}
        (folder / "function_app.py").write_text(app, encoding="utf-8")
        (folder / "host.json").write_text((ROOT / "host.json").read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "local.settings.json").write_text(json.dumps({"Values": values}), encoding="utf-8")
        log = folder / "host.log"
        command = [sys.executable, "-m", "local", "host", "--app", str(folder), "--port", "0", *options]
        clean = {name: value for name, value in os.environ.items() if name not in values}  # noqa: TID251 - for a child
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=clean, stdout=output, stderr=output)
        host = RunningHost(process=process, log=log, queue=queue, storage=storage)
        running.append(host)
        if ready:
            host.port = int(host.await_line(r"Host started on http://127\.0\.0\.1:(\d+)")[1])
        return host

    yield start
    for host in running:
        if host.process.poll() is None:
            host.process.kill()
        host.process.wait()


@pytest.fixture(scope="module")
def host(start_host: HostStarter, storage: str) -> RunningHost:
    """One running sample app: quick retries, three deliveries."""
    queues = "AzureFunctionsJobHost__extensions__queues__"
    overrides = {
        queues + "visibilityTimeout": "00:00:01",
        queues + "maxDequeueCount": "3",
        queues + "maxPollingInterval": "00:00:00.2",
    }
    return start_host(storage=storage, **overrides)
