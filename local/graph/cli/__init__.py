"""`python -m local graph`: run the simulator, or tell a running one what to do.

Without a command it serves until it is told to stop. Not here: what the commands do, see `commands`; serving, see `serving`.
"""

import argparse

from local.graph.cli.commands import COMMANDS
from local.graph.cli.running import add_commands, run_command
from local.graph.cli.serving import DESCRIPTION, EXAMPLES, add_serve_arguments, serve

__all__ = ["COMMANDS", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of serving, and every command."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_serve_arguments(parser)
    add_commands(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; return the exit code."""
    return run_command(arguments) if arguments.command else serve(arguments)
