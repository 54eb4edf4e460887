"""The REST API by which an app sends, and says who is in which group.

What the reference lists and nobody here needs (transactions, streams, invocations with an answer, listing a group, access keys for
app servers) is answered with 501, so that it is not mistaken for done.
https://learn.microsoft.com/azure/azure-signalr/swagger/signalr-data-plane-rest-v20241201 (2026-06)
"""

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from local.signalr.access import Access
from local.signalr.frames import write_invocation
from local.signalr.hubs import Connection, Hub
from local.signalr.refusals import Refused

LARGEST_BODY: Final = 1024 * 1024
"""https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api (2026-06)"""
LONGEST_GROUP: Final = 1_024
VERSIONS: Final = frozenset({"2022-06-01", "2022-11-01", "2024-12-01"})
MOST_MINUTES: Final = 24 * 60
"""The reference names no limit for a client's token; a day is ours."""

_HUB: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True, kw_only=True)
class Moods:
    """What a test or a person may have the REST API do wrong."""

    status: int = 0
    """Answer everything with this."""
    retry_after: int = 0
    """And with this many seconds in ``Retry-After``."""
    lose: int = 0
    """Cut the connection of so many requests, as a balancer does that has waited too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRoutes:
    """Requests of the app, and a count of those that were let in."""

    access: Access
    hub_named: Callable[[str], Hub]
    base: Callable[[], str]
    moods: Moods
    asked: Counter[str] = field(default_factory=Counter)

    def routes(self) -> Sequence[web.RouteDef]:
        """List them."""
        hub, connection = "/api/hubs/{hub}", "/api/hubs/{hub}/connections/{connection}"
        group, user = "/api/hubs/{hub}/groups/{group}", "/api/hubs/{hub}/users/{user}"
        listed: Sequence[tuple[str, str, Handler]] = [
            ("POST", f"{hub}/:generateToken", self.generate_token),
            ("POST", f"{hub}/:send", self.send),
            ("POST", f"{connection}/:send", self.send),
            ("POST", f"{group}/:send", self.send),
            ("POST", f"{user}/:send", self.send),
            ("POST", f"{hub}/:closeConnections", self.close),
            ("POST", f"{group}/:closeConnections", self.close),
            ("POST", f"{user}/:closeConnections", self.close),
            ("DELETE", connection, self.close),
            ("HEAD", connection, self.exists),
            ("HEAD", group, self.exists),
            ("HEAD", user, self.exists),
            ("HEAD", user + "/groups/{group}", self.user_in_group),
            ("PUT", user + "/groups/{group}", self.user_joins),
            ("DELETE", user + "/groups/{group}", self.user_parts),
            ("DELETE", user + "/groups", self.user_parts_from_all),
            ("PUT", group + "/connections/{connection}", self.connection_joins),
            ("DELETE", group + "/connections/{connection}", self.connection_parts),
            ("*", "/api/hubs/{hub}/{rest:.*}", self.not_here),
        ]
        guarded = [web.route(method, path, self._guarded(handler)) for method, path, handler in listed]
        return [web.head("/api/health", self.health), *guarded]

    def _guarded(self, handler: Handler) -> Handler:
        async def guard(request: web.Request) -> web.StreamResponse:
            if self.moods.lose:
                self.moods.lose -= 1
                if request.transport:
                    request.transport.close()
                return web.Response()
            if self.moods.status:
                raise Refused(self.moods.status, "Ordered", "As ordered.", retry_after=self.moods.retry_after)
            await self.access.caller(request, self.base())
            if request.query.get("api-version") not in VERSIONS:
                raise Refused(400, "BadRequest", "The api-version is missing, or none that is known here.")
            if not _HUB.fullmatch(request.match_info["hub"]):
                raise Refused(400, "BadRequest", "Hub names begin with a letter and go on with letters, digits and _.")
            if not 0 < len(request.match_info.get("group", "g")) <= LONGEST_GROUP:
                raise Refused(400, "BadRequest", "A group's name has 1 to 1,024 characters.")
            self.asked[f"{request.method} {request.path.rpartition('/')[2]}"] += 1
            return await handler(request)

        return guard

    async def health(self, _: web.Request) -> web.Response:
        """Say that the service is there."""
        return web.Response()

    async def generate_token(self, request: web.Request) -> web.Response:
        """Make a client's token; for how long is in minutes, an hour by default."""
        text = request.query.get("minutesToExpire", "60")
        if not (text.isascii() and text.isdigit()) or not 0 < int(text[:9]) <= MOST_MINUTES:
            raise Refused(400, "BadRequest", f"minutesToExpire is a number from 1 to {MOST_MINUTES}.")
        audience = f"{self.base()}/client/?hub={request.match_info['hub']}"
        return web.json_response(
            {"token": self.access.client_token(audience, request.query.get("userId", ""), int(text))}
        )

    async def send(self, request: web.Request) -> web.Response:
        """Send to everybody, to a group, to a user or to a connection; whether anybody is there is not said."""
        body = await _read(request)
        frame = write_invocation(body["target"], body["arguments"])
        for connection in self._addressed(request):
            connection.push(frame)
        return web.Response(status=202)

    async def close(self, request: web.Request) -> web.Response:
        """End connections. Clients do not come back by themselves."""
        for connection in self._addressed(request):
            connection.close(request.query.get("reason", ""))
        return web.Response(status=200 if request.method == "DELETE" else 204)

    async def exists(self, request: web.Request) -> web.Response:
        """Tell whether anybody is there."""
        return web.Response(status=200 if any(True for _ in self._addressed(request)) else 404)

    async def user_in_group(self, request: web.Request) -> web.Response:
        """Tell whether a user is in a group."""
        hub, at = self._hub(request), request.match_info
        return web.Response(status=200 if hub.has_user(at["user"], at["group"]) else 404)

    async def user_joins(self, request: web.Request) -> web.Response:
        """Put a user into a group."""
        text = request.query.get("ttl")
        if text is not None and not (text.isascii() and text.isdigit()):
            raise Refused(400, "BadRequest", "ttl is a number of seconds.")
        hub, at = self._hub(request), request.match_info
        hub.add_user(at["user"], at["group"], None if text is None else int(text[:9]))
        return web.Response()

    async def user_parts(self, request: web.Request) -> web.Response:
        """Take a user out of a group."""
        self._hub(request).remove_user(request.match_info["user"], request.match_info["group"])
        return web.Response(status=204)

    async def user_parts_from_all(self, request: web.Request) -> web.Response:
        """Take a user out of every group."""
        self._hub(request).remove_user_everywhere(request.match_info["user"])
        return web.Response(status=204)

    async def connection_joins(self, request: web.Request) -> web.Response:
        """Put a connection into a group."""
        hub, at = self._hub(request), request.match_info
        connection = hub.connections.get(at["connection"])
        if connection is None:
            raise Refused(404, "NotFound", "There is no such connection.")
        hub.join(connection, at["group"])
        return web.Response()

    async def connection_parts(self, request: web.Request) -> web.Response:
        """Take a connection out of a group; one that is gone is out of it."""
        hub, at = self._hub(request), request.match_info
        if connection := hub.connections.get(at["connection"]):
            hub.part(connection, at["group"])
        return web.Response()

    async def not_here(self, request: web.Request) -> web.Response:
        """Say that this is not in the stand-in."""
        raise Refused(
            501, "NotImplemented", f"{request.method} {request.path} is not in this stand-in for the service."
        )

    def _hub(self, request: web.Request) -> Hub:
        return self.hub_named(request.match_info["hub"])

    def _addressed(self, request: web.Request) -> Iterable[Connection]:
        hub, at, excluded = self._hub(request), request.match_info, frozenset(request.query.getall("excluded", ()))
        if "connection" in at:
            return (each for each in [hub.connections.get(at["connection"])] if each is not None)
        if "group" in at:
            return hub.in_group(at["group"], excluded)
        return hub.of_user(at["user"], excluded) if "user" in at else hub.everybody(excluded)


async def _read(request: web.Request) -> dict[str, Any]:
    try:
        message = json.loads(await request.read())
    except (ValueError, RecursionError) as broken:
        raise Refused(400, "BadRequest", "The body is not JSON.") from broken
    if not isinstance(message, dict) or not isinstance(message.get("target"), str) or not message["target"]:
        raise Refused(400, "BadRequest", "The target is missing.")
    if not isinstance(message.setdefault("arguments", []), list):
        raise Refused(400, "BadRequest", "The arguments are a list.")
    return message
