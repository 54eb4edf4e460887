"""One telling line per delivery and per envelope: constant words, then fields. Ids yes; secrets, tokens, bodies no."""

import logging
from collections.abc import Mapping

_TALKATIVE = ("azure", "urllib3", "msal")
"""Vendors' loggers that tell of every request and its headers: half of the CPU time of a call, and nothing to read."""


def quieten_vendors() -> None:
    """Let vendors' libraries log warnings and worse only."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def silence_vendors() -> None:
    """Let them say nothing at all: for a program whose own words are about just what went wrong there."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def log_line(logger: logging.Logger, level: int, event: str, fields: Mapping[str, object]) -> None:
    """Log one canonical line, ``event key=value ...``; a value with a space is quoted, line breaks never get through."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s %s", event, " ".join(f"{name}={_written(value)}" for name, value in fields.items()))


def _written(value: object) -> str:
    if type(value) is int:
        return str(value)
    if isinstance(value, Mapping):
        value = write_counts(value)
    text = str(value)
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    return f'"{text}"' if " " in text or not text else text


def write_counts(counts: Mapping[str, int]) -> str:
    """Write how often each thing happened, as one word."""
    return ",".join(f"{name}:{count}" for name, count in sorted(counts.items())).replace(" ", "-") or "none"
