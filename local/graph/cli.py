"""`python -m local graph`: run the simulator alone until it is told to stop. Prints one line of JSON when it is ready."""

import argparse
import asyncio
import json
import logging
import signal
from pathlib import Path

from local.graph.simulator import TENANT_ID, Simulator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--port", type=int, default=0, help="http port; 0 is any free one")
    parser.add_argument("--tls-port", type=int, default=0, help="https port; 0 is any free one")
    parser.add_argument("--state-dir", type=Path, help="where ca.pem is kept; a temporary folder by default")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same world and the same chatter")
    parser.add_argument("--tenant", default=TENANT_ID, help="the tenant's id")
    parser.add_argument("--time-scale", type=float, default=1.0, help="shortens the pauses between retries")
    parser.add_argument("--issuers", choices=("v1", "v2", "mixed"), default="mixed", help="of validation tokens")
    parser.add_argument("--client-secret", help="the only secret that is accepted; any by default")
    parser.add_argument("--verbose", action="store_true", help="log every call")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    handler = logging.StreamHandler()
    handler.setFormatter(_WithFields("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, handlers=[handler])
    asyncio.run(_serve(arguments))
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    simulator = Simulator(
        port=arguments.port,
        tls_port=arguments.tls_port,
        state_dir=arguments.state_dir,
        seed=arguments.seed,
        tenant_id=arguments.tenant,
        time_scale=arguments.time_scale,
        issuers=arguments.issuers,
        client_secret=arguments.client_secret,
    )
    async with simulator as graph:
        ready = {"ready": True, "http": graph.http_url, "https": graph.https_url, "ca": str(graph.ca_path)}
        print(json.dumps(ready), flush=True)
        await stop.wait()


class _WithFields(logging.Formatter):
    """Prints the fields of a record after its text."""

    _PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        fields = [f"{name}={value}" for name, value in vars(record).items() if name not in self._PLAIN]
        return " ".join([super().format(record), *fields])
