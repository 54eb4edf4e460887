"""Builds what is deployed: the app as .funcignore leaves it, with its packages for the Python and Linux that Azure runs, as one zip.

`python3.13 scripts/build_package.py package.zip`. Built once, deployed as it is, and kept: to roll back is to deploy an older one. The
same sources and packages give the same bytes. Before it is written, the app is indexed from it as the worker would; an app that cannot be
imported has no functions in Azure, and nothing says why.

0: written. 1: it cannot be built, or not started. 2: the command line is wrong.
"""

import argparse
import base64
import fnmatch
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from scripts.smoke import ALWAYS, FUNCTIONS_OF, NEEDED

ROOT: Final = Path(__file__).resolve().parent.parent
PYTHON: Final = (3, 13)
"""What bicep/modules/functionapp.bicep asks for."""

PACKAGES: Final = Path(".python_packages") / "lib" / "site-packages"
"""Where the worker looks. https://learn.microsoft.com/azure/azure-functions/functions-reference-python#build-options-for-azure-functions"""

WHEELS: Final = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""Older than the C library of any image that runs this Python: newer wheels have kept apps from starting."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o644 << 16
_INDEX: Final = """
import json, function_app
print(json.dumps(sorted(each.get_function_name() for each in function_app.app.get_functions())))
"""


class BuildError(Exception):
    """It cannot be built; the text says what to do."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Build, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python3.13 scripts/build_package.py", description=__doc__)
    parser.add_argument("package", type=Path, help="the zip to write")
    parser.add_argument("--without-packages", action="store_true", help="the app alone, for a remote build")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="earshot-package-") as folder:
            files = build(ROOT, Path(folder), environ, packages=not options.without_packages)
            write(files, options.package)
    except BuildError as problem:
        print(f"build: {problem}", file=sys.stderr)
        return 1
    digest = hashlib.sha256(options.package.read_bytes()).hexdigest()
    size = options.package.stat().st_size / 1_000_000
    print(f"{options.package}: {len(files)} files, {size:.1f} MB, sha256 {digest}")
    return 0


def build(root: Path, folder: Path, environ: Mapping[str, str], *, packages: bool) -> dict[str, Path]:
    """Gather what is deployed, by its name in the zip, and see that it starts. Raises BuildError."""
    files = {str(path.relative_to(root).as_posix()): path for path in shipped(root)}
    if packages:
        install(root / "requirements.txt", folder / PACKAGES)
        installed = sorted(path for path in (folder / PACKAGES).rglob("*") if path.is_file())
        files |= {
            str(path.relative_to(folder).as_posix()): path for path in installed if "__pycache__" not in path.parts
        }
    found = frozenset(index(root, folder / PACKAGES if packages else None, environ))
    wanted = ALWAYS.union(*(FUNCTIONS_OF[part] for part in NEEDED))
    if missing := sorted(wanted - found):
        raise BuildError(f"the app starts without {', '.join(missing)}")
    return files


def shipped(root: Path) -> Iterator[Path]:
    """List the files that .funcignore leaves, in an order of their own; its patterns are plain names."""
    lines = (root / ".funcignore").read_text("utf-8").splitlines()
    patterns = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_any(name, patterns))
        yield from (Path(folder) / name for name in sorted(names) if not _is_any(name, patterns))


def install(requirements: Path, target: Path) -> None:
    """Install the app's packages as Azure runs them. Raises BuildError."""
    if sys.version_info[:2] != PYTHON or platform.machine().lower() not in {"x86_64", "amd64"}:
        # pip reads a requirement's conditions with the Python that it runs on
        raise BuildError(
            f"run this with Python {PYTHON[0]}.{PYTHON[1]} on x86-64, for which it builds; or --without-packages for a remote build"
        )
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    words += ["--only-binary=:all:", "--implementation", "cp", "--python-version", f"{PYTHON[0]}.{PYTHON[1]}"]
    for wheel in WHEELS:
        words += ["--platform", wheel]
    done = subprocess.run([*words, "--target", str(target), "-r", str(requirements)], check=False)
    if done.returncode:
        raise BuildError("pip could not install the packages; it says above why")


def index(root: Path, packages: Path | None, environ: Mapping[str, str]) -> Sequence[str]:
    """List the functions of the app, started with the sample's settings. Raises BuildError."""
    sample: dict[str, str] = json.loads((root / "local.settings.sample.json").read_bytes())["Values"]
    made_up = {"CLIENT_STATE_KEY": base64.b64encode(bytes(32)).decode(), "GRAPH_CLIENT_SECRET": "made-up"}
    system = {name: environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in environ}
    path = {"PYTHONPATH": str(packages)} if packages else {}
    command = [sys.executable, "-B", "-c", _INDEX]
    settings = system | sample | made_up | path
    done = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"the app does not start:\n{done.stderr.strip()[-2000:]}")
    names: list[str] = json.loads(done.stdout)
    return names


def write(files: Mapping[str, Path], package: Path) -> None:
    """Write the zip: names in order, no dates, so that the same files give the same bytes."""
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.external_attr = _READABLE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].read_bytes())


def _is_any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))  # noqa: TID251 - the one place that reads the environment
