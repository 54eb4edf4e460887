"""How Graph's own endpoints are reached: in two versions, in two spellings, and by no method but theirs."""

from collections.abc import Iterable, Iterator

from aiohttp import web
from aiohttp.typedefs import Handler

STABLE, BETA = "/v1.0", "/beta"
ONCE_MORE = {"subscriptions": "Subscriptions"}
"""Paths are not case-sensitive in Graph; this spelling is the one that lifecycle notifications use themselves."""


def is_graph(path: str) -> bool:
    """Return whether a path belongs to Graph itself, rather than to sign-in or to the simulator's own controls."""
    return path.startswith((STABLE, BETA))


def in_both_versions(routes: Iterable[web.RouteDef]) -> Iterator[web.RouteDef]:
    """Yield every `/v1.0` route and its `/beta` twin.

    Twins rather than a rewritten request: what a handler sees is what was asked for, so that a next page stays in its version.
    """
    for route in routes:
        rest = route.path.removeprefix(STABLE)
        _, name, *deeper = rest.split("/", 2)
        spellings = [rest, "/".join(("", ONCE_MORE[name], *deeper))] if name in ONCE_MORE else [rest]
        for version in (STABLE, BETA):
            for spelling in spellings:
                yield web.RouteDef(route.method, version + spelling, route.handler, route.kwargs)


def and_no_other_method(routes: Iterable[web.RouteDef]) -> Iterator[web.RouteDef]:
    """Yield the routes, and 405 for every other method of their paths, which nothing registered later can then take."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        methods.setdefault(route.path, set()).add(route.method)
        yield route
    for path, allowed in methods.items():
        yield web.RouteDef("*", path, _refuse(frozenset(allowed)), {})


def _refuse(allowed: frozenset[str]) -> Handler:
    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, allowed)

    return refuse
