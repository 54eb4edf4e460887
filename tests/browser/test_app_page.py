"""The page in a real Chromium, before the whole app: a person reads, answers, goes away and comes back. Nobody pretends anything:
what is written in the tenant goes through webhook, queue, feed and SignalR's stand-in to the screen.
"""

import base64
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from local.demo.stage import CLIENT_ID, ROOT, set_up
from local.graph.simulator import Simulator
from local.signalr.service import SignalRService
from shared.adapters.web_folder import read_web_folder
from shared.web_files import PageConfig, WebFiles
from tests.browser.driving import NEEDED, Helm, drive

pytestmark = [*NEEDED, pytest.mark.azurite, pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

LARGEST, SLOWEST_PAINT = 150_000, 1_000
"""Bytes over the wire, headers included; milliseconds."""
TOKEN_CACHE_KEY = base64.b64encode(b"t" * 32).decode()


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where everything is that a script has to know of."""

    app: str
    graph: str
    helm: Helm
    world: dict[str, Any]

    def told(self) -> dict[str, Any]:
        return {"app": self.app, "graph": self.graph, "helm": self.helm.url, "world": self.world}


@dataclass
class Bare:
    """The page's files and an API that knows nobody's feeds: for what has to do with the page alone. ``callers`` are who called it."""

    graph: Simulator
    url: str = ""
    callers: set[str] = field(default_factory=set)

    def serve(self) -> web.Application:
        config = PageConfig(
            client_id=CLIENT_ID,
            authority=f"{self.graph.https_url}/{self.graph.tenant_id}",
            scope=f"api://{CLIENT_ID}/access_as_user",
            sign_in="msal",
            live="",
        )
        self.files = WebFiles(read_web_folder(ROOT / "shared/web"), config)
        app = web.Application()
        app.router.add_get("/api/app{path:.*}", self.file)
        app.router.add_get("/api/feeds", self.feeds)
        return app

    async def file(self, request: web.Request) -> web.Response:
        asked = {name: request.headers.get(name, "") for name in ("If-None-Match", "Accept-Encoding")}
        answer = self.files.answer(
            request.match_info["path"],
            if_none_match=asked["If-None-Match"],
            accept_encoding=asked["Accept-Encoding"],
        )
        headers = {"Content-Type": answer.mimetype, **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def feeds(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = self.graph.authority.read(token, audiences=frozenset({CLIENT_ID}))
        assert claims["scp"] == "access_as_user"
        self.callers.add(claims["name"])
        return web.json_response({"feeds": []})


@pytest_asyncio.fixture(loop_scope="module")
async def bare() -> AsyncIterator[Bare]:
    async with Simulator(seed=1) as graph:
        made = Bare(graph=graph)
        runner = web.AppRunner(made.serve(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
        await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def where(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Where]:
    folder = tmp_path_factory.mktemp("page")
    async with SignalRService() as signalr:
        extra = {"AzureSignalRConnectionString": signalr.connection_string, "TOKEN_CACHE_KEY": TOKEN_CACHE_KEY}
        async with (
            set_up(folder, graph_options=(), extra=extra) as stage,
            Helm({"drop": signalr.drop_everybody}) as helm,
        ):
            yield Where(app=stage.host_url, graph=stage.graph_url, helm=helm, world=stage.world)


def without_network(seen: dict[str, Any]) -> list[str]:
    """What went wrong on the page, but for what a browser prints of a network that is not there."""
    return [error for error in seen["errors"] if "ERR_INTERNET_DISCONNECTED" not in error]


async def test_pictures_of_the_page_can_be_taken(where: Where) -> None:
    """First, while little has happened here. They are kept if a person asks for them: make browser SCREENSHOTS=folder."""
    seen = await drive("app_pictures.mjs", **where.told())

    assert (seen["messages"], seen["waiting"]) == (9, 3)


async def test_a_person_reads_feeds_goes_away_and_comes_back(where: Where) -> None:
    seen = await drive("app_feed.mjs", **where.told())

    assert without_network(seen) == []
    assert seen["waits"][10] < 1_000, seen["waits"]
    assert "This message was deleted" in seen["deleted"]
    assert seen["title"] == "(1) Feeds · Earshot"
    assert seen["light"] == seen["dark"] == seen["phone"] == seen["offlineViolations"] == seen["signInViolations"] == []
    assert seen["focused"] == "The release candidate is on staging since seven."
    assert seen["twice"] == [1, 1]
    assert (seen["offlineState"], seen["offline"]) == ("Offline", [])
    assert seen["away"] == "You were away for 12 minutes; 7 messages came meanwhile."
    assert seen["back"] == seen["reloaded"] == [f"Missed {number}" for number in range(1, 8)]
    assert "new since you were here" in seen["line"].lower()
    assert seen["place"].startswith("Channel in Northwind · ")
    assert (seen["wide"], seen["narrow"]) == (0, [0, 0]), "nothing sticks out, on a desk or on a phone"
    assert seen["left"] == []


async def test_a_person_lives_with_their_mailbox(where: Where) -> None:
    seen = await drive("app_mail.mjs", **where.told())

    # a browser prints what a server refuses: the reply to what had vanished, and that it was tried again
    assert Counter("404" in error for error in without_network(seen)) == {True: 2}, seen["errors"]
    assert seen["welcome"] == seen["light"] == seen["dark"] == seen["phone"] == []
    assert seen["waitingViolations"] == seen["refusedViolations"] == []
    assert seen["wait"] < 2_000
    assert seen["draft"] == "Thursday at ten"
    assert seen["pwned"] is seen["still"] is None
    for power in ("<script", "<iframe", "<form", "<input", "<svg", "<meta", "<base", "onerror", "javascript:", "id="):
        assert power not in seen["hostile"], power
    assert seen["styled"] == "rgb(168, 50, 111)", "its looks are its writer's"
    assert seen["link"] is None
    assert where.helm.fetched == [], "what a stranger's mail names was not fetched"
    assert seen["waiting"] == seen["afterReload"] == "4 actions wait for the network"
    assert seen["next"] == "row", "the keyboard goes on in the list"
    assert seen["sentBefore"] == [0, 0]
    assert "Refused:" in seen["refused"]
    assert "Too late, it seems." in seen["refused"], "what was written is not lost"
    assert seen["summary"] == "1 action refused"
    assert seen["archived"] is seen["deleted"] is True
    assert seen["sentOnce"] == [1, 1], "two tabs, a reload and an absence, and each went out once"
    assert (seen["wide"], seen["narrow"]) == (0, 0)
    assert (seen["others"], seen["kept"]) == (0, 0)


async def test_the_page_is_small_and_quick_and_lets_nobody_do_what_it_does_not_do_itself(bare: Bare) -> None:
    seen = await drive("app_strict.mjs", app=bare.url)

    assert seen["bytes"] <= LARGEST, "with Microsoft's library for signing in"
    assert seen["paint"] <= SLOWEST_PAINT
    assert seen["violations"] == []
    assert bare.callers == {"Adele Vance"}
    assert seen["state"] == "Looking every few seconds", "there is no SignalR here"
    assert [error for error in seen["before"] if "404 (Not Found)" not in error] == []
    tries = seen["tries"]
    blocked = set(tries.pop("blocked"))
    refused = {"html": "TypeError", "evaluated": "EvalError", "written": "TypeError", "policy": "TypeError"}
    assert tries == refused | {"elsewhere": "TypeError", "image": "refused", "pwned": None, "hidden": False}
    directives = {"require-trusted-types-for", "trusted-types", "style-src-elem", "connect-src", "img-src"}
    assert directives <= blocked
