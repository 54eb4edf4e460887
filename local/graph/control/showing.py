"""What there is, for people and pages: the tenant, the truth, subscriptions, deliveries, health, judgements, the catalogue, settings.

Never a clientState, a token or the query of a URL. Not here: how single things are printed, see `printing`.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.graph.catalogue.find import CATALOGUE
from local.graph.clock import microseconds
from local.graph.control.acting import messages_of
from local.graph.control.asking import number_of, read_body, wrong
from local.graph.control.printing import print_item, print_subscription, print_world
from local.graph.delivery.forgery import KINDS
from local.graph.delivery.tally import Tally

if TYPE_CHECKING:
    from local.graph.simulator import Simulator

ON_THE_PAGE = 200
"""Subscriptions, attempts or changes that the state shows at most, so that a page stays quick with fifty thousand of them."""
LATEST_MESSAGES = 20


class Showing:
    """The endpoints that change nothing, and the two settings: the clock and the knobs."""

    def __init__(self, graph: "Simulator", tally: Tally) -> None:
        self._graph = graph
        self._tally = tally

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [
            web.get("/_sim/world", self.world),
            web.get("/_sim/changes", self.changes),
            web.get("/_sim/items", self.items),
            web.get("/_sim/deliveries", self.deliveries),
            web.get("/_sim/subscriptions", self.subscriptions),
            web.get("/_sim/health", self.health),
            web.get("/_sim/judge", self.judge),
            web.get("/_sim/judge/verdict", self.verdict),
            web.get("/_sim/tally", self.tally),
            web.get("/_sim/forgeries", self.forgeries),
            web.get("/_sim/catalogue", self.catalogue),
            web.get("/_sim/state", self.state),
            web.get("/_sim/clock", self.clock),
            web.post("/_sim/clock", self.advance),
            web.get("/_sim/knobs", self.knobs),
            web.post("/_sim/knobs", self.turn),
        ]

    async def world(self, request: web.Request) -> web.Response:
        """Answer with who and what there is, so that subscriptions can be declared; `?tenant=` names another one."""
        worlds = self._graph.worlds
        tenant = request.query.get("tenant", self._graph.world.tenant_id)
        if tenant not in worlds:
            raise wrong(f"tenant must be one of {', '.join(worlds)}")
        return web.json_response(print_world(worlds[tenant]) | {"tenants": list(worlds)})

    async def changes(self, request: web.Request) -> web.Response:
        """Answer with the truth: a row for each change and subscription that heard it; `?after=n` leaves out the first n."""
        text = request.query.get("after", "0")
        rows = islice(self._graph.publisher.truths, int(text) if text.isdecimal() else 0, None)
        return web.json_response({"changes": [row.printed() for row in rows]})

    async def items(self, _request: web.Request) -> web.Response:
        """Answer with every message as it is now."""
        items = [print_item(each) for world in self._graph.worlds.values() for each in messages_of(world)]
        return web.json_response({"items": items})

    async def deliveries(self, _request: web.Request) -> web.Response:
        """Answer with the latest attempts, oldest first."""
        return web.json_response({"deliveries": [each.printed() for each in self._graph.courier.attempts]})

    async def subscriptions(self, _request: web.Request) -> web.Response:
        """Answer with every live subscription of every app."""
        return web.json_response({"subscriptions": self._subscriptions(most=None)})

    async def health(self, _request: web.Request) -> web.Response:
        """Answer with what Graph thinks of each host: well, slow or dropped."""
        return web.json_response(self._graph.courier.printed_health())

    async def judge(self, _request: web.Request) -> web.Response:
        """Answer with what the receiver did wrong."""
        return web.json_response(self._graph.judge.printed())

    async def verdict(self, _request: web.Request) -> web.Response:
        """Answer with whether anything was wrong, and what."""
        return web.json_response(self._graph.judge.verdict())

    async def tally(self, _request: web.Request) -> web.Response:
        """Answer with the counts of everything that was done by hand."""
        return web.json_response(self._tally.printed())

    async def forgeries(self, _request: web.Request) -> web.Response:
        """Answer with the kinds of forgery, each with what is wrong with it."""
        return web.json_response(dict(KINDS))

    async def catalogue(self, _request: web.Request) -> web.Response:
        """Answer with what can be subscribed to, and what Graph allows there."""
        return web.json_response({"catalogue": [row.printed() for row in CATALOGUE if row.paths]})

    async def state(self, _request: web.Request) -> web.Response:
        """Answer with everything that a page shows, small enough to be asked for again and again."""
        truths, attempts = self._graph.publisher.truths, self._graph.courier.attempts
        worlds = self._graph.worlds.values()
        return web.json_response(
            {
                "clock": self.clock_now(),
                "urls": {
                    "http": self._graph.http_url,
                    "https": self._graph.https_url,
                    "ca": str(self._graph.ca_path),
                },
                "seed": self._graph.seed,
                "tenants": [
                    print_world(world)
                    | {"latest": [print_item(each) for each in messages_of(world)[-LATEST_MESSAGES:]]}
                    for world in worlds
                ],
                "changes": [row.printed() for row in islice(truths, max(0, len(truths) - ON_THE_PAGE), None)],
                "attempts": [each.printed() for each in islice(attempts, max(0, len(attempts) - ON_THE_PAGE), None)],
                "judgements": self._graph.judge.verdict(),
                **{name: look() for name, look in self.states().items()},
            }
        )

    async def clock(self, _request: web.Request) -> web.Response:
        """Answer with the simulated time and how fast it runs."""
        return web.json_response(self.clock_now())

    async def advance(self, request: web.Request) -> web.Response:
        """Move the clock on; whatever waits for a moment that has passed happens at once."""
        body = await read_body(request, known=frozenset({"advance"}))
        self._graph.clock.advance(timedelta(seconds=number_of(body, "advance")))
        return web.json_response(self.clock_now())

    async def knobs(self, _request: web.Request) -> web.Response:
        """Answer with every knob: what it means, what it can be, and what it is."""
        return web.json_response({"knobs": self._knobs()})

    async def turn(self, request: web.Request) -> web.Response:
        """Turn knobs by name: `{"duplicates": 0.2}`; all of them or, if anything is wrong, none."""
        knobs = self._graph.knobs
        body = await read_body(request, known=frozenset(knobs.printed()))
        try:
            knobs.turn(body)
        except ValueError as problem:
            raise wrong(str(problem)) from problem
        return web.json_response({name: knobs.printed()[name] for name in body})

    def states(self) -> dict[str, Callable[[], Any]]:
        """Return how to look at each thing that a page shows whole, by name."""
        return {
            "subscriptions": lambda: self._subscriptions(most=ON_THE_PAGE),
            "health": self._graph.courier.printed_health,
            "tallies": self._tallies,
            "knobs": self._knobs,
        }

    def clock_now(self) -> dict[str, Any]:
        """Return the simulated time."""
        clock = self._graph.clock
        return {
            "now": microseconds(clock.now()),
            "seconds": round(clock.seconds(), 3),
            "scale": clock.time_scale,
            "patience": clock.patience,
        }

    def _tallies(self) -> dict[str, Any]:
        """Return the counts of what was done by hand, by the latest chatter, and through Graph's own operations."""
        tallies = {"byHand": self._tally, "chatter": self._graph.chatter.tally, "byApps": self._graph.by_callers}
        return {name: each.printed() for name, each in tallies.items()}

    def _subscriptions(self, *, most: int | None) -> list[dict[str, Any]]:
        now, keeper = self._graph.clock.now(), self._graph.keeper
        found = []
        for subscription in islice(self._graph.subscriptions.live(now=now), most):
            authorized = keeper.authorizations.open(subscription, now)
            until = keeper.authorizations.until(subscription)
            found.append(print_subscription(subscription, authorized=authorized, authorized_until=until))
        return found

    def _knobs(self) -> list[dict[str, Any]]:
        values = self._graph.knobs.printed()
        return [each | {"value": values[each["name"]]} for each in self._graph.knobs.described()]
