"""Lets an entry of the repertoire happen at a running simulator, step by step, and turns back the knobs that it turned.

Not here: what the entries are, see `entry`; showing progress, see `cli` and the page.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.graph.clock import whole_seconds
from local.graph.control.door import Answer, Door
from local.graph.repertoire.entry import Entry, Step

SETTLED_WITHIN_SECONDS = 15.0
LOOK_EVERY_SECONDS = 0.05
_NAME = re.compile(r"\{([\w-]+)\}")


class CannotPlay(Exception):  # noqa: N818 - a state of affairs
    """Something that an entry needs is not there; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One step as it went."""

    step: Step
    answer: Answer

    @property
    def well(self) -> bool:
        """Whether it was answered as it should be."""
        return self.answer.good if self.step.status is None else self.answer.status == self.step.status

    def printed(self) -> dict[str, Any]:
        """Return the step for people and programs."""
        return {"says": self.step.says, "status": self.answer.status, "ok": self.well}


@dataclass(slots=True, kw_only=True)
class Player:
    """Plays entries one after the other. `sleep` waits between two looks."""

    door: Door
    sleep: Callable[[float], None] = time.sleep
    _names: dict[str, str] = field(default_factory=dict)

    def play(self, entry: Entry) -> Iterator[Done]:
        """Take the steps, yielding each when it is done. Raises CannotPlay, or NotRunning if nothing answers."""
        self._names = self._find_names()
        turned = sorted({name for step in entry.steps if step.control == "knobs" for name in step.body or {}})
        before = self._knobs() if turned else {}
        try:
            for step in entry.steps:
                yield self._take(step)
        finally:
            if turned:
                self.door.control("knobs", {name: before[name] for name in turned})

    def _take(self, step: Step) -> Done:
        body = self._fill(step.body) if step.body is not None else None
        for _ in range(step.times):
            answer = self._call(step, body)
        for name, path in step.keep.items():
            self._names[name] = str(_look_up(answer.body, path))
        if step.settle:
            self._settle()
        return Done(step=step, answer=answer)

    def _call(self, step: Step, body: Any) -> Answer:
        if step.graph:
            method, _, path = self._fill(step.graph).partition(" ")
            return self.door.graph(method, path, body)
        return self.door.control(self._fill(str(step.control)), body)

    def _settle(self) -> None:
        """Wait until what was sent by hand has been answered, or has been waited for long enough."""
        deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
        while time.monotonic() < deadline:
            counts = [self.door.control(path).body for path in ("tally", "chatter")]
            if not any(each["pending"] or each["running"] for each in counts):
                return
            self.sleep(LOOK_EVERY_SECONDS)

    def _find_names(self) -> dict[str, str]:
        world = self.door.control("world").body
        live = self.door.control("subscriptions").body["subscriptions"]
        rich = next((each for each in live if each["rich"]), None)
        mail = next((each for each in live if each["kind"] == "message"), None)
        found = {
            "tenant": world["tenant"],
            "team": world["team"],
            "person": world["people"][0]["name"],
            "user": world["people"][0]["id"],
            "other-user": world["people"][-1]["id"],
            "channel": next((place["name"] for place in world["channels"]), None),
            "chat": next((place["name"] for place in world["chats"]), None),
            "mailbox": next((place["address"] for place in world["mailboxes"]), None),
            "mailbox-user": next((place["user"] for place in world["mailboxes"]), None),
            "subscription": next((each["id"] for each in live), None),
            "rich-subscription": rich and rich["id"],
            "mail-subscription": mail and mail["id"],
            "app": next((each["appId"] for each in live), None),
            "channel-id": next((place["channel"] for place in world["channels"]), None),
            "in-50-minutes": _later(self.door.control("clock").body["now"]),
        }
        return {name: value for name, value in found.items() if value}

    def _knobs(self) -> Mapping[str, Any]:
        return {each["name"]: each["value"] for each in self.door.control("knobs").body["knobs"]}

    def _fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return _NAME.sub(lambda found: self._name(found[1]), value)
        if isinstance(value, Mapping):
            return {name: self._fill(each) for name, each in value.items()}
        return [self._fill(each) for each in value] if isinstance(value, Sequence) else value

    def _name(self, name: str) -> str:
        if name in self._names:
            return self._names[name]
        raise CannotPlay(_MISSING.get(name, f"this needs a {name}, and the tenant has none"))


def _look_up(body: Any, path: str) -> Any:
    try:
        for name in path.split("/"):
            body = body[int(name)] if isinstance(body, list) else body[name]
    except (KeyError, IndexError, TypeError, ValueError) as missing:
        raise CannotPlay(f"the simulator's answer has no {path}: {body}") from missing
    return body


def _later(now: str) -> str:
    return whole_seconds(datetime.fromisoformat(now) + timedelta(minutes=50))


_MISSING = {
    "subscription": "nobody has subscribed yet: create a subscription first, then play this again",
    "rich-subscription": "this needs a subscription with resource data (includeResourceData): create one first",
    "mail-subscription": "this needs a subscription to a mailbox's messages: create one first",
    "app": "nobody has subscribed yet: create a subscription first, then play this again",
}
