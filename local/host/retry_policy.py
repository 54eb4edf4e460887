"""A function's retry policy: how often a failed execution is tried again, and how long is waited in between.

Only Event Hub and timer triggers have one; on queues and HTTP the host ignores it. Waiting and running are `dispatch`'s.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from local.host.polling import Backoff

FOR_EVER = -1
# the defaults of Microsoft's worker for an interval that was not given: nothing at least, 2^31 - 1 seconds at most
NO_WAIT, NO_LIMIT = timedelta(0), timedelta(seconds=2_147_483_647)
STRATEGIES = ("fixed_delay", "exponential_backoff")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`most` more tries (FOR_EVER: no end), with a fixed pause (`longest` is None) or one that grows up to `longest`."""

    most: int
    shortest: timedelta
    longest: timedelta | None = None

    def pauses(self, chance: random.Random) -> Iterator[timedelta]:
        """Yield the pause before each further try; no more of them when the policy is exhausted."""
        backoff = None if self.longest is None else Backoff(self.longest, chance, shortest=self.shortest)
        count = 0
        while self.most == FOR_EVER or count < self.most:
            yield self.shortest if backoff is None else backoff.after_nothing()
            count += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Where one execution stands in its retries, as the function's `context.retry_context` tells it."""

    count: int = 0
    most: int = 0
    error: str = ""
    trace: str = ""


FIRST = Attempt()
"""What the only execution is, and the first one."""


# https://learn.microsoft.com/azure/azure-functions/functions-bindings-errors#retry-policies (2026-11)
def read_retry_policy(raw: Mapping[str, Any]) -> RetryPolicy:
    """Read what `@app.retry(...)` said; ValueError for what worker or host would refuse.

    Intervals are whole seconds written `hh:mm:ss`, for that is all that the worker reads.
    """
    strategy = raw.get("strategy")
    if strategy not in STRATEGIES:
        raise ValueError(f"the retry strategy is one of {', '.join(STRATEGIES)}, not {strategy!r}")
    try:
        most = int(raw.get("max_retry_count", ""))
    except (TypeError, ValueError):
        raise ValueError(f"max_retry_count is a number, not {raw.get('max_retry_count')!r}") from None
    if most < FOR_EVER:
        raise ValueError(f"max_retry_count is a number of tries, or -1 for ever, not {most}")
    if strategy == "fixed_delay":
        return RetryPolicy(most=most, shortest=_interval(raw, "delay_interval", None))
    shortest = _interval(raw, "minimum_interval", NO_WAIT)
    longest = _interval(raw, "maximum_interval", NO_LIMIT)
    if shortest > longest:
        raise ValueError("the retry policy's minimum_interval is longer than its maximum_interval")
    return RetryPolicy(most=most, shortest=shortest, longest=longest)


def _interval(raw: Mapping[str, Any], name: str, default: timedelta | None) -> timedelta:
    text = raw.get(name)
    if text is None and default is not None:
        return default
    parts = str(text).split(":")
    limits = (24, 60, 60)
    if len(parts) != len(limits) or not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError(f"the retry policy's {name} is written hh:mm:ss, not {text!r}")
    hours, minutes, seconds = (int(part) for part in parts)
    if any(value >= limit for value, limit in zip((hours, minutes, seconds), limits, strict=True)):
        raise ValueError(f"a part of the retry policy's {name} is out of range: {text!r}")
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
