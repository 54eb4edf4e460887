"""Lets a script of Node's drive a real Chromium, and tells what it saw. Scripts ask back what only this process can do."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web

from local.chromium import find_chromium

HERE = Path(__file__).parent
MODULES = HERE.parents[1] / "local"
DEADLINE = 240
"""Seconds. Other tests may have the machine to themselves for most of it."""

NEEDED = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium on the PATH: 'make browser' installs one"),
    pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js on the PATH"),
]


class Helm:
    """What scripts may ask for: a name of an order each, over HTTP. And what nobody should ask for: ``fetched`` is what anybody did."""

    def __init__(self, orders: Mapping[str, Callable[[], Any]]) -> None:
        self._orders = orders
        self.fetched: list[str] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{order}", self._obey)
        app.router.add_get("/{name}", self._note)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _obey(self, request: web.Request) -> web.Response:
        self._orders[request.match_info["order"]]()
        return web.json_response({})

    async def _note(self, request: web.Request) -> web.Response:
        self.fetched.append(request.path)
        return web.Response()


async def drive(script: str, **told: Any) -> dict[str, Any]:
    """Run a script, and give what its last line says."""
    wanted = os.environ.get("SCREENSHOTS")  # noqa: TID251 - asked for by a person
    known = {"chromium": find_chromium(), "modules": str(MODULES), "screenshots": wanted}
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / script),
        json.dumps(known | told),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = out.decode() + err.decode()
    assert process.returncode == 0, said
    found: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return found
