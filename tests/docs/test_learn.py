"""docs/learn.md, followed to the letter: every call made in order against a simulator, every answer held against the page."""

import argparse
import asyncio
import re
import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.graph.cli.serving import _choices, add_serve_arguments
from local.graph.simulator import Simulator
from local.learn.cli import PAGE, ROOT, simulator_options
from local.learn.page import Call, Command, Program, Step, read_page
from local.learn.walk import AUTHORITY, GRAPH, Done, Walk

TEXT = PAGE.read_text("utf-8")
STEPS = read_page(TEXT)
SOON = 10.0

Walking = Callable[[Sequence[Step], float], list[Done]]


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the page reckons from the present


@pytest.fixture
async def graph() -> AsyncIterator[Simulator]:
    """The simulator as the page starts it, but on free ports."""
    parser = argparse.ArgumentParser()
    add_serve_arguments(parser)
    chosen = parser.parse_args([*simulator_options(STEPS), "--port", "0", "--tls-port", "0"])
    async with Simulator(**_choices(chosen)) as simulator:
        yield simulator


@pytest.fixture
def walking(graph: Simulator, tmp_path: Path) -> Walking:
    def walk_all(steps: Sequence[Step], patience: float) -> list[Done]:
        places = {GRAPH: graph.http_url, AUTHORITY: graph.https_url}
        with Walk(folder=tmp_path, places=places, now=_now, patience=patience) as walk:
            return [walk.take(step) for step in steps]

    return walk_all


async def test_everything_on_the_page_is_as_it_says(walking: Walking, tmp_path: Path) -> None:
    done = await asyncio.to_thread(walking, STEPS, SOON)
    assert [(each.step.line, each.problem) for each in done if each.problem] == []
    made = sum(isinstance(each.step, Call) for each in done)
    assert made == len(re.findall(r"^(?:GET|POST|PUT|PATCH|DELETE) ", TEXT, re.MULTILINE)) > 30
    assert len(done) == len(re.findall(r"^```(?:http|sh|python)$", TEXT, re.MULTILINE))
    receiver = next(step for step in STEPS if isinstance(step, Program))
    assert (tmp_path / receiver.name).read_text("utf-8") == receiver.text  # run as it stands, with no address replaced


async def test_a_page_that_expects_another_status_is_contradicted_at_every_call(walking: Walking) -> None:
    spoilt = [_with_another_status(step) for step in STEPS]
    done = await asyncio.to_thread(walking, spoilt, 0.0)
    assert [each.step.line for each in done if isinstance(each.step, Call) and not each.problem] == []


async def test_a_page_that_expects_another_answer_is_contradicted_at_every_answer(walking: Walking) -> None:
    spoilt = [_with_another_answer(step) for step in STEPS]
    done = await asyncio.to_thread(walking, spoilt, 0.0)
    silent = {step.line for step in STEPS if not _answer_of(step)}
    assert {each.step.line for each in done if not each.problem} == silent


def test_what_the_page_shows_of_graph_has_graphs_way_of_saying_where_it_is_from() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    outside = {link for link in links if link.startswith("http")}
    assert sum(link.startswith("https://learn.microsoft.com/en-us/") for link in outside) >= 10
    for link in set(links) - outside:
        assert (PAGE.parent / link.partition("#")[0]).exists(), link


def test_every_module_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:shared|blueprints|local)/[\w/]+\.py)`", TEXT))
    assert len(named) > 15
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_every_step_says_what_the_app_does_by_itself() -> None:
    sections = TEXT.split("\n## ")[1:]
    without = [part.partition("\n")[0] for part in sections if "**What Earshot does by itself.**" not in part]
    assert without == ["Begin", "How did we do?"]


def test_the_only_commands_are_those_that_a_reader_can_type() -> None:
    for step in STEPS:
        if isinstance(step, Command):
            assert shlex.split(step.words)[0] == ".venv/bin/python"


def _with_another_status(step: Step) -> Step:
    if not isinstance(step, Call):
        return step
    return replace(step, expected=replace(step.expected, status=step.expected.status + 1))


def _with_another_answer(step: Step) -> Step:
    other = '{"nothing": "of the kind"}'
    if isinstance(step, Call) and step.expected.body:
        return replace(step, expected=replace(step.expected, body=other))
    # the first line of what goes on running says where it is
    return replace(step, output=f"{step.output} not") if isinstance(step, Command) and step.output else step


def _answer_of(step: Step) -> str:
    match step:
        case Call():
            return step.expected.body
        case Command():
            return step.output
        case Program():
            return ""
