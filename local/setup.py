"""Makes everything that the other make targets need. `python3 local/setup.py`, with nothing installed but Python and Node.

Idempotent: what is there already is left alone, so that it costs a moment the second time. What pip and npm say goes to
`.earshot/setup.log`, and is shown only when they fail. Arguments are dependency groups of pyproject.toml to install as well.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".earshot"
LOG = STATE / "setup.log"
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PIP = (PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
OLDEST_NODE = 20
SHOWN_LINES = 25


class SetupError(Exception):
    """Something that only the person at the keyboard can mend; the text says how."""


def main(groups: list[str]) -> int:
    """Set up, and say in one sentence what is in the way if something is."""
    STATE.mkdir(exist_ok=True)
    try:
        check_node()
        if is_stale("python", [ROOT / "requirements.txt", ROOT / "pyproject.toml"]) or not PYTHON.exists():
            install_python()
        if (
            is_stale("node", [ROOT / "local" / "package-lock.json"])
            or not (ROOT / "local/node_modules/azurite").exists()
        ):
            install_node()
        for group in groups:
            if is_stale(group, [ROOT / "pyproject.toml"]):
                install_group(group)
        run([PYTHON, "-m", "local", "keys"], "making local keys")
    except SetupError as problem:
        print(f"setup: {problem}", file=sys.stderr)
        return 1
    return 0


def check_node() -> None:
    """Refuse early and clearly where Node is missing or old."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise SetupError(
            f"Node.js with npm is not on the PATH; install version {OLDEST_NODE} or later (nodejs.org) and try again"
        )
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = version.lstrip("v").partition(".")[0]
    if not major.isdecimal() or int(major) < OLDEST_NODE:
        raise SetupError(
            f"Node.js {version or 'that does not start'} is too old for Azurite; install version {OLDEST_NODE} or later"
        )


def install_python() -> None:
    """Make the virtual environment and install the app's and the workshop's packages."""
    print("setup: installing Python packages into .venv …", flush=True)
    if not PYTHON.exists():
        for stamp in STATE.glob("*.stamp"):
            stamp.unlink()  # a new environment has none of what the old one had
        venv.create(VENV, with_pip=True)
    run([*PIP, "--upgrade", "pip>=25.1"], "upgrading pip")  # older ones know no dependency groups
    run([*PIP, "-r", "requirements.txt", "--group", "dev"], "installing Python packages")
    remember("python", [ROOT / "requirements.txt", ROOT / "pyproject.toml"])


def install_group(group: str) -> None:
    """Install what only some of the work needs."""
    print(f"setup: installing the Python packages of the group {group} into .venv …", flush=True)
    # together with the app's own, so that none of those becomes one that the app does not allow
    run([*PIP, "-r", "requirements.txt", "--group", group], f"installing the group {group}")
    remember(group, [ROOT / "pyproject.toml"])


def install_node() -> None:
    """Fetch Azurite as the lock file pins it."""
    print("setup: installing Azurite into local/node_modules …", flush=True)
    npm = shutil.which("npm") or "npm"
    run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], "npm ci", folder=ROOT / "local")
    remember("node", [ROOT / "local" / "package-lock.json"])


def run(command: list[Path | str], what: str, *, folder: Path = ROOT) -> None:
    """Run a command with its output in the log; raise SetupError with the end of it if it fails."""
    with LOG.open("w", encoding="utf-8") as log:
        done = subprocess.run(
            [str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        said = "\n".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN_LINES:])
        raise SetupError(
            f"{what} failed; it said:\n{said}\nIs the network there? The same command again goes on where it stopped."
        )


def is_stale(name: str, files: list[Path]) -> bool:
    """Tell whether the files have changed since they were last installed, or Python has."""
    stamp = STATE / f"{name}.stamp"
    return not stamp.exists() or stamp.read_text(encoding="ascii") != digest(files)


def remember(name: str, files: list[Path]) -> None:
    """Remember that these files were installed."""
    (STATE / f"{name}.stamp").write_text(digest(files), encoding="ascii")


def digest(files: list[Path]) -> str:
    """Hash the files' contents, and this Python's version."""
    hashed = hashlib.sha256(f"{sys.version_info[:2]} ".encode())
    for file in files:
        hashed.update(file.read_bytes())
    return hashed.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
