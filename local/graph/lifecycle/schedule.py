"""When `reauthorizationRequired` is sent: rarely while the end is far, every quarter of an hour when it is near. Pure.

Graph's page gives an illustration, expressly no contract. With T as a quarter of the time that is left: nothing while T exceeds
180 minutes, then each time that T has halved, and below 60 minutes every 15 minutes.
https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events (copy of 2026-04)
"""

from datetime import datetime, timedelta

FIRST = 4 * timedelta(minutes=180)
NEAR = 4 * timedelta(minutes=60)
EVERY = timedelta(minutes=15)


def end_in_sight(now: datetime, *, authorized_until: datetime, expires: datetime) -> datetime:
    """Return which end is warned of: the token's, or the subscription's if that comes first or the token has ended already."""
    return authorized_until if now < authorized_until < expires else expires


def next_challenge(now: datetime, end: datetime) -> datetime | None:
    """Return when to ask for reauthorization next, which is later than now and before the end; None if no more."""
    left = end - now
    if left > FIRST:
        return end - FIRST
    if left > NEAR:
        return end - max(left / 2, NEAR)
    return now + EVERY if left > EVERY else None
