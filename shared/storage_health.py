"""Remembers for a few seconds that storage was away, so that Graph hears a prompt 5xx instead of waiting with us.

The host's own storage client may retry for 25 seconds behind an output binding; by then Graph has put us among the slow.
"""

from datetime import datetime, timedelta

_TURN_AWAY_FOR = timedelta(seconds=3)


class StorageHealth:
    """Written by the storage adapters, read before a delivery is accepted."""

    def __init__(self) -> None:
        self._failed: datetime | None = None

    def note_failure(self, now: datetime) -> None:
        """Storage did not answer, or answered that it is unavailable."""
        self._failed = now

    def note_success(self) -> None:
        """Storage answered."""
        self._failed = None

    def is_failing(self, now: datetime) -> bool:
        """Tell whether the last thing we heard of storage was a failure, a few seconds ago."""
        return self._failed is not None and now - self._failed < _TURN_AWAY_FOR
