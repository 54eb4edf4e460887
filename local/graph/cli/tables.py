"""Tables: with `rich` on a terminal where it is installed, else in plain columns that other programs can read."""

import sys
from collections.abc import Sequence
from typing import Any


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under their columns; says so if there are none."""
    texts = [[_text(cell) for cell in row] for row in rows]
    if not texts:
        print(f"{title}: none")
    elif not (sys.stdout.isatty() and _print_richly(title, columns, texts)):
        _print_plainly(title, columns, texts)


def _print_richly(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    try:
        from rich.console import Console  # noqa: PLC0415 - not needed for serving, and not always installed
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above
    except ImportError:
        return False
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
    return True


def _print_plainly(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [columns, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    print(title)
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    return {True: "yes", False: "no"}[cell] if isinstance(cell, bool) else str(cell)
