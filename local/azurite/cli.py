"""`python -m local azurite`: the storage emulator, until Ctrl-C."""

import argparse
import signal
import threading

from local.azurite.emulator import Azurite, EmulatorError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the ports; 0 takes a free one."""
    for kind, port in (("blob", 10000), ("queue", 10001), ("table", 10002)):
        parser.add_argument(f"--{kind}-port", type=int, default=port, help=f"default {port}; 0 takes a free one")


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop."""
    emulator = Azurite(blob_port=arguments.blob_port, queue_port=arguments.queue_port, table_port=arguments.table_port)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with emulator:
            print(emulator.connection_string, flush=True)
            ended.wait()
    except EmulatorError as problem:
        print(problem)
        return 1
    return 0
