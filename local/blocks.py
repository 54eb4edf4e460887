"""Writes into pages what commands print: `python -m local.blocks`. A block begins with `<!-- python -m local … -->` and ends with `<!-- end -->`.

Only commands of this workshop that print the same each time; a test holds every page to what they print now.
"""

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from local.__main__ import main as run

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"(<!-- python -m local (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def pages() -> Iterator[Path]:
    """List the pages with blocks."""
    found = (path for path in sorted((ROOT / "docs").glob("*.md")) if _BLOCK.search(path.read_text("utf-8")))
    yield from found


def commands(page: str) -> list[str]:
    """List the commands of a page's blocks."""
    return [found[2] for found in _BLOCK.finditer(page)]


def fill(page: str) -> str:
    """Replace every block of a page by what its command prints now."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{printed(found[2])}\n{found[4]}", page)


def printed(command: str) -> str:
    """Run a command of the workshop; what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = run(shlex.split(command))
    if code:
        raise RuntimeError(f"python -m local {command} ended with {code}")
    return output.getvalue()


if __name__ == "__main__":
    for path in pages():
        path.write_text(fill(path.read_text("utf-8")), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(commands(path.read_text('utf-8')))} blocks")
    sys.exit(0)
