"""One item of an envelope on its way through the processor, and what may become of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shared.change import Change
from shared.envelope import Item
from shared.graph.encrypted_content import EncryptedContent, EncryptionKey
from shared.opening import Opened, Recognised
from shared.routing import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The item goes back to the queue with what it owes; ``spends`` says whether that uses up an attempt.

    ``after`` is when exactly, ``at_least`` the least that the schedule may say.
    """

    error: str
    owed: tuple[str, ...] | None
    after: timedelta | None = None
    at_least: timedelta | None = None
    spends: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """The item, or what some of its handlers owed, becomes a dead letter."""

    reason: str
    error: str
    owed: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The item ends here and is counted: ``handled``, ``duplicate``, ``no handler`` or ``refused: ...``."""

    why: str


Ending = Retry | Dead | Dropped


@dataclass(slots=True, kw_only=True)
class Work:
    """One item under way. ``endings`` is empty until something became of it; handlers may end differently.

    ``recognised`` is there already where an item was judged in this process a moment ago.
    """

    item: Item
    recognised: Recognised | None = None
    opened: Opened | None = None
    encrypted: EncryptedContent | None = None
    private_key: EncryptionKey | None = None
    change: Change | None = None
    routes: tuple[Route, ...] = ()
    endings: list[Ending] = field(default_factory=list)


def under_way(works: Sequence[Work]) -> list[Work]:
    """Keep the items of which nothing became yet."""
    return [work for work in works if not work.endings]
