"""Memory twin of our own webhook: answers as it is told to."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class MemoryOwnEndpoint:
    """``problem`` is what is wrong with it; ``asked`` counts how often somebody wanted to know."""

    problem: str = ""
    asked: int = field(default=0)
    routes: set[str] = field(default_factory=set)

    async def check(self, routes: Sequence[str] = ("notifications", "lifecycle"), /) -> str:
        """Say what is wrong with it."""
        self.asked += 1
        self.routes |= set(routes)
        return self.problem
