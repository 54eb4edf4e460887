"""How words on the command line are read: pairs, settings, durations. Each raises what argparse turns into a usage error."""

import argparse
import json
import re
from typing import Any

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def read_pair(text: str) -> tuple[str, str]:
    """Return what stands on either side of the first equals sign."""
    name, found, value = text.partition("=")
    if not found or not name:
        raise argparse.ArgumentTypeError(f"{text!r} must look like NAME=VALUE")
    return name, value


def read_setting(text: str) -> tuple[str, Any]:
    """Return a knob's name and its value."""
    name, value = read_pair(text)
    return name, read_value(value)


def read_value(text: str) -> Any:
    """Return the number or truth that a text means, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_object(text: str) -> dict[str, Any]:
    """Return a JSON object."""
    value = read_value(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} must be a JSON object")
    return value


def read_duration(text: str) -> float:
    """Return seconds: 90, 90s, 15m, 2h or 3d."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} must be a duration such as 90, 90s, 15m, 2h or 3d")
    return float(found[1]) * UNITS[found[2]]
