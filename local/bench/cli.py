"""`python -m local bench`: every promise measured, and printed beside its target."""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.bench.ack import ProbeError, measure_ack
from local.bench.envelope_cost import measure_envelope
from local.bench.figures import Figure
from local.bench.latency import measure_latency
from local.bench.live import measure_live
from local.bench.many_subscriptions import measure_many
from local.bench.material import Material, make_material
from local.bench.opening import measure_opening
from local.bench.pixels import measure_pixels
from local.bench.pulling import measure_pulling
from local.bench.reading import measure_reading
from local.bench.rules import measure_rules
from local.bench.simulated_load import measure_simulator
from local.bench.starting import measure_start
from local.bench.storage_cost import measure_storage
from local.demo.processes import StageError
from local.emulation import EmulatorError

_COLOURS = {True: "green", False: "bold red"}
_FAILURES = (ProbeError, StageError, EmulatorError, OSError, RuntimeError, TimeoutError, subprocess.SubprocessError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how long to measure, and where to write the figures."""
    parser.add_argument("--quick", action="store_true", help="fewer rounds: whether it works, not how well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as data too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the writes of 100,000 subscriptions, as SVG")
    parser.add_argument("--only", nargs="+", choices=tuple(_measures(None)), help="measure only these")


def run(arguments: argparse.Namespace) -> int:
    """Measure and report; 0 if every promise could be measured, whether or not it was kept."""
    console = Console(highlight=False)
    figures: list[Figure] = []
    problems: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="earshot-bench-") as folder:
        material = make_material(Path(folder))
        for name, measure in _measures(arguments.plot).items():
            if arguments.only and name not in arguments.only:
                continue
            console.print(f"Measuring {name} …")
            try:
                figures += measure(material, arguments.quick)
            except _FAILURES as problem:
                problems[name] = f"{type(problem).__name__}: {problem}"
    show(console, figures, problems)
    if arguments.json:
        arguments.json.write_text(json.dumps([each.as_data() for each in figures], indent=2) + "\n", encoding="utf-8")
    return 1 if problems else 0


def show(console: Console, figures: Sequence[Figure], problems: dict[str, str]) -> None:
    """Print the table, and what could not be measured."""
    table = Table("figure", "measured", "target", "")
    for figure in figures:
        name, value, target, verdict = figure.row()
        table.add_row(name, value, target, f"[{_COLOURS[figure.met]}]{verdict}[/]")
    console.print(table)
    for figure in figures:
        if figure.note:
            console.print(f"[dim]{escape(f'{figure.name}: {figure.note}')}[/]", soft_wrap=True)
    for name, problem in problems.items():
        console.print(f"[bold red]{name} could not be measured[/]: {escape(problem)}", soft_wrap=True)


def _measures(plot: Path | None) -> dict[str, Callable[[Material, bool], list[Figure]]]:
    return {
        "ack": lambda material, quick: measure_ack(material, quick=quick),
        "opening": lambda material, quick: measure_opening(material, quick=quick),
        "pull": lambda material, quick: measure_pulling(material, quick=quick),
        "storage": lambda material, quick: measure_storage(material, quick=quick),
        "envelope": lambda material, quick: measure_envelope(material, quick=quick),
        "reading": lambda material, quick: measure_reading(material, quick=quick),
        "dlp": lambda _, quick: measure_rules(quick=quick),
        "start": lambda material, quick: measure_start(material, quick=quick),
        "subscriptions": lambda _, quick: measure_many(quick=quick, plot=plot),
        "simulator": lambda _, quick: measure_simulator(quick=quick),
        "live": lambda material, quick: measure_live(material.folder, quick=quick),
        "pixels": lambda material, quick: measure_pixels(material.folder, quick=quick),
        "latency": lambda material, quick: measure_latency(material.folder, quick=quick),
    }
