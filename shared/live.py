"""What reaches connected clients, and through which group: names, times and messages. Pure.

A feed's clients are in a group whose name carries an *epoch*, five minutes of the clock. Whoever negotiates joins the group of
the present epoch, and in its last minute that of the next one; changes are sent to the group of the present. So a group empties
itself: who is no longer given the next one hears nothing more, without anybody having to look for their connections. A mailbox's
owner is told in the same way, and not by user: a connection outlives the token that it was made with, and an account.

Not here: who may join (`shared.membership`), and the service itself (`shared.adapters.signalr`).
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

HUB: Final = "earshot"
"""The app's one SignalR hub."""

FEED_TARGET: Final = "feed"
MAIL_TARGET: Final = "mail"

EPOCH: Final = timedelta(minutes=5)
LATE: Final = timedelta(minutes=1)
"""The last part of an epoch, in which a client joins the next one too: the time that it has to renew, with everybody else."""

LONGEST_ACCESS: Final = EPOCH + LATE
"""What was granted once is heard for at most this long: when granted as the last minute begins, to the end of the next epoch."""

_MARGIN: Final = timedelta(seconds=30)
"""How far the clocks of two instances may be apart."""

_RENEWED_WITHIN: Final = 0.5
"""The part of the last minute in which clients renew; what is left is for another attempt."""

LARGEST_CHANGE: Final = 200_000
"""Bytes of JSON. The service takes 1 MB and bills each 2 KB for each client; one for whom the rest matters fetches it."""


def epoch_of(now: datetime) -> int:
    """Number the epoch of a moment."""
    return int(now.timestamp()) // int(EPOCH.total_seconds())


def group_of(feed: str, epoch: int) -> str:
    """Name the group of a feed in an epoch."""
    return f"{feed}~{epoch}"


def group_now(feed: str, now: datetime) -> str:
    """Name the group to which a change is sent now."""
    return group_of(feed, epoch_of(now))


def groups_to_join(feed: str, now: datetime) -> Sequence[tuple[str, timedelta]]:
    """Name the groups that a caller joins now, each with the time for which connections still to come are to be in it."""
    epoch = epoch_of(now)
    left = _left(now)
    groups = [(group_of(feed, epoch), left + _MARGIN)]
    if left <= LATE:
        groups.append((group_of(feed, epoch + 1), left + EPOCH + _MARGIN))
    return groups


def renew_after(now: datetime, *, chance: float) -> timedelta:
    """Say in how many whole seconds a caller has to negotiate again, to be in the next group before it is spoken to.

    ``chance`` in [0, 1) spreads the callers over the first half of the last minute. Whoever comes in that minute has joined the
    next group already, and renews in the one after.
    """
    left = _left(now)
    late = left - LATE if left > LATE else left + EPOCH - LATE
    return timedelta(seconds=math.ceil((late + LATE * _RENEWED_WITHIN * chance).total_seconds()))


def own_feed(user_id: str) -> str:
    """Name what a person hears as the owner of a mailbox; no feed has such an id."""
    return f"own-{user_id}"


def feed_message(feed: str, position: int, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make what clients of a feed are sent for one change, which is as the feed's page has it; too large a one is left out."""
    message: dict[str, Any] = {"feed": feed, "position": position}
    if len(json.dumps(change, separators=(",", ":"))) <= LARGEST_CHANGE:
        message["change"] = change
    return message


def mail_message(
    change_type: str, message_id: str, *, message: Mapping[str, Any] | None, folder: str = ""
) -> Mapping[str, Any]:
    """Make what the owner of a mailbox is sent for one change; too large a message is left out, and fetched."""
    if message is not None and len(json.dumps(message, separators=(",", ":"))) > LARGEST_CHANGE:
        message = None
    return {"change": change_type, "id": message_id, "message": message, "folder": folder}


def _left(now: datetime) -> timedelta:
    """Tell how much of the present epoch is left; never nothing."""
    return EPOCH - timedelta(seconds=now.timestamp() % EPOCH.total_seconds())
