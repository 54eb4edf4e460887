"""Carries out a plan: asks Graph, and keeps in table ``subscriptions`` what was intended and what came of it.

Every row is taken by its ETag before Graph is asked: whoever comes second does nothing. A new subscription's intent is in
the table before the POST, so that a crash in between leaves a trace. Not here: what is to be done (`shared.reconcile`),
and when (`shared.subscriptions`).
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from shared.cold_start import ColdStart
from shared.declaration import DeclaredSubscription
from shared.errors import GraphApiError, GraphProtocolError, StorageError, UserSignedOut
from shared.graph.addresses import Addresses
from shared.graph.client_state import Delivery, mint_client_state
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.refusal import Refusal, read_refusal
from shared.graph.subscription import (
    GraphSubscription,
    LiveSubscription,
    SubscriptionRequest,
    creation_body,
    expiry_to_ask,
    id_headers,
    read_subscription,
    renewal_body,
)
from shared.hub_trial import HubTrial, moves_into_hub, owing_from
from shared.orphans import Orphans
from shared.ports import Clock, Graph, OwnEndpoint, Queue, SubscriptionStore
from shared.reconcile import Action, Create, Delete, OrderCatchUp, Recreate, Renew, Retire, spread_of
from shared.results import Result, Summary, log_result, overtaken, owing, settled
from shared.subscription_work import CatchUpWork, write_work
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_LEASE: Final = timedelta(minutes=2)
"""Longer than any one request to Graph may take, its handshake included."""
_CONCURRENCY: Final = 8
"""Graph takes 500 writes in 20 seconds from an app (2026-09); each creation costs a handshake with ourselves."""
BASELINE: Final = "baseline"
"""Why a catch-up follows the first creation: it finds where the next one begins, and tells nobody."""
_BASELINES_WITHIN: Final = timedelta(hours=4)
_SAVE_PAUSES: Final = (0.2, 1.0, 3.0)
_NOT_FOUND, _CONFLICT = 404, 409
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_AT_ONCE: Final = timedelta(seconds=1)

Farewell = Callable[[str], Awaitable[None]]
"""Removes what is kept for the person whose subscription this was, by its name. Done twice, it is the same. Raises StorageError."""

_NO_KEY = Refusal(
    problem="there is no current encryption key where ENCRYPTION_KEYS points, and it wants resource data",
    wait=timedelta(minutes=5),
    definite=True,
)
_FALSE_404 = Refusal(
    problem="Graph answered 404 to the renewal of a subscription that exists",
    wait=timedelta(seconds=30),
    definite=False,
)


class Executor:
    """Carries out actions, a few at a time; what fails is written to its row and tried again later."""

    def __init__(  # noqa: PLR0913 - each is another thing outside
        self,
        *,
        graph: Graph,
        store: SubscriptionStore,
        work: Queue,
        addresses: Addresses,
        tenant_id: str,
        client_state_key: bytes,
        now: Clock,
        own_endpoint: OwnEndpoint | None = None,
        farewell: Farewell | None = None,
    ) -> None:
        self._graph = graph
        self._store = store
        self._work = work
        self._orphans = Orphans(graph=graph, store=store, addresses=addresses)
        self._addresses = addresses
        self._tenant_id = tenant_id
        self._client_state_key = client_state_key
        self._now = now
        self._farewell = farewell
        self._cold_start = ColdStart(own_endpoint)
        self._hub_trial = HubTrial(graph=graph, addresses=addresses, now=now)

    async def execute(self, actions: Sequence[Action], *, key: EncryptionKey | None) -> Summary:
        """Carry out a plan with the current encryption key; never raises, but for cancellation.

        Deletions are finished before the rest begins: one of them may free the quota that another needs.
        """
        limit = asyncio.Semaphore(_CONCURRENCY)
        deletions = [each for each in actions if isinstance(each, Delete)]
        others = [each for each in actions if not isinstance(each, Delete)]
        results = await asyncio.gather(*(self._carry_out(each, key, limit) for each in deletions))
        results += await asyncio.gather(*(self._carry_out(each, key, limit) for each in others))
        return Summary(results=tuple(results))

    async def _carry_out(self, action: Action, key: EncryptionKey | None, limit: asyncio.Semaphore) -> Result:
        async with limit:
            try:
                result = await self._act(action, key)
            except Exception as problem:  # one subscription's bad luck must not cost the others their turn
                if not isinstance(problem, StorageError):
                    _LOGGER.exception("an action on a subscription broke off")
                result = Result(name=action.name, outcome="failed", problem=str(problem) or type(problem).__name__)
        log_result(action, result)
        return result

    async def _act(self, action: Action, key: EncryptionKey | None) -> Result:
        match action:
            case Create():
                return await self._create_first(action, key)
            case Renew():
                return await self._renew(action, key)
            case Recreate():
                return await self._recreate(action, key)
            case Retire(row=row):
                return await self._retire(row, "retired")
            case OrderCatchUp(row=row, reason=reason, since=since):
                return await self._order_catch_up(
                    row, CatchUpWork(name=row.name, reason=reason, since=since), "ordered"
                )
            case Delete(row=row):
                return await self._delete(row)

    async def _create_first(self, action: Create, key: EncryptionKey | None) -> Result:
        """Create; but what was tried before on other terms goes first, if it may be there."""
        row = action.row
        if row is not None and _may_have_orphan(row) and not action.orphan_possible:
            leased = await self._lease(row)
            if leased is None:
                return overtaken(row)
            if problem := await self._delete_orphans(leased):
                return await self._put_off(leased, _not_about_it(self._judge(leased, problem)))
            row = leased
        intent = _intend(action.declared, generation=action.generation, digest=action.digest, row=row)
        return await self._create(intent, key, orphan_possible=action.orphan_possible)

    async def _create(  # noqa: PLR0911 - one for each thing that may be in the way
        self,
        intent: LiveSubscription,
        key: EncryptionKey | None,
        *,
        orphan_possible: bool = False,
        done: str = "created",
    ) -> Result:
        key = key if intent.include_resource_data else None
        if intent.include_resource_data and key is None:
            return await self._put_off(intent, replace(_NO_KEY, definite=not orphan_possible))
        kept = await self._lease(replace(intent, certificate_id=key.certificate_id if key else ""))
        if kept is None:
            return overtaken(intent)
        if unheard := await self._unheard(kept, kept.attempts):
            return await self._put_off(kept, replace(unheard, definite=not orphan_possible))
        try:
            made = await self._post(kept, key)
        except (GraphApiError, GraphProtocolError) as problem:
            if kept.former_id and kept.former_id in str(problem):
                return await self._make_way(kept, key, done)
            if kept.actor and not orphan_possible and (left := await self._find_orphan(kept, problem)):
                # nobody could delete it after its person had signed out, and now they are back
                return await self._make_way(replace(kept, former_id=left.subscription_id), key, done)
            return await self._adopt_or_wait(kept, problem, orphan_possible=orphan_possible)
        return await self._establish(kept, made, done)

    async def _adopt_or_wait(
        self, kept: LiveSubscription, problem: GraphApiError | GraphProtocolError, *, orphan_possible: bool
    ) -> Result:
        """After a refusal: take up what an earlier try has made after all, else try again later."""
        if orphan_possible and (found := await self._find_orphan(kept, problem)):
            # whose certificate it has is unknown: with none on record, the next plan gives it the current one
            return await self._establish(replace(kept, certificate_id=""), found, "adopted")
        refusal = self._judge(kept, problem)
        # a no to this try says nothing about an earlier one whose answer was lost
        return await self._put_off(kept, replace(refusal, definite=refusal.definite and not orphan_possible))

    async def _make_way(self, intent: LiveSubscription, key: EncryptionKey | None, done: str) -> Result:
        """Delete the former subscription after all: what is declared now Graph will not have beside it."""
        if problem := await self._delete_at_graph(intent):
            return await self._put_off(intent, self._judge(intent, problem))
        intent = owing(intent, "the former one had to go first", self._now())
        return await self._create(replace(intent, former_id="", expires=None), key, done=done)

    async def _unheard(self, asked: LiveSubscription | DeclaredSubscription, attempts: int) -> Refusal | None:
        """Say why Graph would not get through to those addresses of ours that the request has in it."""
        routes = self._addresses.routes(asked.delivery, asked.lifecycle)
        return await self._cold_start.refusal(attempts=attempts, routes=routes)

    async def _post(self, intent: LiveSubscription, key: EncryptionKey | None) -> GraphSubscription:
        headers = id_headers(immutable_ids=intent.immutable_ids)
        body = self._ask(intent, key)
        made = await self._graph.request(
            "POST", "/subscriptions", body=body, headers=headers, tenant_id=intent.tenant_id, actor=intent.actor
        )
        return read_subscription(made)

    def _ask(self, intent: LiveSubscription, key: EncryptionKey | None) -> Mapping[str, Any]:
        rich = intent.include_resource_data
        request = SubscriptionRequest(
            resource=intent.resource,
            change_type=intent.change_type,
            notification_url=self._addresses.notification_url(intent.delivery),
            lifecycle_notification_url=self._addresses.lifecycle_url(intent.lifecycle),
            blob_store_url=self._addresses.blob_store_url if intent.delivery == "eventhub" else "",
            client_state=mint_client_state(
                self._client_state_key,
                tenant_id=intent.tenant_id or self._tenant_id,
                delivery=_delivery(intent.delivery),
                name=intent.name,
                generation=intent.generation,
            ),
            expires=expiry_to_ask(
                intent.resource,
                include_resource_data=rich,
                now=self._now(),
                lifetime=_lifetime(intent.lifetime_minutes),
            ),
            key=key,
            notification_query_options=intent.notification_query_options,
        )
        return creation_body(request)

    async def _establish(self, intent: LiveSubscription, made: GraphSubscription, outcome: str) -> Result:
        """Write down a subscription that exists. If that fails, the intent remains, and its next try finds it."""
        if intent.former_id and intent.expires and intent.expires <= self._now():
            intent = owing(intent, "the former one expired before this one could be made", self._now())
        row = replace(
            intent,
            subscription_id=made.subscription_id,
            expires=made.expires,
            created=self._now(),
            renewed=None,
            **_NO_TROUBLE,
        )
        return await self._keep(row, outcome)

    async def _find_orphan(self, intent: LiveSubscription, problem: Exception) -> GraphSubscription | None:
        """Find the subscription of an earlier POST whose answer we never saw: Graph names it when it refuses a second.

        It is ours only if it reaches us, hears the same, and belongs to no other row; then it has this row's clientState.
        """
        if not isinstance(problem, GraphApiError) or self._judge(intent, problem).kind not in {"conflict", "quota"}:
            return None
        named = _GUID.search(problem.message) if problem.status == _CONFLICT else None
        try:
            if named is None:
                return next(iter(await self._orphans.of(intent)), None)
            path = f"/subscriptions/{named[0]}"
            answer = await self._graph.request("GET", path, tenant_id=intent.tenant_id, actor=intent.actor)
            found = read_subscription(answer)
        except (GraphApiError, GraphProtocolError):
            return None
        taken = any(row.subscription_id == found.subscription_id for row in await self._store.list())
        return found if self._orphans.may_be_of(intent, found) and not taken else None

    async def _renew(self, action: Renew, key: EncryptionKey | None) -> Result:
        # on the same terms it is in the same tenant, which is now ours or not, whatever GRAPH_TENANT_ID was then
        leased = await self._lease(replace(action.row, tenant_id=action.declared.tenant_id))
        if leased is None:
            return overtaken(action.row)
        rich = leased.include_resource_data
        key = key if rich else None
        lifetime = action.declared.lifetime
        expires = expiry_to_ask(leased.resource, include_resource_data=rich, now=self._now(), lifetime=lifetime)
        try:
            body = {**renewal_body(expires=expires, key=key), **self._hub_trial.undone(leased)}
            path = f"/subscriptions/{leased.subscription_id}"
            answer = await self._graph.request("PATCH", path, body=body, tenant_id=leased.tenant_id, actor=leased.actor)
            renewed = read_subscription(answer)
        except GraphApiError as problem:
            if problem.status == _NOT_FOUND and self._judge(leased, problem).kind != "mailbox-gone":
                return await self._look_again(leased, action, key)
            return await self._put_off(leased, self._judge(leased, problem))
        except GraphProtocolError as problem:
            return await self._put_off(leased, self._judge(leased, problem))
        certificate_id = key.certificate_id if key else leased.certificate_id
        row = replace(
            leased,
            expires=renewed.expires,
            renewed=self._now(),
            certificate_id=certificate_id,
            lifetime_minutes=action.declared.lifetime_minutes,
            **_NO_TROUBLE,
        )
        return await self._keep(row, "renewed")

    async def _look_again(self, leased: LiveSubscription, action: Renew, key: EncryptionKey | None) -> Result:
        """Recreate a subscription only if Graph says twice that it is gone."""
        try:
            path = f"/subscriptions/{leased.subscription_id}"
            await self._graph.request("GET", path, tenant_id=leased.tenant_id, actor=leased.actor)
        except GraphApiError as problem:
            if problem.status != _NOT_FOUND:
                return await self._put_off(leased, self._judge(leased, problem))
        else:
            return await self._put_off(leased, _FALSE_404)
        leased = owing(leased, "Graph does not know it any more", self._now(), since_unknown=True)
        intent = _intend(action.declared, generation=leased.generation + 1, digest=action.digest, row=leased)
        return await self._create(intent, key, done="recreated")

    async def _recreate(self, action: Recreate, key: EncryptionKey | None) -> Result:
        if action.declared.include_resource_data and key is None:
            return await self._leave_alive(action, replace(action.row, attempts=action.row.attempts + 1), key, _NO_KEY)
        began = self._now()
        leased = await self._lease(owing_from(action.row, began) if moves_into_hub(action, began) else action.row)
        if leased is None:
            return overtaken(action.row)
        if action.overlaps:
            # the row that is written before the POST names the old one, so that no crash forgets to delete it
            former = replace(leased, former_id=leased.subscription_id, subscription_id="")
            intent = _intend(action.declared, generation=action.generation, digest=action.digest, row=former)
            return await self._create(intent, key, done="recreated")
        if unheard := await self._unheard(action.declared, leased.attempts):
            return await self._leave_alive(action, leased, key, unheard)
        return await self._replace(action, leased, key, began)

    async def _replace(
        self, action: Recreate, leased: LiveSubscription, key: EncryptionKey | None, began: datetime
    ) -> Result:
        """Delete what is there and make another; into a hub only once Graph has shown that it can write there."""
        if moves_into_hub(action, began) and (refusal := await self._hub_trial.refusal(action.declared, leased)):
            return await self._put_off(await self._hub_trial.prolong(leased), refusal)
        if problem := await self._delete_at_graph(leased):
            return await self._put_off(leased, self._judge(leased, problem))
        # what lay unread in a hub that is read no more was never heard, though it was alive until now
        unread = leased.delivery == "eventhub" and not action.on_same_terms
        since_unknown = action.removed or action.deaf or unread
        leased = owing(replace(leased, former_id=""), action.reason, began, since_unknown=since_unknown)
        intent = _intend(action.declared, generation=action.generation, digest=action.digest, row=leased)
        return await self._create(intent, key, done="recreated")

    async def _leave_alive(
        self, action: Recreate, row: LiveSubscription, key: EncryptionKey | None, refusal: Refusal
    ) -> Result:
        """Keep the old one until the new one can be made; one on the same terms is renewed, so that it does not die of waiting."""
        alive = row.expires is not None and row.expires > self._now()
        if not alive or not action.on_same_terms:
            return await self._put_off(row, refusal)
        fields = {"name": row.name, "reason": action.reason, "problem": refusal.problem}
        log_line(_LOGGER, logging.WARNING, "subscription renewed instead of recreated", fields)
        return await self._renew(Renew(row=row, declared=action.declared, digest=action.digest), key)

    async def _delete(self, row: LiveSubscription) -> Result:
        problem = await self._delete_at_graph(row)
        if problem is None and _may_have_orphan(row):
            problem = await self._delete_orphans(row)
        if problem is not None and not self._is_out_of_reach(row, problem):
            return await self._put_off(row, _not_about_it(self._judge(row, problem)))
        if problem is not None:  # whether Graph lets the app delete it, its pages do not say
            problem = await self._delete_at_graph(replace(row, actor=""))
        if problem is not None:  # nobody hears what it brings, and tokens are not kept for it
            fields = {"name": row.name, "subscriptionId": row.subscription_id or "none", "expires": str(row.expires)}
            log_line(_LOGGER, logging.WARNING, "a subscription is left to expire: its person is gone", fields)
        if row.actor and self._farewell is not None:
            await self._farewell(row.name)  # before the row is gone, without which nobody would come back for the rest
        return settled(row, row if await self._store.remove(row) else None, "deleted")

    def _is_out_of_reach(self, row: LiveSubscription, problem: GraphApiError | GraphProtocolError) -> bool:
        """Tell whether a person's subscription cannot be deleted, now or ever, or needs no deleting any more."""
        if not row.actor:
            return False
        over = row.expires is not None and row.expires <= self._now()
        return over or self._judge(row, problem).kind in {"signed-out", "permission"}

    async def _retire(self, row: LiveSubscription, outcome: str) -> Result:
        """Delete the former subscription of one that exists; if that fails, it is planned again."""
        if problem := await self._delete_at_graph(replace(row, subscription_id="")):
            refusal = self._judge(row, problem)
            return Result(name=row.name, outcome="failed", subscription_id=row.subscription_id, problem=refusal.problem)
        return await self._follow_up(await self._store.save(replace(row, former_id="")), row, outcome)

    async def _order_catch_up(self, row: LiveSubscription, order: CatchUpWork, outcome: str) -> Result:
        """Put an order on the queue, and only then write down that it is there: a second one is harmless."""
        await self._work.put(write_work(order), delay=_delay(order))
        kept = await self._store.save(replace(row, owed="", owed_since=None, swept=self._now()))
        return settled(row, kept, outcome)

    async def _delete_at_graph(self, row: LiveSubscription) -> GraphApiError | GraphProtocolError | None:
        """Delete a subscription and its former one; one that is gone already is as good."""
        for subscription_id in filter(None, (row.former_id, row.subscription_id)):
            path = f"/subscriptions/{subscription_id}"
            try:
                await self._graph.request("DELETE", path, tenant_id=row.tenant_id, actor=row.actor)
            except GraphApiError as problem:
                then = self._judge(row, problem).then
                if then != "done" and not (then == "look" and await self._is_gone(row, path)):
                    return problem
        return None

    async def _delete_orphans(self, row: LiveSubscription) -> GraphApiError | GraphProtocolError | None:
        """Delete what an earlier try of a row may have made."""
        try:
            for orphan in await self._orphans.of(row):
                lost = replace(row, subscription_id=orphan.subscription_id, former_id="")
                if problem := await self._delete_at_graph(lost):
                    return problem
        except (GraphApiError, GraphProtocolError) as problem:
            return problem
        return None

    async def _is_gone(self, row: LiveSubscription, path: str) -> bool:
        """Look whether a subscription whose deletion failed is there."""
        try:
            await self._graph.request("GET", path, tenant_id=row.tenant_id, actor=row.actor)
        except GraphApiError as problem:
            return problem.status == _NOT_FOUND
        return False

    async def _lease(self, row: LiveSubscription) -> LiveSubscription | None:
        """Take a row before Graph is asked; None if somebody else has."""
        until = self._now() + _LEASE
        return await self._store.save(
            replace(row, not_before=until, problem="", refused=False, attempts=row.attempts + 1)
        )

    async def _keep(self, row: LiveSubscription, outcome: str) -> Result:
        """Write down what Graph has done, and only then do what follows from it."""
        return await self._follow_up(await self._save_stubbornly(row), row, outcome)

    async def _follow_up(self, kept: LiveSubscription | None, row: LiveSubscription, outcome: str) -> Result:
        """Do what a row that was just written still owes; what breaks off here is planned again."""
        if kept is not None and kept.former_id:
            return await self._retire(kept, outcome)
        if kept is not None and kept.owed:
            order = CatchUpWork(name=kept.name, reason=kept.owed, since=kept.owed_since)
            return await self._order_catch_up(kept, order, outcome)
        return settled(row, kept, outcome)

    async def _save_stubbornly(self, row: LiveSubscription) -> LiveSubscription | None:
        """Save what is not undone by our not knowing it."""
        for pause in _SAVE_PAUSES:
            with contextlib.suppress(StorageError):
                return await self._store.save(row)
            await asyncio.sleep(pause)
        return await self._store.save(row)

    async def _put_off(self, row: LiveSubscription, refusal: Refusal) -> Result:
        again = self._now() + refusal.wait
        refused = refusal.definite and not row.subscription_id
        leaving = row.leaving or refusal.then == "leave"
        later = replace(row, problem=refusal.problem, not_before=again, refused=refused, leaving=leaving)
        if await self._store.save(later) is None:
            return overtaken(row)
        return Result(
            name=row.name,
            outcome="failed",
            subscription_id=row.subscription_id,
            problem=refusal.problem,
            again=again,
        )

    def _judge(self, row: LiveSubscription, problem: GraphApiError | GraphProtocolError) -> Refusal:
        if isinstance(problem, UserSignedOut):
            return Refusal(problem=str(problem), wait=_AT_ONCE, definite=True, kind="signed-out", then="leave")
        if isinstance(problem, GraphApiError):
            return read_refusal(problem, attempts=row.attempts)
        return Refusal(problem=str(problem), wait=_LEASE, definite=False)


