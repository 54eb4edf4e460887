"""The look that follows a deployment, at the real app in its host with the simulated Graph: it passes, and fails where nobody listens."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.demo.stage import CLIENT_ID, ROOT, Stage, set_up

pytestmark = [pytest.mark.scenario, pytest.mark.azurite]


async def look(stage: Stage, token: str, mailbox: str, *, patience: int = 60) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "scripts/smoke.py", stage.host_url, "--local", "--json", "--patience", str(patience)]
    command += ["--mailbox", mailbox, "--graph", stage.graph_url]
    environ = {"PATH": os.environ["PATH"], "SMOKE_GRAPH_TOKEN": token}  # noqa: TID251 - for a child
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, {each["check"]: each for each in json.loads(done.stdout)}


async def a_token(stage: Stage) -> str:
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": "any"}
    form["scope"] = f"{stage.graph_url}/.default"
    address = f"{stage.graph_url}/{stage.world['tenant']}/oauth2/v2.0/token"
    async with stage.http.post(address, data=form) as answer:
        answer.raise_for_status()
        return str((await answer.json())["access_token"])


async def test_a_change_in_a_mailbox_that_is_heard_proves_the_whole_way(tmp_path: Path) -> None:
    async with set_up(tmp_path) as stage:
        mailbox = stage.world["mailboxes"][0]["user"]
        code, found = await look(stage, await a_token(stage), mailbox)

        assert code == 0, found
        assert found["change"]["ok"] is True
        assert found["strangers"]["ok"] is None  # a local host checks no keys
        assert await stage.graph("GET", "/_sim/judge") == []

        heard = {box["user"] for box in stage.world["mailboxes"]}
        silent = next(person["id"] for person in stage.world["people"] if person["id"] not in heard)
        code, found = await look(stage, await a_token(stage), silent, patience=3)
        assert code == 1
        assert [check for check, each in found.items() if each["ok"] is False] == ["change"]
        assert found["change"]["words"].startswith("not in a mail feed")
