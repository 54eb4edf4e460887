"""`python -m local signalr`: an Azure SignalR Service in serverless mode, until Ctrl-C."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from local.signalr.service import MOST, SignalRService
from local.stopping import told_to_stop

PORT = 8888


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the port, whose tokens and pages are let in, and how many clients."""
    parser.description = "Run an Azure SignalR Service in serverless mode, in memory and on loopback."
    parser.epilog = (
        "The line that it prints when it is ready is JSON: the connection string is for AzureSignalRConnectionString, the "
        "address for AzureSignalRConnectionString__serviceUri, which needs --authority."
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"http port; 0 is any free one (default: {PORT})")
    parser.add_argument(
        "--authority", default="", metavar="URL", help="whose Entra tokens are good: the Graph simulator's address"
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help="whom to trust at that address: the simulator's ca.pem")
    parser.add_argument("--no-access-key", action="store_true", help="take Entra's tokens only, as with local auth off")
    parser.add_argument(
        "--origin", action="append", metavar="ORIGIN", help="whose pages may connect; may be repeated; default all"
    )
    parser.add_argument(
        "--connections", type=int, default=MOST, metavar="N", help=f"clients at once (default: {MOST:,}, one unit)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop."""
    try:
        asyncio.run(_serve(arguments))
    except OSError as problem:
        print(f"SignalR cannot start: {problem}", file=sys.stderr)
        return 2
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    stop = told_to_stop()
    service = SignalRService(
        port=arguments.port,
        authority=arguments.authority.rstrip("/"),
        ca=arguments.ca,
        origins=arguments.origin or ("*",),
        most=arguments.connections,
        local_auth=not arguments.no_access_key,
    )
    async with service:
        ready = {"ready": True, "url": service.url, "connectionString": service.connection_string}
        print(json.dumps(ready), flush=True)
        await stop.wait()
