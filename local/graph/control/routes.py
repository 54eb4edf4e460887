"""`/_sim/…`: the simulator's own controls, for tests, demos and curious people. No authentication; loopback only.

Not here: anything that Graph has.
"""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.graph.clock import Clock
from local.graph.delivery.courier import Delivery
from local.graph.delivery.publisher import Publisher
from local.graph.delivery.tally import Tally
from local.graph.identity.tokens import Authority
from local.graph.judge import Judge
from local.graph.subscribing.store import Subscription, Subscriptions
from local.graph.tenant.chatter import Chatter, Plan
from local.graph.tenant.world import Change, Item, World

LIFECYCLE_EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")


class Control:
    """The control endpoints; each does one thing and says what became of it."""

    def __init__(
        self,
        *,
        world: World,
        subscriptions: Subscriptions,
        authority: Authority,
        publisher: Publisher,
        delivery: Delivery,
        chatter: Chatter,
        judge: Judge,
        clock: Clock,
    ) -> None:
        self._world = world
        self._subscriptions = subscriptions
        self._authority = authority
        self._publisher = publisher
        self._delivery = delivery
        self._chatter = chatter
        self._judge = judge
        self._clock = clock
        self._by_hand = Tally()

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [
            web.get("/_sim/world", self.world),
            web.post("/_sim/chatter", self.start_chatter),
            web.get("/_sim/chatter", self.chatter),
            web.get("/_sim/changes", self.changes),
            web.get("/_sim/items", self.items),
            web.get("/_sim/deliveries", self.deliveries),
            web.get("/_sim/judge", self.judge),
            web.post("/_sim/post", self.post),
            web.post("/_sim/edit", self.edit),
            web.post("/_sim/delete", self.delete),
            web.post("/_sim/deliver", self.deliver),
            web.post("/_sim/lifecycle", self.lifecycle),
            web.post("/_sim/rotate-signing-keys", self.rotate),
        ]

    async def world(self, _request: web.Request) -> web.Response:
        """Answer with who and what there is, so that subscriptions can be declared."""
        places = [
            {"name": place.name, "workload": place.workload, "path": place.path, "resource": place.collection}
            | dict(place.ids)
            | ({"address": place.people[0].address} if place.workload == "mail" else {})
            for place in self._world.places
        ]
        people = [{"id": each.id, "name": each.name, "address": each.address} for each in self._world.people]
        answer = {
            "tenant": self._world.tenant_id,
            "team": self._world.team_id,
            "channels": [place for place in places if place["workload"] == "channel"],
            "chats": [place for place in places if place["workload"] == "chat"],
            "mailboxes": [place for place in places if place["workload"] == "mail"],
            "people": people,
        }
        return web.json_response(answer)

    async def start_chatter(self, request: web.Request) -> web.Response:
        """Let people talk as planned, and answer at once."""
        try:
            self._chatter.start(Plan.read(await _read(request)))
        except ValueError as wrong:
            raise _bad(str(wrong)) from wrong
        except RuntimeError as busy:
            raise web.HTTPConflict(text=json.dumps({"error": str(busy)}), content_type="application/json") from busy
        return web.json_response(self._chatter.tally.printed(), status=202)

    async def chatter(self, _request: web.Request) -> web.Response:
        """Answer with how the latest run is going."""
        return web.json_response(self._chatter.tally.printed())

    async def changes(self, request: web.Request) -> web.Response:
        """Answer with the truth: a row for each change and subscription that heard it; `?after=n` leaves out the first n."""
        text = request.query.get("after", "0")
        rows = self._publisher.truths[int(text) if text.isdecimal() else 0 :]
        return web.json_response({"changes": [row.printed() for row in rows]})

    async def items(self, _request: web.Request) -> web.Response:
        """Answer with every message as it is now."""
        return web.json_response({"items": [_print_item(item) for item in self._world.items.values()]})

    async def deliveries(self, _request: web.Request) -> web.Response:
        """Answer with the latest attempts, oldest first."""
        return web.json_response({"deliveries": [each.printed() for each in self._delivery.attempts]})

    async def judge(self, _request: web.Request) -> web.Response:
        """Answer with what the receiver did wrong."""
        return web.json_response(self._judge.printed())

    async def post(self, request: web.Request) -> web.Response:
        """Write one message by hand."""
        body = await _read(request)
        place = self._world.place(str(body.get("where", "")))
        if place is None or not isinstance(body.get("text"), str):
            raise _bad("where must name a channel, chat or mailbox, and text must be a string")
        author = next((each for each in place.people if each.name == body.get("from")), place.people[-1])
        subject = body.get("subject") or (body["text"][:40] if place.workload == "mail" else None)
        change = self._world.create(
            place, body["text"], author=author, subject=subject, reply_to=body.get("replyTo") or None
        )
        return self._announce(change)

    async def edit(self, request: web.Request) -> web.Response:
        """Edit one message by hand."""
        body = await _read(request)
        if not isinstance(body.get("text"), str):
            raise _bad("text must be a string")
        return self._announce(self._world.edit(self._item(body), body["text"]))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete one message by hand."""
        return self._announce(self._world.delete(self._item(await _read(request))))

    async def deliver(self, request: web.Request) -> web.Response:
        """Send any body, once, to a URL or to the first subscription's, and answer with what came back."""
        body = await _read(request)
        live = self._subscriptions.live(now=self._clock.now())
        url = body.get("url") or (live[0].notification_url if live else None)
        if not isinstance(url, str) or "body" not in body:
            raise _bad("a body, and a url while there is no subscription, are needed")
        raw = body["body"] if isinstance(body["body"], str) else json.dumps(body["body"])
        attempt = await self._delivery.post(url, raw.encode())
        return web.json_response(attempt.printed())

    async def lifecycle(self, request: web.Request) -> web.Response:
        """Send a lifecycle notification; `subscriptionRemoved` also removes the subscription."""
        body = await _read(request)
        subscription, event = self._subscription(body), body.get("event")
        if event not in LIFECYCLE_EVENTS:
            raise _bad(f"event must be one of {', '.join(LIFECYCLE_EVENTS)}")
        if event == "subscriptionRemoved":
            self._subscriptions.remove(subscription)
        self._publisher.announce_lifecycle(subscription, event, self._by_hand)
        return web.json_response({"subscriptionId": subscription.id, "event": event}, status=202)

    async def rotate(self, request: web.Request) -> web.Response:
        """Sign with a new key; `{"forget": true}` takes the old ones out of the JWKS at once."""
        body = await _read(request)
        return web.json_response({"kid": await self._authority.rotate(forget=bool(body.get("forget")))})

    def _announce(self, change: Change) -> web.Response:
        notices = self._publisher.announce(change, self._by_hand)
        told = [notice.truth.printed() for notice in notices if notice.truth]
        return web.json_response(_print_item(change.item) | {"told": told}, status=202)

    def _item(self, body: Mapping[str, Any]) -> Item:
        item = self._world.find(str(body.get("resource", "")))
        if item is None or item.deleted:
            raise _bad("resource must name a message that exists")
        return item

    def _subscription(self, body: Mapping[str, Any]) -> Subscription:
        subscription = self._subscriptions.find(str(body.get("subscriptionId", "")), now=self._clock.now())
        if subscription is None:
            raise _bad("subscriptionId must name a live subscription")
        return subscription


async def _read(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as broken:
        raise _bad("the body is not JSON") from broken
    if not isinstance(body, dict):
        raise _bad("the body is not an object")
    return body


def _bad(why: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": why}), content_type="application/json")


def _print_item(item: Item) -> dict[str, Any]:
    return {
        "resource": item.resource,
        "version": item.version,
        "deleted": item.deleted is not None,
        "text": item.text,
        "container": item.place.path,
    }
