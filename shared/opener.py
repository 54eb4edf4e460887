"""Opens the items of an envelope: fetches claim checks and keys, has threads decrypt, and makes each item a change.

The decisions are `shared.opening`'s. An item that needs nothing from outside takes no detour through the event loop.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from shared.change import Change
from shared.declaration import DeclaredSubscription
from shared.envelope import Envelope, Item, Via, read_payload
from shared.errors import DecryptionError, EnvelopeError, GraphApiError, KeysUnavailable, UnknownEncryptionKey
from shared.graph.client_state import ClientStateReader, Delivery
from shared.graph.encrypted_content import EncryptionKey, with_data_key
from shared.graph.notification import ChangeNotification, read_notification
from shared.graph.subscription import id_headers
from shared.intake import Policy
from shared.known_subscriptions import KnownSubscriptions, NothingDeclared
from shared.opening import (
    Opened,
    Recognised,
    Refused,
    Unopenable,
    encrypted_content,
    find_resource,
    key_of,
    open_content,
    recognise,
    routes_for,
    version_of,
    wrapped_key,
)
from shared.oversize import Oversize, PayloadAway
from shared.ports import EncryptionKeys, Graph, Payloads
from shared.routing import Registration, still_owed
from shared.token_check import CheckLater, TokenCheck
from shared.work import Dead, Dropped, Ending, Retry, Work, under_way

_DECRYPT_TOGETHER = 32
_NOT_FOUND = 404
_UNTIL_MENDED = timedelta(minutes=1)

_MINTED_FOR: Final[Mapping[Via, tuple[Delivery, ...]]] = {
    "webhook": ("webhook",),
    "delta": ("webhook",),  # catch-up mints one, whatever its subscription's delivery
    "eventhub": ("eventhub",),
    "redrive": ("webhook", "eventhub"),
}
"""Whose clientState an item may have, by the way it came: what can be read from a hub opens nothing at the webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """What it takes to open items."""

    policy: Policy
    known: KnownSubscriptions
    tokens: TokenCheck
    encryption_keys: EncryptionKeys | None
    payloads: Payloads
    oversize: Oversize
    graph: Graph
    registrations: Sequence[Registration]
    threads: ThreadPoolExecutor

    async def open(self, works: Sequence[Work], envelope: Envelope) -> None:
        """Bring each item to a change with its routes, or to an ending. Raises StorageError only."""
        states = [ClientStateReader(self.policy.client_state_keys, each) for each in _MINTED_FOR[envelope.via]]
        slow = [work for work in works if not self._recognise_at_once(work, states)]
        if slow:
            await asyncio.gather(*(_step(work, self._recognise(work, envelope, states)) for work in slow))
        elsewhere = await self._find_private_keys([work for work in under_way(works) if work.encrypted is not None])
        if elsewhere:
            await asyncio.gather(*(_step(work, _unwrap_elsewhere(work)) for work in elsewhere))
        await self._decrypt([work for work in under_way(works) if work.private_key is not None])
        lacking = [work for work in under_way(works) if not self._make_change(work, envelope)]
        if lacking:
            await asyncio.gather(*(_step(work, self._identify_by_content(work)) for work in lacking))

    def _recognise_at_once(self, work: Work, states: Sequence[ClientStateReader]) -> bool:
        """Recognise an item without waiting for anything: the usual case. False if that takes a look somewhere."""
        if work.item.notification is None or not work.item.checked:
            return False
        try:
            recognised = work.recognised or recognise(work.item.notification, self.policy, states)
            subscription = self.known.recall(recognised.state)
            if subscription is None or _is_oversize(recognised):
                return False
            self._look_inside(work, recognised, subscription)
        except (Refused, Unopenable) as refusal:
            work.endings.append(_ending(refusal, work))
        return True

    async def _recognise(self, work: Work, envelope: Envelope, states: Sequence[ClientStateReader]) -> None:
        raw = work.item.notification
        if raw is None:
            raw = await self._fetch_payload(work.item)
        recognised = work.recognised or recognise(raw, self.policy, states)
        if not work.item.checked and recognised.notification.encrypted:
            await self.tokens.check(
                work.item.validation_tokens, tenant_id=recognised.notification.tenant_id, received=envelope.received
            )
        subscription = await self.known.find(recognised.state)
        if subscription is None:
            raise Refused("not declared any more")
        if _is_oversize(recognised):
            recognised = await self._complete(recognised, envelope)
        self._look_inside(work, recognised, subscription)

    async def _complete(self, recognised: Recognised, envelope: Envelope) -> Recognised:
        """Fetch what no event could hold, now that it is known whose it is."""
        incomplete = recognised.notification
        raw = await self.oversize.complete(
            incomplete.raw, incomplete.additional_payload_storage_id, received=envelope.received
        )
        notification = read_notification(raw)
        if not isinstance(notification, ChangeNotification):
            raise Unopenable("what its blob holds does not make it a change notification")
        return replace(recognised, notification=notification)

    def _look_inside(self, work: Work, recognised: Recognised, subscription: DeclaredSubscription) -> None:
        """Hold an item against its subscription. Raises Refused, Unopenable."""
        tenant_id = subscription.tenant_id or self.policy.home_tenant_id
        if tenant_id and recognised.notification.tenant_id != tenant_id:
            # a clientState of the generation before, when the subscription was declared for another tenant
            raise Refused("not from its subscription's tenant")
        work.opened = Opened(
            notification=recognised.notification,
            subscription=subscription,
            name=recognised.state.name,
            resource=find_resource(recognised, subscription),
        )
        work.encrypted = encrypted_content(recognised)

    async def _fetch_payload(self, item: Item) -> Mapping[str, Any]:
        data = await self.payloads.get(item.payload or "")
        if data is None:
            raise Unopenable("its payload is gone from container 'payloads'")
        try:
            return read_payload(data)
        except EnvelopeError as problem:
            raise Unopenable(str(problem)) from problem

    async def _find_private_keys(self, works: Sequence[Work]) -> list[Work]:
        """Give items their keys; those whose private key somebody else holds."""
        found: dict[str, EncryptionKey | UnknownEncryptionKey | KeysUnavailable] = {}
        elsewhere: list[Work] = []
        for work in works:
            wanted = work.encrypted.certificate_id if work.encrypted else ""
            if wanted not in found:
                found[wanted] = await self._find_private_key(wanted)
            key = found[wanted]
            if not isinstance(key, EncryptionKey):
                work.endings.append(_ending(key, work))
                continue
            work.private_key = key
            if key.unwrap_elsewhere is not None:
                elsewhere.append(work)
        return elsewhere

    async def _find_private_key(self, wanted: str) -> EncryptionKey | UnknownEncryptionKey | KeysUnavailable:
        try:
            key = await self.encryption_keys.find(wanted) if self.encryption_keys else None
        except KeysUnavailable as problem:
            return problem
        return key or UnknownEncryptionKey(wanted)

    async def _decrypt(self, works: Sequence[Work]) -> None:
        """Decrypt in threads, several items a thread: OpenSSL lets go of the interpreter, and a hop costs 0.1 ms."""
        loop = asyncio.get_running_loop()
        groups = [works[start : start + _DECRYPT_TOGETHER] for start in range(0, len(works), _DECRYPT_TOGETHER)]
        for running in [loop.run_in_executor(self.threads, decrypt_all, group) for group in groups]:
            await running

    def _make_change(self, work: Work, envelope: Envelope) -> bool:
        """Make the change and find its handlers; False if only its content, still to be fetched, can identify it."""
        opened = work.opened
        if opened is None:
            return True
        routes = still_owed(routes_for(opened, self.registrations), work.item.owed)
        if not routes:
            work.endings.append(Dropped(why="no handler"))
            return True
        version, deleted = version_of(opened), opened.deleted
        work.routes = routes
        work.change = Change(
            subscription=opened.name,
            tenant_id=opened.notification.tenant_id,
            change_type=opened.notification.change_type,
            resource=opened.resource,
            version=version,
            deleted=deleted,
            received=envelope.received,
            via=envelope.via,
            item_id=work.item.item_id,
            key=key_of(opened, version, deleted=deleted),
            notification=opened.notification.raw,
            content=opened.content,
            _fetch=partial(self._fetch, opened.subscription),
        )
        return bool(version) or deleted or not any(route.registration.content for route in routes)

    async def _identify_by_content(self, work: Work) -> None:
        change, opened = work.change, work.opened
        if change is None or opened is None:
            return
        fetched = replace(opened, content=await change.fetch())
        change.version = version_of(fetched)
        change.deleted = fetched.deleted
        change.key = key_of(fetched, change.version, deleted=change.deleted)

    async def _fetch(self, subscription: DeclaredSubscription, change: Change) -> None:
        """Get a change's resource from Graph, as whoever is subscribed and with ids of the kind that its notification carried.

        404 says that it is gone. Raises GraphApiError for other refusals.
        """
        try:
            change.content = await self.graph.request(
                "GET",
                change.resource.path,
                headers=id_headers(immutable_ids=subscription.immutable_ids) or None,
                tenant_id=change.tenant_id,
                actor=subscription.actor,
            )
            change.fetched = True
        except GraphApiError as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            change.gone = True


