"""`make setup`: what is in the way is said in one sentence, what is there already is left alone."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

MakeProgram = Callable[[str, str], None]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with nothing in it but what the script looks at."""
    (tmp_path / "local").mkdir()
    for name in ("local/setup.py", "local/package-lock.json", "requirements.txt", "pyproject.toml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def setup(project: Path) -> ModuleType:
    """The script as a module, at home in that folder."""
    spec = importlib.util.spec_from_file_location("setup_of_a_copy", project / "local" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.STATE.mkdir()
    return module


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProgram:
    """Put a program on a PATH that holds nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)

    return make


def run(project: Path, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / "local" / "setup.py")]
    environ = {"PATH": str(path), "LANG": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environ)


def test_without_node_it_stops_before_it_installs_anything(project: Path, tmp_path: Path) -> None:
    done = run(project, tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "setup: Node.js with npm is not on the PATH; install version 20 or later (nodejs.org) and try again\n"
    )
    assert not (project / ".venv").exists()


def test_a_node_that_is_too_old_is_named(program: MakeProgram, setup: ModuleType) -> None:
    program("npm", "")
    program("node", "echo v18.20.4")

    with pytest.raises(setup.SetupError, match=r"Node\.js v18\.20\.4 is too old for Azurite; install version 20"):
        setup.check_node()


@pytest.mark.parametrize("version", ["v20.0.0", "v22.11.0"])
def test_a_node_that_will_do_is_no_problem(program: MakeProgram, setup: ModuleType, version: str) -> None:
    program("npm", "")
    program("node", f"echo {version}")

    setup.check_node()


@pytest.mark.parametrize("answer", ["exit 127", "echo not a version"])
def test_a_node_that_does_not_work_is_a_sentence_and_no_traceback(
    program: MakeProgram, setup: ModuleType, answer: str
) -> None:
    program("npm", "")
    program("node", answer)

    with pytest.raises(setup.SetupError, match=r"Node\.js .*install version 20"):
        setup.check_node()


def test_what_was_installed_is_not_installed_again_until_it_changes(setup: ModuleType, project: Path) -> None:
    wanted = [project / "requirements.txt"]
    assert setup.is_stale("python", wanted)
    setup.remember("python", wanted)
    assert not setup.is_stale("python", wanted)
    wanted[0].write_text("another==1\n", encoding="utf-8")
    assert setup.is_stale("python", wanted)


def test_a_group_of_packages_is_installed_beside_what_the_app_needs(
    program: MakeProgram, setup: ModuleType, project: Path
) -> None:
    asked = project / "asked"
    program("pip", f'echo "$@" >> {asked}')
    setup.PIP = ("pip",)
    setup.install_group("sdk")

    assert asked.read_text(encoding="utf-8") == "-r requirements.txt --group sdk\n"
    assert not setup.is_stale("sdk", [project / "pyproject.toml"])


def test_a_command_that_fails_shows_the_end_of_what_it_said(setup: ModuleType) -> None:
    talk = "import sys; [print('line', n) for n in range(100)]; sys.exit('no network')"

    with pytest.raises(setup.SetupError) as caught:
        setup.run([sys.executable, "-c", talk], "installing")
    said = str(caught.value)

    assert said.startswith("installing failed; it said:\n")
    assert "no network" in said
    assert "line 99\n" in said
    assert "line 10\n" not in said
    assert "The same command again goes on where it stopped." in said


@pytest.mark.skipif(not (ROOT / ".earshot" / "python.stamp").exists(), reason="this checkout was not set up by it")
def test_a_second_run_changes_nothing() -> None:
    stamps = {path: path.stat().st_mtime_ns for path in (ROOT / ".earshot").glob("*.stamp")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "local" / "setup.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=dict(os.environ),  # noqa: TID251 - for a child
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path: path.stat().st_mtime_ns for path in (ROOT / ".earshot").glob("*.stamp")} == stamps
