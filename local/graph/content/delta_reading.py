"""Answers to `…/delta`: which collections have it, what each workload adds to it, and its links.

Not here: what belongs on which page, see `delta`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local.graph.clock import Clock
from local.graph.content.delta import DeltaTokens, Round, begin, finish, number_of, page, told, window
from local.graph.content.flavours import Flavour, flavour_of
from local.graph.content.links import Place, list_context, type_name
from local.graph.content.odata.query import Query, read_query
from local.graph.content.reading import in_window, people_of, replies
from local.graph.dice import Dice
from local.graph.faults import GraphFault, bad_request
from local.graph.knobs import Knobs
from local.graph.tenant.entity import Entity
from local.graph.tenant.immutable_ids import under_immutable_id
from local.graph.tenant.world import Collection, Event, World

# https://learn.microsoft.com/en-us/graph/delta-query-overview#supported-resources, as far as such things exist here
SUPPORTED = re.compile(
    r"""users|groups
    |users/[^/]+/(?:mailfolders|contacts|contactfolders|calendarview|todo/lists)
    |users/[^/]+/(?:mailfolders/[^/]+/messages|contactfolders/[^/]+/contacts|todo/lists/[^/]+/tasks)
    |users/[^/]+/onlinemeetings/getall(?:recordings|transcripts)
    |teams/[^/]+/channels/[^/]+/messages
    |drives/[^/]+/(?:root|items/root)
    |sites/[^/]+/lists/[^/]+/items""",
    re.VERBOSE,
)
FUNCTION = re.compile(r"(.+)/(?:microsoft\.graph\.)?delta(?:\((?:token='([^']*)')?\))?", re.IGNORECASE)

EXPIRED: Mapping[str, tuple[str, str]] = {
    "outlook": ("SyncStateNotFound", "The sync state generation is not found; continue with a full synchronization."),
    "files": (
        "resyncRequired",
        "Resync required. Replace any local items with the server's version (including deletes).",
    ),
    "directory": ("syncStateNotFound", "The sync state is too old; continue with a full synchronization."),
    "teams": ("SyncStateNotFound", "The delta token is too old; continue with a full synchronization."),
}
_TOKENS = ("deltatoken", "skiptoken", "token")
_NOT_IN_CALENDARS = ("select", "filter", "orderby", "search", "expand")


def delta_of(path: str) -> tuple[str, str | None] | None:
    """Return whose delta a path asks for, and the token in its parentheses; None if it asks for none."""
    fits = FUNCTION.fullmatch(path)
    return (fits[1], fits[2]) if fits else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One request for a page of delta, understood."""

    world: World
    key: str
    flavour: Flavour
    collection: Collection
    query: Query
    place: Place
    immutable: bool


