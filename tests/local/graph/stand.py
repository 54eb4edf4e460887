"""What a test of the simulator stands on: a receiver that can be told how to answer, an app that calls Graph, a key pair."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

DEADLINE = 10.0

Wanted = Callable[..., dict[str, Any]]
"""Makes a valid body for POST /subscriptions; what is named is spoilt or added, None takes a property out."""


@dataclass
class Receiver:
    """A webhook that keeps what it gets; `answers` are used up first, then every answer is 202."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    delay: float = 0.0

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for body in self.bodies for item in body["value"]]

    async def answer(self, request: web.Request) -> web.Response:
        if "validationToken" in request.query:
            return web.Response(text=request.query["validationToken"])
        body = json.loads(await request.read())
        self.bodies.append(body)
        await asyncio.sleep(self.delay)
        return self.answers.pop(0) if self.answers else web.Response(status=202)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not holds():  # noqa: ASYNC110 - it watches counters, which nobody announces
                await asyncio.sleep(0.01)


@dataclass(frozen=True)
class App:
    """An app with a token for Graph, and the session it calls with."""

    session: aiohttp.ClientSession
    base: str
    token: str

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(method, f"{self.base}{path}", json=body, headers=headers) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def control(self, path: str, body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        async with self.session.request(method, f"{self.base}/_sim/{path}", json=body) as answer:
            return await answer.json()


@dataclass(frozen=True)
class Key:
    """A subscriber's key pair: what goes to Graph and what stays."""

    private: rsa.RSAPrivateKey
    certificate: x509.Certificate
    text: str
