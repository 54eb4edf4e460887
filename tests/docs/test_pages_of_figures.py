"""docs/deploy.md and docs/scale.md: what their commands print is what they show, and what they name exists."""

import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from local import blocks
from local.az.parsing import read
from scripts.pipeline_values import read_by_the_templates
from tests.house.shipping import ROOT

DEPLOY, SCALE = ROOT / "docs/deploy.md", ROOT / "docs/scale.md"
PAGES = [DEPLOY, SCALE]
PICTURE = ROOT / "docs/images/architecture.svg"


def test_both_pages_have_blocks() -> None:
    assert set(blocks.pages()) >= set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_what_its_commands_print(page: Path) -> None:
    """`python -m local.blocks` writes it anew."""
    text = page.read_text("utf-8")

    assert blocks.fill(text) == text


def test_a_block_that_is_out_of_date_would_be_noticed() -> None:
    text = SCALE.read_text("utf-8").replace("8 million a day", "9 million a day")

    assert blocks.fill(text) == SCALE.read_text("utf-8")


def test_a_command_that_fails_stops_the_page() -> None:
    with pytest.raises(RuntimeError, match="ended with 2"):
        blocks.printed("cost --per-body 0")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text.replace("\n", " ")):
        place, _, anchor = target.partition("#")
        if place.startswith("https://"):
            continue
        assert not place or (page.parent / place).exists(), target
        assert place or anchor in anchors, target


def test_what_is_chosen_is_what_the_templates_read() -> None:
    chosen = set(re.findall(r"`(EARSHOT_[A-Z_]+)`", DEPLOY.read_text("utf-8")))
    read_there = read_by_the_templates((ROOT / "bicep/main.bicepparam").read_text("utf-8"))

    assert chosen
    assert chosen <= set(read_there)


def test_az_would_take_every_command() -> None:
    text = DEPLOY.read_text("utf-8")
    lines = re.findall(r"^az [^\n&]+|(?<=\$\()az [^)]+|(?<=`)az [^`]+(?=`)", text, re.MULTILINE)
    full = [line for line in lines if " --" in line or line.strip() == "az login"]

    assert len(full) >= 4
    for line in full:
        if "config-zip" not in line:
            read(shlex.split(line)[1:])


def test_the_picture_says_what_it_shows_in_light_and_in_dark() -> None:
    root = ET.fromstring(PICTURE.read_text("utf-8"))  # noqa: S314 - ours
    svg = "{http://www.w3.org/2000/svg}"

    assert root.find(f"{svg}title") is not None
    assert len((root.find(f"{svg}desc").text or "").split()) > 30  # type: ignore[union-attr]
    assert "prefers-color-scheme: dark" in (root.find(f"{svg}style").text or "")  # type: ignore[union-attr]
    used = {name for each in root.iter() for name in each.get("class", "").split()}
    assert all(f".{name} " in (root.find(f"{svg}style").text or "") for name in used)  # type: ignore[union-attr]
