"""The app alone in its host: no storage, no Graph, only what its settings say."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.demo.stage import ROOT

DEADLINE = 30.0


@dataclass(frozen=True)
class Host:
    """A host that has started, and its log."""

    port: int
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> tuple[int, Any]:
        """Ask, whatever the status of the answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=DEADLINE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)


@contextmanager
def run_host(app: Path, settings: Mapping[str, str], *, log: Path) -> Iterator[Host]:
    """Run an app with these settings and nothing else of ours in its environment."""
    command = [sys.executable, "-m", "local", "host", "--app", str(app), "--port", "0"]
    environ = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "HOME"}}  # noqa: TID251 - for a child
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=environ | dict(settings), stdout=output, stderr=output) as process,
    ):
        try:
            yield Host(port=_started(process, log), log=log)
        finally:
            process.terminate()


def _started(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        said = log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"Host started on http://127\.0\.0\.1:(\d+)", said):
            return int(found[1])
        assert process.poll() is None, said
        time.sleep(0.03)
    raise AssertionError(f"the host did not start:\n{log.read_text(errors='replace')}")
