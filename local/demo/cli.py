"""`python -m local demo`: everything runs once, and the exit code says whether every promise held.

0: nothing lost, nothing twice, nothing forged came through. 1: a promise was broken. 2: the stage could not be set up.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

from rich.console import Console

from local.demo.play import play
from local.demo.processes import StageError
from local.demo.reckoning import Reckoning, reckon
from local.demo.report import ProgressLine, show_report
from local.demo.stage import ROOT, Part, set_up

_FOLDER = Path(".earshot") / "demo"
_WIDTH = 104
_IN_PRIVATE = {"mail": 0.3, "chats": 0.5, "sensitive": 0.2}


def add_stage_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `demo` and `up` share."""
    parser.add_argument("--host", choices=("local", "func"), default="local", help="func: Azure Functions Core Tools")
    parser.add_argument("--app", type=Path, default=ROOT, help="the app to run (default: this one)")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where logs and keys go")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the size of the play."""
    add_stage_arguments(parser)
    parser.add_argument("--rate", type=float, default=20, help="changes a second (default 20)")
    parser.add_argument("--seconds", type=float, default=15, help="how long people chatter (default 15)")
    parser.add_argument("--duplicates", type=float, default=0.05, help="share that is sent twice (default 0.05)")
    parser.add_argument("--forged", type=float, default=0.02, help="share that gets a forged companion (default 0.02)")
    parser.add_argument("--push-only", action="store_true", help="without the event hub, its chats and their findings")
    parser.add_argument("--no-kill", action="store_true", help="leave the worker alive")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the same report as data")


def run(arguments: argparse.Namespace) -> int:
    """Set up, play, reckon, report."""
    console = make_console()
    started = time.monotonic()
    folder = prepare(arguments.folder)
    try:
        reckoning = asyncio.run(_perform(arguments, folder, console))
    except StageError as problem:
        console.print(f"[bold red]The demo could not run.[/] {problem}", soft_wrap=True)
        return 2
    show_report(console, reckoning, folder=folder, seconds=time.monotonic() - started)
    if arguments.json:
        arguments.json.write_text(json.dumps(reckoning.as_data(), indent=2) + "\n", encoding="utf-8")
    return 0 if reckoning.holds else 1


def make_console() -> Console:
    """Make the console: as wide as the terminal, or wide enough for the report where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def prepare(folder: Path) -> Path:
    """Make the folder for logs, as an absolute path."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def _perform(arguments: argparse.Namespace, folder: Path, console: Console) -> Reckoning:
    pull = not arguments.push_only
    between = "an event hub, " if pull else ""
    besides: tuple[Part, ...] = ("pull", "live") if pull else ("live",)
    console.print(f"Starting Azurite, a Microsoft Graph simulator, {between}and the app in its host …")
    kill = not arguments.no_kill and arguments.host == "local"
    async with set_up(folder, app=arguments.app.resolve(), host_kind=arguments.host, besides=besides) as stage:
        names = ", ".join(channel["name"] for channel in stage.world["channels"])
        console.print(f"Subscribed. People chatter in {names} and {len(stage.world['mailboxes'])} mailboxes: by push.")
        console.print(f"Look on, as whom you like: {stage.page_url}", soft_wrap=True)
        chatter = {name: getattr(arguments, name) for name in ("rate", "seconds", "duplicates", "forged")}
        if pull:
            console.print("They chat in private too: by pull, and somebody looks for cards, IBANs and passwords.")
            chatter |= _IN_PRIVATE
        with ProgressLine(console, arguments.seconds) as line:
            evidence = await play(stage, chatter, kills=int(kill), progress=line.show)
    return reckon(evidence)
