"""The simulator's guide names every knob, command and piece of the repertoire, each as it is, and no others."""

import json
import re

from local.graph.cli import COMMANDS
from local.graph.knobs import Knobs
from local.graph.repertoire.entry import repertoire
from tests.house.shipping import ROOT

GUIDE = (ROOT / "docs/graph-simulator.md").read_text("utf-8")


def _section(title: str) -> str:
    return GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def _rows(title: str) -> list[list[str]]:
    lines = [line for line in _section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_knobs_are_described_as_they_are() -> None:
    described = [(f"`{each['name']}`", f"`{json.dumps(each['default'])}`", each["says"]) for each in Knobs.described()]
    assert [(row[0], row[1], row[3]) for row in _rows("Knobs")] == described


def test_commands_are_described_as_they_are() -> None:
    described = [[f"`{name}`", command.purpose, f"`{command.example}`"] for name, command in COMMANDS.items()]
    assert _rows("Commands") == described


def test_the_repertoire_is_named_by_what_it_is_about() -> None:
    named = {about: set(re.findall(r"`([\w-]+)`", names)) for about, names in _rows("The repertoire")}
    played: dict[str, set[str]] = {}
    for entry in repertoire():
        played.setdefault(entry.group, set()).add(entry.name)
    assert named == played


def test_pictures_and_files_that_the_guide_points_at_are_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target


def test_every_control_is_named() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "local/graph/control").glob("*.py"))
    controls = set(re.findall(r'web\.(?:get|post)\("/_sim/([\w/-]+)"', source)) - {"rotate-signing-keys"}
    section = _section("Controls over HTTP")
    missing = {name for name in controls if not re.search(rf"\b{name}\b", section)}
    assert missing == set()
