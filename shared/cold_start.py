"""Before a subscription is asked for: does our own webhook answer where Graph will call it? While it does not, Graph is not asked.

An app that was just deployed or that sleeps would otherwise learn it from Graph's refusal, which says little. After some tries Graph
is asked all the same: what is in our way (a firewall that lets in Graph's addresses alone) need not be in Graph's. Not here: the asking
(port ``OwnEndpoint``), and Graph's own refusals of our endpoint (`shared.graph.refusal`), which wait as long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.graph.addresses import LIFECYCLE, NOTIFICATIONS
from shared.graph.refusal import VALIDATION_PAUSES, Refusal
from shared.ports import OwnEndpoint


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What is asked first; without an endpoint nothing is."""

    endpoint: OwnEndpoint | None

    async def refusal(self, *, attempts: int, routes: Sequence[str] = (NOTIFICATIONS, LIFECYCLE)) -> Refusal | None:
        """Say why Graph would not take us now, after an attempt with this number (from 1); None if it would, or may.

        ``routes`` are those that Graph will call: none where everything goes into a hub.
        """
        if not routes or attempts > len(VALIDATION_PAUSES):
            return None
        problem = await self.endpoint.check(routes) if self.endpoint else ""
        if not problem:
            return None
        wait = VALIDATION_PAUSES[max(attempts, 1) - 1]
        return Refusal(problem=problem, wait=wait, definite=True, kind="validation")