class DeltaReading:
    """Answers requests for delta."""

    def __init__(self, tokens: DeltaTokens, clock: Clock, knobs: Knobs, dice: Dice) -> None:
        self._tokens = tokens
        self._clock = clock
        self._knobs = knobs
        self._dice = dice

    def answer(
        self, world: World, key: str, query: Query, place: Place, size: int | None, *, immutable: bool = False
    ) -> dict[str, Any]:
        """Return one page, with immutable ids if they are preferred. Raises 400 for what has no delta and for wrong tokens, 410 for old ones."""
        flavour = flavour_of(key)
        # a calendar's view is of its events, and the log of a drive is that of its root
        listed = re.sub(r"/items/root$", "/root", re.sub(r"/calendarview$", "/events", key))
        collection = world.collections.get(listed)
        if not SUPPORTED.fullmatch(key):
            raise bad_request("Resource not found for the segment 'delta'.")
        if collection is None:
            raise flavour.not_found(key.split("/")[1])
        asked = _Asked(
            world=world,
            key=key,
            flavour=flavour,
            collection=collection,
            query=query,
            place=place,
            immutable=immutable,
        )
        token = next((query.texts[name] for name in _TOKENS if query.texts.get(name)), None)
        if token == "latest" and flavour.latest:  # noqa: S105 - a word of Graph's, no secret
            return self._latest(asked)
        state = self._read(asked, token, size)
        return self._page(replace(asked, query=read_query(_options(state).items())), state)

    def _read(self, asked: _Asked, token: str | None, size: int | None) -> Round:
        """Return the round to go on with; one that begins now covers what can be seen now."""
        if token is None:
            state = Round(collection=asked.key, texts=_first_texts(asked))
        else:
            state = self._tokens.read(token, asked.key)
            if not self._tokens.fresh(state):
                raise _expired(asked, state)
        if size:
            state = replace(state, texts={**state.texts, "top": str(size)})
        return state if state.until is not None else self._begin(asked, state)

    def _begin(self, asked: _Asked, state: Round) -> Round:
        # the preference is each request's own, and a link is good with and without it: a round only remembers how it tells items apart
        state = replace(state, immutable=asked.immutable)
        logs = [asked.collection.log, *(log for _, log in _related_logs(asked.world, asked.collection, state))]
        return begin(state, logs, self._clock.seconds() - self._knobs.delta_lag_seconds)

    def _latest(self, asked: _Asked) -> dict[str, Any]:
        now = finish(self._begin(asked, Round(collection=asked.key, texts=_first_texts(asked))))
        return self._written(asked, [], now)

    def _page(self, asked: _Asked, state: Round) -> dict[str, Any]:
        if self._knobs.empty_pages and not state.done and not state.waited:
            return self._written(asked, [], replace(state, waited=True))
        size = asked.query.top or self._knobs.content_page
        events = told(_events(asked.world, asked.collection, state), state, _name_of(asked.world, state))
        found = page(events, state, size, self._repeats)
        shown = _Shown(asked, state)
        return self._written(asked, [item for event in found.events for item in shown.item(event)], found.then)

    def _repeats(self, event: Event) -> bool:
        share = self._knobs.delta_duplicates
        return share > 0 and self._dice.lot("delta-duplicate", event.number) < share

    def _written(self, asked: _Asked, items: list[dict[str, Any]], then: Round) -> dict[str, Any]:
        token, own = self._tokens.write(then), asked.flavour.token
        between = then.until is None
        link, option = ("@odata.deltaLink", own) if between else ("@odata.nextLink", own.replace("delta", "skip"))
        context = list_context(asked.key, asked.query.texts.get("select", ""))
        return {"@odata.context": context, link: asked.place.link({option: token}), "value": items}


