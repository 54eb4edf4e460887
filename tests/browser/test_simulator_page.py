"""The simulator's page in a real Chromium: what happens shows without reloading, nothing secret shows at all."""

import asyncio
import base64
import json
import os
import random
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.chromium import find_chromium
from local.graph.simulator import Simulator

HERE = Path(__file__).parent
MODULES = HERE.parents[1] / "local"
DEADLINE = 90
LATE_ONE = 40
SECRET = "our-own-secret-4711"
APP = {"client_id": "11111111-1111-4111-8111-111111111111", "client_secret": "never to be seen"}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium on the PATH: 'make browser' installs one"),
    pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js on the PATH"),
]


@dataclass
class Stage:
    """A simulator whose app listens to channels and mail, at a receiver that refuses the first thing it gets."""

    graph: Simulator
    http: aiohttp.ClientSession
    receiver: str

    async def call(self, path: str, body: Any, **headers: str) -> Any:
        async with self.http.post(f"{self.graph.http_url}{path}", json=body, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    dice, answered = random.Random(3), 0  # noqa: S311 - only answer times

    async def answer(request: web.Request) -> web.Response:
        nonlocal answered
        if "validationToken" in request.query:
            return web.Response(text=request.query["validationToken"])
        answered += 1
        await asyncio.sleep(3.3 if answered == LATE_ONE else dice.lognormvariate(-4.5, 1.4))
        return web.Response(status=503 if answered == 1 else 202)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/notifications", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver = f"http://127.0.0.1:{runner.addresses[0][1]}/notifications"
    async with Simulator(seed=1) as graph, aiohttp.ClientSession() as http:
        made = Stage(graph=graph, http=http, receiver=receiver)
        await _subscribe(made)
        yield made
    await runner.cleanup()


async def _subscribe(stage: Stage) -> None:
    form = APP | {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
    url = f"{stage.graph.http_url}/{stage.graph.tenant_id}/oauth2/v2.0/token"
    async with stage.http.post(url, data=form) as answer:
        token = (await answer.json())["access_token"]
    soon = (datetime.now(UTC) + timedelta(minutes=55)).isoformat()  # noqa: TID251 - Graph compares with its own clock
    mailbox = next(place for place in stage.graph.world.places if place.workload == "mail")
    rich = {"includeResourceData": True, "encryptionCertificate": _certificate(), "encryptionCertificateId": "key-1"}
    for resource in ("teams/getAllMessages", f"users/{mailbox.people[0].id}/messages"):
        body = (rich if resource.startswith("teams") else {}) | {
            "changeType": "created,updated,deleted",
            "notificationUrl": f"{stage.receiver}?code=a-key-in-the-url",
            "resource": resource,
            "expirationDateTime": soon,
            "clientState": SECRET,
        }
        await stage.call("/v1.0/subscriptions", body, Authorization=f"Bearer {token}")


def _certificate() -> str:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "subscriber")])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate for now
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
    made = dated.serial_number(1).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def _is_picture(file: Path) -> bool:
    return file.read_bytes().startswith(b"\x89PNG")


async def _run(script: str, **said: Any) -> dict[str, Any]:
    told = json.dumps({"chromium": find_chromium(), "modules": str(MODULES), **said})
    command = ["node", str(HERE / script), told]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("states_per", ["host", "url"])
async def test_what_happens_shows_on_the_page_without_reloading_and_nothing_secret_does(
    stage: Stage, states_per: str
) -> None:
    stage.graph.knobs.turn({"states_per": states_per})
    seen = await _run("look.mjs", url=stage.graph.http_url, screenshots=os.environ.get("SCREENSHOTS"))  # noqa: TID251 - asked for by a person

    assert seen["errors"] == []
    assert (seen["subscriptions"], seen["before"]) == (2, 0)
    assert seen["answer"] == "503", "the receiver refuses the first one"
    assert seen["states"] == ["well", "well"]
    assert seen["finding"] == "failed"
    assert seen["page"].startswith("https://learn.microsoft.com/")
    assert (seen["played"], seen["wrongSteps"]) == (2, 0)
    assert seen["afterADay"] == 0, "a day later the subscriptions are over"
    assert seen["loads"] == 1
    assert (seen["wide"], seen["narrow"]) == (0, 0), "nothing sticks out, on a desk or on a phone"
    assert seen["dark"] != "rgb(246, 247, 249)"
    for secret in (SECRET, "a-key-in-the-url", APP["client_secret"], "eyJ"):
        assert secret not in seen["text"]


async def test_a_picture_of_the_page_can_be_taken(stage: Stage, tmp_path: Path) -> None:
    """With enough traffic to look at if a person asked for it: make browser SCREENSHOTS=folder."""
    wanted = os.environ.get("SCREENSHOTS")  # noqa: TID251 - as above
    shares = {"forged": 0.03, "duplicates": 0.05, "chats": 0.2, "replies": 0.3, "reactions": 0.1, "other": 0.05}
    await stage.call("/_sim/chatter", {"rate": 30, "seconds": 10 if wanted else 1, "body_max": 4, **shares})
    tally = stage.graph.chatter.tally
    async with asyncio.timeout(40):
        while tally.running or tally.pending:  # noqa: ASYNC110 - counters announce nothing
            await asyncio.sleep(0.1)
    file = (Path(wanted) if wanted else tmp_path) / "simulator-page.png"

    await _run("picture.mjs", url=stage.graph.http_url, file=str(file))

    assert _is_picture(file)
