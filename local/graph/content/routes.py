"""Everything of Graph's that is neither a subscription nor a batch: reading, delta, and the operations that change something.

Not here: what is found, see `reading` and `delta_reading`; what an operation does, see `writing`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.graph.clock import Clock
from local.graph.content.bodies import Asked
from local.graph.content.delta import DeltaTokens
from local.graph.content.delta_reading import DeltaReading, delta_of
from local.graph.content.flavours import DIRECTORY, OUTLOOK, flavour_of, unknown_segment
from local.graph.content.links import Place, entity_context, list_context, type_among_others
from local.graph.content.odata.query import Query, page_size, read_query
from local.graph.content.paging import Lists
from local.graph.content.reading import deleted, own_path, read_entity, read_list, replies
from local.graph.content.sharing import read_permissions
from local.graph.content.tokens import Seal
from local.graph.content.writing import Writing
from local.graph.dice import Dice
from local.graph.faults import GraphFault, bad_request
from local.graph.identity.callers import Caller, Callers
from local.graph.knobs import Knobs
from local.graph.subscribing.preferences import IMMUTABLE_IDS, read_preferences
from local.graph.tenant.entity import Change, Entity
from local.graph.tenant.immutable_ids import under_immutable_id
from local.graph.tenant.world import World

COUNT = "/$count"
NEEDS_EVENTUAL = (
    "Request with $search query parameter only works through MSGraph with a special request header: "
    "'ConsistencyLevel: eventual'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request to read: who asks, in which tenant, for what."""

    world: World
    key: str
    query: Query
    place: Place
    headers: Mapping[str, str]
    immutable: bool


class ContentRoutes:
    """Every path below `/v1.0` that nobody else serves, in both of Graph's spellings."""

    def __init__(
        self,
        worlds: Mapping[str, World],
        callers: Callers,
        announce: Callable[[Sequence[Change]], None],
        *,
        clock: Clock,
        knobs: Knobs,
        dice: Dice,
    ) -> None:
        seal = Seal.of(dice)
        self._worlds = worlds
        self._callers = callers
        self._announce = announce
        self._knobs = knobs
        self._lists = Lists(seal=seal)
        self._writing = Writing()
        self.tokens = DeltaTokens(seal, clock, knobs)
        self._delta = DeltaReading(self.tokens, clock, knobs, dice)

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints; they must be registered last."""
        path = "/v1.0/{path:.+}"
        writing = [route(path, self.change) for route in (web.post, web.patch, web.put, web.delete)]
        return [web.get(path, self.get), *writing]

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one thing, a list, a count, or a page of delta."""
        world, _, path = self._where(request)
        asked_delta = delta_of(path)
        counting = path.endswith(COUNT)
        own = asked_delta[0] if asked_delta else path.removesuffix(COUNT)
        options = list(request.query.items())
        if asked_delta and asked_delta[1]:
            options.append(("token", asked_delta[1]))
        call = _Call(
            world=world,
            key=world.names.canonical(own),
            query=read_query(options),
            place=_place(request, is_delta=asked_delta is not None),
            headers=request.headers,
            immutable=_prefers_immutable_ids(request),
        )
        if counting:
            return _count(call)
        answer = self._page_of_delta(call) if asked_delta else self._read(call)
        return web.json_response(answer, headers=_applied(call.key, immutable=call.immutable))

    async def change(self, request: web.Request) -> web.Response:
        """Do what an operation does, let everybody be told, and answer as Graph does."""
        world, caller, path = self._where(request)
        immutable = _prefers_immutable_ids(request)
        asked = Asked(
            world=world,
            caller=caller,
            method=request.method,
            key=world.names.canonical(path),
            raw=await request.read(),
        )
        done = self._writing.operate(asked)
        if done.changes:
            self._announce(done.changes)
        headers = _applied(asked.key, immutable=immutable)
        if done.body is not None:
            return web.json_response(done.body, status=done.status, headers=headers)
        if done.entity is None:
            return web.Response(status=done.status, headers=headers)
        entity = under_immutable_id(done.entity) if immutable else done.entity
        kind = type_among_others(asked.key, entity)
        content = {"@odata.context": entity_context(entity), **kind, **entity.content}
        return web.json_response(content, status=done.status, headers=headers)

    def _where(self, request: web.Request) -> tuple[World, Caller, str]:
        caller = self._callers.identify(request)
        world = self._worlds.get(caller.tenant_id)
        if world is None:
            raise GraphFault(404, "Request_ResourceNotFound", f"Tenant '{caller.tenant_id}' does not exist.")
        return world, caller, own_path(request.match_info["path"], caller.user_id)

    def _page_of_delta(self, call: _Call) -> dict[str, Any]:
        size = _size(call)
        return self._delta.answer(call.world, call.key, call.query, call.place, size, immutable=call.immutable)

    def _read(self, call: _Call) -> dict[str, Any]:
        """Return one thing, or a list."""
        entity = read_entity(call.world, call.key)
        if entity is not None:
            return _one(call, entity)
        return read_permissions(call.world, call.key, call.query) or self._list(call)

    def _list(self, call: _Call) -> dict[str, Any]:
        _check_list(call)
        size, token = _size(call) or self._knobs.content_page, call.query.texts.get("skiptoken")
        if token:
            page = self._lists.further(call.key, token, size)
        else:
            keys = [entity.key for entity in _need_list(call)][call.query.skip :]
            page = self._lists.first(call.key, keys, size, empty=self._knobs.empty_pages)
        there = [entity for key in page.keys if (entity := _still(call, key))]
        answer: dict[str, Any] = {"@odata.context": list_context(call.key, call.query.texts.get("select", ""))}
        if call.query.count:
            answer["@odata.count"] = page.total
        if page.next_token:
            options = {name: text for name, text in call.query.texts.items() if name not in {"skiptoken", "skip"}}
            options["skiptoken"] = page.next_token
            answer["@odata.nextLink"] = call.place.link({_written(name): text for name, text in options.items()})
        return answer | {"value": [_item(call, entity) for entity in there]}


