"""`python -m local learn`: walks through docs/learn.md, a step for each press of Enter, against a simulator of its own.

Not here: what the steps are, see `page`; taking them, see `walk`.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from local.learn.page import Call, Command, PageError, Program, Step, read_page
from local.learn.walk import AUTHORITY, GRAPH, SIMULATOR, Done, Walk

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/learn.md"
LONGEST = 40
"""Lines of an answer that are shown; tokens and certificates are cut at the width of a wide terminal."""
WIDTH = 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how to walk."""
    parser.add_argument("--all", action="store_true", help="take every step at once, without waiting for Enter")


def run(arguments: argparse.Namespace) -> int:
    """Walk; 0 if every answer was as the page shows it, 1 at the first that was not."""
    steps = read_page(PAGE.read_text(encoding="utf-8"))
    wait = _do_not_wait if arguments.all else _wait_for_enter
    try:
        with tempfile.TemporaryDirectory(prefix="learn-") as folder, _simulator(steps) as places:
            walk = Walk(folder=Path(folder), places=places, now=lambda: datetime.now(UTC))  # noqa: TID251 - it is the user's now
            with walk:
                return walk_through(walk, steps, wait)
    except (KeyboardInterrupt, EOFError):
        print("\nStopped.")
        return 1
    except PageError as problem:
        print(f"Cannot go on: {problem}", file=sys.stderr)
        return 1


def walk_through(walk: Walk, steps: Sequence[Step], wait: Callable[[str], None]) -> int:
    """Take the steps in order, and tell of each; stop where the answer is not the page's."""
    section = ""
    for step in steps:
        if step.section != section:
            section = step.section
            print(f"\n=== {section}")
        wait(_announced(step))
        done = walk.take(step)
        print(_told(done))
        if done.problem:
            print(f"\nThis is not what line {step.line} of {PAGE.name} leads one to expect: {done.problem}")
            return 1
    print("\nEvery answer was as the page shows it.")
    return 0


def simulator_options(steps: Sequence[Step]) -> list[str]:
    """Return the options with which the page starts the simulator. Raises PageError if it does not."""
    commands = [shlex.split(step.words) for step in steps if isinstance(step, Command)]
    found = [words[len(SIMULATOR) :] for words in commands if words[: len(SIMULATOR)] == SIMULATOR]
    if len(found) != 1:
        raise PageError("the page must start the simulator once")
    return found[0]


@contextmanager
def _simulator(steps: Sequence[Step]) -> Iterator[dict[str, str]]:
    """Run a simulator as the page starts it, but on free ports; yield where it is."""
    free = ["--port", "0", "--tls-port", "0", "--json"]
    command = [sys.executable, *SIMULATOR[1:], *simulator_options(steps), *free]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise PageError("the simulator did not start; try it by itself: .venv/bin/python -m local graph")
            ready = json.loads(line)
            yield {GRAPH: ready["http"], AUTHORITY: ready["https"]}
        finally:
            process.terminate()


def _announced(step: Step) -> str:
    match step:
        case Call():
            return f"{step.method} {step.url}"
        case Program():
            return f"save {step.name}"
        case Command():
            return f"type {step.words}"


def _told(done: Done) -> str:
    lines = [*_marked("> ", done.sent), *_marked("  ", _readable(done.came))]
    return "\n".join(lines)


def _marked(mark: str, text: str) -> list[str]:
    lines = [mark + (line if len(line) <= WIDTH else f"{line[:WIDTH]}…") for line in text.splitlines()]
    return lines if len(lines) <= LONGEST else [*lines[:LONGEST], f"{mark}… {len(lines) - LONGEST} lines more"]


def _readable(came: str) -> str:
    """Return an answer with its JSON on several lines."""
    head, _, body = came.partition("\n")
    try:
        return "\n".join([head, json.dumps(json.loads(body), indent=2, ensure_ascii=False)])
    except ValueError:
        return came


def _wait_for_enter(what: str) -> None:
    input(f"\n[Enter] {what} ")


def _do_not_wait(_what: str) -> None:
    print()