class _Shown:
    """Entities as one round shows them."""

    def __init__(self, asked: _Asked, state: Round) -> None:
        self._asked = asked
        self._state = state
        calendar = asked.key.endswith("/calendarview")
        self._fits: Callable[[Mapping[str, Any]], bool] = in_window(asked.query) if calendar else asked.query.allows

    def item(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the item, or that it is gone and why; nothing for what the first round has no need to speak of."""
        entity = self._asked.world.entities[event.key]
        if self._asked.immutable:
            entity = under_immutable_id(entity)
        gone = event.gone or ("" if self._fits(entity.content) else "changed")
        if not gone:
            yield self._present(entity)
        elif self._state.since:
            yield _gone(entity, gone, self._asked.flavour)

    def _present(self, entity: Entity) -> dict[str, Any]:
        item = self._asked.query.selected(entity.content)
        if self._asked.flavour.name in {"outlook", "teams", "files"}:
            item = {"@odata.type": type_name(entity), **item}
        if "replies" in self._asked.query.expand:
            item["replies"] = [dict(reply.content) for reply in replies(self._asked.world, entity)]
        wanted = self._asked.query.select
        if entity.row.key == "group" and (not wanted or "members" in wanted):
            item |= _member_changes(self._asked.world, entity, self._state)
        return item


_ODATA = frozenset({"select", "filter", "top", "expand", "search", "orderby"})
_KEPT = _ODATA | {"startdatetime", "enddatetime"}


def _first_texts(asked: _Asked) -> dict[str, str]:
    """Return the options that a round keeps. Raises 400 for those that calendars do not take, or miss."""
    texts = {name: text for name, text in asked.query.texts.items() if name in _KEPT}
    if asked.key.endswith("/calendarview"):
        wrong = next((name for name in _NOT_IN_CALENDARS if name in texts), None)
        if wrong:
            raise GraphFault(
                400,
                "ErrorInvalidUrlQuery",
                f"The following parameters are not supported with change tracking over the 'CalendarView' resource: '${wrong}'.",
            )
        in_window(asked.query)
    return texts


def _options(state: Round) -> dict[str, str]:
    """Return the options of the first request as they were written."""
    return {f"${name}" if name in _ODATA else name: text for name, text in state.texts.items()}


def _expired(asked: _Asked, state: Round) -> GraphFault:
    code, message = EXPIRED[asked.flavour.name]
    # Outlook does not say where to begin anew
    if asked.flavour.name == "outlook":
        return GraphFault(410, code, message)
    anew = asked.place.link(_options(state) | {asked.flavour.token: ""})
    return GraphFault(410, code, message, headers={"Location": anew})


def _related(collection: Collection) -> Callable[[str], str] | None:
    """Return how to name the list that belongs to a member: a group's members, a channel message's replies."""
    if collection.key == "groups":
        return lambda key: f"teams/{key.rpartition('/')[2]}/members"
    if re.fullmatch(r"teams/[^/]+/channels/[^/]+/messages", collection.key):
        return lambda key: f"{key}/replies"
    return None


def _related_logs(world: World, collection: Collection, state: Round) -> Iterator[tuple[str, Sequence[Event]]]:
    """Yield each member that the log knows, up to the end of the round, with the log of what belongs to it."""
    name_of = _related(collection)
    if name_of is None:
        return
    seen = window(collection.log, replace(state, since=0)) if state.until is not None else collection.log
    for key, gone in {event.key: event.gone for event in seen}.items():
        other = world.collections.get(name_of(key))
        if other and other.log and not gone:
            yield key, other.log


def _events(world: World, collection: Collection, state: Round) -> Sequence[Event]:
    """Return the events of a round; what happens to that which belongs to a member happens to the member."""
    own = window(collection.log, state)
    related = [
        replace(event, key=key, gone="")
        for key, log in _related_logs(world, collection, state)
        for event in window(log, state)[-1:]
    ]
    return sorted([*own, *related], key=number_of) if related else own


def _name_of(world: World, state: Round) -> Callable[[Event], str]:
    """Return how a round tells one entity from another: an item that has come back is the same one under its immutable id only."""
    if not state.immutable:
        return lambda event: event.key
    return lambda event: world.entities[event.key].immutable_id or event.key


def _gone(entity: Entity, why: str, flavour: Flavour) -> dict[str, Any]:
    if flavour.removed:
        kind = {"@odata.type": type_name(entity)} if flavour.name != "directory" else {}
        return {**kind, "id": entity.id, "@removed": {"reason": why}}
    kept = {name: entity.content[name] for name in ("name", "parentReference") if name in entity.content}
    return {"@odata.type": type_name(entity), "id": entity.id, **kept, "deleted": {"state": "deleted"}}


def _member_changes(world: World, group: Entity, state: Round) -> dict[str, Any]:
    """Return `members@delta`: everybody in the first round, later who came and who left."""
    team_members = world.collections.get(f"teams/{group.id}/members")
    if team_members is None:
        return {}
    if not state.since:
        users: dict[str, str] = {user.id: "" for user in people_of(world, group.id)}
    else:
        users = {world.entities[event.key].content["userId"]: event.gone for event in window(team_members.log, state)}
    changes = [
        _reference(user_id) | ({"@removed": {"reason": "deleted"}} if gone else {}) for user_id, gone in users.items()
    ]
    return {"members@delta": changes} if changes else {}


def _reference(user_id: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.user", "id": user_id}
