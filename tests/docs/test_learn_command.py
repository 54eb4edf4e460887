"""`python -m local learn`, as it is typed."""

import subprocess
import sys

from local.learn.cli import ROOT

LEARN = [sys.executable, "-m", "local", "learn"]


def test_the_whole_walk_is_taken_at_once_if_wished() -> None:
    done = subprocess.run([*LEARN, "--all"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "=== The handshake" in done.stdout
    assert done.stdout.endswith("Every answer was as the page shows it.\n")


def test_each_step_waits_for_enter_and_one_may_stop_at_any_time() -> None:
    done = subprocess.run(LEARN, input="\n\n", capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout.count("[Enter]") == 3
    assert "[Enter] GET {{simulator}}/_sim/world" in done.stdout
    assert done.stdout.endswith("Stopped.\n")
