"""A small town for people's own calls: an app in its host, a tenant with people, their feeds, and a service for live clients.

Every token is signed by the simulator's authority, and every request goes over HTTP.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDict

from local.azurite.emulator import Azurite, free_ports
from local.demo.processes import Running, start
from local.demo.stage import CLIENT_ID, ROOT, app_settings, host_command
from local.graph.identity.tokens import TokenVersion
from local.graph.simulator import Simulator
from local.graph.tenant.places import Person, Place
from local.signalr.service import SignalRService
from shared.adapters.feed_table import FeedTable
from shared.adapters.storage import PATIENT, Storage
from shared.feeds import entry_of, feed_of
from shared.graph.resource import read_resource
from shared.settings import Settings
from shared.storage_health import StorageHealth

HOME, ABROAD = "7e4a0000-0000-4000-8000-000000007e4a", "7e4a0000-0000-4000-8000-00000000abad"
FUNCTIONS = ("feeds", "feed_page", "negotiate", "openapi", "manage_feeds")
GOOD_SCOPE = "access_as_user"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    json: Any


@dataclass(kw_only=True)
class Town:
    """Who and what there is. ``feeds`` are ids of feeds by what they are of; each has three changes."""

    graph: Simulator
    signalr: SignalRService
    azurite: Azurite
    host: Running
    url: str
    http: aiohttp.ClientSession
    log: Path
    feeds: dict[str, str] = field(default_factory=dict)

    @property
    def people(self) -> list[Person]:
        return list(self.graph.world.people)

    def place(self, workload: str) -> Place:
        return next(place for place in self.graph.world.places if place.workload == workload)

    def claims(
        self, person: Person, *, version: TokenVersion = "v2", tenant_id: str = HOME, **changes: Any
    ) -> dict[str, Any]:
        """Say what a genuine token of a person's says; a claim that is None is left out."""
        now = int(time.time())
        app = {"v1": "appid", "v2": "azp"}[version]
        genuine: dict[str, Any] = {
            "aud": CLIENT_ID if version == "v2" else f"api://{CLIENT_ID}",
            "iss": self.graph.authority.issuer(version, tenant_id),
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "tid": tenant_id,
            "ver": "2.0" if version == "v2" else "1.0",
            "oid": person.id,
            "sub": person.id,
            "name": person.name,
            "scp": GOOD_SCOPE,
            app: CLIENT_ID,
        }
        return {name: value for name, value in (genuine | changes).items() if value is not None}

    def token(self, person: Person, **changes: Any) -> str:
        return self.graph.authority.sign(self.claims(person, **changes))

    async def sign_in(self, person: Person, *, tenant_id: str = HOME, scope: str = GOOD_SCOPE) -> str:
        """Get a token as a program does that knows somebody's password."""
        form = {
            "grant_type": "password",
            "client_id": CLIENT_ID,
            "username": person.address,
            "password": "any",
            "scope": f"api://{CLIENT_ID}/{scope}",
        }
        return await self._get_token(form, tenant_id)

    async def remove(self, person: Person, workload: str) -> None:
        """Have somebody leave a chat, or a channel's team, as an administrator does it."""
        place = self.place(workload)
        home = f"{self.graph.http_url}/v1.0/" + (f"teams/{place.ids['team']}" if workload == "channel" else place.key)
        headers = {"Authorization": f"Bearer {await self.app_token('https://graph.microsoft.com')}"}
        async with self.http.get(f"{home}/members", headers=headers) as answer:
            members = (await answer.json())["value"]
        [member] = [each["id"] for each in members if each["userId"] == person.id]
        async with self.http.delete(f"{home}/members/{member}", headers=headers) as answer:
            assert answer.status == 204, await answer.text()

    async def app_token(self, resource: str = f"api://{CLIENT_ID}") -> str:
        """Get a token that an app has for itself, for our own API unless said otherwise."""
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": "any",
            "scope": f"{resource}/.default",
        }
        return await self._get_token(form, HOME)

    async def _get_token(self, form: Mapping[str, str], tenant_id: str) -> str:
        url = f"{self.graph.http_url}/{tenant_id}/oauth2/v2.0/token"
        async with self.http.post(url, data=form) as answer:
            said: dict[str, str] = await answer.json()
            assert answer.status == 200, said
            return said["access_token"]

    async def ask(self, method: str, path: str, token: str | None = None, *, body: Any = None, **headers: str) -> Reply:
        """Call the app."""
        shown = {"Authorization": f"Bearer {token}"} if token is not None else {}
        url = f"{self.url}{path}"
        async with self.http.request(method, url, json=body, headers=shown | headers, allow_redirects=False) as answer:
            data = await answer.read()
            is_json = answer.content_type == "application/json" and data
            return Reply(
                status=answer.status,
                headers=CIMultiDict(answer.headers),
                body=data,
                json=await answer.json() if is_json else None,
            )


@asynccontextmanager
async def found_town(
    folder: Path, *, functions: Sequence[str] = FUNCTIONS, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Town]:
    """Start everything, fill the feeds, and take it down again; the app may have other functions, and settings besides."""
    async with AsyncExitStack() as built:
        azurite = Azurite()
        await asyncio.to_thread(azurite.start)
        built.callback(azurite.stop)
        graph = await built.enter_async_context(Simulator(state_dir=folder / "graph", tenants=(HOME, ABROAD)))
        signalr = await built.enter_async_context(SignalRService())
        http = await built.enter_async_context(aiohttp.ClientSession())
        [port] = free_ports(1)
        simulator = {"http": graph.http_url, "https": graph.https_url, "ca": str(graph.ca_path)}
        environ = app_settings(folder, azurite=azurite, simulator=simulator, tenant_id=HOME, port=port)
        environ |= dict(settings or {}) | {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "AzureSignalRConnectionString": signalr.connection_string,
        }
        command = [*host_command("local", port=port, app=ROOT), "--functions", *functions]
        host = await start("the host", command, folder=ROOT, environ=environ, log=folder / "host.log")
        built.push_async_callback(host.stop)
        await host.wait_for_line("Host started", within=60)
        url = f"http://127.0.0.1:{port}/api"
        town = Town(
            graph=graph, signalr=signalr, azurite=azurite, host=host, url=url, http=http, log=folder / "host.log"
        )
        await _fill(town, azurite)
        yield town


async def _fill(town: Town, azurite: Azurite) -> None:
    """Write three changes into the feeds of a channel, a chat, two mailboxes, and of what nobody has a rule for."""
    homes = {
        "channel": town.place("channel").path,
        "chat": town.place("chat").path,
        "mailbox": f"users/{town.people[0].id}",
        "folder": f"users/{town.people[0].id}/mailFolders/inbox",
        "other mailbox": f"users/{town.people[1].id}",
        "gone": "chats/19:gone@thread.v2",
        "strange": "groups/g/threads/t",
    }
    settings = Settings.from_environ({"AzureWebJobsStorage": azurite.connection_string})

    def now() -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - storage goes by a clock of its own

    storage = Storage(settings=settings, patience=PATIENT, health=StorageHealth(), now=now)
    table = FeedTable(storage, now)
    try:
        for name, home in homes.items():
            for number in range(3):
                item = read_resource(f"{home}/messages/m{number}")
                content = {"id": f"m{number}", "body": {"content": f"{name} {number} " + "x" * 600}}
                entry = entry_of(
                    item, change_type="created", version=str(number), deleted=False, content=content, changed=now()
                )
                await table.apply(feed_of(item), entry)
                town.feeds[name] = feed_of(item).feed
    finally:
        await storage.close()
