"""AuthorityKeys against the simulator's metadata over https, and against a server that misbehaves."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from local.graph.certificates import make_certificates, server_context
from local.graph.simulator import Simulator
from shared.adapters.signing_keys import METADATA, AuthorityKeys
from shared.graph.validation_token import TokenJudge

BUDGET = timedelta(seconds=10)
APP = "a99e0000-0000-4000-8000-00000000a99e"


@dataclass
class Authority:
    """Serves metadata and keys, as a test wants them."""

    url: str = ""
    ca: str = ""
    documents: dict[str, Any] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request.path)
        await self.gate.wait()
        document = self.documents.get(request.path)
        return web.json_response(document) if document is not None else web.Response(status=404)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    now = datetime.now(UTC)  # noqa: TID251 - TLS compares with the real clock
    ca, server = make_certificates(tmp_path_factory.mktemp("tls"), now=now)
    return ca, server_context(server)


@pytest.fixture
async def authority(certificates: tuple[Path, ssl.SSLContext]) -> AsyncIterator[Authority]:
    made = Authority(ca=str(certificates[0]))
    made.gate.set()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates[1]).start()
    made.url = f"https://localhost:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


def _keys(authority: Authority, monotonic: Callable[[], float] = lambda: 0.0) -> AuthorityKeys:
    return AuthorityKeys(authority.url, verify=authority.ca, now=lambda: 7.0, monotonic=monotonic)


async def test_keys_and_issuers_of_both_versions_make_real_tokens_genuine(simulator: Simulator) -> None:
    keys = await AuthorityKeys(simulator.https_url, verify=str(simulator.ca_path)).fetch(budget=BUDGET)

    assert keys is not None
    assert keys.issuers.keys() == {"1.0", "2.0"}
    judge = TokenJudge(audiences=frozenset({APP}))
    judge.trust(keys)
    for version in ("v1", "v2"):
        token = simulator.authority.validation_token(version, app_id=APP, tenant_id=simulator.tenant_id)
        assert judge.check(token, at=keys.fetched + 1).tenant_id == simulator.tenant_id


async def _publish(authority: Authority, simulator: Simulator, *versions: str) -> None:
    for version in versions:
        authority.documents[METADATA[version]] = {
            "issuer": f"https://issuer/{version}/{{tenantid}}",
            "jwks_uri": f"{authority.url}/keys/{version}",
        }
        published = [key.published() for key in simulator.authority.keys]
        authority.documents[f"/keys/{version}"] = {"keys": published}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_one_document_that_cannot_be_had_leaves_the_other(
    authority: Authority, simulator: Simulator, version: str
) -> None:
    await _publish(authority, simulator, version)

    keys = await _keys(authority).fetch(budget=BUDGET)

    assert keys is not None
    assert (set(keys.issuers), keys.fetched) == ({version}, 7.0)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"issuer": "i"},
        {"issuer": "i", "jwks_uri": "http://localhost:1/keys"},
        {"issuer": "i", "jwks_uri": "file:///etc/passwd"},
        {"issuer": 1, "jwks_uri": "https://localhost:1/keys"},
        [],
    ],
)
async def test_metadata_that_are_none_give_no_keys(authority: Authority, metadata: Any) -> None:
    authority.documents = dict.fromkeys(METADATA.values(), metadata)

    assert await _keys(authority).fetch(budget=BUDGET) is None


async def test_callers_share_one_attempt_each_within_its_own_budget(authority: Authority, simulator: Simulator) -> None:
    await _publish(authority, simulator, "1.0", "2.0")
    authority.gate.clear()
    source = _keys(authority)
    patient = [asyncio.create_task(source.fetch(budget=BUDGET)) for _ in range(5)]

    assert await source.fetch(budget=timedelta(milliseconds=20)) is None
    authority.gate.set()
    answers = await asyncio.gather(*patient)

    assert len(authority.seen) == 4
    assert answers[0] is not None
    assert all(answer is answers[0] for answer in answers)


async def test_attempts_are_a_minute_apart_also_after_a_failure(authority: Authority) -> None:
    moments = [0.0]
    source = _keys(authority, lambda: moments[0])

    await source.fetch(budget=BUDGET)
    asked = len(authority.seen)
    moments[0] = 59.9
    await source.fetch(budget=BUDGET)
    assert len(authority.seen) == asked
    moments[0] = 60.0
    await source.fetch(budget=BUDGET)
    assert len(authority.seen) == 2 * asked


async def test_an_authority_that_nobody_vouches_for_gives_no_keys(authority: Authority, simulator: Simulator) -> None:
    await _publish(authority, simulator, "1.0", "2.0")

    assert await AuthorityKeys(authority.url, verify=True).fetch(budget=BUDGET) is None
