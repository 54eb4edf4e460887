"""The hooks as azd runs them: programs that call programs, killed by the operating system where it hurts, and run again."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.az.tenant import fresh, provisioned, read_state, write_state
from tests.scripts.deploying import REFERENCES, TEAMS, every_permission

ROOT = Path(__file__).parents[2]


class Machine:
    """A machine with `az` and `azd` on its path, and a folder for what is temporary."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state.json"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("az", "azd"):
            program = self.programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m local.az {name} "$@"\n')
            program.chmod(0o755)
        self.declaration = folder / "subscriptions.json"
        self.declaration.write_text(json.dumps({"subscriptions": [TEAMS]}))
        write_state(self.state, fresh(every_permission()))
        self.keep(AZURE_ENV_NAME="test", AZURE_LOCATION="westeurope")

    def keep(self, **values: str) -> None:
        state = read_state(self.state)
        write_state(self.state, state | {"azd": state["azd"] | values})

    def run(self, hook: str, *, killed_at: int = 0) -> subprocess.CompletedProcess[str]:
        self.state.with_suffix(".changes").unlink(missing_ok=True)
        own = {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "AZ_STAND_IN": str(self.state),
            "AZ_STAND_IN_KILLS": str(killed_at),
            "TMPDIR": str(self.temporary),
        }
        command = [sys.executable, str(ROOT / f"scripts/{hook}.py"), "--json", "--subscriptions", str(self.declaration)]
        environ = read_state(self.state)["azd"] | own
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_killed_and_run_again_twice(machine: Machine) -> None:
    killed = machine.run("preprovision", killed_at=3)
    assert killed.returncode == -signal.SIGKILL
    again = machine.run("preprovision")
    assert again.returncode == 0, again.stderr
    assert len(read_state(machine.state)["applications"]) == 1
    write_state(machine.state, provisioned(read_state(machine.state), references=REFERENCES))

    # service principal, credential, three permissions, and then the first secret: made, and nobody there to hear of it
    killed = machine.run("postprovision", killed_at=6)
    assert killed.returncode == -signal.SIGKILL
    first = read_state(machine.state)["vaults"]["kv-x"]["secrets"]["client-state-key"]
    left = [path for path in machine.temporary.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in left} <= {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in left} <= {0o700}

    again = machine.run("postprovision")
    assert again.returncode == 0, again.stderr
    assert read_state(machine.state)["vaults"]["kv-x"]["secrets"]["client-state-key"] == first

    before = machine.state.read_bytes()
    once_more = machine.run("postprovision")
    assert once_more.returncode == 0
    assert json.loads(once_more.stdout)["changes"] == 0
    assert machine.state.read_bytes() == before


def test_without_az_it_says_where_to_get_it(machine: Machine) -> None:
    (machine.programs / "az").unlink()

    done = machine.run("preprovision")

    assert done.returncode == 1
    assert "https://learn.microsoft.com/cli/azure/install-azure-cli" in done.stderr
    assert json.loads(done.stdout)["ok"] is False
