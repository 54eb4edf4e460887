"""What is missing or broken is said in a sentence that tells what to do; nobody has to read a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.keys.material import make_client_state_key
from tests.scenarios.copies import ROOT, copy_app
from tests.scenarios.hosting import Host, run_host

pytestmark = pytest.mark.scenario

GUID = "11111111-1111-4111-8111-111111111111"
ENOUGH = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "GRAPH_TENANT_ID": GUID,
    "GRAPH_CLIENT_ID": GUID,
    "GRAPH_CREDENTIAL": "client-secret",
    "GRAPH_CLIENT_SECRET": "any",
    "CLIENT_STATE_KEY": make_client_state_key(),
    "PUBLIC_BASE_URL": "http://127.0.0.1:7071/api",
    "RENEWAL_SCHEDULE": "0 0 0 1 1 *",
    "SWEEP_SCHEDULE": "0 0 0 1 1 *",
}


def run(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a part of the workshop; ``path`` is all that is on the PATH."""
    environ = {**os.environ, **({"PATH": str(path)} if path else {})}  # noqa: TID251 - for a child
    command = [sys.executable, "-m", "local", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, env=environ)


@pytest.mark.parametrize("part", ["demo", "up"])
def test_without_node_the_stage_says_what_to_install(part: str, tmp_path: Path) -> None:
    done = run(part, "--folder", str(tmp_path / "stage"), path=tmp_path)

    assert done.returncode == 2
    assert "Node.js is not on the PATH: install version 20 or later, then run 'make setup'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_without_core_tools_the_demo_says_what_to_install(tmp_path: Path) -> None:
    """Node is there; only func is not."""
    node = next(Path(folder) / "node" for folder in os.get_exec_path() if (Path(folder) / "node").exists())
    (tmp_path / "node").symlink_to(node)
    done = run("demo", "--host", "func", "--folder", str(tmp_path / "stage"), path=tmp_path)

    assert done.returncode == 2
    assert "npm install -g azure-functions-core-tools@4" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_an_app_that_does_not_load_is_shown_with_what_it_said(tmp_path: Path) -> None:
    app = copy_app(tmp_path / "app")
    (app / "function_app.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    done = run("demo", "--app", str(app), "--folder", str(tmp_path / "stage"))

    assert done.returncode == 2
    assert "the host ended while starting; it said:" in done.stdout
    assert "No module named 'nothing_of_that_name'" in done.stdout


@contextmanager
def hosted(folder: Path, settings: Mapping[str, str], subscriptions: str | None = None) -> Iterator[Host]:
    app = copy_app(folder / "app")
    if subscriptions is not None:
        (app / "subscriptions.json").write_text(subscriptions, encoding="utf-8")
    with run_host(app, settings, log=folder / "host.log") as host:
        yield host


def problems(host: Host, status: int) -> Mapping[str, Any]:
    answered, health = host.get("/api/health")
    assert answered == status
    found: Mapping[str, Any] = health["problems"]
    return found


def test_without_settings_the_app_runs_and_names_every_one_that_it_lacks(tmp_path: Path) -> None:
    with hosted(tmp_path, {}) as host:
        lacking = problems(host, 503)

    assert "CLIENT_STATE_KEY is missing" in lacking["webhook"]
    assert "RENEWAL_SCHEDULE is missing" in lacking["subscriptions"]
    assert "local.settings.sample.json" in host.said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "the subscriptions file: it is not JSON"),
        (json.dumps({"subscriptions": [{"name": "A B", "resource": "/nowhere", "changeType": "x"}]}), "A B"),
        (
            json.dumps(
                {
                    "subscriptions": [
                        {
                            "name": "mail",
                            "resource": "/users/u/messages",
                            "changeType": "created",
                            "handlers": ["nobody"],
                        }
                    ]
                }
            ),
            "nobody",
        ),
    ],
    ids=["no JSON", "no subscription", "no such handler"],
)
def test_a_subscriptions_file_that_was_never_good_says_why_and_stops_no_part(
    tmp_path: Path, text: str, told: str
) -> None:
    """The webhook goes on taking what Graph sends: it is kept until the file is mended."""
    with hosted(tmp_path, ENOUGH, text) as host:
        wrong = problems(host, 503)

    assert wrong.keys() == {"declaration"}
    assert told in " ".join(wrong["declaration"])
    assert "(line 1, " in wrong["declaration"][0]


def test_with_enough_settings_every_part_runs(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    basic = {"name": "mail", "resource": "/users/u/messages", "changeType": "created", "handlers": ["feed"]}
    with hosted(
        tmp_path, ENOUGH | {"ENCRYPTION_KEYS": f"directory:{keys}"}, json.dumps({"subscriptions": [basic]})
    ) as host:
        assert problems(host, 200) == {}
