"""How well a receiver's host answers, and what Graph does to one that answers late: holds back, or throws away.

Pure: times come in as simulated seconds. The state belongs to the host, so that every subscription on it shares its fate, as an older
page says; a knob makes it each URL's own, which then stands for a host here. Not here: the sending, see `courier`.
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks (rewritten in April 2026)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

WINDOW_SECONDS = 600.0
HOLD_SECONDS = 600.0
SLOW_SHARE, DROP_SHARE = 0.10, 0.15
LATE_SECONDS, FAR_TOO_LATE_SECONDS = 3.0, 10.0
ENOUGH_ANSWERS = 20
"""Fewer answers in a window prove nothing. An older page says 100; today's number is not published."""
SAMPLES = 5
"""How many notifications are "a few live sends"; not published either."""


class State(StrEnum):
    """What Graph thinks of a host."""

    WELL = "well"
    SLOW = "slow"
    DROP = "drop"


class Admission(StrEnum):
    """What becomes of a new body."""

    NOW = "now"
    SAMPLE = "sample"
    LATER = "later"
    NEVER = "never"


@dataclass(slots=True, kw_only=True)
class Host:
    """One host: its state since when, the answers of the current window, and the samples that decide how it goes on."""

    state: State = State.WELL
    since: float = 0.0
    window: float = 0.0
    answers: int = 0
    late: int = 0
    far_too_late: int = 0
    sampled: int = 0
    last_sample: float = 0.0
    samples_answered: int = 0
    samples_late: int = 0

    def admit(self, at: float) -> Admission:
        """Say what becomes of a body that wants to be sent now."""
        if self.state is State.WELL:
            return Admission.NOW
        if self._wants_sample(at):
            self.sampled, self.last_sample = self.sampled + 1, at
            return Admission.SAMPLE
        return Admission.LATER if self.state is State.SLOW else Admission.NEVER

    def answered(self, seconds: float, at: float, *, sample: bool) -> None:
        """Take note of how long an answer took; without an answer, how long it was waited for."""
        if sample and self.state is not State.WELL:
            self._count_sample(seconds, at)
        elif self.state is not State.DROP:
            self._count(seconds, at)

    def printed(self) -> dict[str, Any]:
        """Return the host's state for the control API."""
        return {
            "state": self.state.value,
            "answers": self.answers,
            "late": self.late,
            "farTooLate": self.far_too_late,
            "samples": self.samples_answered,
        }

    def _wants_sample(self, at: float) -> bool:
        if self.sampled == SAMPLES and at - self.last_sample >= WINDOW_SECONDS:
            self._forget_samples()  # one of them never came to an answer
        return at - self.window >= WINDOW_SECONDS and self.sampled < SAMPLES

    def _count(self, seconds: float, at: float) -> None:
        if self.state is State.WELL and at - self.window >= WINDOW_SECONDS:
            self._open_window(at)
        self.answers += 1
        self.late += seconds >= LATE_SECONDS
        self.far_too_late += seconds >= FAR_TOO_LATE_SECONDS
        if self.answers < ENOUGH_ANSWERS:
            return
        if self.far_too_late > DROP_SHARE * self.answers:
            self._enter(State.DROP, at)
        elif self.state is State.WELL and self.late > SLOW_SHARE * self.answers:
            self._enter(State.SLOW, at)

    def _count_sample(self, seconds: float, at: float) -> None:
        self.samples_answered += 1
        self.samples_late += seconds >= LATE_SECONDS
        if self.samples_answered < SAMPLES:
            return
        limit = SLOW_SHARE if self.state is State.SLOW else DROP_SHARE
        if self.samples_late < limit * self.samples_answered:
            self._enter(State.WELL, at)
        else:
            self._open_window(at)

    def _enter(self, state: State, at: float) -> None:
        self.state, self.since = state, at
        self._open_window(at)

    def _open_window(self, at: float) -> None:
        self.window = at
        self.answers = self.late = self.far_too_late = 0
        self._forget_samples()

    def _forget_samples(self) -> None:
        self.sampled = self.samples_answered = self.samples_late = 0


@dataclass(slots=True)
class Health:
    """The hosts that were called so far."""

    hosts: dict[str, Host] = field(default_factory=dict)

    def admit(self, host: str, at: float) -> Admission:
        """Say what becomes of a new body for this host."""
        known = self.hosts.get(host)
        return known.admit(at) if known else Admission.NOW

    def answered(self, host: str, seconds: float, at: float, *, sample: bool = False) -> None:
        """Take note of an answer. `seconds` are those of a receiver with Graph's own patience."""
        known = self.hosts.get(host)
        if known is None:
            known = self.hosts[host] = Host(since=at, window=at)
        known.answered(seconds, at, sample=sample)

    def printed(self, at: float) -> Mapping[str, Any]:
        """Return every host's state, and for how many simulated seconds it has been in it."""
        return {name: host.printed() | {"seconds": round(at - host.since)} for name, host in self.hosts.items()}
