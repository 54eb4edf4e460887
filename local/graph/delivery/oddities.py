"""Graph's rarer ways to write a notification, each by a knob and with dice of its own. All of them are legitimate.

Not here: what is usual, see `writing`; what is hostile, see `forgery`.
"""

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from local.graph.clock import PACIFIC, seven_digits
from local.graph.dice import Dice
from local.graph.knobs import Knobs

INDIA = timezone(timedelta(hours=5, minutes=30))
EVOLVED = "unknownFutureValue"
"""What `changeType` may become: https://learn.microsoft.com/en-us/graph/best-practices-concept#handling-future-members-in-evolvable-enumerations"""


class Lots(NamedTuple):
    """What was rolled for one notification: one lot for each knob, so that turning one changes nothing about the others."""

    casing: float
    capital_content: float
    offset: float
    which_offset: float
    unknown: float
    evolved: float
    identified: float
    stale: float
    strange: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddities:
    """What is odd about notifications, as the knobs stand."""

    dice: Dice
    knobs: Knobs

    def roll(self, number: int) -> tuple[Lots, random.Random]:
        """Return the lots of the notification with this number, and dice for whatever else it needs."""
        dice = self.dice.of("notice", number)
        return Lots(*(dice.random() for _ in Lots._fields)), dice

    def expiration(self, moment: datetime, lots: Lots) -> str:
        """Print when a subscription ends, now and then with an offset other than Z or with three digits."""
        if lots.offset >= self.knobs.offsets:
            return seven_digits(moment)
        return _OFFSETS[int(lots.which_offset * len(_OFFSETS))](moment)

    def spoil(self, notification: dict[str, Any], lots: Lots, dice: random.Random) -> dict[str, Any]:
        """Return the notification as Graph may also write it."""
        knobs = self.knobs
        if lots.casing < knobs.casing:
            notification = _respell(notification, content=lots.capital_content < _HALF)
        if lots.unknown < knobs.unknown:
            notification |= _strange_members(notification, lots, dice)
        if lots.identified < knobs.identified:
            notification = {"id": str(uuid.UUID(int=dice.getrandbits(128), version=4))} | notification
        return notification


_HALF = 0.5


def _respell(notification: Mapping[str, Any], *, content: bool) -> dict[str, Any]:
    """Spell as some of Teams' own samples do: a capital in the change type, and in the name of the content too."""
    spelt = {
        ("EncryptedContent" if content and name == "encryptedContent" else name): notification[name]
        for name in notification
    }
    return spelt | {"changeType": str(notification["changeType"]).capitalize()}


def _strange_members(notification: Mapping[str, Any], lots: Lots, dice: random.Random) -> dict[str, Any]:
    strange = {
        "sequenceId": dice.getrandbits(48),
        "futureMember": {"@odata.type": "#microsoft.graph.future", "value": [None]},
    }
    return strange | {"changeType": EVOLVED if lots.evolved < _HALF else notification["changeType"]}


def _pacific(moment: datetime) -> str:
    return seven_digits(moment, offset=PACIFIC)


def _indian(moment: datetime) -> str:
    return seven_digits(moment, offset=INDIA)


def _three_digits(moment: datetime) -> str:
    """Print as the directory was seen to (microsoft-graph-docs issue 3457): `2018-11-24T18:13:08.914+00:00`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


_OFFSETS: tuple[Callable[[datetime], str], ...] = (_pacific, _indian, _three_digits)
