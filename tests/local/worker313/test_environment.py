"""Finding a Python for Microsoft's worker library; making its environment is tests/worker's first step."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.worker313 import environment
from local.worker313.environment import NoWorkerError, find_python


def test_whatever_is_found_runs_and_is_new_enough() -> None:
    try:
        found = find_python()
    except NoWorkerError as reason:
        pytest.skip(str(reason))
    say = "import sys; print(sys.version_info >= (3, 13))"
    assert subprocess.run([found, "-c", say], capture_output=True, text=True, check=True).stdout == "True\n"


def test_a_shim_that_runs_nothing_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHON313", str(tmp_path / "absent"))
    if sys.version_info >= environment.VERSION:
        assert find_python() == Path(sys.executable)
    else:
        with pytest.raises(NoWorkerError, match="PYTHON313"):
            find_python()
