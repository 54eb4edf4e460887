"""From an empty tenant to the first change heard, as `azd up` goes: hook, templates, hook, code, hook; then all of it once more.

The stand-in for `az` keeps the tenant; certificate, tokens, Graph, storage and the app itself are the workshop's own, and the app
signs in without a secret, by what the hooks arranged.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from local.azurite.emulator import Azurite, free_ports
from local.demo.processes import start
from local.demo.stage import ROOT, app_settings, host_command
from local.graph.simulator import Simulator
from local.keyvault.vault import Vault
from scripts.provisioning.live import ask_over_http
from tests.scenarios.acting import until
from tests.scripts.deploying import TEAMS, Deployment

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

RICH = {**TEAMS, "includeResourceData": True, "handlers": ["feed"]}


class Place:
    """What there is before anything is deployed."""

    def __init__(self, folder: Path, graph: Simulator, vault: Vault, azurite: Azurite) -> None:
        self.folder = folder
        self.graph = graph
        self.vault = vault
        self.azurite = azurite
        self.deployment = Deployment(folder, entries=(RICH,), app=ask_over_http, pause=0.1)
        self.deployment.stand_in.on_certificate = lambda name, _policy: self._issue(name)

    def _issue(self, name: str) -> None:
        self.vault.certificates.make(name)

    def settings(self, port: int) -> dict[str, str]:
        """The app's settings as the templates write them, references into the vault with their values."""
        state = self.deployment.state
        simulator = {"http": self.graph.http_url, "https": self.graph.https_url, "ca": str(self.graph.ca_path)}
        given = app_settings(
            self.folder, azurite=self.azurite, simulator=simulator, tenant_id=state["azd"]["GRAPH_TENANT_ID"], port=port
        )
        del given["GRAPH_CLIENT_SECRET"]
        [site], [vault] = state["sites"].values(), state["vaults"].values()
        resolved = {setting: vault["secrets"][site["references"][setting]][-1] for setting in site["resolved"]}
        ours = {
            "GRAPH_CLIENT_ID": state["azd"]["GRAPH_CLIENT_ID"],
            "GRAPH_CREDENTIAL": "federated",
            "ENCRYPTION_KEYS": f"keyvault:{self.vault.url}/certificates/{state['azd']['ENCRYPTION_CERTIFICATE_NAME']}",
            "IDENTITY_ENDPOINT": f"{self.graph.http_url}/msi/token",
            "IDENTITY_HEADER": "any",
            "SUBSCRIPTIONS_FILE": str(self.folder / "subscriptions.json"),
        }
        return given | resolved | ours


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("deployment")
    authority = folder / "graph"
    azurite = Azurite()
    await asyncio.to_thread(azurite.start)
    try:
        async with Simulator(state_dir=authority) as graph, Vault(state_dir=authority) as vault:
            yield Place(folder, graph, vault, azurite)
    finally:
        azurite.stop()


async def _hook(place: Place, name: str) -> Mapping[str, str]:
    code = await asyncio.to_thread(getattr(place.deployment, name), "--patience", "1800")
    log = place.folder / "host.log"
    assert code == 0, place.deployment.last + (log.read_text(errors="replace") if log.exists() else "")
    return place.deployment.became


async def test_from_nothing_to_the_first_change_and_then_nothing_is_changed(place: Place) -> None:
    deployment = place.deployment
    await _hook(place, "before")
    deployment.provision()
    await _hook(place, "after")
    [port] = free_ports(1)
    deployment.azd(PUBLIC_BASE_URL=f"http://127.0.0.1:{port}/api")

    host = await start(
        "the host",
        host_command("local", port=port, app=ROOT),
        folder=ROOT,
        environ=deployment_environment() | place.settings(port),
        log=place.folder / "host.log",
    )
    try:
        assert await _hook(place, "deployed") == {"health": "unchanged", "subscriptions": "created"}
        assert await _feeds_after_a_message(place, port) == ["<p>hello from a tenant</p>"]

        kept = deployment.kept
        for name in ("before", "after", "deployed"):
            assert {*(await _hook(place, name)).values()} <= {"unchanged", "skipped"}
        assert deployment.kept == kept
        assert len(place.vault.certificates.versions("notifications")) == 1
    finally:
        await host.stop()


def deployment_environment() -> dict[str, str]:
    """What a process needs to run at all, and nothing of this machine's own settings."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin"}


async def _feeds_after_a_message(place: Place, port: int) -> list[str]:
    async with aiohttp.ClientSession() as http:
        said = {"where": "General", "text": "hello from a tenant"}
        async with http.post(f"{place.graph.http_url}/_sim/post", json=said) as answer:
            answer.raise_for_status()

        async def rows() -> list[str]:
            async with http.get(f"http://127.0.0.1:{port}/api/manage/feeds") as listed:
                feeds: list[Mapping[str, Any]] = (await listed.json())["feeds"]
            if not feeds:
                return []
            async with http.get(f"http://127.0.0.1:{port}/api/manage/feeds/{feeds[0]['id']}") as shown:
                found = json.loads(await shown.text())
            return [each["content"]["body"]["content"] for each in found["changes"]]

        return await until(rows, "the message in the feed")
