"""Makes ids and versions: those of the seed, and those that come from the time of day, as each workload spells them."""

import base64
import random
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.graph.catalogue.row import Row

CHANGE_KEY_PREFIX = b"\x09\x00\x00\x00\x16\x00\x00\x00"
DOTNET_EPOCH = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Mint:
    """What makes ids that nothing else has."""

    dice: random.Random
    _last_moment: int = 0

    def guid(self) -> str:
        """Return the next id of the seed's."""
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))

    def bytes_id(self, length: int) -> bytes:
        """Return the next random bytes of the seed's, for ids that are not GUIDs."""
        return self.dice.randbytes(length)

    def exchange_id(self) -> str:
        """Return an id as Exchange makes them."""
        return "AAMkAG" + base64.urlsafe_b64encode(self.dice.randbytes(84)).decode() + "AAA="

    def moment(self) -> int:
        """Return the real time in milliseconds, never the same twice: Teams makes both ids and versions from it."""
        self._last_moment = max(time.time_ns() // 1_000_000, self._last_moment + 1)
        return self._last_moment

    def version(self, row: Row, moment: int) -> str:
        """Return how this kind of thing tells its version of this moment; empty for one that does not."""
        if row.version == "milliseconds":
            return str(moment)
        if row.version == "ticks":
            return str((time_of(moment) - DOTNET_EPOCH) // timedelta(microseconds=1) * 10)
        if row.version == "etag":
            stamped = CHANGE_KEY_PREFIX + moment.to_bytes(8, "big") + self.dice.randbytes(4)
            return f'W/"{base64.b64encode(stamped).decode()}"'
        return ""


def time_of(moment: int) -> datetime:
    """Return the time that a moment is."""
    return datetime.fromtimestamp(moment / 1000, UTC)