_NO_TROUBLE: Final[Mapping[str, Any]] = {"attempts": 0, "problem": "", "refused": False, "not_before": None}


def _not_about_it(refusal: Refusal) -> Refusal:
    """A refusal of something else, which says nothing about whether an earlier creation succeeded."""
    return replace(refusal, definite=False)


def _may_have_orphan(row: LiveSubscription) -> bool:
    """Tell whether an earlier try may have succeeded without our learning of it."""
    return not row.subscription_id and not row.refused


def _delay(order: CatchUpWork) -> timedelta:
    """Put off the baselines of an entry for many: a hundred thousand mailboxes are not walked at once."""
    many = order.reason == BASELINE and "~" in order.name
    return _BASELINES_WITHIN * spread_of(order.name) if many else timedelta(0)


def _delivery(text: str) -> Delivery:
    return "eventhub" if text == "eventhub" else "webhook"


def _lifetime(minutes: int) -> timedelta | None:
    return timedelta(minutes=minutes) if minutes else None


def _intend(
    declared: DeclaredSubscription, *, generation: int, digest: str, row: LiveSubscription | None
) -> LiveSubscription:
    return LiveSubscription(
        name=declared.name,
        generation=generation,
        resource=declared.resource,
        change_type=declared.change_type,
        include_resource_data=declared.include_resource_data,
        delivery=declared.delivery,
        lifecycle=declared.lifecycle if declared.lifecycle != "webhook" else "",
        immutable_ids=declared.immutable_ids,
        notification_query_options=declared.notification_query_options,
        lifetime_minutes=declared.lifetime_minutes,
        tenant_id=declared.tenant_id,
        actor=declared.actor,
        former_id=row.former_id if row else "",
        expires=row.expires if row and row.former_id else None,
        digest=digest,
        refused=True,
        attempts=row.attempts if row and row.digest == digest else 0,
        owed=row.owed if row else BASELINE,
        owed_since=row.owed_since if row else None,
        swept=row.swept if row else None,
        indexed=row.indexed if row else None,
        etag=row.etag if row else "",
    )
