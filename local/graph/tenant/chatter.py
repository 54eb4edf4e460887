"""People at work: bursts of messages, edits and deletions at a mean rate, some told twice, some forged.

Which changes happen follows from the seed; when they happen follows from the rate. Not here: what a forgery is, see `forgery`.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from local.graph.catalogue.table import Workload
from local.graph.delivery.forgery import Forger
from local.graph.delivery.notices import Notice
from local.graph.delivery.publisher import Publisher, again
from local.graph.delivery.tally import Tally
from local.graph.subscribing.store import Subscriptions
from local.graph.tenant.world import Change, Item, Place, World

OPENINGS = ("Heads up", "Quick one", "Draft ready", "Numbers are in", "Question", "Reminder", "Grüße aus Köln", "はい")
TOPICS = (
    "the launch",
    "the Contoso order",
    "invoice 4711",
    "Friday's demo",
    "the on-call rota",
    "room 12",
    "the pilot",
)
ENDINGS = ("please have a look", "done on my side", "see you at ten", "who can help?", "thanks! 🎉", "no hurry")
SENSITIVE = ("my card is 4111 1111 1111 1111", "IBAN DE89 3704 0044 0532 0130 00", "password: hunter2-hunter2")
SENSITIVE_SHARE = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is said and of what kind; shares are between 0 and 1."""

    rate: float = 20.0
    seconds: float = 15.0
    body_min: int = 1
    body_max: int = 20
    duplicates: float = 0.05
    forged: float = 0.02
    edit: float = 0.2
    delete: float = 0.1
    mail: float = 0.5
    chats: float = 0.0
    replies: float = 0.0

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Plan":
        """Read a plan; what is left out has its default. Raises ValueError for a name or a number that makes no sense."""
        known = {each.name for each in fields(cls)}
        strange = sorted(set(body) - known)
        if strange:
            raise ValueError(f"unknown: {', '.join(strange)}")
        bad = [name for name, value in body.items() if isinstance(value, bool) or not isinstance(value, int | float)]
        if bad:
            raise ValueError(f"not a number: {', '.join(sorted(bad))}")
        plan = cls(**body)
        shares = (plan.duplicates, plan.forged, plan.edit, plan.delete, plan.mail, plan.chats, plan.replies)
        if plan.rate <= 0 or plan.seconds < 0 or not 1 <= plan.body_min <= plan.body_max:
            raise ValueError("rate must be above 0, and body_min between 1 and body_max")
        if not all(0 <= share <= 1 for share in shares) or plan.edit + plan.delete > 1:
            raise ValueError("shares must be between 0 and 1, and edit and delete together no more than 1")
        return plan


@dataclass(slots=True, kw_only=True)
class People:
    """Decides what happens next; the same seed and plan make the same story."""

    world: World
    plan: Plan
    dice: random.Random
    _alive: dict[Place, list[str]] = field(default_factory=dict)

    def burst(self) -> int:
        """Return how many changes happen at once."""
        return self.dice.randint(int(self.plan.body_min), int(self.plan.body_max))

    def act(self) -> Change:
        """Make one change: mostly a new message; an edit or a deletion where there is something to edit or delete."""
        place = self._place()
        alive = self._alive.setdefault(place, [])
        lot = self.dice.random()
        if alive and lot < self.plan.delete:
            return self.world.delete(self._pick(alive, remove=True))
        if alive and lot < self.plan.delete + self.plan.edit:
            return self.world.edit(self._pick(alive, remove=False), f"{self._text()} (edited)")
        reply_to = None
        if place.workload == "channel" and alive and self.dice.random() < self.plan.replies:
            reply_to = self._thread(self._pick(alive, remove=False))
        subject = self.dice.choice(TOPICS).capitalize() if place.workload == "mail" else None
        author = self.dice.choice(place.people)
        change = self.world.create(place, self._text(), author=author, subject=subject, reply_to=reply_to)
        alive.append(change.item.resource)
        return change

    def _place(self) -> Place:
        workload: Workload = "channel"
        if self.dice.random() < self.plan.mail:
            workload = "mail"
        elif self.dice.random() < self.plan.chats:
            workload = "chat"
        return self.dice.choice([place for place in self.world.places if place.workload == workload])

    def _pick(self, alive: list[str], *, remove: bool) -> Item:
        index = self.dice.randrange(len(alive))
        item = self.world.find(alive[index])
        assert item is not None, "an item that is alive exists"  # noqa: S101 - the world never forgets one
        if remove:
            alive[index] = alive[-1]
            alive.pop()
        return item

    def _thread(self, item: Item) -> str:
        return item.reply_to or item.id

    def _text(self) -> str:
        words = [self.dice.choice(OPENINGS) + ":", self.dice.choice(TOPICS) + ",", self.dice.choice(ENDINGS)]
        if self.dice.random() < SENSITIVE_SHARE:
            words.append(self.dice.choice(SENSITIVE))
        return f"{' '.join(words)} #{self.dice.getrandbits(32):08x}"


class Chatter:
    """Runs one plan at a time and counts what came of it."""

    def __init__(self, world: World, publisher: Publisher, subscriptions: Subscriptions, forger: Forger) -> None:
        self._world = world
        self._publisher = publisher
        self._subscriptions = subscriptions
        self._forger = forger
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
        dice = random.Random(f"{self._world.seed}/chatter/{self._runs}")  # noqa: S311 - a repeatable story, no secrets
        people = People(world=self._world, plan=plan, dice=dice)
        # apart from the story's own dice, so that who subscribes to what does not change the story
        self._mischief = random.Random(f"{self._world.seed}/mischief/{self._runs}")  # noqa: S311 - repeatable, no secrets
        self._task = asyncio.create_task(self._run(people, plan, self.tally))

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
        real = [notice for _ in range(size) for notice in self._publisher.notices(people.act())]
        tally.changes += size
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