def _is_oversize(recognised: Recognised) -> bool:
    """Tell whether part of an item is in a blob: only what came over a hub is ever looked for there."""
    return recognised.delivery == "eventhub" and recognised.notification.additional_payload_storage_id != ""


async def _unwrap_elsewhere(work: Work) -> None:
    """Have an item's data key opened by whoever holds the private key; the rest of decryption happens here."""
    content, key = work.encrypted, work.private_key
    if content is None or key is None or key.unwrap_elsewhere is None:
        return
    wrapped = wrapped_key(content, key)
    try:
        data_key = await key.unwrap_elsewhere(wrapped)
    except ValueError as problem:
        raise Unopenable(str(DecryptionError())) from problem
    work.private_key = with_data_key(key, data_key)


def decrypt_all(works: Sequence[Work]) -> None:
    """Decrypt items one after the other, in a thread of their own."""
    for work in works:
        try:
            if work.opened is not None:
                work.opened.content = open_content(work.encrypted, work.private_key)
        except Unopenable as refusal:
            work.endings.append(_ending(refusal, work))


async def _step(work: Work, step: Awaitable[None]) -> None:
    """Take a step of opening one item and turn its refusal into the item's ending."""
    try:
        await step
    except _REFUSALS as refusal:
        work.endings.append(_ending(refusal, work))


_REFUSALS: Final = (
    Refused,
    Unopenable,
    UnknownEncryptionKey,
    KeysUnavailable,
    CheckLater,
    NothingDeclared,
    PayloadAway,
    GraphApiError,
)


def _ending(refusal: Exception, work: Work) -> Ending:
    owed = work.item.owed
    match refusal:
        case Refused():
            return Dropped(why=f"refused: {refusal}")
        case Unopenable():
            return Dead(reason="cannot be opened", error=str(refusal), owed=owed)
        case CheckLater(after=after) | KeysUnavailable(after=after):
            return Retry(error=str(refusal), owed=owed, after=after, spends=False)
        case PayloadAway(after=after, spends=spends):
            return Retry(error=str(refusal), owed=owed, after=after, spends=spends)
        case NothingDeclared():
            return Retry(error=str(refusal), owed=owed, after=_UNTIL_MENDED, spends=False)
        case _:
            at_least = refusal.retry_after if isinstance(refusal, GraphApiError) else None
            return Retry(error=str(refusal), owed=owed, at_least=at_least)