def _size(call: _Call) -> int | None:
    """Return how many items the caller wants on a page, if it says. Raises 400 for more (or fewer) than Graph allows."""
    most, top = flavour_of(call.key).most, call.query.top
    if top is not None and not 1 <= top <= most:
        exceeded = f"The limit of '{most}' for Top query has been exceeded."
        raise bad_request(f"{exceeded} The value from the incoming request is '{top}'.")
    preferred = page_size(call.headers.get("Prefer", ""))
    return min(preferred, most) if preferred else top


def _prefers_immutable_ids(request: web.Request) -> bool:
    return IMMUTABLE_IDS in read_preferences(request.headers.getall("Prefer", []))


def _applied(key: str, *, immutable: bool) -> dict[str, str]:
    """Return the header that says that a preference was heeded: Outlook's ids are the only ones with a choice."""
    chosen = immutable and (flavour_of(key) is OUTLOOK or key.lower().endswith("/sendmail"))
    return {"Preference-Applied": IMMUTABLE_IDS} if chosen else {}


def _place(request: web.Request, *, is_delta: bool) -> Place:
    """Return where links lead: to where the request was sent, without a token in parentheses."""
    url = str(request.url.with_query(None))
    return Place(url=f"{url.rpartition('/')[0]}/delta" if is_delta else url)


def _written(name: str) -> str:
    return name if name in {"startdatetime", "enddatetime"} else f"${name}"


def _still(call: _Call, key: str) -> Entity | None:
    """Return what a page of a list was to show, unless it has gone in the meantime."""
    entity = read_entity(call.world, key)
    return entity or next((each for each in deleted(call.world) if each.key == key), None)


def _need_list(call: _Call) -> list[Entity]:
    """Return what is listed. Raises the workload's 404, or 400 for a segment that Graph does not have."""
    found = read_list(call.world, call.key, call.query)
    if found is not None:
        return found
    owner, _, last = call.key.rpartition("/")
    if owner and read_entity(call.world, owner) and last.isalpha():
        raise unknown_segment(last)
    raise flavour_of(call.key).not_found(last)


def _check_list(call: _Call) -> None:
    eventual = call.headers.get("ConsistencyLevel", "").lower() == "eventual"
    if call.query.found and flavour_of(call.key) is DIRECTORY and not eventual:
        raise GraphFault(400, "Request_UnsupportedQuery", NEEDS_EVENTUAL)


def _count(call: _Call) -> web.Response:
    if flavour_of(call.key) is DIRECTORY and call.headers.get("ConsistencyLevel", "").lower() != "eventual":
        raise GraphFault(400, "Request_BadRequest", "$count is not currently supported.")
    return web.Response(text=str(len(_need_list(call))))


def _one(call: _Call, entity: Entity) -> dict[str, Any]:
    return {"@odata.context": entity_context(entity)} | _item(call, entity)


def _item(call: _Call, entity: Entity) -> dict[str, Any]:
    shown = under_immutable_id(entity) if call.immutable else entity
    item = {**type_among_others(call.key, entity), **call.query.selected(shown.content)}
    if "replies" in call.query.expand and entity.row.key == "channel-message":
        item["replies"] = [dict(reply.content) for reply in replies(call.world, entity)]
    return item
