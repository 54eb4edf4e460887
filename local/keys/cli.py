"""`python -m local keys`: makes local keys and settings where they are absent. Run again, it changes nothing."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from local.keys.material import ensure_encryption_key, ensure_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where."""
    parser.add_argument("--app", type=Path, default=Path.cwd(), help="the app's folder (default: this one)")


def run(arguments: argparse.Namespace) -> int:
    """Make what is absent."""
    app: Path = arguments.app.resolve()
    folder = app / ".earshot" / "keys"
    key = ensure_encryption_key(folder, now=datetime.now(UTC))  # noqa: TID251 - a command's present is the machine's
    made = ensure_settings(app / "local.settings.sample.json", app / "local.settings.json", keys=folder)
    print(f"encryption key {key.relative_to(app)}; local.settings.json {'made' if made else 'kept as it is'}")
    return 0
