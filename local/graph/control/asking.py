"""What is asked of a control endpoint: a small JSON object, read with errors that say what would have been right.

Not here: what the endpoints do, see `acting`, `mischief` and `showing`.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

LONGEST_WHILE = 366 * 24 * 3600.0
"""A year of simulated seconds: longer than anything that Graph waits for."""


async def read_body(request: web.Request, *, known: frozenset[str]) -> dict[str, Any]:
    """Return the body as an object; none at all is an empty one. Raises 400 for anything else and for unknown members."""
    raw = await request.read()
    try:
        body = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as broken:
        raise wrong('the body is not JSON; send an object such as {"where": "General", "text": "hello"}') from broken
    if not isinstance(body, dict):
        raise wrong("the body must be a JSON object")
    if strange := sorted(set(body) - known):
        raise wrong(f"unknown: {', '.join(strange)}; known: {', '.join(sorted(known)) or 'nothing at all'}")
    return body


def text_of(body: Mapping[str, Any], name: str, *, example: str) -> str:
    """Return a text that must be there."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise wrong(f"{name} must be a text, for example {json.dumps(example)}")
    return value


def number_of(
    body: Mapping[str, Any], name: str, *, least: float = 0.0, most: float = LONGEST_WHILE, default: float | None = None
) -> float:
    """Return a number within limits; without a default it must be there."""
    value = body.get(name, default)
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not least <= value <= most:
        raise wrong(f"{name} must be a number between {least:g} and {most:g}")
    return float(value)


def flag_of(body: Mapping[str, Any], name: str) -> bool:
    """Return true or false; false by default."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise wrong(f"{name} must be true or false")
    return value


def object_of(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object; empty by default."""
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise wrong(f"{name} must be an object")
    return value


def wrong(why: str) -> web.HTTPBadRequest:
    """Return the 400 that says what is wrong with a request and what would be right."""
    return web.HTTPBadRequest(text=json.dumps({"error": why}), content_type="application/json")


def busy(why: str) -> web.HTTPConflict:
    """Return the 409 for something that cannot be done twice at once."""
    return web.HTTPConflict(text=json.dumps({"error": why}), content_type="application/json")
