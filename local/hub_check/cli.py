"""`python -m local hub-check`: what is wrong with pull mode, and the commands that mend it.

It looks with the app's settings (`local.settings.json`, which the environment overrides) and with whoever is signed in here: what a
key opens is seen as the app sees it, what a role opens as far as that person has the same one. The app itself answers the same at
`GET /api/manage/event-hub`.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from local.host.app_settings import read_local_settings
from shared.composition import Composition, read_settings
from shared.hub_diagnosis import Finding, Verdict, print_findings
from shared.telemetry import silence_vendors

ROOT: Final = Path(__file__).parents[2]
_MARKS: Final[Mapping[Verdict, str]] = {
    "ok": "[green]ok     [/]",
    "wrong": "[red]wrong  [/]",
    "unknown": "[yellow]look   [/]",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the settings are, and how to print."""
    parser.epilog = "Exit code: 0 if nothing is known to be wrong, 1 if something is, 2 if pull mode is not asked for."
    parser.add_argument(
        "--settings",
        type=Path,
        default=ROOT / "local.settings.json",
        help="settings of the app; the environment overrides them (default: local.settings.json)",
    )
    parser.add_argument("--json", action="store_true", help="as data, with every command")


def run(arguments: argparse.Namespace) -> int:
    """Look, and print."""
    environ = {**read_local_settings(arguments.settings), **os.environ}  # noqa: TID251 - a program's own settings
    silence_vendors()
    settings = read_settings(environ)
    if not settings.asks_for_pull_mode:
        print(
            f"{arguments.settings}: pull mode is not asked for: set EVENT_HUB_NOTIFICATION_URL and EventHubConnection",
            file=sys.stderr,
        )
        return 2
    findings = asyncio.run(_look(Composition(settings)))
    if arguments.json:
        print(json.dumps(print_findings(findings), indent=2))
    else:
        for name, problem in settings.problems:
            print(f"{name} {problem}", file=sys.stderr)
        show(findings, Console(highlight=False, soft_wrap=True))
    return int(any(each.verdict == "wrong" for each in findings))


async def _look(composition: Composition) -> Sequence[Finding]:
    try:
        return await composition.hub_check.run()
    finally:
        await composition.close()


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print a line for each finding; commands below what is wrong or cannot be seen from here, each once."""
    shown: set[str] = set()
    for each in findings:
        console.print(f"{_MARKS[each.verdict]} {escape(each.about)}: {escape(each.says)}")
        if each.verdict == "ok":
            continue
        for title, commands in (("look", each.look), ("mend", each.mend)):
            fresh = [command for command in commands if command not in shown]
            shown.update(fresh)
            for number, command in enumerate(fresh):
                console.print(f"        {title if number == 0 else '    '}  {escape(command)}")
