"""Chance that can be repeated: every decision has dice of its own, made from the seed and from what is decided.

Because dice are named after the decision and not shared, the order in which things happen to be decided changes nothing.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dice:
    """Where all chance comes from: one seed."""

    seed: int

    def of(self, *purpose: str | int) -> random.Random:
        """Return the dice of one decision or one purpose; equal seeds and purposes roll equally."""
        return random.Random("/".join(map(str, (self.seed, *purpose))))  # noqa: S311 - repeatable, no secrets

    def lot(self, *purpose: str | int) -> float:
        """Return one number of [0, 1) for one decision."""
        return self.of(*purpose).random()
