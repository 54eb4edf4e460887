"""Tables on a terminal: with `rich` where it is installed, else in plain columns."""

import textwrap
from collections.abc import Sequence
from typing import Any

WIDEST = 60
UNFOLDED = 400


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under their columns; says so if there are none."""
    if not rows:
        print(f"{title}: none")
        return
    try:
        from rich.console import Console  # noqa: PLC0415 - not needed for serving, and not always installed
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above
    except ImportError:
        _print_plainly(title, columns, rows)
        return
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(cell)) for cell in row))
    console = Console()
    # into a pipe nothing is folded: whoever reads it there has no width
    (console if console.is_terminal else Console(width=UNFOLDED)).print(table)


def _print_plainly(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    texts = [[textwrap.shorten(_text(cell), WIDEST, placeholder=" …") for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
    print(title)
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    return {True: "yes", False: "no"}[cell] if isinstance(cell, bool) else str(cell)
