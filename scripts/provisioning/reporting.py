"""What became of each step, for a person as it happens and for a program at the end.

Progress goes to standard error, the report of ``--json`` to standard output, so that a pipeline can read one and a person the other.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TextIO

from scripts.provisioning.az import AzProblem, SetupProblem

Became = Literal["unchanged", "created", "changed", "would create", "would change", "skipped", "attention", "failed"]

CHANGES: Final[frozenset[Became]] = frozenset({"created", "changed", "would create", "would change"})
"""What a second run must not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a step, and what there is to know about it; ids and names, never a secret."""

    became: Became
    text: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that should be so. ``take`` looks, changes what differs, and may be taken again after any failure.

    ``needs`` is the role that whoever runs it needs where something is missing, for the words of a refusal.
    """

    name: str
    needs: str
    take: Callable[[], Outcome]


@dataclass(slots=True, kw_only=True)
class Reporter:
    """Takes steps in order, tells of each, and stops at the first that fails."""

    progress: TextIO
    done: list[tuple[str, Outcome]] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Tell the person who waits."""
        print(text, file=self.progress, flush=True)

    def take(self, steps: Sequence[Step]) -> bool:
        """Take the steps; whether all of them could be taken."""
        for step in steps:
            try:
                outcome = step.take()
            except SetupProblem as problem:
                outcome = Outcome(became="failed", text=str(problem), more=_advice(problem, step))
            except (
                LookupError,
                TypeError,
                ValueError,
                AttributeError,
            ) as problem:  # Azure's shapes are not ours to promise
                told = f"an answer had another shape than this script knows: {type(problem).__name__} {problem}"
                outcome = Outcome(
                    became="failed", text=told, more=("Update az (az upgrade); if it stays so, tell us.",)
                )
            self._note(step.name, outcome)
            if outcome.became == "failed":
                self.say(
                    "Stopped here. Run the same command again when that is mended: it goes on with what is missing."
                )
                return False
        return True

    def report(self) -> Mapping[str, Any]:
        """Give everything as values for JSON."""
        steps = [
            {"step": name, "became": each.became, "text": each.text, "more": [*each.more]} for name, each in self.done
        ]
        return {
            "ok": not any(each.became == "failed" for _, each in self.done),
            "changes": self.changes,
            "steps": steps,
        }

    @property
    def changes(self) -> int:
        """How many steps changed something, or would."""
        return sum(each.became in CHANGES for _, each in self.done)

    def _note(self, name: str, outcome: Outcome) -> None:
        self.done.append((name, outcome))
        self.say(f"  {outcome.became:<12} {name}: {outcome.text}")
        for line in outcome.more:
            self.say(f"{'':15}{line}")


def write_report(report: Mapping[str, Any], out: TextIO) -> None:
    """Print a report as JSON."""
    print(json.dumps(report, indent=2, ensure_ascii=False), file=out)


def _advice(problem: SetupProblem, step: Step) -> tuple[str, ...]:
    if not isinstance(problem, AzProblem):
        return ()
    if problem.trouble is None:
        return ("Nothing is known about this text: look it up, and tell us, so that the next one need not.",)
    return (problem.trouble.advice.replace("{needs}", step.needs), f"See {problem.trouble.source}")


def made(dry: bool, text: str, *more: str, new: bool = True) -> Outcome:  # noqa: FBT001 - reads as 'made or would be'
    """Say that something was created or changed, or in a dry run that it would be."""
    if new:
        return Outcome(became="would create" if dry else "created", text=text, more=more)
    return Outcome(became="would change" if dry else "changed", text=text, more=more)


def unchanged(text: str, *more: str) -> Outcome:
    """Say that everything was as it should be."""
    return Outcome(became="unchanged", text=text, more=more)


def skipped(text: str, *more: str) -> Outcome:
    """Say that a step does not apply, and why."""
    return Outcome(became="skipped", text=text, more=more)


def attention(text: str, *more: str) -> Outcome:
    """Say what only a person can do; the rest goes on."""
    return Outcome(became="attention", text=text, more=more)
