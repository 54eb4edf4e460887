"""What people do in the tenant, done by hand: post, edit, delete, react, move, and whatever else can happen; and chatter.

Each answers with the thing as it became and with who is told of it. Not here: what Graph itself does wrong, see `mischief`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.graph.control.asking import busy, flag_of, read_body, text_of, wrong
from local.graph.control.happening import happen, read_wish
from local.graph.control.printing import MESSAGES, print_item
from local.graph.delivery.tally import Tally
from local.graph.tenant import acts
from local.graph.tenant.entity import Change, Entity
from local.graph.tenant.people import Plan
from local.graph.tenant.world import World

if TYPE_CHECKING:
    from local.graph.simulator import Simulator

PLAN = frozenset(Plan.__dataclass_fields__)


class Acting:
    """The endpoints that change the tenant. `tally` counts everything that is done by hand."""

    def __init__(self, graph: "Simulator") -> None:
        self._graph = graph
        self._samples = 0
        self.tally = Tally()

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [
            web.post("/_sim/chatter", self.start_chatter),
            web.get("/_sim/chatter", self.chatter),
            web.post("/_sim/post", self.post),
            web.post("/_sim/edit", self.edit),
            web.post("/_sim/delete", self.delete),
            web.post("/_sim/react", self.react),
            web.post("/_sim/move", self.move),
            web.post("/_sim/happen", self.happen),
        ]

    async def start_chatter(self, request: web.Request) -> web.Response:
        """Let people talk as planned, and answer at once."""
        body = await read_body(request, known=PLAN)
        try:
            self._graph.chatter.start(Plan.read(body))
        except ValueError as problem:
            raise wrong(str(problem)) from problem
        except RuntimeError as problem:
            raise busy(f"{problem}; GET /_sim/chatter says how far it is") from problem
        return web.json_response(self._graph.chatter.tally.printed(), status=202)

    async def chatter(self, _request: web.Request) -> web.Response:
        """Answer with how the latest run is going."""
        return web.json_response(self._graph.chatter.tally.printed())

    async def post(self, request: web.Request) -> web.Response:
        """Write one message by hand."""
        body = await read_body(request, known=frozenset({"where", "text", "from", "subject", "replyTo", "tenant"}))
        where, text = str(body.get("where", "")), body.get("text")
        found = [(world, place) for world in self._worlds(body) if (place := world.place(where))]
        if not found or not isinstance(text, str):
            names = [place.name for place in self._graph.world.places]
            raise wrong(
                f"where must name a channel, chat or mailbox ({', '.join(names[:9])} …), and text must be a string"
            )
        world, place = found[0]
        author = next((each for each in place.people if each.name == body.get("from")), place.people[-1])
        subject = body.get("subject") or (text[:40] if place.workload == "mail" else None)
        reply_to = body.get("replyTo") or None
        if reply_to and world.find(f"{place.key}/messages/{reply_to}") is None:
            raise wrong("replyTo must be the id of a message in that channel, not its whole resource")
        return self._announce([acts.post(world, place, text, author=author, subject=subject, reply_to=reply_to)])

    async def edit(self, request: web.Request) -> web.Response:
        """Give a message another text, or a thing another name."""
        body = await read_body(request, known=frozenset({"resource", "text"}))
        if not isinstance(body.get("text"), str):
            raise wrong("text must be a string")
        world, entity = self._entity(body)
        return self._announce([acts.edit(world, entity, body["text"])])

    async def delete(self, request: web.Request) -> web.Response:
        """Delete something; a user goes softly first, and for good the second time."""
        world, entity = self._entity(await read_body(request, known=frozenset({"resource"})), even_deleted_users=True)
        return self._announce([acts.delete(world, entity)])

    async def react(self, request: web.Request) -> web.Response:
        """Put a reaction under a Teams message, or take it back."""
        body = await read_body(request, known=frozenset({"resource", "reaction", "from", "takeBack"}))
        world, message = self._entity(body)
        if message.row.key not in {"channel-message", "chat-message"}:
            raise wrong("resource must name a message in a channel or a chat; mail has no reactions")
        person = world.person(str(body["from"])) if "from" in body else world.people[0]
        if person is None:
            raise wrong("from must name somebody of this tenant")
        reaction = text_of({"reaction": "like", **body}, "reaction", example="like")
        change = acts.react(world, message, person, reaction, take_back=flag_of(body, "takeBack"))
        return self._announce([change])

    async def move(self, request: web.Request) -> web.Response:
        """Move a mail to another folder: gone in one, new in the other, under another id."""
        body = await read_body(request, known=frozenset({"resource", "folder"}))
        world, message = self._entity(body)
        folder = text_of(body, "folder", example="archive")
        if message.row.key != "message":
            raise wrong("resource must name a mail")
        if world.find(f"users/{message.ids['user']}/mailFolders/{folder}") is None:
            raise wrong("folder must be inbox, archive, sentitems, drafts, deleteditems or a folder's id")
        return self._announce(acts.move_mail(world, message, folder))

    async def happen(self, request: web.Request) -> web.Response:
        """Let anything happen that can be subscribed to."""
        body = await read_body(request, known=frozenset({"kind", "ids", "changeType", "content", "tenant"}))
        world = self._worlds(body)[0]
        self._samples += 1
        wish = read_wish(body, self._graph.dice.of("samples", world.resumed, self._samples))
        return self._announce(happen(world, wish))

    def _announce(self, changes: Sequence[Change]) -> web.Response:
        """Tell everybody, and answer with the last thing as it is now and with what was told of all of them."""
        notices = [notice for change in changes for notice in self._graph.publisher.announce(change, self.tally)]
        told = [notice.truth.printed() for notice in notices if notice.truth]
        return web.json_response(print_item(changes[-1].entity) | {"told": told}, status=202)

    def _entity(self, body: Mapping[str, Any], *, even_deleted_users: bool = False) -> tuple[World, Entity]:
        resource = text_of(body, "resource", example="what POST /_sim/post answered as resource")
        for world in self._graph.worlds.values():
            entity = world.find(resource)
            if entity and (not entity.deleted or (even_deleted_users and entity.row.key == "user")):
                return world, entity
        raise wrong("resource must name a message, or another thing, that exists; GET /_sim/items lists messages")

    def _worlds(self, body: Mapping[str, Any]) -> list[World]:
        worlds = self._graph.worlds
        if "tenant" not in body:
            return list(worlds.values())
        if body["tenant"] not in worlds:
            raise wrong(f"tenant must be one of {', '.join(worlds)}")
        return [worlds[body["tenant"]]]


def messages_of(world: World) -> list[Entity]:
    """Return a tenant's messages of every kind, in order of arrival."""
    return [entity for entity in world.entities.values() if entity.row.key in MESSAGES]
