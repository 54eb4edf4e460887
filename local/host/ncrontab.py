"""NCRONTAB, the schedule language of timer triggers: six fields with seconds first, or five without.

A date has to match day *and* weekday when both are restricted, unlike in Unix cron. Time zones are not here:
the host counts in UTC, as Flex Consumption does. https://github.com/atifaziz/NCrontab
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST_GAP = timedelta(days=366 * 8 + 2)  # 29 February, across a century that has no leap day


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field's name, its range, and names that stand for numbers from the range's start."""

    name: str
    lowest: int
    highest: int
    words: Sequence[str] = ()

    def number(self, text: str) -> int:
        """Read a number or a name of at least three letters."""
        word = text.lower()[:3]
        if word in self.words:
            return self.words.index(word) + self.lowest
        value = int(text)
        if not self.lowest <= value <= self.highest:
            raise ValueError(f"{self.name} is {self.lowest} to {self.highest}, not {value}")
        return value

    def values(self, text: str) -> tuple[int, ...]:
        """Read `*`, numbers, ranges, steps and lists of them, in order."""
        return tuple(sorted({value for part in text.split(",") for value in self._part(part)}))

    def _part(self, text: str) -> range:
        body, slash, step = text.partition("/")
        first, dash, last = body.partition("-")
        if body == "*":
            low, high = self.lowest, self.highest
        elif dash:
            low, high = sorted((self.number(first), self.number(last)))
        else:
            low = self.number(first)
            high = self.highest if slash else low
        stride = int(step) if slash else 1
        if stride < 1:
            raise ValueError(f"a step in {self.name} is at least 1")
        return range(low, high + 1, stride)


FIELDS = (
    Field(name="second", lowest=0, highest=59),
    Field(name="minute", lowest=0, highest=59),
    Field(name="hour", lowest=0, highest=23),
    Field(name="day", lowest=1, highest=31),
    Field(name="month", lowest=1, highest=12, words=MONTHS),
    Field(name="weekday", lowest=0, highest=6, words=WEEKDAYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crontab:
    """A parsed schedule."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def following(self, moment: datetime) -> datetime | None:
        """Return the first occurrence later than the moment, or None if there is none (30 February)."""
        day, last = moment.date(), moment.date() + LONGEST_GAP
        while day <= last:
            if self._falls_on(day):
                for hour, minute, second in self._times():
                    found = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=moment.tzinfo)
                    if found > moment:
                        return found
            day += timedelta(days=1)
        return None

    def _falls_on(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        return day.month in self.months and day.day in self.days and weekday in self.weekdays

    def _times(self) -> Iterator[tuple[int, int, int]]:
        return ((h, m, s) for h in self.hours for m in self.minutes for s in self.seconds)


def read_crontab(text: str) -> Crontab:
    """Read an expression; ValueError says which field is wrong."""
    parts = text.split()
    if len(parts) == len(FIELDS) - 1:
        parts = ["0", *parts]
    if len(parts) != len(FIELDS):
        raise ValueError(f"a schedule has six fields (second first), not {len(parts)}: {text!r}")
    try:
        found = [kind.values(part) for kind, part in zip(FIELDS, parts, strict=True)]
    except ValueError as error:
        raise ValueError(f"the schedule {text!r} can't be read: {error}") from error
    seconds, minutes, hours, days, months, weekdays = found
    return Crontab(
        seconds=seconds,
        minutes=minutes,
        hours=hours,
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(weekdays),
    )
