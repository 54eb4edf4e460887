"""Memory twin of our own webhook: answers as it is told to."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class MemoryOwnEndpoint:
    """``problem`` is what is wrong with it; ``asked`` counts how often somebody wanted to know."""

    problem: str = ""
    asked: int = field(default=0)

    async def check(self) -> str:
        """Say what is wrong with it."""
        self.asked += 1
        return self.problem
