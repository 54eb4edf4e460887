"""`python -m local hub-check`, run as somebody runs it on a laptop, against a namespace that is really there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.eventhubs.emulator import EventHubs

ROOT = Path(__file__).resolve().parents[3]
TOLD = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
WITHIN_SECONDS = 120


@pytest.fixture(scope="module")
def namespace() -> Iterator[EventHubs]:
    with EventHubs(hubs={"notifications": 3}, consumer_groups=["earshot"]) as made:
        yield made


def run(folder: Path, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    here = {name: value for name, value in os.environ.items() if "EVENT_HUB" not in name.upper()}  # noqa: TID251
    return subprocess.run(
        [sys.executable, "-m", "local", "hub-check", "--settings", str(settings), *arguments],
        cwd=ROOT,
        env=here,
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )


def pull_mode(namespace: EventHubs, **changes: str) -> dict[str, str]:
    values = {
        "EVENT_HUB_NOTIFICATION_URL": TOLD,
        "EventHubConnection": namespace.connection_string,
        "EVENT_HUB_NAME": "notifications",
        "EVENT_HUB_CONSUMER_GROUP": "earshot",
        "GRAPH_AUTHORITY": "https://127.0.0.1:9",
    }
    return values | changes


def test_what_is_well_is_said_and_what_only_azure_sees_comes_with_commands(
    namespace: EventHubs, tmp_path: Path
) -> None:
    done = run(tmp_path, **pull_mode(namespace))

    assert (done.returncode, done.stderr) == (0, "")
    assert "ok      hub: hub notifications of localhost can be read; partitions: 3" in done.stdout
    assert "look    tenant of the hub: whose domain contoso.com is could not be asked" in done.stdout
    assert '        mend  az role assignment create --role "Azure Event Hubs Data Sender"' in done.stdout
    assert done.stdout.count("NAMESPACE=$(") == 1


def test_a_mistake_is_an_exit_code_and_data_for_who_wants_it(namespace: EventHubs, tmp_path: Path) -> None:
    done = run(tmp_path, "--json", **pull_mode(namespace, EVENT_HUB_NAME="notificatoins"))
    told: dict[str, Any] = json.loads(done.stdout)

    assert (done.returncode, told["ok"], done.stderr) == (1, False, "")
    assert [each["about"] for each in told["findings"] if each["verdict"] == "wrong"] == ["hub"]


def test_no_key_is_shown(namespace: EventHubs, tmp_path: Path) -> None:
    key = namespace.connection_string.partition("SharedAccessKey=")[2].partition(";")[0]
    spoiled = namespace.connection_string.replace(key, f"AAAA{key}")

    done = run(tmp_path, **pull_mode(namespace, EventHubConnection=spoiled))

    assert done.returncode == 1
    assert key not in done.stdout + done.stderr


def test_where_pull_mode_is_not_asked_for_that_is_said(tmp_path: Path) -> None:
    done = run(tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "EVENT_HUB_NOTIFICATION_URL" in done.stderr


def test_it_explains_itself(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")

    assert done.returncode == 0
    assert "--json" in done.stdout
    assert "Exit code" in done.stdout
