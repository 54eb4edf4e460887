"""F5 and the container work as far as no editor is needed to tell: what their files name exists, and is the same everywhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.azurite.emulator import Azurite
from local.host.cli import DEFAULT_PORT
from tests.house.shipping import ROOT

FILES = [*sorted((ROOT / ".vscode").glob("*.json")), ROOT / ".devcontainer/devcontainer.json"]
_TEXT_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*')


def read(path: Path) -> dict[str, Any]:
    """Read JSON with comments, as these programs do."""
    plain = _TEXT_OR_COMMENT.sub(lambda found: found[0] if found[0].startswith('"') else "", path.read_text("utf-8"))
    found: dict[str, Any] = json.loads(plain)
    return found


LAUNCH, TASKS = read(ROOT / ".vscode/launch.json"), read(ROOT / ".vscode/tasks.json")
SETTINGS, CONTAINER = read(ROOT / ".vscode/settings.json"), read(ROOT / ".devcontainer/devcontainer.json")
LABELS = {task["label"]: task for task in TASKS["tasks"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_can_be_read(path: Path) -> None:
    assert read(path)


def test_a_text_with_two_strokes_is_no_comment(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": "http://b", // c\n"d": "\\"//e"}')

    assert read(tmp_path / "a.json") == {"a": "http://b", "d": '"//e'}


@pytest.mark.parametrize("launch", LAUNCH["configurations"], ids=lambda launch: launch["name"])
def test_what_f5_starts_exists(launch: dict[str, Any]) -> None:
    assert launch["type"] == "debugpy"
    assert launch.get("preLaunchTask", "setup") in LABELS
    if launch["request"] == "attach":
        assert launch["connect"]["port"] == 9091  # where the Azure Functions extension has the worker listen
    else:
        assert launch["module"] in {"local", "pytest"}


@pytest.mark.parametrize("task", TASKS["tasks"], ids=lambda task: task["label"])
def test_a_task_runs_what_there_is_after_what_there_is(task: dict[str, Any]) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

    assert task.get("dependsOn", "setup") in LABELS
    if task["command"].startswith("make "):
        assert task["command"].removeprefix("make ") in targets
    if " -m local " in task["command"]:
        assert (ROOT / "local" / task["command"].split()[-1] / "cli.py").is_file()


def test_the_emulator_is_ready_when_it_says_so() -> None:
    """The editor starts the app when the task's output has this line."""
    ends = LABELS["azurite"]["problemMatcher"]["background"]["endsPattern"]

    assert re.match(ends, Azurite(blob_port=10000, queue_port=10001, table_port=10002).connection_string)


def test_the_container_has_the_python_that_azure_runs_and_the_node_that_azurite_needs() -> None:
    setup = (ROOT / "local/setup.py").read_text("utf-8")
    module = (ROOT / "bicep/modules/functionapp.bicep").read_text("utf-8")
    python = CONTAINER["image"].rpartition(":")[2]

    assert f"version: '{python}'" in module
    assert f"OLDEST_NODE = {CONTAINER['features']['ghcr.io/devcontainers/features/node:1']['version']}" in setup
    assert CONTAINER["forwardPorts"] == [DEFAULT_PORT]
    assert CONTAINER["postCreateCommand"].endswith("make setup")


def test_the_container_brings_the_tools_that_deploy() -> None:
    tools = " ".join(CONTAINER["features"]) + CONTAINER["postCreateCommand"]

    assert all(tool in tools for tool in ("azure-cli", "azd", "azure-functions-core-tools@4"))


def test_container_and_editor_want_the_same_extensions() -> None:
    recommended = read(ROOT / ".vscode/extensions.json")["recommendations"]

    assert CONTAINER["customizations"]["vscode"]["extensions"] == recommended
    assert len(set(recommended)) == len(recommended)


def test_the_editor_knows_our_schemas() -> None:
    assert all((ROOT / each["url"]).is_file() for each in SETTINGS["json.schemas"])
