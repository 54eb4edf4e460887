"""Before a subscription is asked for: does our own webhook answer? While it does not, Graph is not asked.

An app that was just deployed or that sleeps would otherwise learn it from Graph's refusal, which says little. Not here: the asking
(port ``OwnEndpoint``), and Graph's own refusals of our endpoint (`shared.graph.refusal`), which wait as long.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.graph.refusal import VALIDATION_PAUSES, Refusal
from shared.ports import OwnEndpoint

_STANDSTILL: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What is asked first; without an endpoint nothing is."""

    endpoint: OwnEndpoint | None

    async def refusal(self, *, attempts: int) -> Refusal | None:
        """Say why Graph would not take us now, after an attempt with this number (from 1); None if it would."""
        problem = await self.endpoint.check() if self.endpoint else ""
        if not problem:
            return None
        tries_left = attempts <= len(VALIDATION_PAUSES)
        return Refusal(
            problem=problem if tries_left else f"given up for an hour after {attempts} tries: {problem}",
            wait=VALIDATION_PAUSES[max(attempts, 1) - 1] if tries_left else _STANDSTILL,
            definite=True,
            kind="validation",
        )
