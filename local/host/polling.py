"""How long a queue listener waits between looks: at once after a hit, then longer and longer.

The numbers are those of the WebJobs SDK's randomized exponential backoff, which its retry policies use too. Waiting
itself is not here.
"""

import random
from datetime import timedelta

SHORTEST = timedelta(milliseconds=100)
SPREAD = (0.8, 1.2)


class Backoff:
    """The pause after a look that found nothing."""

    def __init__(self, longest: timedelta, chance: random.Random, *, shortest: timedelta = SHORTEST) -> None:
        self._longest = max(longest, shortest)
        self._shortest = shortest
        self._chance = chance
        self._pause = shortest
        self._exponent = 0

    def after_hits(self) -> timedelta:
        """Return the pause after a look that found nothing, when an earlier one since the last pause did."""
        self._pause, self._exponent = self._shortest, 1
        return self._pause

    def after_nothing(self) -> timedelta:
        """Return the pause after yet another look that found nothing."""
        if self._pause != self._longest:
            pause = self._shortest
            if self._exponent and self._shortest:  # from nothing nothing grows, however large the power
                pause += self._shortest * (2 ** (self._exponent - 1) * self._chance.uniform(*SPREAD))
            self._exponent += 1
            self._pause = min(pause, self._longest)
        return self._pause
