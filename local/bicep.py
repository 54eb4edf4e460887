"""Has Microsoft's own compiler build and lint the templates, where it is on the PATH. `python -m local.bicep`.

Without it one line says so, and nothing fails: what can be checked without a compiler, `tests/bicep` checks. Nothing is downloaded,
and nobody signed in to Azure is needed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).resolve().parent.parent / "bicep"
_PLACEHOLDERS: Final[Mapping[str, str]] = {"AZURE_ENV_NAME": "lint", "AZURE_LOCATION": "swedencentral"}
"""What parameter files read from the environment; building them deploys nothing."""


def find_compiler() -> Sequence[str] | None:
    """Return the command of the standalone compiler, or of the one that the Azure CLI has; None without either."""
    if path := shutil.which("bicep"):
        return [path]
    if (path := shutil.which("az")) and _run([path, "bicep", "version"]).returncode == 0:
        return [path, "bicep"]
    return None


def commands(compiler: Sequence[str], folder: Path) -> list[list[str]]:
    """List what is run: the main template with all its modules, and every file of parameters."""
    by_name = ["--file"] if len(compiler) > 1 else []  # the Azure CLI takes no file without it
    main = str(folder / "main.bicep")
    parameters = [str(path) for path in sorted(folder.glob("*.bicepparam"))]
    return [
        [*compiler, "build", *by_name, main, "--stdout"],
        [*compiler, "lint", *by_name, main],
        *([*compiler, "build-params", *by_name, path, "--stdout"] for path in parameters),
    ]


def main(folder: Path = _FOLDER) -> int:
    """Run them all; what the compiler says goes to standard error, and any failure is ours."""
    compiler = find_compiler()
    if compiler is None:
        print("bicep: no compiler on the PATH (bicep, or az with `az bicep install`): the templates were not built")
        return 0
    failed = 0
    for command in commands(compiler, folder):
        done = _run(command)
        sys.stderr.write(done.stderr)
        failed += done.returncode != 0
    return 1 if failed else 0


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environ = {**_PLACEHOLDERS, **os.environ}  # noqa: TID251 - the compiler's, not the app's
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
