"""`/v1.0/subscriptions`: create with handshake, read, renew, reauthorize, delete.

Not here: the rules for properties, see `rules`; what exists, see `store`; how the list is cut into pages, see `paging`.
"""

import itertools
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from aiohttp import web

from local.graph.catalogue.row import Match
from local.graph.clock import Clock
from local.graph.dice import Dice
from local.graph.faults import GraphFault, invalid
from local.graph.identity.callers import Caller, Callers
from local.graph.judge import Judge
from local.graph.knobs import Knobs
from local.graph.subscribing.channels import channel_of, refuse_hub
from local.graph.subscribing.handshake import Handshake
from local.graph.subscribing.paging import read_page, write_link
from local.graph.subscribing.preferences import read_preferences
from local.graph.subscribing.push_key import PushKey
from local.graph.subscribing.rules import read_amendment, read_request
from local.graph.subscribing.store import Owner, Subscription, Subscriptions
from local.graph.tenant.entity import Reach

CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#subscriptions"
APART = timedelta(minutes=10)
LONGEST_PAGE = 1_000_000
DONE_ALL_THE_SAME = 0.5
"""Deletions that were done although they are answered 503; how many are is not known."""
GONE_REMEMBERED = 10_000
"""Ids that were answered 404; whatever a caller makes up is among them."""

Probe = Callable[[str], Awaitable[None]]
Canonical = Callable[[str, Match], Mapping[str, str]]


def lower_ids(_tenant_id: str, match: Match) -> Mapping[str, str]:
    """Return the ids of a resource as they stand, for a Graph that knows of no aliases."""
    return {name: value.lower() for name, value in match.ids.items()}


def none_deleted(_tenant_id: str, _user_id: str) -> bool:
    """Return that a user is still there, for a Graph whose users stay."""
    return False


