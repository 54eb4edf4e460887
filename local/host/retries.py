"""The storage client's retries, as the .NET client in the real host does them.

Left alone it keeps trying for about 25 seconds; `<connection>__Retry__…` settings bind to its options.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from local.host.time_spans import read_span_or_seconds

T = TypeVar("T")
TRANSIENT = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOptions:
    """How often and how patiently one storage operation is tried. The defaults add up to 24.8 s of pauses."""

    max_retries: int = 5
    delay: timedelta = timedelta(seconds=0.8)
    max_delay: timedelta = timedelta(minutes=1)
    network_timeout: timedelta = timedelta(seconds=100)
    fixed: bool = False

    def pauses(self) -> Iterator[timedelta]:
        """Yield the pause before each further try."""
        for count in range(self.max_retries):
            yield min(self.delay if self.fixed else self.delay * 2**count, self.max_delay)


def read_retry_options(connection: str, settings: Mapping[str, str]) -> RetryOptions:
    """Read `<connection>__Retry__MaxRetries`, `__Delay`, `__MaxDelay`, `__NetworkTimeout` and `__Mode`, case ignored."""
    prefix = f"{connection}__retry__".lower()
    given = {
        name.lower().removeprefix(prefix): value for name, value in settings.items() if name.lower().startswith(prefix)
    }
    default = RetryOptions()
    try:
        return RetryOptions(
            max_retries=int(given.get("maxretries", default.max_retries)),
            delay=_span(given, "delay", default.delay),
            max_delay=_span(given, "maxdelay", default.max_delay),
            network_timeout=_span(given, "networktimeout", default.network_timeout),
            fixed=given.get("mode", "").lower() == "fixed",
        )
    except ValueError as error:
        raise ValueError(f"{connection}__Retry: {error}") from error


def _span(given: Mapping[str, str], name: str, default: timedelta) -> timedelta:
    return read_span_or_seconds(given[name]) if name in given else default


def is_transient(error: Exception) -> bool:
    """Whether trying again may help: no answer at all, or one that says so."""
    if isinstance(error, HttpResponseError):
        return error.status_code in TRANSIENT
    return isinstance(error, (ServiceRequestError, ServiceResponseError, TimeoutError))


async def persist(operation: Callable[[], Awaitable[T]], options: RetryOptions) -> T:
    """Do it, and again while that may help; the last failure comes through."""
    for pause in options.pauses():
        try:
            return await _in_time(operation, options)
        except (AzureError, TimeoutError) as error:
            if not is_transient(error):
                raise
        await asyncio.sleep(pause.total_seconds())
    return await _in_time(operation, options)


async def _in_time(operation: Callable[[], Awaitable[T]], options: RetryOptions) -> T:
    async with asyncio.timeout(options.network_timeout.total_seconds()):
        return await operation()
