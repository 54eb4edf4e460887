"""Serving: the options, the line or the page of text that says that it is ready, and the end.

Not here: commands for a simulator that runs already, see `commands`.
"""

import argparse
import asyncio
import json
import logging
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.graph.cli.greeting import greet
from local.graph.cli.places import HTTP_PORT, HTTPS_PORT
from local.graph.cli.words import read_pair, read_setting
from local.stopping import told_to_stop

if TYPE_CHECKING:
    from local.graph.simulator import Simulator

FEWEST = 3
"""Fewer people could have neither chats nor meetings among different ones."""
DESCRIPTION = """\
Run Microsoft Graph's change notifications on this machine: tokens, subscriptions, delivery with Graph's deadlines and
retries, encrypted resource data, delta queries, a tenant full of people, and everything that goes wrong in real life.
It works with a receiver in any language, and judges how that receiver behaves."""
EXAMPLES = f"""\
examples:
  python -m local graph                          serve on http://127.0.0.1:{HTTP_PORT} and https://localhost:{HTTPS_PORT}
  python -m local graph --port 0 --tls-port 0    serve on free ports and say which
  python -m local graph post General hello       let somebody write a message (while it runs elsewhere)
  python -m local graph play duplicate           let something happen that happens in real life
  python -m local graph judge                    see what the receiver did wrong"""


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen when serving."""
    add = parser.add_argument_group("serving").add_argument
    add("--port", type=int, default=HTTP_PORT, metavar="N", help=f"http port; 0 is any free one (default: {HTTP_PORT})")
    add(
        "--tls-port",
        type=int,
        default=HTTPS_PORT,
        metavar="N",
        help=f"https port; 0 is any free one (default: {HTTPS_PORT})",
    )
    add(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="the same seed makes the same tenant and the same chatter (default: 1)",
    )
    add(
        "--tenant",
        action="append",
        type=_tenant,
        metavar="ID",
        help="a tenant's id; can be repeated for several tenants",
    )
    add("--people", type=_people, metavar="N", help=f"people in each tenant, at least {FEWEST} (default: 6)")
    add("--teams", type=_count, metavar="N", help="teams in each tenant, with three channels each (default: 1)")
    add("--chats", type=_count, metavar="N", help="chats between two people in each tenant (default: 1)")
    add("--history", type=_count, metavar="N", help="messages in every place before anybody subscribes (default: 0)")
    add("--time-scale", type=_factor, default=1.0, metavar="X", help="simulated seconds in a real one (default: 1)")
    add("--patience", type=_factor, default=1.0, metavar="X", help="stretches Graph's deadlines of 3 and 10 seconds")
    add("--state", type=Path, metavar="FILE", help="keep tenants and subscriptions in a file from run to run")
    add("--state-dir", type=Path, metavar="DIR", help="where ca.pem is kept; a temporary folder by default")
    add("--client-secret", metavar="TEXT", help="the only secret that is accepted; any by default")
    add(
        "--knob",
        action="append",
        default=[],
        type=read_setting,
        metavar="NAME=VALUE",
        help="turn a knob; can be repeated",
    )
    add("--issuers", choices=("v1", "v2", "mixed"), help="the same as --knob issuers=…")
    add(
        "--event-hub",
        action="append",
        default=[],
        type=read_pair,
        metavar="HOST=CONNECTION",
        help="deliver to an event hub: the namespace that subscriptions name, and the connection string to use for it",
    )
    add(
        "--secret",
        action="append",
        default=[],
        type=read_pair,
        metavar="NAME=CONNECTION",
        help="what a secret of every vault is: the connection string of a hub (with its EntityPath) or of a storage "
        "account, for subscriptions that name it in their notificationUrl or blobStoreUrl",
    )
    add("--json", action="store_true", help="say that it is ready in one line of JSON, as when nobody watches")
    add("--verbose", action="store_true", help="log every call")


def serve(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    from local.graph.simulator import Simulator  # noqa: PLC0415 - commands for a running one must not wait for all of it
    from local.graph.state import StateError  # noqa: PLC0415 - as above

    handler = logging.StreamHandler()
    handler.setFormatter(_WithFields("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, handlers=[handler])
    try:
        simulator = Simulator(**_choices(arguments))
        asyncio.run(_serve(simulator, quiet=arguments.json or not sys.stdout.isatty()))
    except (OSError, ValueError, StateError) as problem:
        print(_explain(problem, arguments), file=sys.stderr)
        return 2
    return 0


async def _serve(simulator: "Simulator", *, quiet: bool) -> None:
    stop = told_to_stop()
    async with simulator as graph:
        ready = {"ready": True, "http": graph.http_url, "https": graph.https_url, "ca": str(graph.ca_path)}
        if quiet:
            print(json.dumps(ready), flush=True)
        else:
            greet(graph.http_url, graph.https_url, str(graph.ca_path), graph.world)
        await stop.wait()


def _choices(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was chosen, as the simulator takes it. Raises ValueError for a knob that cannot be turned so."""
    from local.graph.knobs import Knobs  # noqa: PLC0415 - as above
    from local.graph.tenant.population import Size  # noqa: PLC0415 - as above

    knobs = Knobs()
    issuers = {"issuers": arguments.issuers} if arguments.issuers else {}
    knobs.turn({**issuers, **dict(arguments.knob)})
    sizes = {name: getattr(arguments, name) for name in ("people", "teams", "chats", "history")}
    chosen: dict[str, Any] = {
        "port": arguments.port,
        "tls_port": arguments.tls_port,
        "state_dir": arguments.state_dir,
        "state_file": arguments.state,
        "seed": arguments.seed,
        "size": Size(**{name: value for name, value in sizes.items() if value is not None}),
        "time_scale": arguments.time_scale,
        "patience": arguments.patience,
        "client_secret": arguments.client_secret,
        "knobs": knobs,
        "event_hubs": dict(arguments.event_hub),
        "vault": dict(arguments.secret),
    }
    return chosen | ({"tenants": tuple(dict.fromkeys(arguments.tenant))} if arguments.tenant else {})


def _explain(problem: Exception, arguments: argparse.Namespace) -> str:
    """Say what is wrong and what to do about it."""
    if isinstance(problem, OSError) and "address already in use" in str(problem).lower():
        return (
            f"Port {arguments.port} or {arguments.tls_port} is taken. A simulator may be running already: try "
            "'python -m local graph show tenant'. Else choose others: --port 0 --tls-port 0 takes free ones."
        )
    return f"Cannot start: {problem}"


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _tenant(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as broken:
        raise argparse.ArgumentTypeError(f"{text!r} is not a tenant's id, which is a GUID") from broken


def _people(text: str) -> int:
    number = int(text)
    if number < FEWEST:
        raise argparse.ArgumentTypeError(f"must be at least {FEWEST}")
    return number


def _factor(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number


class _WithFields(logging.Formatter):
    """Prints the fields of a record after its text."""

    _PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        fields = [f"{name}={value}" for name, value in vars(record).items() if name not in self._PLAIN]
        return " ".join([super().format(record), *fields])
