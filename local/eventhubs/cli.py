"""`python -m local eventhubs`: an Event Hubs namespace, until Ctrl-C."""

import argparse
from collections.abc import Sequence

from local.eventhubs.emulator import HUBS, EventHubs

PARTITIONS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the port (0 takes a free one), the hubs and their consumer groups."""
    parser.add_argument("--port", type=int, default=5672, help="default 5672; 0 takes a free one")
    parser.add_argument(
        "--hub",
        action="append",
        type=read_hub,
        metavar="NAME[:PARTITIONS]",
        help=f"a hub, with {PARTITIONS} partitions if not said otherwise; may be repeated; default notifications:4",
    )
    parser.add_argument("--consumer-group", action="append", help="besides $Default, in every hub; may be repeated")


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop."""
    hubs: Sequence[tuple[str, int]] = arguments.hub or list(HUBS.items())
    groups: Sequence[str] = arguments.consumer_group or ()
    return EventHubs(hubs=dict(hubs), consumer_groups=groups, port=arguments.port).run_until_told()


def read_hub(text: str) -> tuple[str, int]:
    """Read a hub's name and its number of partitions. Raises ArgumentTypeError for anything else."""
    name, _, partitions = text.partition(":")
    count = partitions or str(PARTITIONS)
    if not name or not count.isdecimal() or int(count) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME or NAME:PARTITIONS, such as notifications:4")
    return name, int(count)
