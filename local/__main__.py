"""`python -m local <part>`: one door to every part of the workshop."""

import argparse
import importlib
import sys
from collections.abc import Sequence

PARTS = {
    "host": "run a Functions app as `func start` does",
    "graph": "run the Microsoft Graph simulator",
    "azurite": "run the Azure Storage emulator",
    "eventhubs": "run an Event Hubs namespace",
    "keyvault": "run a Key Vault",
    "signalr": "run an Azure SignalR Service in serverless mode",
    "demo": "run everything, let people chatter, and report what arrived",
    "up": "run everything and keep it running",
    "learn": "walk through docs/learn.md, a step for each press of Enter",
    "hub-check": "look at everything that pull mode depends on, with the app's settings",
    "dlp": "check the rules of data loss prevention, and try them on a text",
    "keys": "make local keys and local.settings.json where they are absent",
    "cost": "reckon what a deployment costs a month, and what the next million notifications cost",
    "scale": "tell which limit is met first at so many changes a day, and what moves it",
    "bench": "measure the promises and print each beside its target",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the arguments to the part named first; each is imported only when it is asked for."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    wanted = next((word for word in (sys.argv[1:] if argv is None else argv) if word in PARTS), None)
    for name, purpose in PARTS.items():
        sub = parts.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        if name == wanted:
            module = importlib.import_module(f"local.{name.replace('-', '_')}.cli")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
