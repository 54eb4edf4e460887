"""Carries out a plan: asks Graph, and keeps in table ``subscriptions`` what was intended and what came of it.

Every row is taken by its ETag before Graph is asked: whoever comes second does nothing. A new subscription's intent is in
the table before the POST, so that a crash in between leaves a trace. Not here: what is to be done (`shared.reconcile`),
and when (`shared.subscriptions`).
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from shared.declaration import DeclaredSubscription
from shared.errors import GraphApiError, GraphProtocolError, StorageError
from shared.graph.client_state import mint_client_state
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
from shared.ports import Clock, Graph, SubscriptionStore
from shared.reconcile import Action, Create, Delete, Recreate, Renew, Retire
from shared.results import Result, Summary, log_gap, log_result, overtaken, settled

_LOGGER = logging.getLogger(__name__)
_LEASE: Final = timedelta(minutes=2)
"""Longer than any one request to Graph may take, its handshake included."""
_CONCURRENCY: Final = 8
"""Graph takes 500 writes in 20 seconds from an app (2026-09); each creation costs a handshake with ourselves."""
_SAVE_PAUSES: Final = (0.2, 1.0, 3.0)
_NOT_FOUND, _CONFLICT = 404, 409
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

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

    def __init__(
        self,
        *,
        graph: Graph,
        store: SubscriptionStore,
        base_url: str,
        tenant_id: str,
        client_state_key: bytes,
        now: Clock,
    ) -> None:
        self._graph = graph
        self._store = store
        self._base_url = base_url
        self._tenant_id = tenant_id
        self._client_state_key = client_state_key
        self._now = now

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
            case Create(declared=declared, generation=generation, digest=digest, row=row):
                intent = _intend(declared, generation=generation, digest=digest, row=row)
                return await self._create(intent, key, orphan_possible=action.orphan_possible)
            case Renew():
                return await self._renew(action, key)
            case Recreate():
                return await self._recreate(action, key)
            case Retire(row=row):
                return await self._retire(row, "retired")
            case Delete(row=row):
                return await self._delete(row)

    async def _create(
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
        try:
            made = await self._post(kept, key)
        except (GraphApiError, GraphProtocolError) as problem:
            if kept.former_id and kept.former_id in str(problem):
                return await self._make_way(kept, key, done)
            if orphan_possible and (found := await self._find_orphan(kept, problem)):
                # whose certificate it has is unknown: with none on record, the next plan gives it the current one
                return await self._establish(replace(kept, certificate_id=""), found, "adopted")
            refusal = self._judge(kept, problem)
            # a no to this try says nothing about an earlier one whose answer was lost
            return await self._put_off(kept, replace(refusal, definite=refusal.definite and not orphan_possible))
        return await self._establish(kept, made, done)

    async def _make_way(self, intent: LiveSubscription, key: EncryptionKey | None, done: str) -> Result:
        """Delete the former subscription after all: what is declared now Graph will not have beside it."""
        if problem := await self._delete_at_graph(intent):
            return await self._put_off(intent, self._judge(intent, problem))
        log_gap(intent, "the former one had to go first", self._now())
        return await self._create(replace(intent, former_id="", expires=None), key, done=done)

    async def _post(self, intent: LiveSubscription, key: EncryptionKey | None) -> GraphSubscription:
        headers = id_headers(immutable_ids=intent.immutable_ids)
        body = self._ask(intent, key)
        return read_subscription(await self._graph.request("POST", "/subscriptions", body=body, headers=headers))

    def _ask(self, intent: LiveSubscription, key: EncryptionKey | None) -> Mapping[str, Any]:
        rich = intent.include_resource_data
        request = SubscriptionRequest(
            resource=intent.resource,
            change_type=intent.change_type,
            base_url=self._base_url,
            client_state=mint_client_state(
                self._client_state_key,
                tenant_id=self._tenant_id,
                delivery="webhook",
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
            log_gap(intent, "the former one expired before this one could be made", self._now())
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

        It is ours only if it calls us, hears the same, and belongs to no other row; then it has this row's clientState.
        """
        named = _GUID.search(problem.message) if isinstance(problem, GraphApiError) else None
        if named is None or getattr(problem, "status", 0) != _CONFLICT:
            return None
        try:
            found = read_subscription(await self._graph.request("GET", f"/subscriptions/{named[0]}"))
        except (GraphApiError, GraphProtocolError):
            return None
        same = found.resource.strip("/").lower() == intent.resource.lower()
        taken = any(row.subscription_id == found.subscription_id for row in await self._store.list())
        ours = found.notification_url == f"{self._base_url}/notifications"
        return found if ours and same and not taken else None

    async def _renew(self, action: Renew, key: EncryptionKey | None) -> Result:
        leased = await self._lease(action.row)
        if leased is None:
            return overtaken(action.row)
        rich = leased.include_resource_data
        key = key if rich else None
        lifetime = action.declared.lifetime
        expires = expiry_to_ask(leased.resource, include_resource_data=rich, now=self._now(), lifetime=lifetime)
        try:
            body = renewal_body(expires=expires, key=key)
            answer = await self._graph.request("PATCH", f"/subscriptions/{leased.subscription_id}", body=body)
            renewed = read_subscription(answer)
        except GraphApiError as problem:
            if problem.status == _NOT_FOUND:
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
            await self._graph.request("GET", f"/subscriptions/{leased.subscription_id}")
        except GraphApiError as problem:
            if problem.status != _NOT_FOUND:
                return await self._put_off(leased, self._judge(leased, problem))
        else:
            return await self._put_off(leased, _FALSE_404)
        log_gap(leased, "Graph does not know it any more", self._now())
        intent = _intend(action.declared, generation=leased.generation + 1, digest=action.digest, row=leased)
        return await self._create(intent, key, done="recreated")

    async def _recreate(self, action: Recreate, key: EncryptionKey | None) -> Result:
        if action.declared.include_resource_data and key is None:
            # the old one stays until the new one can be made
            return await self._put_off(replace(action.row, attempts=action.row.attempts + 1), _NO_KEY)
        leased = await self._lease(action.row)
        if leased is None:
            return overtaken(action.row)
        if action.overlaps:
            # the row that is written before the POST names the old one, so that no crash forgets to delete it
            former = replace(leased, former_id=leased.subscription_id, subscription_id="")
            intent = _intend(action.declared, generation=action.generation, digest=action.digest, row=former)
            return await self._create(intent, key, done="recreated")
        if problem := await self._delete_at_graph(leased):
            return await self._put_off(leased, self._judge(leased, problem))
        leased = replace(leased, former_id="")
        log_gap(leased, action.reason, self._now())
        intent = _intend(action.declared, generation=action.generation, digest=action.digest, row=leased)
        return await self._create(intent, key, done="recreated")

    async def _delete(self, row: LiveSubscription) -> Result:
        if problem := await self._delete_at_graph(row):
            return await self._put_off(row, self._judge(row, problem))
        return settled(row, row if await self._store.remove(row) else None, "deleted")

    async def _retire(self, row: LiveSubscription, outcome: str) -> Result:
        """Delete the former subscription of one that exists; if that fails, it is planned again."""
        if problem := await self._delete_at_graph(replace(row, subscription_id="")):
            refusal = self._judge(row, problem)
            return Result(name=row.name, outcome="failed", subscription_id=row.subscription_id, problem=refusal.problem)
        return settled(row, await self._store.save(replace(row, former_id="")), outcome)

    async def _delete_at_graph(self, row: LiveSubscription) -> GraphApiError | None:
        """Delete a subscription and its former one; one that is gone already is as good."""
        for subscription_id in filter(None, (row.former_id, row.subscription_id)):
            try:
                await self._graph.request("DELETE", f"/subscriptions/{subscription_id}")
            except GraphApiError as problem:
                if problem.status != _NOT_FOUND:
                    return problem
        return None

    async def _lease(self, row: LiveSubscription) -> LiveSubscription | None:
        """Take a row before Graph is asked; None if somebody else has."""
        until = self._now() + _LEASE
        return await self._store.save(
            replace(row, not_before=until, problem="", refused=False, attempts=row.attempts + 1)
        )

    async def _keep(self, row: LiveSubscription, outcome: str) -> Result:
        """Write down what Graph has done, and only then delete the former subscription, if there is one."""
        kept = await self._save_stubbornly(row)
        if kept is not None and kept.former_id:
            return await self._retire(kept, outcome)
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
        later = replace(row, problem=refusal.problem, not_before=again, refused=refused)
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
        if isinstance(problem, GraphApiError):
            return read_refusal(problem, attempts=row.attempts)
        return Refusal(problem=str(problem), wait=_LEASE, definite=False)


_NO_TROUBLE: Final[Mapping[str, Any]] = {"attempts": 0, "problem": "", "refused": False, "not_before": None}


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
        immutable_ids=declared.immutable_ids,
        notification_query_options=declared.notification_query_options,
        lifetime_minutes=declared.lifetime_minutes,
        former_id=row.former_id if row else "",
        expires=row.expires if row and row.former_id else None,
        digest=digest,
        refused=True,
        attempts=row.attempts if row and row.digest == digest else 0,
        etag=row.etag if row else "",
    )
