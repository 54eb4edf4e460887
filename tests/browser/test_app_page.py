"""The page in a real Chromium, before the whole app: a person reads, answers, goes away and comes back. Nobody pretends anything:
what is written in the tenant goes through webhook, queue, feed and SignalR's stand-in to the screen.
"""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from local.demo.stage import set_up
from local.signalr.service import SignalRService
from tests.browser.driving import NEEDED, Helm, drive

pytestmark = [*NEEDED, pytest.mark.azurite, pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

TOKEN_CACHE_KEY = base64.b64encode(b"t" * 32).decode()


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where everything is that a script has to know of."""

    app: str
    graph: str
    helm: str
    world: dict[str, Any]

    def told(self) -> dict[str, Any]:
        return {"app": self.app, "graph": self.graph, "helm": self.helm, "world": self.world}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def where(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Where]:
    folder = tmp_path_factory.mktemp("page")
    async with SignalRService() as signalr:
        extra = {"AzureSignalRConnectionString": signalr.connection_string, "TOKEN_CACHE_KEY": TOKEN_CACHE_KEY}
        async with (
            set_up(folder, graph_options=(), extra=extra) as stage,
            Helm({"drop": signalr.drop_everybody}) as helm,
        ):
            yield Where(app=stage.host_url, graph=stage.graph_url, helm=helm.url, world=stage.world)


async def test_a_person_reads_feeds_goes_away_and_comes_back(where: Where) -> None:
    seen = await drive("app_feed.mjs", **where.told())

    assert [error for error in seen["errors"] if "ERR_INTERNET_DISCONNECTED" not in error] == []
    assert seen["waits"][10] < 1_000, seen["waits"]
    assert "This message was deleted" in seen["deleted"]
    assert seen["title"] == "(1) Feeds · Earshot"
    assert seen["light"] == seen["dark"] == seen["phone"] == seen["offlineViolations"] == seen["signInViolations"] == []
    assert seen["focused"] is True
    assert seen["twice"] == [1, 1]
    assert (seen["offlineState"], seen["offline"]) == ("Offline", [])
    assert seen["away"] == "You were away for 12 minutes; 7 messages came meanwhile."
    assert seen["back"] == seen["reloaded"] == [f"Missed {number}" for number in range(1, 8)]
    assert "new since you were here" in seen["line"].lower()
    assert (seen["wide"], seen["narrow"]) == (0, [0, 0]), "nothing sticks out, on a desk or on a phone"
    assert seen["backToTheList"] is True
    assert seen["left"] == []


async def test_a_person_lives_with_their_mailbox(where: Where) -> None:
    seen = await drive("app_mail.mjs", **where.told())

    assert [error for error in seen["errors"] if "ERR_INTERNET_DISCONNECTED" not in error] == []
    assert seen["welcome"] == seen["light"] == seen["dark"] == seen["phone"] == []
    assert seen["waitingViolations"] == seen["refusedViolations"] == []
    assert seen["wait"] < 2_000
    assert seen["title"].startswith("(2) Mail")
    assert seen["draft"] == "Thursday at ten"
    assert seen["pwned"] is seen["still"] is None
    for power in ("<script", "<iframe", "<form", "<input", "<svg", "<meta", "<base", "onerror", "javascript:", "id="):
        assert power not in seen["hostile"], power
    assert seen["styled"] == "rgb(168, 50, 111)", "its looks are its writer's"
    assert seen["link"] is None
    assert seen["strangers"] == [], "nobody else was asked for anything"
    assert seen["waiting"] == seen["afterReload"] == "4 actions wait for the network"
    assert seen["sentBefore"] == [0, 0]
    assert "Refused:" in seen["refused"]
    assert "Too late, it seems." in seen["refused"], "what was written is not lost"
    assert seen["summary"] == "1 action refused"
    assert seen["archived"] is seen["deleted"] is True
    assert seen["sentOnce"] == [1, 1], "two tabs, a reload and an absence, and each went out once"
    assert (seen["wide"], seen["narrow"]) == (0, 0)
    assert (seen["others"], seen["kept"]) == (0, 0)
