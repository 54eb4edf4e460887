"""The pace of what people do: bursts at a mean rate, some of it told twice, some of it forged on the way.

Which changes happen follows from the seed; when they happen follows from the rate, on the real clock. Not here: what people do, see
`people`; what a forgery is, see `delivery.forgery`.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence

from local.graph.delivery.forgery import Forger
from local.graph.delivery.notices import Notice
from local.graph.delivery.publisher import Publisher, again
from local.graph.delivery.tally import Tally
from local.graph.dice import Dice
from local.graph.subscribing.store import Subscriptions
from local.graph.tenant.people import People, Plan
from local.graph.tenant.world import World

log = logging.getLogger(__name__)


class Chatter:
    """Runs one plan at a time and counts what came of it."""

    def __init__(
        self, worlds: Sequence[World], publisher: Publisher, subscriptions: Subscriptions, forger: Forger, dice: Dice
    ) -> None:
        self._worlds = worlds
        self._publisher = publisher
        self._subscriptions = subscriptions
        self._forger = forger
        self._dice = dice
        self._task: asyncio.Task[None] | None = None
        self._runs = 0
        self._mischief = random.Random()  # noqa: S311 - repeatable, no secrets
        self.tally = Tally()

    def start(self, plan: Plan) -> None:
        """Begin. Raises RuntimeError while another run goes on."""
        if self.tally.running:
            raise RuntimeError("chatter is running")
        self._runs += 1
        self.tally = Tally(running=True)
        people = People(worlds=self._worlds, plan=plan, dice=self._dice.of("chatter", self._runs))
        # apart from the story's own dice, so that who subscribes to what does not change the story
        self._mischief = self._dice.of("mischief", self._runs)
        self._task = asyncio.create_task(self._run(people, plan, self.tally))
        self._task.add_done_callback(_say_why)

    async def close(self) -> None:
        """Stop in the middle of whatever is being said."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, people: People, plan: Plan, tally: Tally) -> None:
        """Speak in bursts; after each, wait until the mean rate holds again. What is to be told twice waits for a later body."""
        started, wanted = time.monotonic(), round(plan.rate * plan.seconds)
        to_repeat: list[Notice] = []
        try:
            while tally.changes < wanted:
                size = min(people.burst(), wanted - tally.changes)
                to_repeat = self._burst(people, plan, tally, size, to_repeat)
                await asyncio.sleep(max(0.0, started + tally.changes / plan.rate - time.monotonic()))
            if to_repeat:
                self._publisher.post(to_repeat, tally)
        finally:
            tally.running = False

    def _burst(self, people: People, plan: Plan, tally: Tally, size: int, to_repeat: list[Notice]) -> list[Notice]:
        """Make changes and send them with what is due; return what is to be repeated in a later body."""
        changes = [change for _ in range(size) for change in people.act()]
        real = [notice for change in changes for notice in self._publisher.notices(change)]
        tally.changes += len(changes)
        mixed = list(real)
        for notice in real:
            if self._mischief.random() < plan.forged:
                self._forge(notice, tally, mixed)
        self._publisher.post([*mixed, *to_repeat], tally)
        return [again(notice) for notice in real if self._mischief.random() < plan.duplicates]

    def _forge(self, real: Notice, tally: Tally, mixed: list[Notice]) -> None:
        live = self._subscriptions.live(now=self._publisher.clock.now())
        forged, token = self._forger.forge(real, live)
        if token:
            self._publisher.post_with([forged], [token], tally)
        else:
            mixed.insert(self._mischief.randint(0, len(mixed)), forged)


def _say_why(task: asyncio.Task[None]) -> None:
    """Log why people fell silent, if it was not because they had said everything."""
    if not task.cancelled() and (slip := task.exception()):
        log.error("chatter failed", exc_info=slip)
