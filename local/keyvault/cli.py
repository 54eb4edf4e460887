"""`python -m local keyvault`: a Key Vault with encryption certificates in it, until Ctrl-C."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from local.keyvault.vault import AUTHORITY, Vault
from local.stopping import told_to_stop

PORT = 7444


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the port, the certificates, and where a caller is sent for a token."""
    parser.add_argument("--port", type=int, default=PORT, help=f"https port; 0 is any free one (default: {PORT})")
    parser.add_argument("--certificate", action="append", metavar="NAME", help="may be repeated; default earshot")
    parser.add_argument(
        "--authority",
        default=AUTHORITY,
        metavar="URL",
        help="where to get tokens: the Graph simulator's https address and the tenant's id",
    )
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="where ca.pem is kept; a temporary folder by default"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop; the line that it prints when it is ready is JSON."""
    try:
        asyncio.run(_serve(arguments))
    except OSError as problem:
        print(f"the vault cannot start: {problem}", file=sys.stderr)
        return 2
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    stop = told_to_stop()
    names = arguments.certificate or ["earshot"]
    async with Vault(port=arguments.port, authority=arguments.authority, state_dir=arguments.state_dir) as vault:
        for name in names:
            vault.certificates.make(name)
        settings = [f"keyvault:{vault.url}/certificates/{name}" for name in names]
        print(json.dumps({"ready": True, "url": vault.url, "ca": str(vault.ca_path), "settings": settings}), flush=True)
        await stop.wait()
