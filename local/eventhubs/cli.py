"""`python -m local eventhubs`: an Event Hubs namespace, until Ctrl-C."""

import argparse
import signal
import threading
from collections.abc import Sequence

from local.eventhubs.emulator import HUBS, EventHubs, EventHubsError

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
    emulator = EventHubs(hubs=dict(hubs), consumer_groups=arguments.consumer_group or (), port=arguments.port)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with emulator:
            print(emulator.connection_string, flush=True)
            ended.wait()
    except EventHubsError as problem:
        print(problem)
        return 1
    return 0


def read_hub(text: str) -> tuple[str, int]:
    """Read a hub's name and its number of partitions. Raises ArgumentTypeError for anything else."""
    name, _, partitions = text.partition(":")
    count = partitions or str(PARTITIONS)
    if not name or not count.isdecimal() or int(count) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME or NAME:PARTITIONS, such as notifications:4")
    return name, int(count)
