"""The zip that is deployed: what is in it, that it starts, and that it is the same each time."""

import shutil
import zipfile
from pathlib import Path

import pytest

from scripts import build_package
from scripts.build_package import PACKAGES, PYTHON, BuildError, build, index, install, main, shipped, write
from tests.house.shipping import ROOT, ship

ENVIRON = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout, small enough to spoil."""
    target = tmp_path_factory.mktemp("checkout") / "app"
    ship(target)
    for name in (".funcignore", "local.settings.sample.json"):
        shutil.copy(ROOT / name, target / name)
    return target


def test_it_holds_what_the_deployment_tools_would_ship(tmp_path: Path) -> None:
    there = {str(path.relative_to(tmp_path / "app")) for path in ship(tmp_path / "app").rglob("*") if path.is_file()}

    assert {str(path.relative_to(ROOT)) for path in shipped(ROOT)} == there


def test_the_same_files_give_the_same_bytes(copy: Path, tmp_path: Path) -> None:
    files = build(copy, tmp_path / "work", ENVIRON, packages=False)
    write(files, tmp_path / "one.zip")
    write(dict(reversed(files.items())), tmp_path / "two.zip")

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        assert archive.read("host.json") == (ROOT / "host.json").read_bytes()
    assert names == sorted(names)
    assert {"function_app.py", "host.json", "requirements.txt", "shared/schemas/subscriptions.schema.json"} <= set(
        names
    )
    assert not [name for name in names if name.startswith(("local", "tests", "scripts", "bicep", ".git"))]


def test_an_app_that_cannot_be_imported_is_not_packed(copy: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(copy, broken)
    (broken / "shared/routing.py").write_text("import what_nobody_has_installed\n")

    with pytest.raises(BuildError, match="what_nobody_has_installed"):
        build(broken, tmp_path / "work", ENVIRON, packages=False)


def test_an_app_without_a_function_is_not_packed(copy: Path, tmp_path: Path) -> None:
    """A blueprint that nobody registers is no error to the worker."""
    broken = tmp_path / "broken"
    shutil.copytree(copy, broken)
    composition = broken / "shared/composition.py"
    composition.write_text(
        composition.read_text("utf-8").replace('"webhook": lambda: [webhook.build(self.reception)],', "")
    )

    with pytest.raises(BuildError, match="without lifecycle, notifications"):
        build(broken, tmp_path / "work", ENVIRON, packages=False)


def test_packages_are_built_by_the_python_that_runs_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A requirement's conditions are read with the Python that pip runs on, whatever it builds for."""
    monkeypatch.setattr(build_package, "PYTHON", (3, 99))

    with pytest.raises(BuildError, match=r"Python 3\.99"):
        install(ROOT / "requirements.txt", tmp_path)


def test_packages_come_before_what_is_installed_here(copy: Path, tmp_path: Path) -> None:
    ours = tmp_path / PACKAGES
    (ours / "jwt").mkdir(parents=True)
    (ours / "jwt" / "__init__.py").write_text("raise ImportError('this one was found first')\n")

    with pytest.raises(BuildError, match="this one was found first"):
        index(copy, ours, ENVIRON)


def test_the_command_says_what_it_has_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "package.zip"), "--without-packages"], ENVIRON) == 0
    assert "sha256" in capsys.readouterr().out


def test_the_python_is_the_templates_own() -> None:
    assert f"version: '{PYTHON[0]}.{PYTHON[1]}'" in (ROOT / "bicep/modules/functionapp.bicep").read_text("utf-8")
