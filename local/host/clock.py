"""The host's clock: aware UTC times, read in one place. Nothing here waits; listeners do."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present as an aware UTC datetime."""
    return datetime.fromtimestamp(time.time(), UTC)
