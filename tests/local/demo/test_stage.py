"""The stage of the demo: which command runs the app, what is declared, and what stays outside."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from local.demo.processes import StageError, start
from local.demo.stage import ROOT, declare, host_command, set_up

WORLD = {"mailboxes": [{"user": "u-1"}, {"user": "u-2"}]}


def test_the_app_runs_in_our_host(tmp_path: Path) -> None:
    command = host_command("local", port=7071, app=tmp_path)

    assert command == [sys.executable, "-m", "local", "host", "--app", str(tmp_path), "--port", "7071"]


def test_or_in_core_tools_where_they_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    func = tmp_path / "func"
    func.write_text("#!/bin/sh\n", encoding="utf-8")
    func.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert host_command("func", port=7071, app=ROOT) == [str(func), "start", "--port", "7071", "--python"]


def test_without_core_tools_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StageError, match="npm install -g azure-functions-core-tools@4"):
        host_command("func", port=7071, app=ROOT)


def test_channels_are_heard_with_their_content_and_mailboxes_without(tmp_path: Path) -> None:
    handlers = ["feed", {"forward": {"to": "http://127.0.0.1:1/changes"}}]
    declared = json.loads(declare(tmp_path, WORLD, handlers).read_text(encoding="utf-8"))["subscriptions"]

    assert [(each["name"], each["includeResourceData"]) for each in declared] == [
        ("channels", True),
        ("mailbox-1", False),
        ("mailbox-2", False),
    ]
    assert all(each["handlers"] == handlers for each in declared)


def test_chats_are_heard_by_pull_where_somebody_watches_them(tmp_path: Path) -> None:
    watched = {"dlp": {"rules": "dlp_rules.json"}}
    text = declare(tmp_path, WORLD, ["feed"], watched=watched).read_text(encoding="utf-8")
    chats = json.loads(text)["subscriptions"][-1]

    assert (chats["name"], chats["delivery"], chats["handlers"]) == ("chats", "eventhub", [watched, "feed"])


async def test_a_process_that_ends_while_starting_shows_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('the port is taken')"]
    running = await start("the host", command, folder=tmp_path, environ={}, log=tmp_path / "log")

    with pytest.raises(StageError, match="the host ended while starting; it said:\nthe port is taken"):
        await running.wait_for_line("ready", within=10)


async def test_a_process_that_ignores_the_end_is_killed_with_its_children(tmp_path: Path) -> None:
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_DFL); print('ready', flush=True); time.sleep(60)"
    )
    running = await start("it", [sys.executable, "-c", script], folder=tmp_path, environ={}, log=tmp_path / "log")
    assert await running.wait_for_line("ready", within=10) == "ready"
    await running.stop()
    await running.stop()

    assert running.process.returncode == -15


@pytest.mark.azurite
@pytest.mark.scenario
async def test_an_app_that_is_not_well_is_said_with_its_problems(tmp_path: Path) -> None:
    """The stage is taken down again, whatever was up already."""
    (tmp_path / "stage").mkdir()

    with pytest.raises(StageError, match=r"the app is up but not well: .*GRAPH_TENANT_ID is not a GUID"):
        async with asyncio.timeout(60), set_up(tmp_path / "stage", extra={"GRAPH_TENANT_ID": "contoso"}):
            raise AssertionError("it must not come up")
