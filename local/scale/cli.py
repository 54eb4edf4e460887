"""`python -m local scale`: from a hundred to a hundred million changes a day, which limit is met first, and what moves it."""

import argparse
import json

from rich.console import Console
from rich.table import Table

from local.cost.printing import Rows, markdown
from local.cost.tables import figures, sizes
from local.scale.model import MOST, Workload, hold, limits
from local.scale.printing import as_data, ladder, table_of

_WIDTH = 150


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is heard, and how."""
    parser.add_argument("--changes-per-day", type=float, metavar="N", help="every limit at so many (default: a ladder)")
    parser.add_argument("--size", choices=tuple(sizes()), default="standard", help="default standard")
    parser.add_argument(
        "--source", choices=("teams", "mail"), default="teams", help="a tenant's messages, or mailboxes"
    )
    parser.add_argument("--delivery", choices=("webhook", "hub"), default="webhook", help="default webhook")
    parser.add_argument("--basic", action="store_true", help="without resource data")
    parser.add_argument("--no-feed", action="store_true", help="without the handler that keeps a feed")
    parser.add_argument(
        "--per-body", type=float, default=10.0, metavar="N", help="notifications in a body (default 10)"
    )
    parser.add_argument("--entries", type=int, default=1, metavar="N", help="entries in subscriptions.json (default 1)")
    parser.add_argument("--live", action="store_true", help="with live clients: one for 1,000 changes of a day")
    parser.add_argument("--json", action="store_true", help="as data, with the source and date of every limit")
    parser.add_argument("--markdown", action="store_true", help="as docs/scale.md has it")


def run(arguments: argparse.Namespace) -> int:
    """Hold loads against limits and print."""
    changes = 1e6 if arguments.changes_per_day is None else arguments.changes_per_day
    if not (0 < changes <= MOST and 1 <= arguments.per_body <= 1000 and 1 <= arguments.entries <= 100_000):  # noqa: PLR2004
        Console(stderr=True, highlight=False).print(
            "changes a day, notifications in a body (up to 1,000) and entries (up to 100,000) have to be at least 1"
        )
        return 2
    workload = Workload(
        changes_per_day=changes,
        size=sizes()[arguments.size],
        source=arguments.source,
        delivery=arguments.delivery,
        rich=not arguments.basic,
        feed=not arguments.no_feed,
        per_body=arguments.per_body,
        entries=arguments.entries,
        live=arguments.live,
    )
    values = {key: figure.value for key, figure in figures().items()}
    held = hold(workload, limits(), values)
    rows = ladder(workload, limits(), values) if arguments.changes_per_day is None else table_of(held)
    if arguments.json:
        print(json.dumps(as_data(workload, held), indent=2))
    elif arguments.markdown:
        print(markdown(rows), end="")
    else:
        _show(rows)
    return 0


def _show(rows: Rows) -> None:
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=_WIDTH)
    head, *body = rows
    table = Table(*head, show_lines=True)
    for row in body:
        table.add_row(*(cell.replace("**", "") for cell in row))
    console.print(table)
