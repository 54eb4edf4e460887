"""Finds a Python 3.13 that really runs, and keeps the virtual environment `.venv313` for it.

It holds the app's packages and Microsoft's `azure-functions-runtime`, which exists for 3.13 and later only. What pip says
goes to a log file, whose end is shown only if it fails.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv313"
VERSION = (3, 13)

_PYTHON = VENV / "bin" / "python"
_STAMP = VENV / "installed.stamp"
_SHOWN_LINES = 20
_SAY_WHO = "import sys; print(sys.executable if sys.version_info[:2] >= (3, 13) else '')"


class NoWorkerError(Exception):
    """There is no Python 3.13, or its packages cannot be installed; the text says which, and what to do."""


def find_python() -> Path:
    """Find a Python of the worker's version or later. Raises NoWorkerError.

    Asked in turn: this one, ``PYTHON313``, ``python3.13`` on the PATH, and the same through pyenv, whose shim is on the
    PATH even where it runs nothing.
    """
    environ = dict(os.environ)  # noqa: TID251 - where programs are is the machine's business, not a setting of the app
    name = ".".join(map(str, VERSION))
    candidates: list[tuple[str, Mapping[str, str]]] = [
        (sys.executable, environ),
        (environ.get("PYTHON313", ""), environ),
        (f"python{name}", environ),
        (f"python{name}", environ | {"PYENV_VERSION": name}),
    ]
    for program, variables in candidates:
        found = _ask(program, variables)
        if found:
            return Path(found)
    raise NoWorkerError(f"no Python {name} was found: install one, or name it in PYTHON313")


def ensure_environment() -> Path:
    """Give the environment's Python, made and filled on first use and after a change of what it holds.

    Raises NoWorkerError. Processes that ask at the same time wait for one installation.
    """
    python = find_python()
    VENV.mkdir(exist_ok=True)
    with (VENV / "installing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = _digest(python)
        if not _PYTHON.exists() or not _STAMP.exists() or _STAMP.read_text(encoding="ascii") != wanted:
            _install(python)
            _STAMP.write_text(wanted, encoding="ascii")
    return _PYTHON


def _install(python: Path) -> None:
    _run([python, "-m", "venv", VENV])
    pip: list[Path | str] = [_PYTHON, "-m", "pip", "--disable-pip-version-check", "install"]
    _run([*pip, "--upgrade", "pip>=25.1"])  # older ones know no dependency groups
    _run([*pip, "-r", ROOT / "requirements.txt", "--group", "worker"])


def _run(command: Sequence[Path | str]) -> None:
    log = VENV / "install.log"
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    if done.returncode:
        said = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:])
        raise NoWorkerError(f"'{' '.join(map(str, command))}' failed; it said:\n{said}")


def _ask(program: str, environ: Mapping[str, str]) -> str:
    if not program:
        return ""
    try:
        done = subprocess.run(
            [program, "-c", _SAY_WHO], env=environ, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _digest(python: Path) -> str:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    wanted = f"{python} {groups['worker']}\n".encode() + (ROOT / "requirements.txt").read_bytes()
    return hashlib.sha256(wanted).hexdigest()
