"""`python -m local azurite`: the storage emulator, until Ctrl-C."""

import argparse

from local.azurite.emulator import Azurite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the ports; 0 takes a free one."""
    for kind, port in (("blob", 10000), ("queue", 10001), ("table", 10002)):
        parser.add_argument(f"--{kind}-port", type=int, default=port, help=f"default {port}; 0 takes a free one")


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop."""
    ports = {"blob_port": arguments.blob_port, "queue_port": arguments.queue_port, "table_port": arguments.table_port}
    return Azurite(**ports).run_until_told()
