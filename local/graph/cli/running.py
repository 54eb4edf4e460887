"""Declares the commands to argparse and carries out the one that was named."""

import argparse
import os
import sys

from local.graph.cli.command import Arguments
from local.graph.cli.commands import COMMANDS
from local.graph.cli.places import DEFAULT_URL, VARIABLE
from local.graph.control.door import Door, NotRunning
from local.graph.repertoire.player import CannotPlay


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Declare every command."""
    parts = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands for a simulator that runs already", required=False
    )
    for name, command in COMMANDS.items():
        sub = parts.add_parser(
            name,
            help=command.purpose,
            description=command.purpose.capitalize() + ".",
            epilog=f"example: python -m local graph {command.example}",
        )
        for each in command.options:
            sub.add_argument(*each.names, **each.settings)
        sub.add_argument(
            "--graph", dest="graph_url", metavar="URL", help=f"where it runs (default: ${VARIABLE} or {DEFAULT_URL})"
        )
        sub.add_argument("--json", action="store_true", help="print the answer as JSON")


def run_command(arguments: Arguments) -> int:
    """Carry out the command that was named; say what to do if nothing answers."""
    environment = os.environ.get(VARIABLE)  # noqa: TID251 - a command line has an environment, the app's settings are elsewhere
    door = Door(url=(arguments.graph_url or environment or DEFAULT_URL).rstrip("/"))
    try:
        return COMMANDS[arguments.command].does(door, arguments)
    except NotRunning as problem:
        print(
            f"{problem}. Start the simulator with 'python -m local graph', or name another one with --graph URL or "
            f"{VARIABLE}=URL.",
            file=sys.stderr,
        )
        return 2
    except CannotPlay as problem:
        print(f"Cannot play this: {problem}.", file=sys.stderr)
        return 1
