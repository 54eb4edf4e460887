"""Users' own detectors: found where handlers are, by name."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from shared.classifiers import classifier, find_classifiers
from shared.errors import SettingsError

MODULE = """
from shared.handlers import classifier

@classifier("{name}")
def find(text):
    yield 0, len(text)
"""


MakePackage = Callable[[Mapping[str, str]], ModuleType]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePackage]:
    """Make a package of modules as somebody could put into `shared/handlers/`."""
    name = "detectors_for_a_test"

    def make(modules: Mapping[str, str]) -> ModuleType:
        package = tmp_path / name
        package.mkdir()
        for module, source in {"__init__": "", **modules}.items():
            (package / f"{module}.py").write_text(source, "utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(name)

    yield make
    for each in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[each]


def test_those_of_every_module_are_found_and_an_imported_one_only_once(make_package: MakePackage) -> None:
    projects = MODULE.format(name="project-names") + "\nfrom detectors_for_a_test.medicine import find as also\n"
    found = find_classifiers(make_package({"medicine": MODULE.format(name="medical-terms"), "projects": projects}))

    assert list(found) == ["medical-terms", "project-names"]
    assert list(found["medical-terms"]("text")) == [(0, 4)]


def test_two_of_one_name_are_refused(make_package: MakePackage) -> None:
    package = make_package({"one": MODULE.format(name="same"), "two": MODULE.format(name="same")})
    with pytest.raises(SettingsError, match="'same' is defined in one and two"):
        find_classifiers(package)


@pytest.mark.parametrize("name", ["", "Medical", "a b", "x" * 41])
def test_a_name_that_no_rule_can_have_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match="a name has up to 40"):
        classifier(name)


def test_an_asynchronous_one_is_refused() -> None:
    async def find(text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]

    with pytest.raises(TypeError, match="plain 'def'"):
        classifier("x")(find)  # type: ignore[arg-type]
