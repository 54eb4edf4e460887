"""The deployed app with its encryption keys in a Key Vault: what it hears before, while and after the certificate changes."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from local.demo.stage import CLIENT_ID, Stage, set_up
from local.keyvault.vault import Vault
from tests.scenarios.acting import arrival, run_by_hand, say, until

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

Vaulted = tuple[Stage, Vault, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["keyvault", "keyvault-unwrap"])
async def vaulted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Vaulted]:
    folder = tmp_path_factory.mktemp("stage")
    # in the simulator's folder, so that both have one authority that the app trusts
    async with Vault(state_dir=folder / "graph") as vault:
        vault.certificates.make("earshot", begins=timedelta(days=-300))
        keys = {"ENCRYPTION_KEYS": f"{request.param}:{vault.url}/certificates/earshot"}
        async with set_up(folder, extra=keys) as stage:
            yield stage, vault, request.param


async def _hear(stage: Stage, text: str) -> str:
    """Say something, and wait until it comes out at the other end; the id of the key that it was encrypted for."""
    message = await say(stage, text)
    event = await arrival(stage, message["resource"])
    assert text in event["data"]["content"]["body"]["content"]
    status = await stage.app("/api/status")
    return str(status["encryption"]["certificateId"])


async def _certificate_ids(stage: Stage) -> set[str | None]:
    """Ask Graph, as the app, which certificates it encrypts for."""
    identity = {"resource": "https://graph.microsoft.com", "client_id": CLIENT_ID}
    async with stage.http.get(
        f"{stage.graph_url}/msi/token", params=identity, headers={"X-IDENTITY-HEADER": "any"}
    ) as answer:
        token = (await answer.json())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with stage.http.get(f"{stage.graph_url}/v1.0/subscriptions", headers=headers) as answer:
        return {row["encryptionCertificateId"] for row in (await answer.json())["value"]}


async def test_a_new_version_is_taken_up_and_the_old_one_still_opens(vaulted: Vaulted) -> None:
    stage, vault, kind = vaulted
    old = await _hear(stage, "for the old key")
    new = vault.certificates.make("earshot").version
    between = await _hear(stage, "for the old key, though there is a new one")
    await run_by_hand(stage, "renewal")

    async def graph_encrypts_for_it() -> bool:
        return f"earshot-{new}" in await _certificate_ids(stage)

    await until(graph_encrypts_for_it, "a subscription with the new key")
    await _hear(stage, "for the new key")

    assert old != between == f"earshot-{new}"
    assert any("/unwrapkey" in each for each in vault.routes.asked) == (kind == "keyvault-unwrap")
    assert any("/secrets/" in each for each in vault.routes.asked) == (kind == "keyvault")
