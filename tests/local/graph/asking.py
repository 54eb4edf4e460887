"""What tests of content stand on: somebody who calls Graph, for an app or for a person, and follows links."""

import json
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from local.graph.simulator import Simulator

APP_ID = "a99e0000-0000-4000-8000-00000000a99e"
AUDIENCE = "https://graph.microsoft.com"


@dataclass(frozen=True)
class Asker:
    """Calls Graph with one token."""

    session: aiohttp.ClientSession
    base: str
    token: str

    @classmethod
    def for_app(cls, session: aiohttp.ClientSession, graph: Simulator) -> "Asker":
        token = graph.authority.access_token(
            audience=AUDIENCE, app_id=APP_ID, tenant_id=graph.tenant_id, roles=["Everything.ReadWrite.All"]
        )
        return cls(session, graph.http_url, token)

    @classmethod
    def for_user(cls, session: aiohttp.ClientSession, graph: Simulator, number: int = 0) -> "Asker":
        person = graph.world.people[number]
        named = {"oid": person.id, "sub": person.id, "name": person.name, "preferred_username": person.address}
        token = graph.authority.user_token(
            audience=AUDIENCE, app_id=APP_ID, tenant_id=graph.tenant_id, named=named, scopes="Everything"
        )
        return cls(session, graph.http_url, token)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        url = URL(path if path.startswith("http") else f"{self.base}/v1.0/{path}")
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if data is not None and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        async with self.session.request(method, url, data=data, headers=sent) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def get(self, path: str, **headers: str) -> Any:
        status, answer = await self.ask("GET", path, **headers)
        assert status == 200, (path, answer)
        return answer

    async def listed(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """Return everything on all pages."""
        items: list[dict[str, Any]] = []
        url: str | None = path
        while url:
            page = await self.get(url, **headers)
            items += page["value"]
            url = page.get("@odata.nextLink")
        return items

    async def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Return status and code of a refusal, whose envelope must be whole."""
        status, answer = await self.ask(method, path, body, **headers)
        assert status >= 400, answer
        error = answer["error"]
        assert set(error) == {"code", "message", "innerError"}
        assert error["message"]
        return status, error["code"]
