"""What the host prints, in the shape of `func start`. Deciding when is everyone else's."""

import logging
import sys
from collections.abc import Sequence
from datetime import datetime

from local.host.clock import utc_now

BANNER = """
Earshot's local Functions host (stands in for Azure Functions Core Tools)
"""


def say(text: str = "") -> None:
    """Print one line as it is, at once: others may be reading it."""
    print(text, flush=True)


def stamped(moment: datetime) -> str:
    """Write a moment as the console's lines begin."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def log(text: str) -> None:
    """Print one line with the time before it."""
    sys.stdout.write(f"[{stamped(utc_now())}] {text}\n")
    sys.stdout.flush()


def log_record(logger: str, level: int, message: str) -> None:
    """Print a log record of the worker; what is worse than information says so."""
    mark = f"{logging.getLevelName(level)} " if level > logging.INFO else ""
    log(f"{mark}{logger}: {message}")


def list_functions(http: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]], stopped: Sequence[str]) -> None:
    """Print the functions, what triggers them, and why some don't run."""
    say("\nFunctions:\n")
    for name, trigger in [*http, *others]:
        say(f"\t{name}: {trigger}\n")
    for line in stopped:
        say(line)
    say("For detailed output, run with --verbose flag.")
