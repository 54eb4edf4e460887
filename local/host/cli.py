"""The command line of `python -m local host`."""

import argparse
import asyncio
import errno
import os
import socket
from pathlib import Path

from local.host import console
from local.host.app_settings import read_local_settings, skipped
from local.host.host import serve
from local.host.host_json import HostJsonError

DEFAULT_PORT = 7071


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, named as `func start` names them where it has them."""
    parser.add_argument("--app", type=Path, default=Path(), help="folder of function_app.py (default: here)")
    parser.add_argument("--port", "-p", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--settings", type=Path, help="local settings (default: local.settings.json of the app)")
    parser.add_argument("--functions", nargs="+", default=[], metavar="NAME", help="load only these functions")
    parser.add_argument("--verbose", action="store_true", help="say which local settings the environment overrides")


def run(arguments: argparse.Namespace) -> int:
    """Start the host and stay until it is told to stop; 1 if it could not start."""
    app = arguments.app.resolve()
    environ = dict(os.environ)  # noqa: TID251 - the host composes the app's environment from its own
    console.say(console.BANNER)
    try:
        local = read_local_settings(arguments.settings or app / "local.settings.json")
        door = _open_door(arguments.port)
    except (OSError, ValueError) as error:
        console.say(str(error))
        return 1
    if arguments.verbose:
        for name in skipped(environ, local):
            console.say(
                f"Skipping '{name}' from local settings as it's already defined in current environment variables."
            )
    try:
        with door:
            return asyncio.run(serve(door, app, environ, local, arguments.functions))
    except (HostJsonError, FileNotFoundError) as error:
        console.say(str(error))
        return 1


def _open_door(port: int) -> socket.socket:
    """Listen at once: callers that come before the worker is ready wait instead of being refused."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(("127.0.0.1", port))
        door.listen(512)
    except OSError as error:
        door.close()
        if error.errno == errno.EADDRINUSE:
            raise ValueError(
                f"Port {port} is unavailable. Close the process using that port, or specify another port using --port [-p]."
            ) from error
        raise
    return door
