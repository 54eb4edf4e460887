"""A copy of what is deployed, made by .funcignore's rules, and the settings to start it with."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

# what the sample leaves for everybody to fill in
FILLED_IN = {
    "CLIENT_STATE_KEY": base64.b64encode(b"k" * 32).decode(),
    "GRAPH_CLIENT_SECRET": "made-up",
    "EventHubConnection": "Endpoint=sb://localhost:5672;SharedAccessKeyName=made-up;SharedAccessKey=made-up",
    "AzureSignalRConnectionString": "Endpoint=http://localhost;Port=8888;AccessKey=made-up;Version=1.0;",
    "TOKEN_CACHE_KEY": base64.b64encode(b"t" * 32).decode(),
}


def ignored() -> list[str]:
    """The patterns of .funcignore."""
    lines = (ROOT / ".funcignore").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def ship(target: Path) -> Path:
    """Copy the app as it is deployed."""
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*ignored()))
    return target


def sample() -> dict[str, str]:
    """The values of local.settings.sample.json."""
    values: dict[str, str] = json.loads((ROOT / "local.settings.sample.json").read_bytes())["Values"]
    return values


def run_python(app: Path, code: str, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python in an app's folder, with these settings and nothing else in the environment but the system's own."""
    system = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}  # noqa: TID251 - not ours
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=app,
        env=system | dict(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
