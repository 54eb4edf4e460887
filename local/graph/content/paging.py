"""Pages of a list: what the first request saw is kept for a while, so that the pages after it neither repeat nor leave out anything.

Not here: what a list contains, see `reading`; delta's pages, see `delta`.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from local.graph.content.tokens import Seal
from local.graph.faults import GraphFault

KIND = "list"
LISTS_KEPT = 256
"""How many lists can be in the middle of being read; the least recently read one is forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Some keys of a list, how many there are in all, and the token of the next page (None after the last)."""

    keys: Sequence[str]
    total: int
    next_token: str | None


@dataclass(slots=True, kw_only=True)
class Lists:
    """Lists that are being read page by page."""

    seal: Seal
    _kept: OrderedDict[int, Sequence[str]] = field(default_factory=OrderedDict)
    _numbers: "count[int]" = field(default_factory=count)

    def first(self, path: str, keys: Sequence[str], size: int, *, empty: bool) -> ListPage:
        """Return the first page of a list; with `empty` it has nothing on it but the way to the next."""
        if not empty and len(keys) <= size:
            return ListPage(keys=keys, total=len(keys), next_token=None)
        number = next(self._numbers)
        self._kept[number] = keys
        while len(self._kept) > LISTS_KEPT:
            self._kept.popitem(last=False)
        end = 0 if empty else size
        return ListPage(keys=keys[:end], total=len(keys), next_token=self.seal.close(KIND, [path, number, end]))

    def further(self, path: str, token: str, size: int) -> ListPage:
        """Return the page that a token leads to. Raises 400 for a token that is not one of ours, or too old."""
        said = self.seal.open(KIND, token)
        keys = self._kept.get(said[1]) if said and said[0] == path else None
        if said is None or keys is None:
            raise GraphFault(400, "BadRequest", "The specified $skiptoken is invalid or has expired.")
        self._kept.move_to_end(said[1])
        start, end = said[2], said[2] + size
        more = self.seal.close(KIND, [path, said[1], end]) if end < len(keys) else None
        return ListPage(keys=keys[start:end], total=len(keys), next_token=more)
