"""The target of `forward` in the demo: takes CloudEvents, checks their signatures by itself, and remembers them all.

It shares no code with what sends them: it follows the Standard Webhooks page on its own.
"""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_TOLERANCE_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One event that arrived, and when (seconds since the epoch)."""

    event: dict[str, Any]
    at: float


@dataclass(slots=True, kw_only=True)
class Sink:
    """A small HTTP server on a loopback port."""

    secret: str = field(repr=False)
    received: list[Received] = field(default_factory=list)
    """Changes."""
    alerts: list[Received] = field(default_factory=list)
    """Everything else: what a handler tells of its own."""
    refused: int = 0
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where events go."""
        return f"http://127.0.0.1:{self.port}/changes"

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_post("/changes", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._is_signed(request, body):
            self.refused += 1
            return web.Response(status=401)
        event = json.loads(body)
        kept = self.received if str(event.get("type")).startswith("Microsoft.Graph.") else self.alerts
        kept.append(Received(event=event, at=time.time()))
        return web.Response(status=204)

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#verifying-signatures."""
        message_id, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > _TOLERANCE_SECONDS:
            return False
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(mac).decode()
        return any(
            hmac.compare_digest(expected, given) for given in request.headers.get("webhook-signature", "").split()
        )
