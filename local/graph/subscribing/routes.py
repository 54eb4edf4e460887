"""`/v1.0/subscriptions`: create with handshake, read, renew, reauthorize, delete.

Not here: the rules for properties, see `subscription_rules`; what exists, see `subscriptions`.
"""

import json
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from local.graph.clock import Clock
from local.graph.faults import GraphFault, invalid
from local.graph.identity.callers import Callers
from local.graph.judge import Judge
from local.graph.subscribing.handshake import Handshake
from local.graph.subscribing.rules import read_amendment, read_request
from local.graph.subscribing.store import Subscription, Subscriptions

CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#subscriptions"
PAGE = 100
APART = timedelta(minutes=10)


class SubscriptionRoutes:
    """The subscription endpoints of one app after another, each seeing only its own."""

    def __init__(
        self, *, subscriptions: Subscriptions, callers: Callers, handshake: Handshake, judge: Judge, clock: Clock
    ) -> None:
        self._subscriptions = subscriptions
        self._callers = callers
        self._handshake = handshake
        self._judge = judge
        self._clock = clock
        self._gone: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [
            web.post("/v1.0/subscriptions", self.create),
            web.get("/v1.0/subscriptions", self.list),
            web.get("/v1.0/subscriptions/{id}", self.get),
            web.patch("/v1.0/subscriptions/{id}", self.patch),
            web.delete("/v1.0/subscriptions/{id}", self.delete),
            web.post("/v1.0/subscriptions/{id}/reauthorize", self.reauthorize),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Check, shake hands with both URLs in turn, and only then let the subscription exist."""
        caller = self._callers.identify(request)
        asked = read_request(await read_json(request), now=self._clock.now())
        owner = {"app_id": caller.app_id, "tenant_id": caller.tenant_id}
        self._subscriptions.check_room(asked, now=self._clock.now(), **owner)
        await self._handshake.ask(asked.notification_url)
        if asked.lifecycle_notification_url:
            await self._handshake.ask(asked.lifecycle_notification_url)
        # a twin may have been created while the endpoints were answering
        self._subscriptions.check_room(asked, now=self._clock.now(), **owner)
        subscription = self._subscriptions.add(asked, creator_id=caller.object_id, **owner)
        return _entity(subscription, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """Answer with the caller's own, in pages, without clientState."""
        caller = self._callers.identify(request)
        own = [
            each.printed(with_client_state=False)
            for each in self._subscriptions.live(now=self._clock.now())
            if (each.app_id, each.tenant_id) == (caller.app_id, caller.tenant_id)
        ]
        text = request.query.get("$skiptoken", "0")
        start = int(text) if text.isdecimal() else 0
        answer: dict[str, Any] = {"@odata.context": CONTEXT, "value": own[start : start + PAGE]}
        if start + PAGE < len(own):
            answer["@odata.nextLink"] = f"{request.url.with_query(None)}?$skiptoken={start + PAGE}"
        return web.json_response(answer)

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one subscription."""
        return _entity(self._find(request), with_client_state=False)

    async def patch(self, request: web.Request) -> web.Response:
        """Renew, move or re-key; a new URL must shake hands first."""
        try:
            subscription = self._find(request)
        except GraphFault:
            self._note_gone(request.match_info["id"])
            raise
        now = self._clock.now()
        match, rich = subscription.asked.match, subscription.rich
        amendment = read_amendment(await read_json(request), match=match, rich=rich, now=now)
        if amendment.notification_url and amendment.notification_url != subscription.notification_url:
            await self._handshake.ask(amendment.notification_url)
        self._compare(subscription, subscription.reauthorized_at, now)
        self._subscriptions.amend(subscription, amendment, now=now)
        return _entity(subscription)

    async def reauthorize(self, request: web.Request) -> web.Response:
        """Accept a reauthorization, which changes nothing that can be seen."""
        subscription, now = self._find(request), self._clock.now()
        self._compare(subscription, subscription.patched_at, now)
        subscription.reauthorized_at = now
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a subscription."""
        self._subscriptions.remove(self._find(request))
        return web.Response(status=204)

    def _find(self, request: web.Request) -> Subscription:
        caller = self._callers.identify(request)
        return self._subscriptions.get(
            request.match_info["id"], app_id=caller.app_id, tenant_id=caller.tenant_id, now=self._clock.now()
        )

    def _compare(self, subscription: Subscription, other_renewal: datetime | None, now: datetime) -> None:
        if other_renewal and now - other_renewal < APART:
            self._judge.object_to("both-renewals", subscription.id, at=now)

    def _note_gone(self, subscription_id: str) -> None:
        if subscription_id in self._gone:
            self._judge.object_to("patch-gone", subscription_id, at=self._clock.now())
        self._gone.add(subscription_id)


async def read_json(request: web.Request) -> Any:
    """Return the body as JSON. Raises 400 for anything else."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as broken:
        raise invalid("Unable to read JSON request payload.") from broken


def _entity(subscription: Subscription, *, status: int = 200, with_client_state: bool = True) -> web.Response:
    answer = {"@odata.context": f"{CONTEXT}/$entity"} | subscription.printed(with_client_state=with_client_state)
    return web.json_response(answer, status=status)