@dataclass(slots=True, kw_only=True)
class SubscriptionRoutes:
    """The subscription endpoints of one app after another, each seeing only its own.

    `canonical` resolves aliases in ids; `probe` writes the test message into an event hub, None where there are no hubs;
    `check_store` raises the 400 for a blob store that nobody knows; `owner_deleted` says of a tenant's user whether it was deleted,
    and with it the mailbox; `dice` decide which deletions are canceled.
    """

    subscriptions: Subscriptions
    callers: Callers
    handshake: Handshake
    judge: Judge
    clock: Clock
    knobs: Knobs = field(default_factory=Knobs)
    canonical: Canonical = lower_ids
    dice: Dice = field(default_factory=lambda: Dice(1))
    probe: Probe | None = None
    check_store: Callable[[str], None] | None = None
    owner_deleted: Callable[[str, str], bool] = none_deleted
    _push_key: PushKey = field(default_factory=PushKey)
    _gone: dict[str, None] = field(default_factory=dict)
    _deletes: Iterator[int] = field(default_factory=itertools.count)

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [
            web.post("/v1.0/subscriptions", self.create),
            web.get("/v1.0/subscriptions", self.list),
            web.get("/v1.0/subscriptions/getVapidPublicKey()", self.vapid_public_key),
            web.get("/v1.0/subscriptions/getVapidPublicKey", self.vapid_public_key),
            web.get("/v1.0/subscriptions/{id}", self.get),
            web.patch("/v1.0/subscriptions/{id}", self.patch),
            web.delete("/v1.0/subscriptions/{id}", self.delete),
            web.post("/v1.0/subscriptions/{id}/reauthorize", self.reauthorize),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Check, ask both URLs in turn, and only then let the subscription exist."""
        caller = self.callers.identify(request)
        asked = read_request(
            await read_json(request),
            now=self.clock.now(),
            user_id=caller.user_id,
            preferences=read_preferences(request.headers.getall("Prefer", [])),
            supported_only=self.knobs.unsupported_resources == "refuse",
        )
        owner, reach = _owner(caller), self._reach(caller.tenant_id, asked.match)
        self.subscriptions.check_room(asked, reach, owner, now=self.clock.now())
        if asked.blob_store_url and self.check_store:
            self.check_store(asked.blob_store_url)
        await self._ask(asked.notification_url)
        if asked.lifecycle_notification_url:
            await self._ask(asked.lifecycle_notification_url)
        # a twin may have been created while the endpoints were answering
        now = self.clock.now()
        self.subscriptions.check_room(asked, reach, owner, now=now)
        subscription = self.subscriptions.add(asked, reach, owner, now=now)
        return _entity(subscription, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """Answer with the caller's own, in pages, without clientState; a page may be empty although more follow."""
        owner = _owner(self.callers.identify(request))
        after = read_page(request.query.get("$skiptoken"))
        answer: dict[str, Any] = {"@odata.context": CONTEXT, "value": []}
        if after is None and self.knobs.empty_pages:
            answer["@odata.nextLink"] = write_link(request.url, 0)
            return web.json_response(answer)
        size = min(self.knobs.subscription_page, LONGEST_PAGE)
        following = self.subscriptions.of(owner, after=after or 0, now=self.clock.now())
        page = list(islice(following, size))
        answer["value"] = [each.printed(with_client_state=False) for each in page]
        if next(following, None):
            answer["@odata.nextLink"] = write_link(request.url, page[-1].number)
        return web.json_response(answer)

    async def vapid_public_key(self, request: web.Request) -> web.Response:
        """Answer with the key that a browser's push service is to expect."""
        self.callers.identify(request)
        context = "https://graph.microsoft.com/v1.0/$metadata#Edm.String"
        return web.json_response({"@odata.context": context, "value": self._push_key.public()})

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one subscription."""
        subscription = self._find(request)
        if self._is_lost(subscription):
            raise storage_failed()
        return _entity(subscription, with_client_state=False)

    async def patch(self, request: web.Request) -> web.Response:
        """Renew, move or re-key; a new URL must shake hands first."""
        held = self._find_to_renew(request)
        self._check_owner(held, "Update")
        amendment = read_amendment(await read_json(request), asked=held.asked, now=self.clock.now())
        url = amendment.notification_url or held.notification_url
        if url != held.notification_url or self.knobs.handshake_on_renewal:
            await self._ask(url)
        # it may have been deleted, or have expired, while the body came or the endpoint was answering
        subscription, now = self._find_to_renew(request), self.clock.now()
        self._compare(subscription, subscription.reauthorized_at, now)
        self.subscriptions.amend(subscription, amendment, now=now)
        return _entity(subscription)

    async def reauthorize(self, request: web.Request) -> web.Response:
        """Accept a reauthorization, which changes nothing that can be seen."""
        subscription = self._find(request)
        self._check_owner(subscription, "Reauthorize")
        if self.knobs.handshake_on_renewal:
            await self._ask(subscription.notification_url)
            subscription = self._find(request)
        now = self.clock.now()
        self._compare(subscription, subscription.patched_at, now)
        subscription.reauthorized_at = now
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a subscription; where the answer is that a task was canceled, it may have been forgotten or not."""
        subscription = self._find(request)
        self._check_owner(subscription, "Delete")
        dice = self.dice.of("delete", next(self._deletes))
        canceled, done = dice.random() < self.knobs.deletes_canceled, dice.random() < DONE_ALL_THE_SAME
        if done or not canceled:
            self.subscriptions.delete(subscription, now=self.clock.now())
        if canceled:
            raise task_canceled("Delete")
        return web.Response(status=204)

    async def _ask(self, url: str) -> None:
        """Make sure that somebody takes notifications there: a handshake, a test message for a hub, nothing for a browser."""
        channel = channel_of(url)
        if channel == "webhook":
            await self.handshake.ask(url)
        elif channel == "hub":
            if self.probe is None:
                raise refuse_hub(url)
            await self.probe(url)

    def _is_lost(self, subscription: Subscription) -> bool:
        """Return whether the mailbox is gone: it is listed until it expires, and nothing can be done with it."""
        user_id = subscription.ids.get("user")
        outlook = subscription.asked.match.row.family == "outlook"
        return outlook and user_id is not None and self.owner_deleted(subscription.tenant_id, user_id)

    def _check_owner(self, subscription: Subscription, operation: str) -> None:
        if self._is_lost(subscription):
            raise mailbox_gone(operation, f"{subscription.ids['user']}@{subscription.tenant_id}")

    def _reach(self, tenant_id: str, match: Match) -> Reach:
        return tenant_id, match.path, frozenset(self.canonical(tenant_id, match).items())

    def _find(self, request: web.Request) -> Subscription:
        owner = _owner(self.callers.identify(request))
        return self.subscriptions.get(request.match_info["id"], owner, now=self.clock.now())

    def _find_to_renew(self, request: web.Request) -> Subscription:
        try:
            return self._find(request)
        except GraphFault as missing:
            if missing.status == 404:  # noqa: PLR2004 - gone: not to be tried again
                self._note_gone(request.match_info["id"])
            raise

    def _compare(self, subscription: Subscription, other_renewal: datetime | None, now: datetime) -> None:
        if other_renewal and now - other_renewal < APART:
            self.judge.object_to("both-renewals", subscription.id, at=now)

    def _note_gone(self, subscription_id: str) -> None:
        if subscription_id in self._gone:
            self.judge.object_to("patch-gone", subscription_id, at=self.clock.now())
        self._gone[subscription_id] = None
        if len(self._gone) > GONE_REMEMBERED:
            del self._gone[next(iter(self._gone))]


def mailbox_gone(operation: str, user: str) -> GraphFault:
    """Return what Exchange says through Graph of a mailbox whose owner was deleted: microsoft-graph-docs issue 13616."""
    reason = f"The requested user '{user}' is invalid."
    message = f"Operation: {operation}; Exception: [Status Code: NotFound; Reason: {reason}]"
    return GraphFault(404, "ExtensionError", message)


def task_canceled(operation: str) -> GraphFault:
    """Return what a workload that was too slow says through Graph: whether the operation was done remains open."""
    return GraphFault(503, "ExtensionError", f"Operation: {operation}; Exception: [A task was canceled.]")


def storage_failed() -> GraphFault:
    """Return what reading such a subscription says; its status is that of onedrive-api-docs issue 869."""
    return GraphFault(500, "ExtensionError", "There was an error processing a storage extension.")


async def read_json(request: web.Request) -> Any:
    """Return the body as JSON. Raises 400 for anything else."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as broken:
        raise invalid("Unable to read JSON request payload.") from broken


def _owner(caller: Caller) -> Owner:
    return Owner(
        app_id=caller.app_id,
        tenant_id=caller.tenant_id,
        creator_id=caller.object_id,
        delegated=caller.user_id is not None,
    )


def _entity(subscription: Subscription, *, status: int = 200, with_client_state: bool = True) -> web.Response:
    answer = {"@odata.context": f"{CONTEXT}/$entity"} | subscription.printed(with_client_state=with_client_state)
    return web.json_response(answer, status=status)
