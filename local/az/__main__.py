"""`python -m local.az <az or azd> …`: the stand-in as a program, on the state file that AZ_STAND_IN names.

A program called `az` that runs this is on a test's path. AZ_STAND_IN_KILLS=n has the n-th change from now be the last thing that
whoever called it lives to see.
"""

import os
import signal
import sys
from pathlib import Path

from local.az.stand_in import StandIn


def main(arguments: list[str]) -> int:
    """Run one command line."""
    state = Path(os.environ["AZ_STAND_IN"])  # noqa: TID251 - this program's own two settings
    stand_in = StandIn(state, after_change=lambda: _count(state.with_suffix(".changes")))
    ended = stand_in.run(arguments)
    if ended.out:
        print(ended.out)
    if ended.err:
        print(ended.err, file=sys.stderr)
    return ended.code


def _count(counter: Path) -> None:
    """Count changes in a file; at the one that was named, kill the caller."""
    changes = int(counter.read_text(encoding="utf-8")) + 1 if counter.exists() else 1
    counter.write_text(str(changes), encoding="utf-8")
    if os.environ.get("AZ_STAND_IN_KILLS") == str(changes):  # noqa: TID251 - as above
        os.kill(os.getppid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
