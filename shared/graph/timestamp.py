"""Graph's date-times: UTC or with an offset, up to seven fractional digits."""

import re
from datetime import UTC, datetime

from shared.errors import GraphProtocolError

_FRACTION = re.compile(r"\.(\d{1,9})")
_LONGEST = 64


def read_timestamp(text: object) -> datetime:
    """Read one of Graph's date-times as an aware UTC datetime, to the microsecond.

    Raises GraphProtocolError for anything else.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise GraphProtocolError("a date-time is not a string of a date-time's length")
    six_digits = _FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), text, count=1)
    try:
        moment = datetime.fromisoformat(six_digits)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as problem:
        raise GraphProtocolError("a date-time cannot be read") from problem


def write_timestamp(moment: datetime) -> str:
    """Write an aware datetime the way Graph's samples do: UTC, ``Z``, microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
