"""Delta rounds from a collection's log: what there is, then what has changed since, each entity once a round as it is now.

A round is fixed when it begins: it covers the log up to a number, so its pages neither lose nor gain anything while it is read.
https://learn.microsoft.com/en-us/graph/delta-query-overview Not here: links and requests, see `delta_reading`.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter

from local.graph.clock import Clock
from local.graph.content.tokens import Seal
from local.graph.faults import GraphFault
from local.graph.knobs import Knobs
from local.graph.tenant.world import Event

SECONDS_PER_DAY = 86_400.0
KIND = "delta"

number_of, moment_of = attrgetter("number"), attrgetter("moment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round over a collection, and how far a caller has read it; between rounds `until` is None.

    The changes told are those after `since` up to `until`. `texts` are the query options of the first request, `immutable` is
    whether an item that moved away and came back is one and the same.
    """

    collection: str
    since: int = 0
    until: int | None = None
    done: int = 0
    page_before: int = 0
    issued: float = 0.0
    generation: int = 0
    waited: bool = False
    immutable: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of what a round tells, and the round as it stands after it: to be continued, or (`until` is None) the next one."""

    events: Sequence[Event]
    then: Round


class DeltaTokens:
    """Rounds as tokens, each good for a while; `expire_all` makes every caller begin anew."""

    def __init__(self, seal: Seal, clock: Clock, knobs: Knobs) -> None:
        self._seal = seal
        self._clock = clock
        self._knobs = knobs
        self._generation = 0

    def expire_all(self) -> None:
        """Let every token that was ever given out be too old."""
        self._generation += 1

    def write(self, state: Round) -> str:
        """Return the token that continues a round, or begins the next one."""
        dated = replace(state, issued=self._clock.now().timestamp(), generation=self._generation)
        return self._seal.close(KIND, asdict(dated))

    def read(self, token: str, collection: str) -> Round:
        """Return the round that a token continues. Raises 400 for what was not given out here, or for something else."""
        said = self._seal.open(KIND, token)
        if said is None or said["collection"] != collection:
            raise GraphFault(400, "BadRequest", "Badly formed token.")
        return Round(**said)

    def fresh(self, state: Round) -> bool:
        """Say whether a round that was read is not too old to be continued."""
        age = self._clock.now().timestamp() - state.issued
        return state.generation == self._generation and age <= self._knobs.delta_token_days * SECONDS_PER_DAY


def begin(state: Round, logs: Iterable[Sequence[Event]], horizon: float) -> Round:
    """Return a round that covers what has happened up to a moment."""
    seen = [log[index - 1].number for log in logs if (index := bisect_right(log, horizon, key=moment_of))]
    return replace(state, until=max([state.since, *seen]))


def finish(state: Round) -> Round:
    """Return where the round after this one begins."""
    assert state.until is not None, "only a round that has begun can end"  # noqa: S101 - the caller began it
    return replace(state, since=state.until, until=None, done=0, page_before=0, waited=False)


def window(log: Sequence[Event], state: Round) -> Sequence[Event]:
    """Return the events of a log that a round covers."""
    until = state.since if state.until is None else state.until
    return log[bisect_right(log, state.since, key=number_of) : bisect_right(log, until, key=number_of)]


def told(events: Iterable[Event], state: Round, name_of: Callable[[Event], str]) -> list[Event]:
    """Return what a round tells: the last event of each entity, in order. The first round does not speak of what is gone.

    `name_of` says by which name the entity is told, the same for what is the same to the caller.
    """
    last: dict[str, Event] = {}
    for event in events:
        name = name_of(event)
        last.pop(name, None)
        last[name] = event
    return [event for event in last.values() if state.since or not event.gone]


def page(events: Sequence[Event], state: Round, size: int, repeats: Callable[[Event], bool]) -> Page:
    """Return the next page of at most `size` events (but one new one at least); some of the page before may come again."""
    again = [event for event in events[state.page_before : state.done] if repeats(event)][: size - 1]
    end = state.done + max(1, size - len(again))
    then = replace(state, page_before=state.done, done=end, waited=False)
    return Page(events=[*again, *events[state.done : end]], then=finish(state) if end >= len(events) else then)
