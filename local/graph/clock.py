"""The simulator's time: what time it is, how Graph prints it, and waiting on a compressed clock.

Only waits of Graph's own making are compressed (pauses between retries, the four hours after which it gives up). Expirations and
the receiver's three seconds stay real, because the receiver lives on the real clock.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

PACIFIC = timezone(timedelta(hours=-8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The wall clock, and a factor by which Graph's own pauses are shortened."""

    time_scale: float = 1.0

    def now(self) -> datetime:
        """Return the time, aware and in UTC."""
        return utc_now()

    async def pause(self, simulated_seconds: float) -> None:
        """Wait as Graph would wait, shortened by the scale."""
        await asyncio.sleep(simulated_seconds / self.time_scale)

    def simulated_since(self, started: float) -> float:
        """Return how many seconds have passed for Graph since a reading of `time.monotonic`."""
        return (time.monotonic() - started) * self.time_scale


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


def seven_digits(moment: datetime, *, offset: timezone = UTC) -> str:
    """Print a time as Graph does, with seven fractional digits: `2026-01-01T11:00:00.0000000Z`."""
    local = moment.astimezone(offset)
    printed = local.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"
    return printed + ("Z" if offset is UTC else local.isoformat()[-6:])


def milliseconds(moment: datetime) -> str:
    """Print a time as Teams does inside a chatMessage: `2026-01-01T11:00:00.123Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def whole_seconds(moment: datetime) -> str:
    """Print a time as Exchange does inside a message: `2026-01-01T11:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def microseconds(moment: datetime) -> str:
    """Print a time for the simulator's own records, with six fractional digits always."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_time(text: str) -> datetime:
    """Read an ISO time; one without an offset is UTC, as OData reads it. Raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
