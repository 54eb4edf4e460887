"""The simulator's time: what time it is, how Graph prints it, and waiting on a clock that can be compressed and moved on.

Everything that Graph decides by time lives on it: expirations, quotas, windows, pauses, the age of delta links. What the receiver holds
against its own clock stays on the real one: how long it may take to answer, the times printed into items, and the lifetime of
signed tokens and certificates.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

PACIFIC = timezone(timedelta(hours=-8))
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Where time stands still: every lifetime that is added to a moment must still be a date."""


def utc_now() -> datetime:
    """Return the real time, aware and in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


def later(moment: datetime, seconds: float) -> datetime:
    """Return a moment so many seconds later, however many: never one beyond the latest."""
    left = (LATEST - moment).total_seconds()
    return moment + timedelta(seconds=seconds) if seconds < left else LATEST


@dataclass(slots=True, kw_only=True, eq=False)
class Clock:
    """A clock that starts at the real time and then runs `time_scale` times as fast; `advance` moves it on at once.

    `patience` stretches or shortens the real seconds that a receiver has for an answer (1.0: Graph's 3 and 10).
    """

    time_scale: float = 1.0
    patience: float = 1.0
    _origin: datetime = field(default_factory=utc_now)
    _elapsed: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _skipped: float = 0.0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Raises ValueError for a clock that would stand still or run backwards."""
        if not all(factor > 0 and math.isfinite(factor) for factor in (self.time_scale, self.patience)):
            raise ValueError("time_scale and patience must be above 0, and finite")

    def now(self) -> datetime:
        """Return the simulated time, aware and in UTC; at the latest moment that there is, it stands still."""
        return later(self._origin, self._passed() + self._skipped)

    def seconds(self) -> float:
        """Return the simulated seconds that have passed for this clock and those before it; never goes back."""
        return self._elapsed + self._passed() + self._skipped

    def advance(self, by: timedelta) -> None:
        """Move on by this much at once; whoever waits for a moment that has passed now wakes up."""
        self._skipped += max(by.total_seconds(), 0.0)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def go_on(self, stopped: datetime, elapsed: float) -> None:
        """Go on where an earlier clock stopped, but never behind the real time."""
        self._origin, self._elapsed = max(self._origin, stopped), elapsed

    async def pause(self, simulated_seconds: float) -> None:
        """Wait until that many simulated seconds have passed."""
        until = self.seconds() + simulated_seconds
        while (left := until - self.seconds()) > 0:
            try:
                await asyncio.wait_for(self._moved.wait(), left / self.time_scale)
            except TimeoutError:
                continue

    def real_seconds(self, simulated_seconds: float) -> float:
        """Return how long a simulated while takes on the receiver's clock: what a `Retry-After` must say."""
        return simulated_seconds / self.time_scale

    def _passed(self) -> float:
        return (time.monotonic() - self._started) * self.time_scale


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
