"""Layers, host.json and the rules of the house that a linter does not know."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.shipping import ROOT

PRODUCT = [path for part in ("shared", "blueprints", "local") for path in sorted((ROOT / part).rglob("*.py"))]
GRAPHS_NOUNS = {"resource", "mailbox"}
"""Python has modules of these names, of one on some systems only; Graph's words go first."""
OURS = [path for path in PRODUCT if "node_modules" not in path.parts]


def test_imports_point_one_way() -> None:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_the_host_is_told_what_the_design_fixes() -> None:
    host = json.loads((ROOT / "host.json").read_bytes())
    queues = host["extensions"]["queues"]

    assert host["extensions"]["http"]["routePrefix"] == "api"
    assert queues["batchSize"] > 0
    assert queues["newBatchThreshold"] > 0
    assert {name: queues[name] for name in queues if not name.endswith(("Size", "Threshold"))} == {
        "messageEncoding": "none",
        "maxPollingInterval": "00:00:01",
        "visibilityTimeout": "00:00:30",
        "maxDequeueCount": 10,
    }
    assert host["extensions"]["eventHubs"] == {
        "maxEventBatchSize": 100,
        "prefetchCount": 300,
        "batchCheckpointFrequency": 1,
        "initialOffsetOptions": {"type": "fromStart"},
    }
    assert host["extensionBundle"]["version"] == "[4.*, 5.0.0)"


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert path.stem not in {"utils", "helpers", "helper", "common", "misc"}
    assert path.stem not in sys.stdlib_module_names - GRAPHS_NOUNS
    assert path.read_text("utf-8").startswith('"""')


def test_there_are_no_packages_among_the_tests() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda path: path.name)
def test_a_decision_is_numbered_and_titled(path: Path) -> None:
    assert path.stem[:4].isdigit()
    assert path.read_text("utf-8").startswith("# ")
