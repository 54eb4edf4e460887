"""`make lint` asks Microsoft's compiler where there is one, and says in one line that there is none."""

import sys
from pathlib import Path

import pytest

from local.bicep import main

PROGRAM = """#!{python}
import os, sys
from pathlib import Path
here = Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + " " + os.environ["AZURE_LOCATION"] + "\\n")
words = sys.argv[2:] if sys.argv[1] == "bicep" else sys.argv[1:]
if words[0] == "version":
    sys.exit(0 if (here / "installed").exists() else 1)
if "wrong" in Path(next(word for word in words[1:] if not word.startswith("--"))).read_text():
    sys.exit("Error BCP018: that is wrong")
print("a megabyte of JSON")
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "bicep"
    folder.mkdir()
    for name in ("main.bicep", "main.bicepparam", "small.bicepparam"):
        (folder / name).write_text("fine", "utf-8")
    return folder


def install(folder: Path, name: str) -> None:
    (folder / name).write_text(PROGRAM.replace("{python}", sys.executable), "utf-8")
    (folder / name).chmod(0o755)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text("utf-8").splitlines()


def test_without_a_compiler_one_line_says_so(path: Path, templates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(templates) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert list(path.iterdir()) == []


def test_the_compiler_builds_and_lints_everything(
    path: Path, templates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(path, "bicep")

    assert main(templates) == 0
    assert capsys.readouterr().out == ""
    assert calls(path) == [
        f"build {templates}/main.bicep --stdout swedencentral",
        f"lint {templates}/main.bicep swedencentral",
        f"build-params {templates}/main.bicepparam --stdout swedencentral",
        f"build-params {templates}/small.bicepparam --stdout swedencentral",
    ]


def test_the_one_of_the_azure_cli_does_too(path: Path, templates: Path) -> None:
    install(path, "az")
    (path / "installed").touch()

    assert main(templates) == 0
    assert calls(path)[1] == f"bicep build --file {templates}/main.bicep --stdout swedencentral"
    assert len(calls(path)) == 5


def test_an_azure_cli_without_a_compiler_is_left_alone(
    path: Path, templates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would download one, which is not for a linter to do."""
    install(path, "az")

    assert main(templates) == 0
    assert "az bicep install" in capsys.readouterr().out
    assert calls(path) == ["bicep version swedencentral"]


def test_what_the_compiler_refuses_fails_and_is_heard(
    path: Path, templates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(path, "bicep")
    (templates / "small.bicepparam").write_text("wrong", "utf-8")

    assert main(templates) == 1
    assert "BCP018" in capsys.readouterr().err
