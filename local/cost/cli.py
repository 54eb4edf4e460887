"""`python -m local cost`: what each size costs a month, what the next million notifications cost, and what dominates."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from local.cost.model import Load, reckon
from local.cost.printing import Rows, added, as_data, details, doubts, markdown, summary
from local.cost.tables import OPTIONS, Size, figures, prices, sizes

PER_DAY = 10_000
TOGETHER = 20
_WIDTH = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the size and the load."""
    parser.add_argument("--size", choices=tuple(sizes()), help="one size, with every line of its bill")
    parser.add_argument(
        "--with", dest="options", nargs="+", choices=tuple(OPTIONS), default=[], help="turned on besides"
    )
    parser.add_argument("--notifications-per-day", type=float, default=PER_DAY, metavar="N", help="default 10,000")
    parser.add_argument("--per-body", type=float, default=1.0, metavar="N", help="notifications in a body (default 1)")
    parser.add_argument("--delivery", choices=("webhook", "hub"), default="webhook", help="default webhook")
    parser.add_argument("--basic", action="store_true", help="without resource data")
    parser.add_argument("--no-feed", action="store_true", help="without the handler that keeps a feed")
    parser.add_argument("--unwrap", action="store_true", help="ENCRYPTION_KEYS is keyvault-unwrap")
    parser.add_argument("--json", action="store_true", help="as data, with the source and date of every price")
    parser.add_argument("--markdown", action="store_true", help="as docs/deploy.md has it")


def run(arguments: argparse.Namespace) -> int:
    """Reckon and print."""
    problem = _problem(arguments)
    if problem:
        Console(stderr=True, highlight=False).print(problem)
        return 2
    load = Load(
        notifications_per_day=arguments.notifications_per_day,
        per_body=arguments.per_body,
        rich=not arguments.basic,
        feed=not arguments.no_feed,
        unwrapped=arguments.unwrap,
        delivery=arguments.delivery,
    )
    chosen = [sizes()[arguments.size]] if arguments.size else list(sizes().values())
    options = tuple(arguments.options)
    if arguments.json:
        print(json.dumps([as_data(reckon(size, load, prices(), figures(), options)) for size in chosen], indent=2))
        return 0
    tables = [_summary(chosen, load, options)]
    if arguments.size:
        tables.append(details(reckon(chosen[0], load, prices(), figures(), options)))
    else:
        tables.append(_added(chosen))
    said = doubts(prices().values(), figures().values())
    if arguments.markdown:
        print("\n".join([*map(markdown, tables), *(f"{line}\n" for line in said)]), end="")
    else:
        _show(load, tables, said)
    return 0


def _summary(chosen: Sequence[Size], load: Load, options: Sequence[str]) -> Rows:
    together = replace(load, per_body=max(TOGETHER, load.per_body))
    return summary(
        (reckon(size, load, prices(), figures(), options), reckon(size, together, prices(), figures(), options))
        for size in chosen
    )


def _added(chosen: Sequence[Size]) -> Rows:
    """Say what each option adds to a month in which nothing is heard."""
    quiet = Load(notifications_per_day=0)
    plain = {size.key: reckon(size, quiet, prices(), figures()).total for size in chosen}
    more = (
        {each: reckon(size, quiet, prices(), figures(), [each]).total - plain[size.key] for each in OPTIONS}
        for size in chosen
    )
    return added(zip(chosen, more, strict=True))


def _show(load: Load, tables: Sequence[Rows], said: Sequence[str]) -> None:
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=_WIDTH)
    console.print(
        f"{load.notifications_per_day:,.0f} notifications a day, {load.per_body:g} a body; US dollars, East US"
    )
    for head, *body in tables:
        table = Table(*head)
        for row in body:
            table.add_row(*row)
        console.print(table)
    for line in said:
        console.print(f"[dim]{line}[/]", soft_wrap=True)


def _problem(arguments: argparse.Namespace) -> str:
    if not 0 <= arguments.notifications_per_day <= 1e12:  # noqa: PLR2004 - more than there are people could write
        return "--notifications-per-day has to be between 0 and a million million"
    if not 1 <= arguments.per_body <= 1000:  # noqa: PLR2004 - a body has one, and no page says how many at most
        return "--per-body has to be between 1 and 1000"
    return ""
