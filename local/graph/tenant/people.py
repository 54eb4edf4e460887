"""People at work: deciding what happens next. The same seed and plan make the same story, whoever listens.

Not here: the pace, and what is forged or told twice on the way, see `chatter`.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from local.graph.tenant import acts
from local.graph.tenant.entity import Change, Entity
from local.graph.tenant.places import Place
from local.graph.tenant.world import World

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
REACTIONS = ("like", "heart", "laugh", "surprised")
MOODS = ("Available", "Busy", "Away", "DoNotDisturb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much happens and of what kind; shares are between 0 and 1. `other` is what is no message.

    `sensitive` is the share of texts in which somebody tells what should not be told, for those who look for it.
    """

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
    reactions: float = 0.0
    other: float = 0.0
    sensitive: float = 0.03

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
        if not plan.rate > 0 or not plan.seconds >= 0 or not 1 <= plan.body_min <= plan.body_max:
            raise ValueError("rate must be above 0, and body_min between 1 and body_max")
        shares = [getattr(plan, name) for name in known - {"rate", "seconds", "body_min", "body_max"}]
        if not all(0 <= share <= 1 for share in shares) or plan.edit + plan.delete + plan.reactions > 1:
            raise ValueError("shares must be between 0 and 1, and edit, delete and reactions together no more than 1")
        return plan


@dataclass(slots=True, kw_only=True)
class People:
    """Decides what happens next in one of the tenants."""

    worlds: Sequence[World]
    plan: Plan
    dice: random.Random
    _alive: dict[Place, list[str]] = field(default_factory=dict)

    def burst(self) -> int:
        """Return how many changes happen at once."""
        return self.dice.randint(int(self.plan.body_min), int(self.plan.body_max))

    def act(self) -> list[Change]:
        """Do one thing: mostly write a message; edit, react to or delete one where there is one; now and then something else."""
        world = self.dice.choice(self.worlds)
        if self.dice.random() < self.plan.other:
            return self.dice.choice(_OTHERS)(self, world)
        return [self._talk(world, self._place(world))]

    def text(self) -> str:
        """Return something that people say, never quite the same twice."""
        words = [self.dice.choice(OPENINGS) + ":", self.dice.choice(TOPICS) + ",", self.dice.choice(ENDINGS)]
        if self.dice.random() < self.plan.sensitive:
            words.append(self.dice.choice(SENSITIVE))
        return f"{' '.join(words)} #{self.dice.getrandbits(32):08x}"

    def _talk(self, world: World, place: Place) -> Change:
        alive, lot, plan = self._alive.setdefault(place, []), self.dice.random(), self.plan
        if alive and lot < plan.delete:
            return acts.delete(world, self._pick(world, alive, remove=True))
        if alive and lot < plan.delete + plan.edit:
            return acts.edit(world, self._pick(world, alive, remove=False), f"{self.text()} (edited)")
        if alive and place.workload != "mail" and lot < plan.delete + plan.edit + plan.reactions:
            message, person = self._pick(world, alive, remove=False), self.dice.choice(place.people)
            return acts.react(world, message, person, self.dice.choice(REACTIONS))
        reply_to = None
        if place.workload == "channel" and alive and self.dice.random() < plan.replies:
            thread = self._pick(world, alive, remove=False)
            reply_to = thread.content["replyToId"] or thread.id
        subject = self.dice.choice(TOPICS).capitalize() if place.workload == "mail" else None
        author = self.dice.choice(place.people)
        change = acts.post(world, place, self.text(), author=author, subject=subject, reply_to=reply_to)
        alive.append(change.entity.key)
        return change

    def _place(self, world: World) -> Place:
        workload = "channel"
        if self.dice.random() < self.plan.mail:
            workload = "mail"
        elif self.dice.random() < self.plan.chats:
            workload = "chat"
        # a tenant may have no teams or chats; somebody always has a mailbox
        return self.dice.choice([place for place in world.places if place.workload == workload] or world.places)

    def _pick(self, world: World, alive: list[str], *, remove: bool) -> Entity:
        index = self.dice.randrange(len(alive))
        entity = world.entities[alive[index]]
        if remove:
            alive[index] = alive[-1]
            alive.pop()
        return entity


def _meet(people: People, world: World) -> list[Change]:
    owner, guest = people.dice.sample(world.people, 2)
    return [acts.add_event(world, owner, people.dice.choice(TOPICS).capitalize(), guests=[guest])]


def _note_contact(people: People, world: World) -> list[Change]:
    name = f"Kim {people.dice.choice(('Akers', 'Bahr', 'Dunker', 'Ralls'))} {people.dice.getrandbits(16):04x}"
    return [acts.add_contact(world, people.dice.choice(world.people), name)]


def _save_file(people: People, world: World) -> list[Change]:
    name, size = f"{people.dice.choice(TOPICS)} {people.dice.randrange(5)}.docx", people.dice.randrange(1, 90_000)
    return [acts.upload(world, people.dice.choice(world.people), name, size)]


def _change_mood(people: People, world: World) -> list[Change]:
    return [acts.set_presence(world, people.dice.choice(world.people), people.dice.choice(MOODS))]


def _change_job(people: People, world: World) -> list[Change]:
    user = world.entities[f"users/{people.dice.choice(world.people).id}"]
    return [
        world.update(
            user, {"jobTitle": f"{people.dice.choice(('Lead', 'Head', 'Friend'))} of {people.dice.choice(TOPICS)}"}
        )
    ]


_OTHERS: tuple[Callable[[People, World], list[Change]], ...] = (
    _meet,
    _note_contact,
    _save_file,
    _change_mood,
    _change_job,
)
