"""Parse a text as JSON and print it anew, as the host's Newtonsoft.Json does with a single string output.

That rewriting surprises people: `{"a":1.0}` arrives indented, and a date with an offset arrives in UTC. Other
dialects that Newtonsoft reads (comments, single quotes, `/Date(…)/`) are not imitated: they fail here.
"""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

_ISO_DATE = re.compile(
    r"(?P<whole>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,7})\d*)?(?P<zone>Z|(?P<offset>[+-]\d\d:?\d\d))?"
)
_ESCAPED = str.maketrans({"\u0085": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
SCIENTIFIC_FROM, SCIENTIFIC_BELOW = 15, -4


def looks_like_json(text: str) -> bool:
    """Whether the host would try to parse this: braces or brackets at both ends."""
    trimmed = text.strip()
    return trimmed[:1] + trimmed[-1:] in {"{}", "[]"}


def reprint(value: Any) -> str:
    """Print a parsed value as Newtonsoft's `JToken.ToString()` does: indented by two, dates and floats rewritten."""
    return _written(value, "\n")


def _written(value: Any, newline: str) -> str:
    if isinstance(value, dict) and value:
        inner = newline + "  "
        items = (f"{inner}{_quoted(name)}: {_written(item, inner)}" for name, item in value.items())
        return "{" + ",".join(items) + newline + "}"
    if isinstance(value, list) and value:
        inner = newline + "  "
        return "[" + ",".join(inner + _written(item, inner) for item in value) + newline + "]"
    if isinstance(value, str):
        return _quoted(_date(value))
    if isinstance(value, float):
        return float_text(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPED)


def float_text(value: float) -> str:
    """Print a float as .NET's round-trip format does, with a `.0` where nothing else shows that it is one."""
    if not math.isfinite(value):
        return f'"{value}"'
    mantissa, _, exponent = f"{value:e}".partition("e")
    if value and not SCIENTIFIC_BELOW <= int(exponent) < SCIENTIFIC_FROM:
        digits, _, _ = _shortest(value)
        mantissa = digits[0] + ("." + digits[1:] if digits[1:] else "")
        sign = "-" if value < 0 else ""
        return f"{sign}{mantissa}E{int(exponent):+03d}"
    digits, point, sign = _shortest(value)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}" if value else f"{sign}0.0"
    return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"


def _shortest(value: float) -> tuple[str, int, str]:
    """Return the fewest digits that say the number, where its point is, and its sign."""
    text, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole.lstrip("0")) - (0 if whole.strip("0") else len(fraction) - len(fraction.lstrip("0")))
    sign = "-" if math.copysign(1, value) < 0 else ""
    return digits.rstrip("0") or "0", point + int(exponent or 0), sign


def _date(text: str) -> str:
    match = _ISO_DATE.fullmatch(text)
    if match is None:
        return text
    try:
        moment = datetime.fromisoformat(match["whole"] + "+00:00")
        fraction = (match["fraction"] or "").rstrip("0")
        zone = match["zone"] or ""
        if match["offset"]:
            moment, zone = moment - _offset(match["offset"]), "+00:00"
    except (ValueError, OverflowError):
        return text
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        + (f".{fraction}" if fraction else "")
        + zone
    )


def _offset(text: str) -> timedelta:
    span = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return -span if text[0] == "-" else span
