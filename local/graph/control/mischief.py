"""What Graph does to a receiver, and what others try, at the push of a button: forgeries, handshakes, lifecycle, outages, storms, keys.

Not here: departures that last, which are knobs; what people do, see `acting`.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web
from yarl import URL

from local.graph.clock import microseconds
from local.graph.control.asking import busy, flag_of, number_of, read_body, text_of, wrong
from local.graph.delivery.attempts import known_channel
from local.graph.delivery.forgery import KINDS, ONLY_RICH
from local.graph.delivery.notices import Notice
from local.graph.delivery.tally import Tally
from local.graph.faults import GraphFault
from local.graph.lifecycle.payload import EVENTS
from local.graph.subscribing.channels import place_of
from local.graph.subscribing.store import Subscription
from local.graph.tenant.people import Plan

if TYPE_CHECKING:
    from local.graph.simulator import Simulator

MOST_AT_ONCE, FASTEST = 100_000, 5_000.0
STORM_BODY = 100
"""How many changes a burst of a storm has at most."""


class Mischief:
    """The endpoints that are no friend of the receiver; each does one thing and says what became of it."""

    def __init__(self, graph: "Simulator", tally: Tally) -> None:
        self._graph = graph
        self._tally = tally

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [
            web.post("/_sim/deliver", self.deliver),
            web.post("/_sim/forge", self.forge),
            web.post("/_sim/handshake", self.handshake),
            web.post("/_sim/lifecycle", self.lifecycle),
            web.post("/_sim/revoke", self.revoke),
            web.post("/_sim/expire", self.expire),
            web.post("/_sim/outage", self.outage),
            web.post("/_sim/storm", self.storm),
            web.post("/_sim/rotate-keys", self.rotate),
            web.post("/_sim/rotate-signing-keys", self.rotate),
        ]

    async def deliver(self, request: web.Request) -> web.Response:
        """Send any body, once, to a URL or to the first subscription's, and answer with what came back."""
        body = await read_body(request, known=frozenset({"url", "body"}))
        live = self._graph.subscriptions.live(now=self._graph.clock.now())
        url = body.get("url") or (live[0].notification_url if live else None)
        if not isinstance(url, str) or "body" not in body:
            raise wrong("a body, and a url while there is no subscription, are needed")
        try:
            raw = (body["body"] if isinstance(body["body"], str) else json.dumps(body["body"])).encode()
            URL(url)
        except ValueError as broken:
            raise wrong("the url must be a URL, and the body text that can be sent as UTF-8") from broken
        attempt = await self._graph.courier.post(url, raw)
        return web.json_response(attempt.printed())

    async def forge(self, request: web.Request) -> web.Response:
        """Send one forged item after the pattern of the last real one."""
        body = await read_body(request, known=frozenset({"kind", "subscriptionId"}))
        kind = str(body.get("kind"))
        if kind not in KINDS:
            raise wrong(f"kind must be one of {', '.join(KINDS)}")
        subscription = self._subscription(body) if "subscriptionId" in body else None
        real = self._last_told(subscription, rich=kind in ONLY_RICH)
        live = self._graph.subscriptions.live(now=self._graph.clock.now())
        forgery = self._graph.forger.make(kind, real, live)
        if forgery.tokens is None:
            self._graph.publisher.post([forgery.notice], self._tally)
        else:
            self._graph.publisher.post_with([forgery.notice], forgery.tokens, self._tally)
        answer = {"kind": kind, "says": KINDS[kind], "subscriptionId": real.subscription.id}
        return web.json_response(answer, status=202)

    async def handshake(self, request: web.Request) -> web.Response:
        """Ask a subscription's webhooks to echo a token once more; the knobs say what kind of token, and how often."""
        subscription = self._subscription(await read_body(request, known=frozenset({"subscriptionId"})))
        urls = dict.fromkeys(filter(None, (subscription.notification_url, subscription.lifecycle_url)))
        asked = [url for url in urls if known_channel(url) == "webhook"]
        if not asked:
            raise wrong(f"subscription {subscription.id} delivers to no webhook, and only those shake hands")
        for url in asked:
            try:
                await self._graph.handshake.ask(url)
            except GraphFault as fault:
                raise wrong(f"{place_of(url)}: {fault.message}") from fault
        return web.json_response({"subscriptionId": subscription.id, "asked": [place_of(url) for url in asked]})

    async def lifecycle(self, request: web.Request) -> web.Response:
        """Send a lifecycle notification; `subscriptionRemoved` also removes the subscription."""
        body = await read_body(request, known=frozenset({"subscriptionId", "event", "force"}))
        subscription, event = self._subscription(body), body.get("event")
        if event not in EVENTS:
            raise wrong(f"event must be one of {', '.join(EVENTS)}")
        try:
            told = self._graph.keeper.send(subscription, event, force=flag_of(body, "force"))
        except ValueError as problem:
            raise wrong(f'{problem}; "force": true sends it all the same') from problem
        return web.json_response({"subscriptionId": subscription.id, "event": event, "told": told}, status=202)

    async def revoke(self, request: web.Request) -> web.Response:
        """Take an app's permission away, as an admin does, or give it back with `restore`."""
        body = await read_body(request, known=frozenset({"appId", "restore"}))
        app_id = text_of(body, "appId", example="the client id of an app that subscribes")
        if flag_of(body, "restore"):
            self._graph.keeper.restore(app_id)
            return web.json_response({"appId": app_id, "revoked": False})
        return web.json_response({"appId": app_id, "revoked": True, "told": self._graph.keeper.revoke(app_id)})

    async def expire(self, request: web.Request) -> web.Response:
        """Let a subscription's life end now, or every one's, or make every delta link too old."""
        body = await read_body(request, known=frozenset({"subscriptionId", "all", "delta"}))
        if flag_of(body, "delta"):
            self._graph.content.tokens.expire_all()
            return web.json_response({"delta": True})
        now = self._graph.clock.now()
        if flag_of(body, "all"):
            ending = self._graph.subscriptions.live(now=now)
        elif "subscriptionId" in body:
            ending = [self._subscription(body)]
        else:
            raise wrong('name a "subscriptionId", or say "all": true, or "delta": true for delta links')
        for subscription in ending:
            self._graph.subscriptions.remove(subscription)
        return web.json_response({"expired": [each.id for each in ending]})

    async def outage(self, request: web.Request) -> web.Response:
        """Let Graph itself send nothing for a while; nobody is told."""
        body = await read_body(request, known=frozenset({"seconds", "lose"}))
        seconds, lose = number_of(body, "seconds"), flag_of(body, "lose")
        self._graph.courier.outage(seconds, lose=lose)
        until = self._graph.clock.now() + timedelta(seconds=seconds)
        return web.json_response({"until": microseconds(until), "lose": lose}, status=202)

    async def storm(self, request: web.Request) -> web.Response:
        """Let very much happen at once: so many changes at so many a second."""
        body = await read_body(request, known=frozenset({"changes", "rate"}))
        changes = round(number_of(body, "changes", least=1, most=MOST_AT_ONCE, default=500))
        rate = number_of(body, "rate", least=0.1, most=FASTEST, default=200)
        plan = Plan(rate=rate, seconds=changes / rate, body_max=STORM_BODY, duplicates=0, forged=0)
        try:
            self._graph.chatter.start(plan)
        except RuntimeError as problem:
            raise busy(f"{problem}; GET /_sim/chatter says how far it is") from problem
        return web.json_response(self._graph.chatter.tally.printed(), status=202)

    async def rotate(self, request: web.Request) -> web.Response:
        """Sign with a new key; `{"forget": true}` takes the old ones out of the JWKS at once."""
        body = await read_body(request, known=frozenset({"forget"}))
        return web.json_response({"kid": await self._graph.authority.rotate(forget=flag_of(body, "forget"))})

    def _last_told(self, subscription: Subscription | None, *, rich: bool) -> Notice:
        now, find = self._graph.clock.now(), self._graph.subscriptions.find
        for notice in reversed(self._graph.publisher.recent):
            mine = subscription is None or notice.subscription is subscription
            if mine and notice.genuine and (notice.encrypted or not rich) and find(notice.subscription.id, now=now):
                return notice
        data = " with resource data" if rich else ""
        raise wrong(
            f"a forgery needs a real notification{data} as its pattern, and none was sent to a live subscription yet; "
            'let something happen first: POST /_sim/post {"where": "General", "text": "hello"}'
        )

    def _subscription(self, body: Mapping[str, Any]) -> Subscription:
        found = self._graph.subscriptions.find(str(body.get("subscriptionId", "")), now=self._graph.clock.now())
        if found is None:
            raise wrong("subscriptionId must name a live subscription; GET /_sim/subscriptions lists them")
        return found
